//! What the tests of k8s/ stand on: the manifests as kustomize renders them, a real API server to hold
//! them against, and what follows from them by the rules of Kubernetes and of the spin-operator.
//!
//! In the order in which to read:
//! - [`tools`]: kubectl, and the programs and custom resources of a cluster
//! - [`render`]: overlays, and combinations of components
//! - [`object`]: a rendered object
//! - [`spin`]: the application, as spin.toml describes it
//! - [`operator`]: what the spin-operator makes of a SpinApp
//! - [`network`]: which pods may talk to which
//! - [`server`]: the API server

#![warn(missing_docs)]

pub mod network;
pub mod object;
pub mod operator;
pub mod render;
pub mod server;
pub mod spin;
pub mod tools;

/// Runs a command to its end, and returns what it wrote to stdout; what it wrote to stderr is the error.
pub fn output(command: &mut std::process::Command) -> anyhow::Result<String> {
    use anyhow::{Context, ensure};
    let output = command
        .output()
        .with_context(|| format!("could not start {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
