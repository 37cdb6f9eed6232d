//! `cargo xtask check`: what one wants to know after each edit. `cargo xtask test` begins with the same steps.

use anyhow::Result;
use stack::{build::packages, checkout};

use crate::{build, cargo::cargo, prerequisites, step::step};

pub async fn check() -> Result<()> {
    prerequisites::wasm_target().await?;
    prerequisites::lints().await?;
    prerequisites::tls().await?;
    lint().await?;
    unit_tests().await?;
    build::components().await
}

/// The format and clippy's lints, of what runs natively and of the components.
pub async fn lint() -> Result<()> {
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
            packages(&checkout::manifest()?)
                .iter()
                .flat_map(|package| ["--package", package]),
        );
        clippy
            .args(["--", "-D", "warnings"])
            .env("CARGO_TARGET_DIR", checkout::root().join("target"));
        step.run(clippy).await
    })
    .await
}

/// Like the runtime's build, this selects the default members: see `build::host`.
pub async fn unit_tests() -> Result<()> {
    step("Run the unit tests", async |step| {
        step.run(cargo(&["test", "--lib", "--bins"])).await
    })
    .await
}
