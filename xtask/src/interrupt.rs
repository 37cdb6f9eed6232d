//! Ctrl-C, for commands that have started servers.

use anyhow::{Result, bail};
use tokio::signal::unix::{SignalKind, signal};

/// What comes of `run`; an error if Ctrl-C or SIGTERM comes first. What runs is dropped with `run`, and so stops.
pub async fn unless_interrupted<T>(run: impl Future<Output = Result<T>>) -> Result<T> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = run => result,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("interrupted"),
    }
}
