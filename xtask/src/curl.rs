//! How a Spinvote is asked, wherever it is: by curl, which knows proxies and certificates, and is there.

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

use anyhow::{Context, Result};

/// Runs curl, with the token of an organizer if there is one.
pub fn curl(token: Option<&str>, arguments: &[&str], stdout: Stdio) -> Result<Output> {
    let mut child = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--fail-with-body",
            "--config",
            "-",
        ])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(stdout)
        .spawn()
        .context("could not run curl")?;
    // Not as an argument: those are seen by everybody on the machine.
    if let (Some(mut config), Some(token)) = (child.stdin.take(), token) {
        writeln!(config, "header = \"Authorization: Bearer {token}\"")?;
    }
    child.wait_with_output().context("could not run curl")
}
