//! `cargo xtask soak`: a whole Spinvote with everything on, for a long time, and what becomes of its memory, its
//! connections and its files; with `--backlog`, more votes than Redis has room for while nobody counts.
//!
//! In the order in which to read:
//! - [`client`], [`ledger`]: requests, and what became of them
//! - [`load`]: who asks for what, and how often
//! - [`samples`], [`trend`]: what the processes use, and whether that grows
//! - [`steady`], [`backlog`]: the two runs
//! - [`report`], [`page`], [`plot`]: what becomes of it

mod backlog;
mod client;
mod ledger;
mod load;
mod page;
mod plot;
mod report;
mod samples;
mod steady;
mod stores;
mod trend;

use std::process::ExitCode;

use anyhow::{Result, ensure};
use stack::Runtime;

use crate::{build, interrupt::unless_interrupted, prerequisites};

#[derive(clap::Args)]
pub struct Options {
    /// How long the load lasts; with --backlog, how long nobody counts
    #[arg(long, default_value_t = 60.0)]
    minutes: f64,
    /// Votes a second; with --backlog they come as fast as they are answered
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Cast votes while nobody counts, until Redis has no more room and after that, and then let them be counted
    #[arg(long)]
    backlog: bool,
    /// With --backlog: how much memory Redis may use, in MB
    #[arg(long, default_value_t = 512, requires = "backlog")]
    maxmemory: u64,
    /// Build nothing: run what is built
    #[arg(long)]
    built: bool,
    /// Print the verdict only: bench/results and the page stay as they are
    #[arg(long)]
    dry: bool,
    /// Run nothing: make docs/soak.md and its plots again, of what bench/results has
    #[arg(long)]
    report: bool,
}

pub async fn soak(options: Options) -> Result<ExitCode> {
    if options.report {
        page::write()?;
        return Ok(ExitCode::SUCCESS);
    }
    unless_interrupted(run(options)).await
}

async fn run(options: Options) -> Result<ExitCode> {
    ensure!(
        options.minutes > 0.0 && options.rate > 0,
        "some minutes, and some votes a second"
    );
    let runtime = Runtime::choose()?;
    if !options.built {
        prerequisites::wasm_target().await?;
        prerequisites::stores().await?;
        build::components().await?;
        if runtime == Runtime::Host {
            build::host().await?;
        }
    }
    let report = if options.backlog {
        backlog::run(&options, runtime).await?
    } else {
        steady::run(&options, runtime).await?
    };
    print!("{}", page::text(&report));
    if !options.dry {
        report.write()?;
        page::write()?;
    }
    Ok(if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
