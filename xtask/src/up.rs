//! `cargo xtask up`: from a fresh checkout to a service that answers, and on until Ctrl-C.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use stack::{
    Postgres, Redis, Runtime, Secrets,
    app::{self, Settings},
    checkout, migrate, ports,
    postgres::Durability,
};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    bound, build,
    cell::{Cell, named},
    instance::Instance,
    prerequisites,
    step::step,
    supervise,
};

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
    /// How many cells: Redis servers, each with what takes votes in it and counts them, all of them in the one
    /// PostgreSQL. The second serves on the port after --port, its Redis on the one after --redis-port, and so on
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=MOST_CELLS))]
    cells: u16,
}

/// More than a machine is of use for.
const MOST_CELLS: i64 = 16;

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
    let mut streams = Vec::new();
    for number in 1..=options.cells {
        let place = directory.join(named("redis", number));
        let port = options.redis_port + number - 1;
        let mut redis = Redis::new(&place, port, &stream, &secrets)?;
        step(format!("Start Redis on port {port}"), async |_| {
            redis.start().await
        })
        .await?;
        streams.push((number, redis));
    }
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
    let mut cells = Vec::new();
    for (number, redis) in streams {
        let settings = Settings {
            runtime,
            manifest: manifest.clone(),
            port: Some(options.port + number - 1),
            variables: app::variables(&redis, &postgres, &secrets),
            environment: BTreeMap::new(),
            components: others.clone(),
            log: None,
            state: PathBuf::new(),
        };
        let mut cell = Cell::new(number, redis, settings, subscribers.clone(), directory);
        step(
            format!("Start {}, {runtime}", named("the runtime", number)),
            async |_| cell.start().await,
        )
        .await?;
        cells.push(cell);
    }

    instance.publish(&cells, &postgres, &secrets.organizer_token)?;
    welcome(&cells)?;
    let mut watchmen = Vec::new();
    for cell in &cells {
        watchmen.push(supervise::sweep(cell.number, cell.address()?));
    }
    tokio::join!(
        supervise::supervise(&mut postgres, &mut cells),
        join_all(watchmen)
    );
    Ok(())
}

impl Options {
    /// Before anything is started.
    fn check_ports(&self) -> Result<()> {
        let of_each_cell = |first: u16| {
            (0..self.cells).map(move |further| first.checked_add(further).context("no such port"))
        };
        let mut all = vec![("--postgres-port", self.postgres_port)];
        for (flag, first) in [("--port", self.port), ("--redis-port", self.redis_port)] {
            for port in of_each_cell(first) {
                all.push((flag, port.with_context(|| format!("{flag} is too high"))?));
            }
        }
        for &(flag, port) in &all {
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

fn welcome(cells: &[Cell]) -> Result<()> {
    let [first, others @ ..] = cells else {
        return Ok(());
    };
    let url = first.url()?;
    let mut more = String::new();
    for cell in others {
        more += &format!(
            "Cell {}      curl -d '{{\"option\":\"cats\"}}' {}/api/vote\n",
            cell.number,
            cell.url()?
        );
    }
    println!(
        "\n\
         The page    {url}\n\
         Vote        curl -d '{{\"option\":\"cats\"}}' {url}/api/vote\n\
         {more}\
         Count       curl {url}/api/results\n\
         Metrics     {url}/metrics\n\
         Look inside eval \"$(cargo xtask env)\"; redis-cli -u \"$REDIS_URL\"; psql \"$DATABASE_URL\"\n\
         Stop        Ctrl-C\n"
    );
    Ok(())
}
