//! `cargo xtask …`: what is done with this checkout. Each command has a file of its own.

mod bench;
mod bound;
mod build;
mod cargo;
mod cast;
mod cell;
mod chaos;
mod check;
mod curl;
mod dead_letters;
mod deny;
mod fuzz;
mod generated;
mod instance;
mod interrupt;
mod k8s;
mod poll;
mod prerequisites;
mod psql;
mod recount;
mod recover;
mod soak;
mod step;
mod stream;
mod supervise;
mod test;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "Runs, builds and tests Spinvote"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Set up what is missing, and run Spinvote with a Redis and a PostgreSQL of its own, until Ctrl-C
    Up(up::Options),
    /// Build the components and the local runtime
    Build,
    /// Print the addresses of the running instance, for `eval "$(cargo xtask env)"`
    Env,
    /// Hold the tallies against the audit log; exit with 1 if they disagree
    ///
    /// Asks the database of DATABASE_URL if that is set, else the running instance.
    Recount {
        /// Set the tallies that differ to what the audit log says
        #[arg(long)]
        repair: bool,
    },
    /// See, put back or drop what is in the stream and is no vote
    ///
    /// Works on the Redis of REDIS_URL if that is set, else on the running instance's.
    DeadLetters(dead_letters::Options),
    /// After PostgreSQL was restored to an earlier time, or made anew: count again what the stream still holds, each once
    ///
    /// Works on REDIS_URL and DATABASE_URL if these are set, else on the running instance. Takes the polls that PostgreSQL
    /// lacks, or has as they were, from Redis, and has the consumers read the stream from its beginning.
    Recover(recover::Options),
    /// Create, list and close polls, and take the audit log away
    Poll(poll::Options),
    /// Cast the votes of a file, one on each line; run again, it counts none twice
    Cast(cast::Options),
    /// Give a policy bounds: on the steps that it takes for a ballot, and on its memory
    Bound(bound::Options),
    /// Prepare what the manifests in k8s/ need
    #[command(subcommand)]
    K8s(k8s::Command),
    /// Measure Spinvote beside what it replaces and beside its limits; write bench/results and docs/performance.md
    Bench(bench::Options),
    /// Run a whole Spinvote under load for long; say whether it grows, and write bench/results and docs/soak.md
    Soak(soak::Options),
    /// Look for input that a parser mishandles, with cargo-fuzz: docs/fuzzing.md
    Fuzz(fuzz::Options),
    /// Check the format, lint, run the unit tests and build the components: for after each edit
    Check,
    /// Cast votes while everything fails, and see that each counts as its client was told
    ///
    /// The same seed gives the same faults in the same order. docs/faults.md says what is promised.
    Chaos(chaos::Options),
    /// Check the format, lint, and run all tests
    Test(test::Options),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(Arguments::parse().command).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(options) => up::up(options).await?,
        Command::Build => {
            prerequisites::wasm_target().await?;
            build::components().await?;
            build::host().await?;
        }
        Command::Env => print!("{}", instance::addresses()?),
        Command::Recount { repair } => return recount::recount(repair),
        Command::DeadLetters(options) => return dead_letters::dead_letters(options),
        Command::Recover(options) => recover::recover(&options)?,
        Command::Poll(options) => poll::poll(options)?,
        Command::Cast(options) => return cast::cast(options),
        Command::Bound(options) => bound::bound(options)?,
        Command::K8s(command) => k8s::k8s(command)?,
        Command::Bench(options) => bench::bench(options).await?,
        Command::Soak(options) => return soak::soak(options).await,
        Command::Fuzz(options) => fuzz::fuzz(options).await?,
        Command::Check => check::check().await?,
        Command::Chaos(options) => chaos::chaos(options).await?,
        Command::Test(options) => test::test(options).await?,
    }
    Ok(ExitCode::SUCCESS)
}
