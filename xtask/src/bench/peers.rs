//! The peers in bench/peers: how they are made, and how they run.

use std::{fs, path::PathBuf, process::Command};

use anyhow::{Context, Result, bail};
use stack::checkout;

use super::{contenders::Contender, servers::Servers};
use crate::{cargo::cargo, prerequisites, step::step};

/// The list in Redis that the Flask peer pushes to.
pub const LIST: &str = "votes";

/// Of a peer's source.
pub fn directory(peer: &str) -> PathBuf {
    checkout::root().join("bench/peers").join(peer)
}

/// Where a peer in Python has its packages.
pub fn environment(peer: &str) -> PathBuf {
    checkout::target().join("bench-peers").join(peer)
}

pub fn axum() -> PathBuf {
    checkout::root().join("target/release/axum-peer")
}

/// Makes what the contenders need.
pub async fn prepare(contenders: &[Contender]) -> Result<()> {
    if contenders.iter().any(|it| it.runtime().is_some()) {
        step("Build the handlers", async |step| {
            let arguments = ["build", "--release", "--target", prerequisites::WASM_TARGET];
            let handlers = ["--package", "empty-handler", "--package", "append-handler"];
            let mut build = cargo(&[&arguments[..], &handlers].concat());
            build.env("CARGO_TARGET_DIR", checkout::root().join("target"));
            step.run(build).await
        })
        .await?;
    }
    if contenders.contains(&Contender::Axum) {
        step("Build the axum peer", async |step| {
            let mut build = cargo(&["build", "--release", "--package", "axum-peer"]);
            build.env("CARGO_TARGET_DIR", checkout::root().join("target"));
            step.run(build).await
        })
        .await?;
    }
    for peer in ["fastapi", "flask"] {
        let named = |it: &Contender| it.id().starts_with(peer);
        if contenders.iter().any(named) {
            let pinned = directory(peer).join("requirements.txt");
            prerequisites::python(peer, &environment(peer), &pinned, &[]).await?;
        }
    }
    Ok(())
}

/// What serves as this peer on a port.
pub fn command(peer: Contender, port: u16, servers: &Servers) -> Result<Command> {
    let bind = format!("127.0.0.1:{port}");
    let mut command = match peer {
        Contender::FastApi1 | Contender::FastApi2 => {
            let workers = if peer == Contender::FastApi1 {
                "1"
            } else {
                "2"
            };
            let mut command = python("fastapi", "uvicorn");
            command
                .args(["app:app", "--port", &port.to_string(), "--workers", workers])
                .args(["--loop", "uvloop", "--http", "httptools"])
                .args(["--no-access-log", "--log-level", "warning"]);
            command
        }
        Contender::FlaskSync | Contender::FlaskThreads => {
            let mut command = python("flask", "gunicorn");
            command.args(["app:app", "--workers", "4", "--bind", &bind]);
            if peer == Contender::FlaskThreads {
                command.args(["--worker-class", "gthread", "--threads", "4"]);
            }
            command
        }
        Contender::Axum => {
            let mut command = Command::new(axum());
            command.env("LISTEN", &bind);
            command
        }
        _ => bail!("{} is no peer", peer.title()),
    };
    share(&mut command, servers)?;
    Ok(command)
}

/// What counts the votes of this peer.
pub fn consumer(peer: Contender, name: &str, servers: &Servers) -> Result<Command> {
    let (peer, program) = match peer {
        Contender::FastApi1 | Contender::FastApi2 => ("fastapi", "consumer.py"),
        Contender::FlaskSync | Contender::FlaskThreads => ("flask", "worker.py"),
        _ => bail!("{} counts nothing", peer.title()),
    };
    let mut command = python(peer, "python");
    command.args([program, name]);
    share(&mut command, servers)?;
    Ok(command)
}

fn python(peer: &str, program: &str) -> Command {
    let mut command = Command::new(environment(peer).join("bin").join(program));
    command
        .current_dir(directory(peer))
        .env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

fn share(command: &mut Command, servers: &Servers) -> Result<()> {
    command
        .env("STREAM", checkout::manifest()?.default("stream")?)
        .env("LIST", LIST)
        .envs(servers.addresses());
    Ok(())
}

/// The packages of both peers in Python, with their versions.
pub fn packages() -> Result<Vec<(String, String)>> {
    let mut packages = Vec::new();
    for peer in ["fastapi", "flask"] {
        let pinned = fs::read_to_string(directory(peer).join("requirements.txt"))
            .context("could not read the requirements of a peer")?;
        let pairs = pinned.lines().filter_map(|line| line.split_once("=="));
        packages.extend(pairs.map(|(name, version)| (name.to_owned(), version.to_owned())));
    }
    Ok(packages)
}
