//! `cargo xtask chaos`: the fault suite, for as long and with as many seeds as wanted, and with bugs to find.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result, bail, ensure};

use crate::{build, cargo::cargo, interrupt::unless_interrupted, prerequisites, step::step};

/// The file of the test, the test, and the variables that it reads.
const TEST: &str = "chaos";
const EVERY_VOTE: &str = "every_vote";
const SEED: &str = "SPINVOTE_CHAOS_SEED";
const SECONDS: &str = "SPINVOTE_CHAOS_SECONDS";
const VOTES: &str = "SPINVOTE_CHAOS_VOTES";

#[derive(clap::Args)]
pub struct Options {
    /// The first seed: it gives the order of the faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How long clients vote under each seed, at least
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// How many votes are cast under each seed, at least
    #[arg(long, value_name = "N", default_value_t = 0)]
    votes: u64,
    /// How many seeds to run, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Plants a bug of tests/planted in this checkout, runs until it is caught, and takes it out again; that none of
    /// the seeds has caught it is an error
    #[arg(long, value_name = "BUG")]
    planted: Option<String>,
}

pub async fn chaos(options: Options) -> Result<()> {
    unless_interrupted(run(options)).await
}

async fn run(options: Options) -> Result<()> {
    prerequisites::wasm_target().await?;
    prerequisites::stores().await?;
    let planted = options.planted.as_deref().map(Bug::plant).transpose()?;
    build::components().await?;
    build::host().await?;
    step("Build the fault suite", async |step| {
        step.run(cargo(&["test", "--no-run", "--test", TEST])).await
    })
    .await?;

    let mut failed = Vec::new();
    for seed in (options.seed..).take(usize::try_from(options.seeds)?) {
        let mut run = cargo(&["test", "--quiet", "--test", TEST]);
        run.args(["--", "--nocapture", EVERY_VOTE]);
        run.env(SEED, seed.to_string())
            .env(VOTES, options.votes.to_string())
            .env(SECONDS, (options.minutes * 60).to_string());
        let mut run = tokio::process::Command::from(run);
        let status = run.kill_on_drop(true).status().await;
        if !status.context("could not run the fault suite")?.success() {
            failed.push(seed.to_string());
            if planted.is_some() {
                break;
            }
        }
    }
    match (options.planted, failed.first()) {
        (Some(bug), Some(seed)) => eprintln!("{bug} was caught with seed {seed}"),
        (Some(bug), None) => bail!("{bug} was not caught with {} seeds", options.seeds),
        (None, Some(_)) => bail!(
            "broken promises, or faults that did not bite, with seed {}",
            failed.join(", ")
        ),
        (None, None) => {}
    }
    Ok(())
}

/// A bug that is in the checkout until this is dropped.
struct Bug(PathBuf);

impl Bug {
    fn plant(name: &str) -> Result<Self> {
        let patch = PathBuf::from(format!("tests/planted/{name}.patch"));
        ensure!(
            stack::checkout::root().join(&patch).exists(),
            "there is no {}; the bugs are in tests/planted",
            patch.display()
        );
        let planted = apply(&patch, &[])?;
        ensure!(planted, "{} does not apply", patch.display());
        Ok(Self(patch))
    }
}

impl Drop for Bug {
    fn drop(&mut self) {
        if !apply(&self.0, &["--reverse"]).is_ok_and(|done| done) {
            eprintln!("the bug is still there: git apply -R {}", self.0.display());
        }
    }
}

fn apply(patch: &PathBuf, options: &[&str]) -> Result<bool> {
    let mut git = Command::new("git");
    git.arg("apply").args(options).arg(patch);
    git.current_dir(stack::checkout::root());
    Ok(git.status().context("could not run git")?.success())
}
