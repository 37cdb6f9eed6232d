//! The runtime, and in it the components of spin.toml: either the Spin CLI or `host/`.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    str::FromStr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::time::sleep;

use crate::{
    Postgres, Redis, RedisUser, Role, Secrets, checkout, http,
    postgres::DATABASE,
    process::{Farewell, POLL, Process},
};

/// How long a start may take. The first time a runtime compiles every component.
const PATIENCE: Duration = Duration::from_secs(60);

/// What runs the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// `host/` of this workspace.
    Host,
    /// The `spin` on PATH.
    Spin,
}

/// The first Spin that has WASI 0.3, which the components are made for; its previews have it too.
const OLDEST_SPIN: (u32, u32) = (4, 1);

impl Runtime {
    /// The one that SPINVOTE_RUNTIME names; without it the `spin` on PATH, if it is new enough, else the
    /// host.
    pub fn choose() -> Result<Self> {
        match std::env::var("SPINVOTE_RUNTIME") {
            Ok(name) => name.parse().context("SPINVOTE_RUNTIME"),
            Err(_) if Self::spin_is_on_path() => Ok(Self::Spin),
            Err(_) => Ok(Self::Host),
        }
    }

    /// Whether there is a Spin on PATH that is new enough.
    pub fn spin_is_on_path() -> bool {
        spin_version() >= Some(OLDEST_SPIN)
    }

    /// `up` of the runtime.
    fn command(self) -> Result<Command> {
        Ok(match self {
            Self::Host => {
                let binary = checkout::target().join("debug/spinvote-host");
                ensure!(
                    binary.exists(),
                    "{} is not built; run `cargo xtask build`",
                    binary.display()
                );
                Command::new(binary)
            }
            Self::Spin => Command::new("spin"),
        })
    }
}

impl FromStr for Runtime {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "host" => Ok(Self::Host),
            "spin" => Ok(Self::Spin),
            other => bail!("{other:?} is not a runtime: `host` or `spin`"),
        }
    }
}

impl std::fmt::Display for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Spin => "spin",
        })
    }
}

/// Of the Spin CLI on PATH.
fn spin_version() -> Option<(u32, u32)> {
    let output = Command::new("spin").arg("--version").output().ok()?;
    parse_spin_version(&String::from_utf8_lossy(&output.stdout))
}

/// "spin 4.1.0-pre0 (1a2b3c4 2026-08-01)"
fn parse_spin_version(said: &str) -> Option<(u32, u32)> {
    let mut numbers = said.split_whitespace().nth(1)?.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The components of each cell but the first: those that take votes and count them. Pages, polls and results are
/// the first's, for there is one PostgreSQL.
pub const CELL_COMPONENTS: [&str; 6] = ["vote", "bulk", "eligibility", "tally", "sweep", "health"];

/// The variables that lead the components to these stores.
pub fn variables(
    redis: &Redis,
    postgres: &Postgres,
    secrets: &Secrets,
) -> BTreeMap<String, String> {
    [
        ("redis_host", "127.0.0.1".to_owned()),
        ("redis_port", redis.port().to_string()),
        ("redis_api_user", RedisUser::Api.name().to_owned()),
        ("redis_api_password", secrets.redis_api.clone()),
        ("redis_consumer_user", RedisUser::Consumer.name().to_owned()),
        ("redis_consumer_password", secrets.redis_consumer.clone()),
        (
            "redis_organizer_user",
            RedisUser::Organizer.name().to_owned(),
        ),
        ("redis_organizer_password", secrets.redis_organizer.clone()),
        ("postgres_host", "127.0.0.1".to_owned()),
        ("postgres_port", postgres.port().to_string()),
        ("postgres_database", DATABASE.to_owned()),
        ("postgres_reader_user", Role::Reader.name().to_owned()),
        ("postgres_reader_password", secrets.postgres_reader.clone()),
        ("postgres_consumer_user", Role::Consumer.name().to_owned()),
        (
            "postgres_consumer_password",
            secrets.postgres_consumer.clone(),
        ),
        ("postgres_organizer_user", Role::Organizer.name().to_owned()),
        (
            "postgres_organizer_password",
            secrets.postgres_organizer.clone(),
        ),
        ("organizer_tokens", secrets.organizer_token.clone()),
        ("voter_key", secrets.voter_key.clone()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// What an [`App`] is to be.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What runs it.
    pub runtime: Runtime,
    /// The port of 127.0.0.1 on which it serves; none for components that only messages wake.
    pub port: Option<u16>,
    /// The manifest, if it is not that of the checkout.
    pub manifest: Option<PathBuf>,
    /// Application variables that differ from spin.toml's defaults.
    pub variables: BTreeMap<String, String>,
    /// What the runtime's own environment has besides ours, such as SSL_CERT_FILE.
    pub environment: BTreeMap<String, String>,
    /// The components to run; empty for all.
    pub components: Vec<String>,
    /// Where its output goes; without it, to ours.
    pub log: Option<PathBuf>,
    /// Where the runtime keeps what it must: the Spin CLI's logs and key-value store.
    pub state: PathBuf,
}

/// A running, or stopped, Spinvote.
#[derive(Debug)]
pub struct App {
    settings: Settings,
    process: Option<Process>,
}

impl App {
    /// One that does not run yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            process: None,
        }
    }

    /// Where it serves, if it does.
    pub fn address(&self) -> Option<SocketAddr> {
        let port = self.settings.port?;
        Some((Ipv4Addr::LOCALHOST, port).into())
    }

    /// The number of its process, which may have started others; none while it does not run.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// Starts it, and waits until it answers, if it serves.
    pub async fn start(&mut self) -> Result<()> {
        let mut command = self.command()?;
        let process = self
            .process
            .insert(Process::spawn(&mut command, Farewell::Terminate)?);
        let Some(port) = self.settings.port else {
            return Ok(());
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let deadline = Instant::now() + PATIENCE;
        // Any answer will do: the components that run need not include `health`.
        while http::get(address, "/health", Duration::from_secs(5))
            .await
            .is_err()
        {
            if let Some(status) = process.exited()? {
                bail!("the runtime ended ({status})\n{}", self.output());
            }
            ensure!(
                Instant::now() < deadline,
                "the runtime does not answer\n{}",
                self.output()
            );
            sleep(POLL).await;
        }
        Ok(())
    }

    fn command(&self) -> Result<Command> {
        let Settings {
            runtime,
            port,
            manifest,
            variables,
            environment,
            components,
            log,
            state,
        } = &self.settings;
        let mut command = runtime.command()?;
        command
            .current_dir(checkout::root())
            .args(["up", "--from"])
            .arg(manifest.as_deref().unwrap_or(Path::new("spin.toml")))
            .args(components.iter().flat_map(|id| ["--component-id", id]))
            // With it runtimes trace each error that they handle on the way of a request, at several percent of its
            // time; their panics are few, and say where they were.
            .env_remove("RUST_BACKTRACE");
        if let Some(port) = port {
            command.args(["--listen", &format!("127.0.0.1:{port}")]);
        }
        if *runtime == Runtime::Spin {
            command
                .arg("--state-dir")
                .arg(state)
                .arg("--log-dir")
                .arg(state.join("logs"));
        }
        command.envs(environment).envs(
            variables
                .iter()
                .map(|(name, value)| (format!("SPIN_VARIABLE_{}", name.to_uppercase()), value)),
        );
        if let Some(log) = log {
            let log = OpenOptions::new()
                .create(true)
                .append(true)
                .open(log)
                .context("could not write the app's log")?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        Ok(command)
    }

    /// All that it has printed, over all its starts; empty if that went to our own output.
    pub fn output(&self) -> String {
        let bytes = self
            .settings
            .log
            .as_ref()
            .and_then(|log| fs::read(log).ok())
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// How it ended, if it has by itself; `None` also while it is stopped.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.process.as_mut().map_or(Ok(None), Process::exited)
    }

    /// Stops it as an operator does; [`Self::start`] starts it again.
    pub fn stop(&mut self) {
        self.process = None;
    }

    /// Kills it (SIGKILL), in the middle of whatever it does; [`Self::start`] starts it again.
    pub fn kill(&mut self) {
        self.process.iter_mut().for_each(Process::kill);
        self.process = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spin_is_chosen_from_its_first_preview_with_wasi_0_3_on() {
        let version = |said| parse_spin_version(said);
        assert!(version("spin 4.1.0-pre0 (1a2b3c4 2026-08-01)") >= Some(OLDEST_SPIN));
        assert!(version("spin 5.0.1 (1a2b3c4 2026-08-01)") >= Some(OLDEST_SPIN));
        assert!(version("spin 4.0.2 (1a2b3c4 2026-08-01)") < Some(OLDEST_SPIN));
        assert!(version("something else") < Some(OLDEST_SPIN));
    }
}
