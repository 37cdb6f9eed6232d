//! `cargo xtask bound`: makes of a policy one that cannot compute or allocate for ever.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use bounds::Bounds;
use manifest::Manifest;

/// The policy that lets everybody vote.
const WITHOUT_RULES: &str = "target/wasm32-wasip2/release/policy.wasm";

#[derive(clap::Args)]
pub struct Options {
    /// The policy, a WebAssembly component
    policy: PathBuf,
    /// Where the one with bounds goes
    bounded: PathBuf,
    /// Steps for one ballot: calls, turns of loops, 64 bytes of what is copied at once. Ten million take a few tens
    /// of milliseconds
    #[arg(long, default_value_t = 100_000_000)]
    steps: u64,
    /// MiB
    #[arg(long, default_value_t = 256)]
    memory: u32,
}

pub fn bound(options: Options) -> Result<()> {
    let Options {
        policy,
        bounded,
        steps,
        memory,
    } = options;
    let wasm = fs::read(&policy).with_context(|| format!("could not read {}", policy.display()))?;
    let wasm = bounds::bound(&wasm, Bounds { steps, memory })
        .with_context(|| format!("{} cannot be given bounds", policy.display()))?;
    fs::write(&bounded, wasm).with_context(|| format!("could not write {}", bounded.display()))?;
    println!(
        "{} takes {steps} steps for a ballot at most, and has {memory} MiB of memory. In spin.toml:\n\n\
         [component.eligibility.dependencies]\n\"{}\" = {{ path = \"{}\" }}",
        bounded.display(),
        bounds::POLICY,
        bounded.display(),
    );
    Ok(())
}

/// Tells of a policy that has no bounds, in a manifest or in that of the checkout.
pub fn warn(manifest: Option<&Path>) -> Result<()> {
    let root = stack::checkout::root();
    let spin_toml = root.join("spin.toml");
    let manifest = Manifest::read(manifest.unwrap_or(&spin_toml))?;
    let components = manifest.components.values();
    for dependency in components.flat_map(|component| component.dependencies.values()) {
        let path = root.join(&dependency.path);
        let wasm = fs::read(&path).unwrap_or_default();
        if path != root.join(WITHOUT_RULES) && !bounds::is_bounded(&wasm) {
            eprintln!(
                "warning: {} has no bounds: should it loop, it holds a thread of the runtime for ever. \
                 `cargo xtask bound` gives it some.",
                path.display()
            );
        }
    }
    Ok(())
}
