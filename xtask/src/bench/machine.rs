//! What it is measured on, and with what.

use std::{collections::BTreeMap, fs, process::Command, thread};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use stack::{checkout, redis};

use super::{
    contenders::Contender,
    peers,
    servers::{Servers, succeed},
};
use crate::cargo::cargo;

#[derive(Clone, Serialize, Deserialize)]
pub struct Machine {
    pub cpu: String,
    pub cores: usize,
    pub memory_gib: u64,
    pub system: String,
}

impl Machine {
    pub fn this() -> Result<Self> {
        let read = |file: &str| fs::read_to_string(file).with_context(|| file.to_owned());
        let value = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let cpu = value(&read("/proc/cpuinfo")?, "model name").unwrap_or_default();
        let kilobytes = value(&read("/proc/meminfo")?, "MemTotal").unwrap_or_default();
        let kilobytes: u64 = kilobytes.trim_end_matches(" kB").parse().unwrap_or(0);
        Ok(Self {
            cpu,
            cores: thread::available_parallelism()?.get(),
            memory_gib: (kilobytes + (1 << 19)) >> 20,
            system: succeed(Command::new("uname").args(["-s", "-m", "-r"]))?,
        })
    }
}

/// Of all that takes part.
pub fn versions(servers: &Servers, contenders: &[Contender]) -> Result<BTreeMap<String, String>> {
    let mut versions = BTreeMap::new();
    // "Redis server v=7.0.15 sha=…"
    let redis = succeed(Command::new(redis::find()?).arg("--version"))?;
    let redis = redis.split_once("v=").map_or("", |(_, rest)| rest);
    versions.insert("redis".to_owned(), first_word(redis));
    versions.insert(
        "postgresql".to_owned(),
        first_word(&servers.sql("show server_version")?),
    );
    versions.insert(
        "rustc".to_owned(),
        second_word(&succeed(Command::new("rustc").arg("--version"))?),
    );
    // wrk says its version, and ends with 1.
    let wrk = Command::new("wrk").arg("--version").output()?;
    versions.insert(
        "wrk".to_owned(),
        second_word(&String::from_utf8_lossy(&wrk.stdout)),
    );
    if contenders.iter().any(|it| it.id().ends_with("-spin")) {
        versions.insert(
            "spin".to_owned(),
            second_word(&succeed(Command::new("spin").arg("--version"))?),
        );
    }
    versions.insert(
        "python".to_owned(),
        second_word(&succeed(Command::new("python3").arg("--version"))?),
    );
    versions.extend(peers::packages()?);
    for package in ["axum", "redis@0.32", "spin-sdk", "wasmtime"] {
        // "…#axum@0.8.9"
        let id = succeed(cargo(&["pkgid", "--package", package]).env_remove("CARGO_TARGET_DIR"));
        if let Some((name, version)) = id
            .ok()
            .as_deref()
            .and_then(|id| id.rsplit_once('#')?.1.split_once('@'))
        {
            versions.insert(format!("{name} (crate)"), version.to_owned());
        }
    }
    Ok(versions)
}

/// The last commit, with a `+` if something differs from it that is measured.
pub fn commit() -> Result<String> {
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.current_dir(checkout::root()).args(arguments);
        succeed(&mut git)
    };
    let changes = git(&[
        "status",
        "--porcelain",
        "--",
        ".",
        ":!bench/results",
        ":!docs",
    ])?;
    let mark = if changes.is_empty() { "" } else { "+" };
    Ok(git(&["rev-parse", "--short", "HEAD"])? + mark)
}

/// In UTC.
pub fn date() -> Result<String> {
    succeed(Command::new("date").args(["-u", "+%Y-%m-%d"]))
}

fn first_word(text: &str) -> String {
    text.split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned()
}

fn second_word(text: &str) -> String {
    text.split_whitespace()
        .nth(1)
        .unwrap_or_default()
        .to_owned()
}
