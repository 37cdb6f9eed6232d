//! Builds what runs.

use anyhow::Result;
use stack::{build, checkout};

use crate::{cargo::cargo, prerequisites, step::step};

/// All components of spin.toml.
pub async fn components() -> Result<()> {
    step("Build the components", async |step| {
        for command in build::commands(&checkout::manifest()?) {
            step.run(command).await?;
        }
        Ok(())
    })
    .await
}

/// The policy of the tests.
pub async fn unruly_policy() -> Result<()> {
    step("Build the policy of the tests", async |step| {
        let arguments = ["build", "--release", "--target", "wasm32-wasip2"];
        step.run(cargo(&[&arguments[..], &["--package", "unruly"]].concat()))
            .await
    })
    .await
}

/// The local runtime. It is selected as one of the default members, not by `--package`: so cargo
/// settles on the same features of all dependencies as for the tests, and builds them once.
pub async fn host() -> Result<()> {
    prerequisites::tls().await?;
    step("Build the local runtime", async |step| {
        step.run(cargo(&["build", "--bin", "spinvote-host"])).await
    })
    .await
}
