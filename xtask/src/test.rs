//! `cargo xtask test`: everything that is checked before a change is taken.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use stack::{build::packages, manifest::Manifest};

use crate::{
    build::{self, cargo},
    prerequisites,
    step::step,
};

pub async fn test(filters: &[String]) -> Result<()> {
    prerequisites::wasm_target().await?;
    prerequisites::lints().await?;
    prerequisites::stores().await?;
    prerequisites::promtool().await?;
    prerequisites::browser().await?;

    step("Check the format", async |step| {
        step.run(cargo(&["fmt", "--all", "--check"])).await
    })
    .await?;
    step("Lint what runs natively", async |step| {
        step.run(cargo(&["clippy", "--all-targets", "--", "-D", "warnings"]))
            .await
    })
    .await?;
    step("Lint the components", async |step| {
        let mut clippy = cargo(&[
            "clippy",
            "--release",
            "--target",
            prerequisites::WASM_TARGET,
        ]);
        clippy.args(
            packages(&Manifest::read()?)
                .iter()
                .flat_map(|package| ["--package", package]),
        );
        clippy
            .args(["--", "-D", "warnings"])
            .env("CARGO_TARGET_DIR", stack::checkout::root().join("target"));
        step.run(clippy).await
    })
    .await?;
    build::components().await?;
    build::host().await?;
    step("Build the tests", async |step| {
        step.run(cargo(&["test", "--no-run"])).await
    })
    .await?;

    // Like the runtime's build, these select the default members: see `build::host`.
    if filters.is_empty() {
        pass(cargo(&["test", "--lib", "--bins"]), "the unit tests")?;
        pass(
            cargo(&["test", "--doc"]),
            "the examples in the documentation",
        )?;
    }
    let mut end_to_end = cargo(&["test", "--no-fail-fast", "--test", "*"]);
    end_to_end.arg("--").args(filters);
    pass(end_to_end, "the end-to-end tests")
}

/// Runs tests, which speak for themselves.
fn pass(mut command: Command, what: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("could not run {what}"))?;
    ensure!(status.success(), "{what} failed");
    Ok(())
}
