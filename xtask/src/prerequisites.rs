//! Finds what running and testing need, and installs what is missing where it may.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail, ensure};
use stack::{postgres::Binaries, redis};

use crate::step::step;

/// What the components are compiled to.
pub const WASM_TARGET: &str = "wasm32-wasip2";

/// The standard library for WebAssembly, by rustup.
pub async fn wasm_target() -> Result<()> {
    let output = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", WASM_TARGET])
        .output()
        .context("could not run rustc")?;
    let libraries = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() && Path::new(libraries.trim()).is_dir() {
        return Ok(());
    }
    step(format!("Install the target {WASM_TARGET}"), async |step| {
        step.run(rustup(&["target", "add", WASM_TARGET])).await.with_context(|| {
            format!("Rust's target {WASM_TARGET} is missing; `rustup target add {WASM_TARGET}` installs it")
        })
    })
    .await
}

/// rustfmt and clippy, by rustup.
pub async fn lints() -> Result<()> {
    for (command, component) in [("fmt", "rustfmt"), ("clippy", "clippy")] {
        let found = crate::cargo::cargo(&[command, "--version"]).output();
        if !found.is_ok_and(|output| output.status.success()) {
            step(format!("Install {component}"), async |step| {
                step.run(rustup(&["component", "add", component])).await
            })
            .await?;
        }
    }
    Ok(())
}

/// cargo-deny, in the version that deny.toml is written for. Its own Cargo.lock pins the rest.
pub async fn cargo_deny() -> Result<PathBuf> {
    const VERSION: &str = "0.20.2";
    let place = stack::checkout::target().join("tools");
    let program = place.join("bin/cargo-deny");
    let found = Command::new(&program).arg("--version").output();
    if found.is_ok_and(|output| output.stdout.trim_ascii().ends_with(VERSION.as_bytes())) {
        return Ok(program);
    }
    step("Install cargo-deny", async |step| {
        // Not optimised: so it takes about a minute to build, and still reads Cargo.lock in seconds. Where it is built
        // is a temporary directory, which cargo removes.
        let mut install = crate::cargo::cargo(&["install", "--locked", "--debug", "cargo-deny"]);
        install
            .args(["--version", VERSION, "--no-track", "--force", "--root"])
            .arg(&place)
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env_remove("CARGO_TARGET_DIR");
        step.run(install).await
    })
    .await?;
    Ok(program)
}

fn rustup(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(arguments);
    command
}

/// What the local runtime and the tests speak TLS with, and what finds it for their build.
pub async fn tls() -> Result<()> {
    install(missing_tls).await
}

/// Redis and PostgreSQL, by apt if we may use it.
pub async fn stores() -> Result<()> {
    install(missing_stores).await
}

/// Chromium, its driver and axe-core, for the tests of the page.
pub async fn browser() -> Result<()> {
    install(missing_of_the_browser).await?;
    axe().await
}

/// schemathesis, for the test of the API document.
pub async fn schemathesis() -> Result<()> {
    let place = stack::checkout::target().join("schemathesis");
    let pinned = stack::checkout::root().join("tests/schemathesis/requirements.txt");
    python("schemathesis", &place, &pinned, &["--require-hashes"]).await
}

/// Python packages, in an environment of their own, as a file pins them.
pub async fn python(name: &str, place: &Path, pinned: &Path, flags: &[&str]) -> Result<()> {
    install(missing_of_python).await?;
    let installed = place.join("requirements.txt");
    if fs::read(pinned)? == fs::read(&installed).unwrap_or_default() {
        return Ok(());
    }
    step(format!("Install {name}"), async |step| {
        let mut environment = Command::new("python3");
        environment.args(["-m", "venv", "--clear"]).arg(place);
        step.run(environment).await?;
        let mut pip = Command::new(place.join("bin/pip"));
        pip.args(["install", "--quiet", "--only-binary", ":all:"]);
        pip.args(flags).arg("-r").arg(pinned);
        step.run(pip).await?;
        // Last, so that what was begun and not finished is begun anew.
        fs::copy(pinned, &installed)?;
        Ok(())
    })
    .await
}

/// wrk, for the benchmark.
pub async fn wrk() -> Result<()> {
    install(missing_wrk).await
}

/// promtool, for the tests of the alerts.
pub async fn promtool() -> Result<()> {
    install(missing_promtool).await
}

/// Something that is not there: Debian's package of it, and why it is needed.
type Missing = (&'static str, String);

/// Installs what is missing, and looks again.
async fn install(missing: fn() -> Vec<Missing>) -> Result<()> {
    let reasons = |missing: &[Missing]| {
        let reasons: Vec<_> = missing.iter().map(|(_, reason)| reason.as_str()).collect();
        reasons.join("; ")
    };
    let found = missing();
    let packages: Vec<_> = found.iter().map(|(package, _)| *package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let Some(mut install) = apt() else {
        bail!(
            "{}.\nInstall what is missing, then run this again:\n{}",
            reasons(&found),
            advice(&packages)
        );
    };
    install.args(&packages);
    step(
        format!("Install {}", packages.join(" and ")),
        async |step| step.run(install).await,
    )
    .await
    .with_context(|| {
        format!(
            "these could not be installed; install them by hand:\n{}",
            advice(&packages)
        )
    })?;

    let left = missing();
    ensure!(left.is_empty(), "{}", reasons(&left));
    Ok(())
}

/// Elsewhere than on Linux TLS is the operating system's own.
fn missing_tls() -> Vec<Missing> {
    let mut missing = Vec::new();
    if cfg!(target_os = "linux") && !succeeds("pkg-config", &["--exists", "openssl"]) {
        if !succeeds("pkg-config", &["--version"]) {
            missing.push(("pkg-config", "pkg-config is not installed".to_owned()));
        }
        missing.push(("libssl-dev", "OpenSSL cannot be compiled with".to_owned()));
    }
    // It makes the tests' certificates.
    if !succeeds("openssl", &["version"]) {
        missing.push(("openssl", "openssl is not installed".to_owned()));
    }
    missing
}

fn missing_stores() -> Vec<Missing> {
    let redis = redis::find()
        .err()
        .map(|error| ("redis-server", error.to_string()));
    let postgres = Binaries::find(None)
        .err()
        .map(|error| ("postgresql", error.to_string()));
    redis.into_iter().chain(postgres).collect()
}

fn missing_promtool() -> Vec<Missing> {
    let found = succeeds("promtool", &["--version"]);
    let reason = "promtool is not installed".to_owned();
    (!found)
        .then_some(("prometheus", reason))
        .into_iter()
        .collect()
}

fn missing_wrk() -> Vec<Missing> {
    let found = Command::new("wrk").arg("--version").output().is_ok();
    let reason = "wrk is not installed".to_owned();
    (!found).then_some(("wrk", reason)).into_iter().collect()
}

/// Debian's Python cannot make environments without a package of its own.
fn missing_of_python() -> Vec<Missing> {
    let found = succeeds("python3", &["-c", "import ensurepip, venv"]);
    let reason = "python3 cannot make virtual environments".to_owned();
    (!found)
        .then_some(("python3-venv", reason))
        .into_iter()
        .collect()
}

fn missing_of_the_browser() -> Vec<Missing> {
    [
        ("chromium", "chromium"),
        ("chromium-driver", "chromedriver"),
        ("npm", "npm"),
    ]
    .into_iter()
    .filter(|(_, program)| !succeeds(program, &["--version"]))
    .map(|(package, program)| (package, format!("{program} is not installed")))
    .collect()
}

/// axe-core, as tests/axe pins it: npm checks its hash.
async fn axe() -> Result<()> {
    let pinned = stack::checkout::root().join("tests/axe");
    let place = stack::checkout::target().join("axe");
    let lock = "package-lock.json";
    let installed = place.join("node_modules/axe-core/axe.min.js");
    let same = |file: &str| -> std::io::Result<bool> {
        Ok(fs::read(pinned.join(file))? == fs::read(place.join(file))?)
    };
    if installed.exists() && same(lock).unwrap_or(false) {
        return Ok(());
    }
    step("Install axe-core", async |step| {
        fs::create_dir_all(&place)?;
        fs::copy(pinned.join("package.json"), place.join("package.json"))?;
        fs::copy(pinned.join(lock), place.join(lock))?;
        let mut npm = Command::new("npm");
        npm.current_dir(&place)
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        step.run(npm).await
    })
    .await
}

/// Whether a program can be run so.
fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// What installs Debian packages here, given their names; none if we may not, or have no apt.
fn apt() -> Option<Command> {
    if !succeeds("apt-get", &["--version"]) {
        return None;
    }
    let mut command = if stack::process::is_root() {
        Command::new("sh")
    } else if succeeds("sudo", &["-n", "true"]) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "sh"]);
        sudo
    } else {
        return None;
    };
    command.args(["-c", include_str!("install-debian.sh"), "install-debian.sh"]);
    Some(command)
}

/// What installs these elsewhere.
fn advice(packages: &[&str]) -> String {
    /// The names on Debian, Fedora and of Homebrew.
    const NAMES: [[&str; 3]; 11] = [
        ["pkg-config", "pkgconf-pkg-config", "pkgconf"],
        ["libssl-dev", "openssl-devel", "openssl@3"],
        ["openssl", "openssl", "openssl@3"],
        ["redis-server", "redis", "redis"],
        ["postgresql", "postgresql-server", "postgresql@17"],
        ["chromium", "chromium", "--cask chromium"],
        ["chromium-driver", "chromedriver", "chromedriver"],
        ["npm", "npm", "node"],
        ["python3-venv", "python3", "python"],
        ["wrk", "wrk", "wrk"],
        ["prometheus", "golang-github-prometheus", "prometheus"],
    ];
    let on = |system: usize| {
        let names = NAMES.iter().filter(|names| packages.contains(&names[0]));
        let names: Vec<_> = names.map(|names| names[system]).collect();
        names.join(" ")
    };
    format!(
        "  Debian, Ubuntu:  sudo apt-get install {}\n  \
           Fedora:          sudo dnf install {}\n  \
           Homebrew:        brew install {}",
        on(0),
        on(1),
        on(2),
    )
}
