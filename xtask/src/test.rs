//! `cargo xtask test`: everything that is checked before a change is taken.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::{build, cargo::cargo, check, deny, prerequisites, step::step};

/// Where the Spinvote is that the tests `http` ask, if not in this checkout.
const URL: &str = "SPINVOTE_URL";

#[derive(clap::Args)]
pub struct Options {
    /// Run only these end-to-end tests: a file of tests/tests or tests/cluster/tests, without its `.rs`
    ///
    /// `http` knows nothing but HTTP: with SPINVOTE_URL set it asks the Spinvote there, on a cluster for
    /// example, and casts some forty votes. Without, and all others, start their own.
    #[arg(long, value_name = "FILE")]
    only: Option<String>,
    /// Run only the end-to-end tests whose names contain one of these
    filters: Vec<String>,
}

pub async fn test(options: Options) -> Result<()> {
    let only = options.only.as_deref();
    let elsewhere = only == Some("http") && std::env::var_os(URL).is_some();
    prerequisites::tls().await?;
    if !elsewhere {
        prepare().await?;
    }
    if only.is_none() {
        check::lint().await?;
        deny::deny().await?;
    }
    if !elsewhere {
        build::components().await?;
        build::unruly_policy().await?;
        build::host().await?;
    }
    let target = only.unwrap_or("*");
    step("Build the tests", async |step| {
        let which: &[_] = if only.is_some() {
            &["--test", target]
        } else {
            &[]
        };
        step.run(cargo(&[&["test", "--no-run"], which].concat()))
            .await
    })
    .await?;

    // Like the runtime's build, these select the default members: see `build::host`.
    if only.is_none() && options.filters.is_empty() {
        check::unit_tests().await?;
        pass(
            cargo(&["test", "--doc"]),
            "the examples in the documentation",
        )?;
    }
    let mut end_to_end = cargo(&["test", "--no-fail-fast", "--test", target]);
    end_to_end.arg("--").args(options.filters);
    if !elsewhere {
        end_to_end.env_remove(URL);
    }
    pass(end_to_end, "the end-to-end tests")
}

/// What all tests that start something need.
async fn prepare() -> Result<()> {
    prerequisites::wasm_target().await?;
    prerequisites::lints().await?;
    prerequisites::stores().await?;
    prerequisites::promtool().await?;
    prerequisites::schemathesis().await?;
    prerequisites::browser().await
}

/// Runs tests, which speak for themselves.
fn pass(mut command: Command, what: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("could not run {what}"))?;
    ensure!(status.success(), "{what} failed");
    Ok(())
}
