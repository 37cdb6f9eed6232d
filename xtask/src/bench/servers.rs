//! The stores that all contenders share in turns: as durable as in production, and empty before each turn.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use stack::{
    Postgres, Redis, RedisUser, Role, Secrets, checkout, migrate, ports,
    postgres::{DATABASE, Durability},
};

use super::usage;

/// The name of a database that was put aside.
const ASIDE: &str = "aside";

/// A Redis and a PostgreSQL, and the directory of their data, which is used again.
pub struct Servers {
    pub redis: Redis,
    pub postgres: Postgres,
    pub secrets: Secrets,
    directory: PathBuf,
    _lock: File,
}

impl Servers {
    /// With a database that has just been migrated.
    pub async fn start() -> Result<Self> {
        let directory = checkout::target().join("bench");
        fs::create_dir_all(&directory).context("could not make the directory of the data")?;
        let lock = File::create(directory.join("lock"))?;
        if lock.try_lock().is_err() {
            bail!("`cargo xtask bench` runs in this checkout already");
        }
        let secrets = Secrets::kept_in(&directory.join("secrets"))?;
        let stream = checkout::manifest()?.default("stream")?.to_owned();
        let mut redis = Redis::new(&directory.join("redis"), ports::free()?, &stream, &secrets)?;
        let mut postgres = Postgres::new(&directory, ports::free()?, Durability::Kept, &secrets)?;
        tokio::try_join!(redis.start(), postgres.start())?;

        let servers = Self {
            redis,
            postgres,
            secrets,
            directory,
            _lock: lock,
        };
        servers.redis_cli(&["FLUSHALL"])?;
        servers.outside(&[
            &format!("drop database if exists {ASIDE}"),
            &format!("drop database if exists {DATABASE}"),
            &format!("create database {DATABASE}"),
        ])?;
        migrate::run(&servers.postgres, &servers.secrets)?;
        Ok(servers)
    }

    /// Where contenders may write their logs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Takes away what a contender has left, and lets both servers finish with it.
    pub fn empty(&self) -> Result<()> {
        self.redis_cli(&["FLUSHALL"])?;
        self.sql(
            "truncate vote_events, voters; update votes set count = 0, replaced = 0; delete from polls where poll <> 'default'",
        )?;
        self.sql("drop schema if exists docker_sample cascade")?;
        self.sql("vacuum (analyze) votes, vote_events, polls, voters")?;
        self.sql("checkpoint").map(drop)
    }

    /// Puts the database aside as it is, and an empty one into its place.
    pub fn put_aside(&self) -> Result<()> {
        self.outside(&[&format!(
            "create database {ASIDE} template {DATABASE} strategy file_copy"
        )])?;
        self.empty()
    }

    /// Lets the database and the one that was put aside change places.
    pub fn swap(&self) -> Result<()> {
        self.outside(&[
            &format!("alter database {DATABASE} rename to swapped"),
            &format!("alter database {ASIDE} rename to {DATABASE}"),
            &format!("alter database swapped rename to {ASIDE}"),
            "checkpoint",
        ])
    }

    /// Drops the database that was put aside.
    pub fn drop_aside(&self) -> Result<()> {
        self.outside(&[&format!("drop database {ASIDE}")])
    }

    /// Statements about databases, to which nobody may be connected.
    fn outside(&self, statements: &[&str]) -> Result<()> {
        let mut psql = self.psql();
        psql.env("PGDATABASE", "postgres");
        for statement in statements {
            psql.args(["-c", statement]);
        }
        succeed(&mut psql).map(drop)
    }

    /// What a statement returns, as text.
    pub fn sql(&self, statement: &str) -> Result<String> {
        succeed(self.psql().args(["-c", statement]))
    }

    /// A psql that prints values and nothing else.
    fn psql(&self) -> Command {
        let mut psql = self.postgres.client("psql", Role::Operator);
        psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]);
        psql
    }

    /// A connection that stays, for what is asked again and again.
    pub fn session(&self) -> Result<Session> {
        let mut child = self
            .psql()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("could not run psql")?;
        let input = child.stdin.take().context("psql has no input")?;
        let output = child.stdout.take().context("psql has no output")?;
        Ok(Session {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// What Redis answers.
    pub fn redis_cli(&self, arguments: &[&str]) -> Result<String> {
        let said = succeed(self.redis_client("redis-cli").args(arguments))?;
        ensure!(!said.starts_with("ERR"), "redis-cli: {said}");
        Ok(said)
    }

    /// One of Redis' own programs, with all rights.
    pub fn redis_client(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .args(["-h", "127.0.0.1", "-p", &self.redis.port().to_string()])
            .args(["--user", RedisUser::Operator.name()])
            .args(["-a", &self.secrets.redis_operator]);
        if program == "redis-cli" {
            command.arg("--no-auth-warning");
        }
        command
    }

    /// The CPU time that Redis and PostgreSQL have taken so far.
    pub fn cpu(&self) -> Result<[Duration; 2]> {
        let of = |id: Option<u32>| usage::cpu(id.as_slice());
        Ok([of(self.redis.id())?, of(self.postgres.id())?])
    }

    /// Both addresses, as the peers take them. They may do everything: rights cost them nothing.
    pub fn addresses(&self) -> [(&'static str, String); 2] {
        [
            ("REDIS_URL", self.redis.url(RedisUser::Operator)),
            ("DATABASE_URL", self.postgres.url(Role::Operator)),
        ]
    }
}

/// A psql that is asked one value after the other.
pub struct Session {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Session {
    /// The one value that a statement returns.
    pub fn ask(&mut self, statement: &str) -> Result<i64> {
        writeln!(self.input, "{statement};")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        line.trim()
            .parse()
            .with_context(|| format!("psql said {line:?} to {statement}"))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command, and returns what it printed.
pub fn succeed(command: &mut Command) -> Result<String> {
    let name = command.get_program().display().to_string();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("could not run {name}"))?;
    ensure!(
        output.status.success(),
        "{name} ended with {}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
