//! Runs this repository's `spin.toml` as Spin would, where the Spin CLI is not installed: for
//! development and tests. It is no Spin: what the manifest asks and it lacks is an error at the start
//! that names it, and it is meant to be as strict as Spin is, so that what passes here passes there.
//!
//! In the order in which to read:
//! - [`manifest`]: what spin.toml says; [`variables`]: what its templates become
//! - [`app`]: the components, compiled and linked; [`sandbox`]: what a component may
//!   know and reach; [`instance`]: what belongs to one instance
//! - [`compose`]: a component and its dependencies, made one
//! - [`outbound`], [`redis`], [`postgres`], [`chaining`]: what a component may reach
//! - [`http`], [`subscriber`]: the triggers, which call the components

mod app;
mod bindings;
mod chaining;
mod compose;
mod http;
mod instance;
mod outbound;
mod postgres;
mod redis;
mod sandbox;
mod subscriber;
mod variables;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use manifest::Manifest;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::app::App;

/// The largest reply of Redis, and the largest row of PostgreSQL, that Spin passes on, in bytes.
const MAX_HOST_BUFFERED_BYTES: usize = 128 << 20;

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// Named like the Spin CLI's, so that either can take the other's place.
#[derive(Subcommand)]
enum Command {
    /// Runs the application until it is stopped
    Up {
        /// The manifest
        #[arg(long, default_value = "spin.toml")]
        from: PathBuf,
        /// The address to serve HTTP on
        #[arg(long, default_value = "127.0.0.1:3000")]
        listen: SocketAddr,
        /// Run this component only; may be given more than once
        #[arg(long)]
        component_id: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let Command::Up {
        from,
        listen,
        component_id,
    } = Cli::parse().command;

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = up(from, listen, component_id) => return result,
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    // At once, as Spin does: nothing that is in flight is waited for, nor told of.
    std::process::exit(0)
}

/// Runs all triggers, until one of them fails: the others end with it.
async fn up(from: PathBuf, listen: SocketAddr, only: Vec<String>) -> Result<()> {
    let mut manifest = Manifest::read(&from)?;
    manifest.retain(&only)?;
    let triggers = std::mem::take(&mut manifest.triggers);
    let app = Arc::new(App::load(manifest, &from).await?);

    let subscribers = subscriber::subscribe(&app, triggers.redis).await?;
    let server = match triggers.http {
        triggers if triggers.is_empty() => None,
        triggers => Some(http::Server::bind(&app, triggers, listen).await?),
    };
    if server.is_none() && subscribers.is_empty() {
        bail!("{} has no trigger to run", from.display());
    }
    tokio::select! {
        result = subscriber::run(subscribers) => result,
        result = http::run(server) => result,
    }
    .context("a trigger exited unexpectedly")
}
