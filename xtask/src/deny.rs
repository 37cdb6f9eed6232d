//! Holds Cargo.lock against deny.toml: licences, sources, banned crates, and known vulnerabilities.

use std::{process::Command, time::Duration};

use anyhow::Result;

use crate::{cargo::cargo, prerequisites, step::step};

/// How long the advisory database, a repository of some megabytes, may take to come.
const FETCH_LIMIT: Duration = Duration::from_secs(60);

pub async fn deny() -> Result<()> {
    let program = prerequisites::cargo_deny().await?;
    let deny = |arguments: &[&str]| {
        let mut command = Command::new(&program);
        // The cargo that builds us also tells it the dependencies.
        command
            .current_dir(stack::checkout::root())
            .env("CARGO", cargo(&[]).get_program())
            .arg("--locked")
            .args(arguments);
        command
    };
    step("Check licences and sources", async |step| {
        step.run(deny(&["check", "licenses", "bans", "sources"]))
            .await
    })
    .await?;

    // The database is on a forge. Where it cannot be reached, everything else can still be tested.
    let fetched = step("Fetch the advisory database", async |step| {
        let fetch = step.run(deny(&["fetch", "db"]));
        Ok(matches!(
            tokio::time::timeout(FETCH_LIMIT, fetch).await,
            Ok(Ok(()))
        ))
    })
    .await?;
    if !fetched {
        eprintln!(
            "warning: the advisory database could not be fetched, so nobody looked for known vulnerabilities"
        );
        return Ok(());
    }
    step("Look for known vulnerabilities", async |step| {
        step.run(deny(&["check", "--disable-fetch", "advisories"]))
            .await
    })
    .await
}
