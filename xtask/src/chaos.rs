//! `cargo xtask chaos`: the fault suite, for as long and with as many seeds as wanted.

use anyhow::{Context, Result, ensure};

use crate::{build, cargo::cargo, prerequisites, step::step};

/// The test, and the variables that it reads.
const TEST: &str = "chaos";
const SEED: &str = "SPINVOTE_CHAOS_SEED";
const SECONDS: &str = "SPINVOTE_CHAOS_SECONDS";

#[derive(clap::Args)]
pub struct Options {
    /// The first seed: it gives the order of the faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// How long clients vote under each seed
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// How many seeds to run, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
}

pub async fn chaos(options: Options) -> Result<()> {
    prerequisites::wasm_target().await?;
    prerequisites::stores().await?;
    build::components().await?;
    build::host().await?;
    step("Build the fault suite", async |step| {
        step.run(cargo(&["test", "--no-run", "--test", TEST])).await
    })
    .await?;

    let mut failed = Vec::new();
    for seed in (options.seed..).take(usize::try_from(options.seeds)?) {
        let mut run = cargo(&[
            "test",
            "--quiet",
            "--test",
            TEST,
            "--",
            "--ignored",
            "--nocapture",
        ]);
        run.env(SEED, seed.to_string())
            .env(SECONDS, (options.minutes * 60).to_string());
        let status = run.status().context("could not run the fault suite")?;
        if !status.success() {
            failed.push(seed.to_string());
        }
    }
    ensure!(
        failed.is_empty(),
        "broken promises, or faults that did not bite, with seed {}",
        failed.join(", ")
    );
    Ok(())
}
