//! A whole Spinvote for one test: on ports of its own, with data of its own, and gone when dropped.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use manifest::Manifest;
use tokio::time::sleep;

use crate::{
    App, Postgres, Redis, RedisUser, Role, Runtime, Secrets,
    app::{self, CELL_COMPONENTS, Settings},
    checkout, http, ports,
    postgres::{
        Durability,
        template::{self, Template},
    },
    process::POLL,
};

/// What a test may choose.
#[derive(Debug, Default)]
pub struct StackBuilder {
    variables: BTreeMap<String, String>,
    without: Vec<String>,
    only: Vec<String>,
    policy: Option<PathBuf>,
}

impl StackBuilder {
    /// Has this component for a policy, in place of that of spin.toml.
    pub fn policy(mut self, file: impl Into<PathBuf>) -> Self {
        self.policy = Some(file.into());
        self
    }

    /// Sets an application variable of spin.toml.
    pub fn variable(mut self, name: &str, value: impl ToString) -> Self {
        self.variables.insert(name.to_owned(), value.to_string());
        self
    }

    /// Runs only these components.
    pub fn components<'a>(mut self, ids: impl IntoIterator<Item = &'a str>) -> Self {
        self.only.extend(ids.into_iter().map(str::to_owned));
        self
    }

    /// Runs all components but this one.
    pub fn without_component(mut self, id: &str) -> Self {
        self.without.push(id.to_owned());
        self
    }

    /// Starts everything, and waits until votes are taken and the doorbell is heard.
    pub async fn start(self) -> Result<Stack> {
        Stack::start_as(self).await
    }
}

/// A running Spinvote. The parts can be paused, stopped, killed and started again.
#[derive(Debug)]
pub struct Stack {
    // Dropped, and so ended, in this order.
    /// The runtime.
    pub app: App,
    /// The stream.
    pub redis: Redis,
    /// The database.
    pub postgres: Postgres,
    directory: Directory,
    manifest: Manifest,
    secrets: Secrets,
    /// As they are set for the app.
    settings: Settings,
}

/// One more cell of a [`Stack`].
#[derive(Debug)]
pub struct Cell {
    /// The runtime.
    pub app: App,
    /// The stream.
    pub redis: Redis,
}

impl Stack {
    /// To choose what is not as spin.toml has it.
    pub fn builder() -> StackBuilder {
        StackBuilder::default()
    }

    /// One with the defaults of spin.toml.
    pub async fn start() -> Result<Self> {
        Self::builder().start().await
    }

    async fn start_as(choice: StackBuilder) -> Result<Self> {
        let manifest = checkout::manifest()?;
        let (directory, secrets) = Directory::new().await?;
        let stream = match choice.variables.get("stream") {
            Some(stream) => stream.clone(),
            None => manifest.default("stream")?.to_owned(),
        };
        let mut redis = Redis::new(
            &directory.path.join("redis"),
            ports::free()?,
            &stream,
            &secrets,
        )?;
        let mut postgres = Postgres::new(
            &directory.path,
            ports::free()?,
            Durability::ThrownAway,
            &secrets,
        )?;
        tokio::try_join!(redis.start(), postgres.start())?;

        let mut variables = app::variables(&redis, &postgres, &secrets);
        variables.extend(choice.variables);
        let settings = Settings {
            runtime: Runtime::choose()?,
            port: Some(ports::free()?),
            manifest: match choice.policy {
                Some(policy) => {
                    let path = directory.path.join("spin.toml");
                    fs::write(&path, checkout::manifest_with_policy(&policy)?)?;
                    Some(path)
                }
                None => None,
            },
            variables,
            environment: BTreeMap::new(),
            components: select(&manifest, choice.only, &choice.without)?,
            log: Some(directory.path.join("app.log")),
            state: directory.path.join("app"),
        };
        let app = App::new(settings.clone());
        let mut stack = Self {
            app,
            redis,
            postgres,
            directory,
            manifest,
            secrets,
            settings,
        };
        stack.start_app().await?;
        stack.publish_polls().await?;
        Ok(stack)
    }

    /// Sweeps once, as something does every few seconds wherever Spinvote runs, so that polls are published
    /// from the start.
    async fn publish_polls(&self) -> Result<()> {
        let components = &self.settings.components;
        let sweeps = components.is_empty() || components.iter().any(|id| id == "sweep");
        if let Some(address) = self.app.address().filter(|_| sweeps) {
            // If it fails, the test is about that, or finds out.
            http::get(address, "/sweep", Duration::from_secs(10)).await?;
        }
        Ok(())
    }

    /// Stops the app, which has another value for an application variable when it is started again.
    pub fn set_variable(&mut self, name: &str, value: impl ToString) {
        self.settings
            .variables
            .insert(name.to_owned(), value.to_string());
        self.app = App::new(self.settings.clone());
    }

    /// Starts the app again, after it was stopped or killed, and waits until votes are taken and the
    /// doorbell is heard.
    pub async fn start_app(&mut self) -> Result<()> {
        self.app.start().await?;
        self.wait_for_subscriber().await
    }

    /// A runtime's triggers start one by one, each in a process of its own under the Spin CLI.
    async fn wait_for_subscriber(&mut self) -> Result<()> {
        let components = &self.settings.components;
        if !components.is_empty() && !components.iter().any(|id| id == "tally") {
            return Ok(());
        }
        let channel = format!("{}:doorbell", self.stream()?);
        let deadline = Instant::now() + Duration::from_secs(30);
        while self.redis.subscribers(&channel).await? == 0 {
            ensure!(
                Instant::now() < deadline,
                "nobody hears the doorbell\n{}",
                self.app.output()
            );
            sleep(POLL).await;
        }
        Ok(())
    }

    fn stream(&self) -> Result<&str> {
        self.settings
            .variables
            .get("stream")
            .map_or_else(|| self.manifest.default("stream"), |stream| Ok(stream))
    }

    /// Another app on the same Redis and PostgreSQL, like one more replica. It does not run yet. It
    /// writes to the same log, and ends when it is dropped.
    pub fn another_app(&self, change: impl FnOnce(&mut Settings)) -> Result<App> {
        let mut settings = Settings {
            port: Some(ports::free()?),
            ..self.settings.clone()
        };
        settings.state.as_mut_os_string().push(
            settings
                .port
                .map_or_else(String::new, |port| port.to_string()),
        );
        change(&mut settings);
        Ok(App::new(settings))
    }

    /// Another cell, which runs and has been swept once: a Redis and an app of its own, on the same PostgreSQL.
    /// To be dropped before this.
    pub async fn another_cell(&self, name: &str) -> Result<Cell> {
        let directory = self.directory.path.join(format!("cell-{name}"));
        let mut redis = Redis::new(&directory, ports::free()?, self.stream()?, &self.secrets)?;
        redis.start().await?;
        let mut app = self.another_app(|settings| {
            let variables = &mut settings.variables;
            variables.insert("redis_port".into(), redis.port().to_string());
            variables.insert("cell".into(), name.into());
            settings.components = CELL_COMPONENTS.map(str::to_owned).into();
        })?;
        app.start().await?;
        if let Some(address) = app.address() {
            http::get(address, "/sweep", Duration::from_secs(10)).await?;
        }
        Ok(Cell { app, redis })
    }

    /// Where it serves, without a slash at the end.
    pub fn url(&self) -> String {
        self.app
            .address()
            .map_or_else(String::new, |address| format!("http://{address}"))
    }

    /// For a Redis client with this user's rights.
    pub fn redis_url(&self, user: RedisUser) -> String {
        self.redis.url(user)
    }

    /// For a PostgreSQL client with this role's rights.
    pub fn database_url(&self, role: Role) -> String {
        self.postgres.url(role)
    }

    /// All that the app has printed.
    pub fn app_output(&self) -> String {
        self.app.output()
    }

    /// The passwords.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// A directory that goes when the stack goes.
    pub fn directory(&self) -> &Path {
        &self.directory.path
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // Nobody waits for a graceful end of the app, but for the reason of a failure.
        self.app.kill();
        if std::thread::panicking() {
            let output = self.app.output();
            let lines: Vec<_> = output.lines().collect();
            eprintln!(
                "--- the app's last lines ---\n{}\n---",
                lines[lines.len().saturating_sub(40)..].join("\n")
            );
        }
    }
}

/// The ids of the components to run; empty means all.
fn select(manifest: &Manifest, only: Vec<String>, without: &[String]) -> Result<Vec<String>> {
    for id in only.iter().chain(without) {
        ensure!(
            manifest.components.contains_key(id),
            "spin.toml has no component {id:?}"
        );
    }
    if only.is_empty() && without.is_empty() {
        return Ok(Vec::new());
    }
    let chosen = if only.is_empty() {
        manifest.components.keys().cloned().collect()
    } else {
        only
    };
    Ok(chosen
        .into_iter()
        .filter(|id| !without.contains(id))
        .collect())
}

/// A test's directory. A lock in it says that its owner lives: what owners that were killed left is
/// removed by the next.
#[derive(Debug)]
struct Directory {
    path: PathBuf,
    _alive: File,
}

impl Directory {
    /// A new one, with a copy of the template database in it.
    async fn new() -> Result<(Self, Secrets)> {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let workshop = template::workshop()?;
        let lock = template::lock(&workshop)?;
        let template = Template::prepare(&workshop).await?;
        let runs = workshop.join("runs");
        fs::create_dir_all(&runs).context("could not make a test's directory")?;
        clear_away(&runs);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = runs.join(format!("{}-{number}", std::process::id()));
        fs::create_dir(&path).context("could not make a test's directory")?;
        let alive =
            File::create(path.join("alive")).context("could not make a test's directory")?;
        alive.lock().context("could not lock a test's directory")?;
        let directory = Self {
            path,
            _alive: alive,
        };
        drop(lock);

        template.copy_to(&directory.path)?;
        let secrets = Secrets {
            postgres_operator: template.secrets()?.postgres_operator,
            postgres_reader: template.secrets()?.postgres_reader,
            postgres_consumer: template.secrets()?.postgres_consumer,
            postgres_organizer: template.secrets()?.postgres_organizer,
            ..Secrets::random()?
        };
        Ok((directory, secrets))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.path) {
            eprintln!("could not remove {}: {error}", self.path.display());
        }
    }
}

/// Removes what dead owners left. What cannot be removed now may be later.
fn clear_away(runs: &Path) {
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let dead =
            File::open(entry.path().join("alive")).is_ok_and(|alive| alive.try_lock().is_ok());
        if dead {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
