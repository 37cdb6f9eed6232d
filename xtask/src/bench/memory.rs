//! What takes votes takes itself: memory, idle and loaded, and space on the disk.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result};
use stack::checkout;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::{
    Bench,
    contenders::Contender,
    figures::Figures,
    load::{Load, Request},
    peers,
};

/// Spin drops instances that were idle for a second.
const UNTIL_IDLE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub async fn memory(bench: &Bench) -> Result<Figures> {
    let mut figures = Figures::default();
    let contenders = bench.contenders(Contender::is_service);
    bench
        .turns("memory", &contenders, async |contender| {
            let mut running = contender.start(&bench.servers).await?;
            sleep(UNTIL_IDLE).await;
            figures.add(contender, "idle", "MB", megabytes(running.memory()?));

            let mut most = 0;
            let mut clock = interval(LOOK_EVERY);
            clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let load = Load::run(running.address, Request::Vote, 32, bench.time());
            tokio::pin!(load);
            loop {
                tokio::select! {
                    done = &mut load => { done?; break }
                    _ = clock.tick() => most = most.max(running.memory()?),
                }
            }
            figures.add(contender, "loaded", "MB", megabytes(most));
            figures.add(contender, "artefact", "MB", megabytes(artefact(contender)?));
            running.ensure_alive()
        })
        .await?;
    Ok(figures)
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

/// What is delivered, without what it runs on: the runtime of components, or Python.
fn artefact(contender: Contender) -> Result<u64> {
    let wasm = |name: &str| {
        checkout::root()
            .join("target/wasm32-wasip2/release")
            .join(name)
            .with_extension("wasm")
    };
    match contender {
        Contender::SpinvoteSpin | Contender::SpinvoteHost => {
            let packages = stack::build::packages(&checkout::manifest()?);
            packages.iter().map(|package| size(&wasm(package))).sum()
        }
        Contender::EmptySpin | Contender::EmptyHost => size(&wasm("empty_handler")),
        Contender::FastApi1 | Contender::FastApi2 => {
            size(&peers::environment("fastapi").join("lib"))
        }
        Contender::FlaskSync | Contender::FlaskThreads => {
            size(&peers::environment("flask").join("lib"))
        }
        Contender::Axum => size(&peers::axum()),
        // They are not measured.
        Contender::AppendSpin | Contender::AppendHost | Contender::Stores => Ok(0),
    }
}

/// Of a file, or of all files in a directory, but for what only installs others.
fn size(path: &Path) -> Result<u64> {
    let about = || format!("could not read {}", path.display());
    let metadata = fs::symlink_metadata(path).with_context(about)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut sum = 0;
    for entry in fs::read_dir(path).with_context(about)? {
        let entry = entry?.path();
        let name = entry.file_name().unwrap_or_default().to_string_lossy();
        let installs = ["pip", "setuptools"]
            .iter()
            .any(|it| name == *it || name.starts_with(&format!("{it}-")));
        if !installs && name != "__pycache__" {
            sum += size(&entry)?;
        }
    }
    Ok(sum)
}
