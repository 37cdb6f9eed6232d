//! Who is measured: each is started when its turn comes, is held to answer correctly, and stops after it.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use serde_json::Value;
use stack::{
    App, Runtime,
    app::{self, Settings},
    checkout, http, ports,
    process::{Farewell, Process},
};
use tokio::time::sleep;

use super::{
    client::Connection,
    load::{Load, Request, VOTE},
    peers,
    servers::Servers,
    usage,
};

/// How long a peer may take to start.
const PATIENCE: Duration = Duration::from_secs(30);

/// What takes votes.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Contender {
    SpinvoteSpin,
    SpinvoteHost,
    EmptySpin,
    EmptyHost,
    AppendSpin,
    AppendHost,
    #[value(name = "fastapi-1")]
    FastApi1,
    #[value(name = "fastapi-2")]
    FastApi2,
    FlaskSync,
    FlaskThreads,
    Axum,
    /// Redis alone, and PostgreSQL alone: what nothing that uses them can surpass.
    Stores,
}

impl Contender {
    /// As the command line and bench/results have it.
    pub fn id(self) -> String {
        self.to_possible_value()
            .map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// As people read it.
    pub fn title(self) -> &'static str {
        match self {
            Self::SpinvoteSpin => "Spinvote on Spin",
            Self::SpinvoteHost => "Spinvote on host/",
            Self::EmptySpin => "empty handler on Spin",
            Self::EmptyHost => "empty handler on host/",
            Self::AppendSpin => "one XADD on Spin",
            Self::AppendHost => "one XADD on host/",
            Self::FastApi1 => "FastAPI, 1 worker",
            Self::FastApi2 => "FastAPI, 2 workers",
            Self::FlaskSync => "Flask, 4 workers",
            Self::FlaskThreads => "Flask, 4 × 4 threads",
            Self::Axum => "axum, native",
            Self::Stores => "Redis or PostgreSQL alone",
        }
    }

    pub fn runtime(self) -> Option<Runtime> {
        match self {
            Self::SpinvoteSpin | Self::EmptySpin | Self::AppendSpin => Some(Runtime::Spin),
            Self::SpinvoteHost | Self::EmptyHost | Self::AppendHost => Some(Runtime::Host),
            _ => None,
        }
    }

    pub fn is_spinvote(self) -> bool {
        matches!(self, Self::SpinvoteSpin | Self::SpinvoteHost)
    }

    /// Whether what it takes is counted by something that we have.
    pub fn has_consumer(self) -> bool {
        use Contender::{Axum, Stores};
        !self.is_handler() && !matches!(self, Axum | Stores)
    }

    /// Whether it is a limit of a runtime: the handler that does nothing, or the one that appends and does nothing else.
    pub fn is_handler(self) -> bool {
        self.handler().is_some()
    }

    /// Whether it appends and does nothing else.
    pub fn appends_alone(self) -> bool {
        matches!(self, Self::AppendSpin | Self::AppendHost)
    }

    /// Whether there is more of it to compare than how it takes votes.
    pub fn is_service(self) -> bool {
        self != Self::Stores && !self.appends_alone()
    }

    /// Where it is in bench/peers.
    fn handler(self) -> Option<&'static str> {
        match self {
            Self::EmptySpin | Self::EmptyHost => Some("empty"),
            Self::AppendSpin | Self::AppendHost => Some("append"),
            _ => None,
        }
    }

    /// Starts what takes votes, and casts one to see that it does.
    pub async fn start(self, servers: &Servers) -> Result<Running> {
        let running = self.start_unchecked(servers).await?;
        if self.is_spinvote() {
            running.publish(servers).await?;
        }
        running
            .check(servers)
            .await
            .with_context(|| format!("{} does not answer correctly", self.title()))?;
        Ok(running)
    }

    /// Starts what takes votes, and waits until it answers.
    pub async fn start_unchecked(self, servers: &Servers) -> Result<Running> {
        let port = ports::free()?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut running = Running {
            contender: self,
            address,
            parts: Vec::new(),
        };
        if let Some(runtime) = self.runtime() {
            let mut settings = settings(servers, runtime)?;
            settings.port = Some(port);
            match self.handler() {
                Some(handler) => {
                    settings.manifest = Some(peers::directory(handler).join("spin.toml"));
                }
                None => settings.components = checkout::manifest()?.subscribers_and_others().1,
            }
            running.start_app(settings).await?;
        } else {
            let command = peers::command(self, port, servers)?;
            running.start_process(command, servers)?;
            running.wait_until_it_answers().await?;
        }
        Ok(running)
    }

    /// Starts what counts votes, so many times.
    pub async fn start_consumers(self, servers: &Servers, number: usize) -> Result<Running> {
        let mut running = Running {
            contender: self,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            parts: Vec::new(),
        };
        for consumer in 1..=number {
            let name = format!("consumer-{consumer}");
            if let Some(runtime) = self.runtime() {
                let mut settings = settings(servers, runtime)?;
                settings.components = checkout::manifest()?.subscribers_and_others().0;
                settings.state = servers.directory().join(&name);
                settings.variables.insert("consumer_name".to_owned(), name);
                running.start_app(settings).await?;
            } else {
                let command = peers::consumer(self, &name, servers)?;
                running.start_process(command, servers)?;
            }
        }
        Ok(running)
    }
}

fn log(servers: &Servers) -> Result<File> {
    let log = servers.directory().join("contenders.log");
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log)
        .context("could not write the contenders' log")
}

fn settings(servers: &Servers, runtime: Runtime) -> Result<Settings> {
    Ok(Settings {
        runtime,
        port: None,
        manifest: None,
        variables: app::variables(&servers.redis, &servers.postgres, &servers.secrets),
        environment: BTreeMap::new(),
        components: Vec::new(),
        log: Some(servers.directory().join("contenders.log")),
        state: servers.directory().join("spin"),
    })
}

enum Part {
    App(App),
    Process(Process),
}

/// A contender whose turn it is. It stops when dropped.
pub struct Running {
    pub contender: Contender,
    pub address: SocketAddr,
    parts: Vec<Part>,
}

impl Running {
    async fn start_app(&mut self, settings: Settings) -> Result<()> {
        let mut app = App::new(settings);
        app.start().await?;
        self.parts.push(Part::App(app));
        Ok(())
    }

    fn start_process(&mut self, mut command: Command, servers: &Servers) -> Result<()> {
        let log = log(servers)?;
        command.stdout(log.try_clone()?).stderr(log);
        let process = Process::spawn(&mut command, Farewell::Terminate)?;
        self.parts.push(Part::Process(process));
        Ok(())
    }

    async fn wait_until_it_answers(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while self.get("/").await.is_err() {
            self.ensure_alive()?;
            ensure!(Instant::now() < deadline, "it does not answer");
            sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    /// Has all polls of PostgreSQL published to Redis, as a sweep does every few seconds.
    pub async fn publish(&self, servers: &Servers) -> Result<()> {
        let polls: usize = servers.sql("select count(*) from polls")?.parse()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.get("/sweep").await?;
            ensure!(answer.status == 200, "the sweep failed: {}", answer.body);
            let published = servers.redis_cli(&["--scan", "--pattern", "{votes}:poll:*"])?;
            if published.lines().count() >= polls {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "not all polls are published");
        }
    }

    /// Loads it for a moment, unmeasured: connections are opened, and code is loaded.
    pub async fn warm_up(&self, request: Request, connections: usize) -> Result<()> {
        Load::run(self.address, request, connections, Duration::from_secs(1)).await?;
        Ok(())
    }

    /// What has ended would be measured as idle.
    pub fn ensure_alive(&mut self) -> Result<()> {
        for part in &mut self.parts {
            let exited = match part {
                Part::App(app) => app.exited()?,
                Part::Process(process) => process.exited()?,
            };
            if let Some(status) = exited {
                anyhow::bail!(
                    "{} ended ({status}); see contenders.log",
                    self.contender.title()
                );
            }
        }
        Ok(())
    }

    async fn get(&self, path: &str) -> Result<http::Answer> {
        http::get(self.address, path, PATIENCE).await
    }

    fn roots(&self) -> Vec<u32> {
        let ids = self.parts.iter().map(|part| match part {
            Part::App(app) => app.id(),
            Part::Process(process) => Some(process.id()),
        });
        ids.flatten().collect()
    }

    /// The CPU time that it has taken so far.
    pub fn cpu(&self) -> Result<Duration> {
        usage::cpu(&self.roots())
    }

    /// The memory that it takes, in bytes.
    pub fn memory(&self) -> Result<u64> {
        usage::memory(&self.roots())
    }

    /// Casts a vote, and sees that it was taken, not only that it was answered.
    async fn check(&self, servers: &Servers) -> Result<()> {
        let mut connection = Connection::open(self.address).await?;
        let (status, body) = connection.post(&Request::Vote.path(), VOTE).await?;
        ensure!(status == 201, "a vote was answered with {status}: {body}");
        let answer: Value = serde_json::from_str(&body).context("the answer is not JSON")?;
        ensure!(answer["option"] == "cats", "the answer is {answer}");
        let manifest = checkout::manifest()?;
        let stream = manifest.default("stream")?;
        let stored = match self.contender {
            Contender::EmptySpin | Contender::EmptyHost => return Ok(()),
            Contender::FlaskSync | Contender::FlaskThreads => ["LLEN", peers::LIST],
            _ => ["XLEN", stream],
        };
        ensure!(
            servers.redis_cli(&stored)? == "1",
            "the vote is not in Redis"
        );
        Ok(())
    }
}
