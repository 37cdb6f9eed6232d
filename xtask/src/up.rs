//! `cargo xtask up`: from a fresh checkout to a service that answers, and on until Ctrl-C.

use std::{fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use stack::{
    App, Postgres, Redis, Runtime, Secrets,
    app::{self, Settings},
    checkout, migrate, ports,
    postgres::Durability,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{bound, build, instance::Instance, prerequisites, step::step, supervise};

#[derive(clap::Args)]
pub struct Options {
    /// The port of 127.0.0.1 to serve on
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// The port of 127.0.0.1 for Redis
    #[arg(long, default_value_t = 6390)]
    redis_port: u16,
    /// The port of 127.0.0.1 for PostgreSQL
    #[arg(long, default_value_t = 5490)]
    postgres_port: u16,
    /// What runs the components: `spin`, the Spin CLI, or `host`, this checkout's own. Without it: what
    /// SPINVOTE_RUNTIME says, else Spin 4.1 or later if that is on PATH, else the host
    #[arg(long)]
    runtime: Option<Runtime>,
    /// A policy of your own, a WebAssembly component, in place of that of spin.toml
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub async fn up(options: Options) -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    // What runs is dropped with `run`, the last started first, and so stops in order.
    tokio::select! {
        result = run(options) => result,
        _ = interrupt.recv() => stopped(),
        _ = terminate.recv() => stopped(),
        _ = hangup.recv() => stopped(),
    }
}

fn stopped() -> Result<()> {
    eprintln!("\nStopping; the data stays in .spinvote");
    Ok(())
}

async fn run(options: Options) -> Result<()> {
    let instance = Instance::lock()?;
    options.check_ports()?;
    let runtime = options.runtime.map_or_else(Runtime::choose, Ok)?;

    prerequisites::wasm_target().await?;
    prerequisites::stores().await?;
    build::components().await?;
    if runtime == Runtime::Host {
        build::host().await?;
    }

    let directory = instance.directory();
    let secrets = Secrets::kept_in(&directory.join("secrets"))?;
    let manifest = checkout::manifest()?;
    let stream = manifest.default("stream")?.to_owned();
    let mut redis = Redis::new(
        &directory.join("redis"),
        options.redis_port,
        &stream,
        &secrets,
    )?;
    step(
        format!("Start Redis on port {}", redis.port()),
        async |_| redis.start().await,
    )
    .await?;
    let mut postgres = Postgres::new(directory, options.postgres_port, Durability::Kept, &secrets)?;
    step(
        format!("Start PostgreSQL on port {}", postgres.port()),
        async |_| postgres.start().await,
    )
    .await?;
    step("Migrate the database", async |_| {
        migrate::run(&postgres, &secrets)
    })
    .await?;
    // Spin ends a runtime whose subscriber has lost Redis, so that has one of its own: pages stay up.
    let (subscribers, others) = manifest.subscribers_and_others();
    let manifest = match &options.policy {
        Some(policy) => {
            let path = directory.join("spin.toml");
            fs::write(&path, checkout::manifest_with_policy(policy)?)?;
            Some(path)
        }
        None => None,
    };
    bound::warn(manifest.as_deref())?;
    let http = Settings {
        runtime,
        manifest,
        port: Some(options.port),
        variables: app::variables(&redis, &postgres, &secrets),
        components: others,
        log: None,
        state: directory.join("spin"),
    };
    let mut subscriber = App::new(Settings {
        port: None,
        components: subscribers,
        state: directory.join("spin-subscriber"),
        ..http.clone()
    });
    let mut app = App::new(http);
    step(format!("Start the runtime, {runtime}"), async |_| {
        app.start().await?;
        subscriber.start().await
    })
    .await?;

    let address = app.address().context("it serves")?;
    let url = format!("http://{address}");
    instance.publish(&url, &redis, &postgres, &secrets.organizer_token)?;
    welcome(&url);
    tokio::join!(
        supervise::supervise(&mut redis, &mut postgres, &mut app, &mut subscriber),
        supervise::sweep(address)
    );
    Ok(())
}

impl Options {
    /// Before anything is started.
    fn check_ports(&self) -> Result<()> {
        let all = [
            ("--port", self.port),
            ("--redis-port", self.redis_port),
            ("--postgres-port", self.postgres_port),
        ];
        for (flag, port) in all {
            ensure!(
                ports::is_free(port),
                "port {port} is taken; choose another with {flag}"
            );
            let users = all.iter().filter(|(_, other)| *other == port).count();
            ensure!(users == 1, "{flag} {port} is given twice");
        }
        Ok(())
    }
}

fn welcome(url: &str) {
    println!(
        "\n\
         The page    {url}\n\
         Vote        curl -d '{{\"option\":\"cats\"}}' {url}/api/vote\n\
         Count       curl {url}/api/results\n\
         Metrics     {url}/metrics\n\
         Look inside eval \"$(cargo xtask env)\"; redis-cli -u \"$REDIS_URL\"; psql \"$DATABASE_URL\"\n\
         Stop        Ctrl-C\n"
    );
}
