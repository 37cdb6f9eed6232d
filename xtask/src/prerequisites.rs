//! Finds what running and testing need, and installs what is missing where it may.

use std::{path::Path, process::Command};

use anyhow::{Context, Result, bail, ensure};
use stack::{postgres::Binaries, redis};

use crate::step::step;

/// What the components are compiled to.
pub const WASM_TARGET: &str = "wasm32-wasip2";

/// The standard library for WebAssembly, by rustup.
pub async fn wasm_target() -> Result<()> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output()
        .context("could not run rustc")?;
    let libraries = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    step(format!("Install the target {WASM_TARGET}"), async |step| {
        step.run(rustup(&["target", "add", WASM_TARGET])).await.with_context(|| {
            format!("Rust's target {WASM_TARGET} is missing; `rustup target add {WASM_TARGET}` installs it")
        })
    })
    .await
}

/// rustfmt and clippy, by rustup.
pub async fn lints() -> Result<()> {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let found = crate::build::cargo(&[command, "--version"]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            step(format!("Install {component}"), async |step| {
                step.run(rustup(&["component", "add", component])).await
            })
            .await?;
        }
    }
    Ok(())
}

fn rustup(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(arguments);
    command
}

/// Redis and PostgreSQL, by apt if we may use it.
pub async fn stores() -> Result<()> {
    let missing = missing_stores();
    let packages: Vec<_> = missing.iter().map(|(package, _)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let Some(mut install) = apt() else {
        let reasons: Vec<_> = missing.iter().map(|(_, reason)| reason.as_str()).collect();
        bail!(
            "{}.\nInstall what is missing, then run this again:\n{}",
            reasons.join("; "),
            advice(&packages)
        );
    };
    install.args(&packages);
    step(
        format!("Install {}", packages.join(" and ")),
        async |step| step.run(install).await,
    )
    .await
    .with_context(|| {
        format!(
            "these could not be installed; by hand it is\n{}",
            advice(&packages)
        )
    })?;

    let missing = missing_stores();
    ensure!(
        missing.is_empty(),
        "{}",
        missing
            .iter()
            .map(|(_, reason)| reason.as_str())
            .collect::<Vec<_>>()
            .join("; ")
    );
    Ok(())
}

/// promtool, which the tests of the alerts ask, by apt if we may use it; they are skipped without it.
pub async fn promtool() -> Result<()> {
    let found = Command::new("promtool").arg("--version").output();
    if found.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    let Some(mut install) = apt() else {
        return Ok(());
    };
    install.arg("prometheus");
    step("Install prometheus", async |step| step.run(install).await)
        .await
        .context("by hand it is `apt-get install prometheus`")
}

/// Debian's package, and why it is needed, of each store that is not there.
fn missing_stores() -> Vec<(&'static str, String)> {
    let redis = redis::find()
        .err()
        .map(|error| ("redis-server", error.to_string()));
    let postgres = Binaries::find(None)
        .err()
        .map(|error| ("postgresql", error.to_string()));
    redis.into_iter().chain(postgres).collect()
}

/// What installs Debian packages here, given their names; none if we may not, or have no apt.
fn apt() -> Option<Command> {
    let succeeds = |program: &str, arguments: &[&str]| {
        Command::new(program)
            .args(arguments)
            .output()
            .is_ok_and(|output| output.status.success())
    };
    if !succeeds("apt-get", &["--version"]) {
        return None;
    }
    let mut command = if stack::process::is_root() {
        Command::new("sh")
    } else if succeeds("sudo", &["-n", "true"]) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh"]);
        sudo
    } else {
        return None;
    };
    command.args(["-c", include_str!("install-debian.sh"), "install-debian.sh"]);
    Some(command)
}

fn advice(packages: &[&str]) -> String {
    let on = |names: [&str; 2]| {
        let wanted = ["redis-server", "postgresql"].into_iter().zip(names);
        let names: Vec<_> = wanted
            .filter(|(package, _)| packages.contains(package))
            .map(|(_, name)| name)
            .collect();
        names.join(" ")
    };
    format!(
        "  Debian, Ubuntu:  sudo apt-get install {}\n  \
           Fedora:          sudo dnf install {}\n  \
           Homebrew:        brew install {}",
        on(["redis-server", "postgresql"]),
        on(["redis", "postgresql-server"]),
        on(["redis", "postgresql@17"]),
    )
}
