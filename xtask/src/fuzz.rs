//! `cargo xtask fuzz`: lets libFuzzer look for input with which a check of `crates/fuzzing` fails.

use std::{fs, process::Command};

use anyhow::{Context, Result, bail, ensure};
use stack::checkout;

use crate::step::step;

/// The longest input, in bytes: enough for every limit that a parser has on a name or a line.
const LONGEST: &str = "-max_len=8192";

#[derive(clap::Args)]
pub struct Options {
    /// Run only this target: a file of fuzz/targets, without its `.rs`
    target: Option<String>,
    /// For how long each target is run
    #[arg(long, value_name = "N", default_value_t = 1)]
    minutes: u32,
}

pub async fn fuzz(options: Options) -> Result<()> {
    tools()?;
    let all = targets()?;
    let chosen = match options.target {
        None => all,
        Some(target) => {
            ensure!(
                all.contains(&target),
                "there is no target {target}, but {}",
                all.join(", ")
            );
            vec![target]
        }
    };
    step("Build the targets", async |step| {
        step.run(cargo_fuzz("build")).await
    })
    .await?;
    for target in chosen {
        run(&target, options.minutes)?;
    }
    Ok(())
}

/// What libFuzzer needs: a toolchain that counts branches, and what calls it.
fn tools() -> Result<()> {
    let found = |arguments: &[&str]| {
        let output = Command::new("cargo").args(arguments).output();
        output.is_ok_and(|output| output.status.success())
    };
    let missing: Vec<_> = [
        ("+nightly", "rustup toolchain install nightly"),
        ("fuzz", "cargo install --locked cargo-fuzz"),
    ]
    .into_iter()
    .filter(|(argument, _)| !found(&[argument, "--version"]))
    .map(|(_, install)| install)
    .collect();
    ensure!(
        missing.is_empty(),
        "fuzzing needs more than a build does. Install it, then run this again:\n  {}",
        missing.join("\n  ")
    );
    Ok(())
}

/// By name: the files of fuzz/targets.
fn targets() -> Result<Vec<String>> {
    let directory = checkout::root().join("fuzz/targets");
    let mut targets = Vec::new();
    for file in fs::read_dir(&directory).context("could not read fuzz/targets")? {
        if let Some(name) = file?.path().file_stem() {
            targets.push(name.to_string_lossy().into_owned());
        }
    }
    targets.sort();
    Ok(targets)
}

/// Begins with what is committed in fuzz/corpus; what is found goes to fuzz/found, where the next run takes it up.
fn run(target: &str, minutes: u32) -> Result<()> {
    let found = format!("found/{target}");
    fs::create_dir_all(checkout::root().join("fuzz").join(&found))?;
    eprintln!("· {target}, for {minutes} min");
    let status = cargo_fuzz("run")
        .args([target, &found, &format!("corpus/{target}"), "--", LONGEST])
        .arg(format!("-max_total_time={}", u64::from(minutes) * 60))
        .arg("-print_final_stats=1")
        .status()
        .context("could not start cargo fuzz")?;
    if !status.success() {
        bail!(
            "{target} fails with the input in fuzz/artifacts/{target}. Once it is mended, give the input a name in \
             fuzz/corpus/{target}, so that it is tested from now on"
        );
    }
    Ok(())
}

/// Without a sanitizer: there is no unsafe code to watch, and so it runs several times as fast.
fn cargo_fuzz(command: &str) -> Command {
    // Not the cargo that builds us, which is of another toolchain.
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(checkout::root().join("fuzz"))
        .env_remove("CARGO")
        .env_remove("RUSTC")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("RUSTUP_TOOLCHAIN")
        .args(["+nightly", "fuzz", command, "--sanitizer", "none"]);
    cargo
}
