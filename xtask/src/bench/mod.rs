//! `cargo xtask bench`: Spinvote beside what it replaces, beside the limits of its runtime and of its stores, in turns.
//!
//! In the order in which to read:
//! - [`servers`], [`peers`], [`contenders`]: what is measured
//! - [`load`], [`client`], [`usage`], [`cost`]: what measures
//! - [`votes`] and others: one kind of measurement each
//! - [`figures`], [`machine`], [`page`], [`plots`]: what becomes of it

mod bulk;
pub mod client;
mod consumer;
mod contenders;
mod cost;
mod figures;
mod growth;
mod load;
pub mod machine;
mod memory;
mod page;
mod peers;
pub mod plots;
pub mod servers;
mod start;
mod steps;
pub mod usage;
mod visible;
mod votes;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use stack::Runtime;

use self::{
    contenders::Contender,
    figures::{Figures, Results},
    machine::Machine,
    servers::Servers,
};
use crate::{build, interrupt::unless_interrupted, prerequisites, step::step};

#[derive(clap::Args)]
pub struct Options {
    /// What to measure; without it, everything
    kinds: Vec<Kind>,
    /// How often each contender has its turn; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long each load lasts
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Measure only these, separated by commas, and print the figures: bench/results and the page stay as they are
    #[arg(long, value_delimiter = ',')]
    only: Vec<Contender>,
    /// Measure nothing: make docs/performance.md and its plots again, of what bench/results has
    #[arg(long, conflicts_with_all = ["kinds", "only"])]
    report: bool,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// POST /api/vote
    Votes,
    /// GET /api/results
    Results,
    /// POST /api/votes, many votes in each request
    Bulk,
    /// How fast a backlog is counted
    Consumer,
    /// From cast to visible, at steady rates
    Visible,
    /// From start to first answer
    Start,
    /// Memory, and size
    Memory,
    /// With more votes stored, more polls, more options
    Growth,
    /// What each step of a vote costs
    Steps,
}

impl Kind {
    fn id(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    async fn measure(self, bench: &Bench) -> Result<Figures> {
        match self {
            Self::Votes => votes::votes(bench).await,
            Self::Results => votes::results(bench).await,
            Self::Bulk => bulk::bulk(bench).await,
            Self::Consumer => consumer::consumer(bench).await,
            Self::Visible => visible::visible(bench).await,
            Self::Start => start::start(bench).await,
            Self::Memory => memory::memory(bench).await,
            Self::Growth => growth::growth(bench).await,
            Self::Steps => steps::steps(bench).await,
        }
    }
}

pub async fn bench(options: Options) -> Result<()> {
    if options.report {
        return page::write();
    }
    unless_interrupted(run(options)).await
}

async fn run(options: Options) -> Result<()> {
    ensure!(
        options.rounds > 0 && options.seconds > 0,
        "at least one round of one second"
    );
    let contenders = present(&options.only)?;
    prepare(&contenders).await?;
    let servers = step("Start Redis and PostgreSQL", async |_| {
        Servers::start().await
    })
    .await?;
    let versions = machine::versions(&servers, &contenders)?;
    let bench = Bench {
        servers,
        contenders,
        rounds: options.rounds,
        seconds: options.seconds,
    };
    let kinds = match &options.kinds[..] {
        [] => Kind::value_variants(),
        named => named,
    };
    for kind in kinds {
        let results = Results {
            figures: kind.measure(&bench).await?,
            machine: Machine::this()?,
            versions: versions.clone(),
            date: machine::date()?,
            commit: machine::commit()?,
            seconds: bench.seconds,
        };
        for table in page::tables(*kind, &results.figures) {
            println!("\n{table}");
        }
        if options.only.is_empty() {
            results.write(*kind)?;
        }
    }
    if options.only.is_empty() {
        page::write()?;
    }
    Ok(())
}

/// The contenders that can run here: without a Spin on PATH, none on it.
fn present(only: &[Contender]) -> Result<Vec<Contender>> {
    let has_spin = Runtime::spin_is_on_path();
    let on_spin = |contender: &Contender| contender.runtime() == Some(Runtime::Spin);
    ensure!(
        has_spin || !only.iter().any(on_spin),
        "there is no Spin 4.1 or later on PATH"
    );
    if !has_spin {
        eprintln!(
            "warning: there is no Spin 4.1 or later on PATH, so only host/ runs the components"
        );
    }
    Ok(Contender::value_variants()
        .iter()
        .copied()
        .filter(|contender| only.is_empty() || only.contains(contender))
        .filter(|contender| has_spin || !on_spin(contender))
        .collect())
}

async fn prepare(contenders: &[Contender]) -> Result<()> {
    prerequisites::wasm_target().await?;
    prerequisites::stores().await?;
    prerequisites::wrk().await?;
    build::components().await?;
    build::host().await?;
    peers::prepare(contenders).await
}

/// What all measurements share.
struct Bench {
    servers: Servers,
    contenders: Vec<Contender>,
    rounds: usize,
    seconds: u64,
}

impl Bench {
    /// How long each load lasts.
    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Those of the contenders that can be measured so.
    fn contenders(&self, fit: impl Fn(Contender) -> bool) -> Vec<Contender> {
        let contenders = self.contenders.iter().copied();
        contenders.filter(|contender| fit(*contender)).collect()
    }

    /// Gives each contender its turn, round by round, on stores that are empty: so what slows the machine for a while
    /// slows all of them.
    async fn turns(
        &self,
        kind: &str,
        contenders: &[Contender],
        mut turn: impl AsyncFnMut(Contender) -> Result<()>,
    ) -> Result<()> {
        for round in 1..=self.rounds {
            for contender in contenders {
                let title = contender.title();
                step(
                    format!("{kind} {round}/{}, {title}", self.rounds),
                    async |_| {
                        self.servers.empty()?;
                        turn(*contender).await
                    },
                )
                .await
                .with_context(|| title.to_owned())?;
            }
        }
        Ok(())
    }
}
