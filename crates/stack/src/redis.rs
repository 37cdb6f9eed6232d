//! A private Redis, with the users and the durability of production: `redis/` says what these are.

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};

use crate::{
    Secrets, checkout,
    process::{Farewell, POLL, Process},
};

/// The oldest that has what we use: key permissions of ACL users.
pub const OLDEST: u32 = 7;

/// How long a start may take; a large append-only file is read first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum User {
    /// May append and ring: the components vote and health.
    Api,
    /// May read, acknowledge, claim and trim, and publish definitions: the components tally and sweep.
    Consumer,
    /// May publish definitions: the component polls.
    Organizer,
    /// May do anything.
    Operator,
}

impl User {
    /// The name to log in with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "spinvote-api",
            Self::Consumer => "spinvote-consumer",
            Self::Organizer => "spinvote-organizer",
            Self::Operator => "operator",
        }
    }

    fn password(self, secrets: &Secrets) -> &str {
        match self {
            Self::Api => &secrets.redis_api,
            Self::Consumer => &secrets.redis_consumer,
            Self::Organizer => &secrets.redis_organizer,
            Self::Operator => &secrets.redis_operator,
        }
    }
}

/// Names the directory of the server program, where another than the one that is found is wanted.
const DIRECTORY: &str = "SPINVOTE_REDIS_BIN";

/// The server program: Redis or its sister Valkey, which some distributions have in its place. In SPINVOTE_REDIS_BIN,
/// if that is set.
pub fn find() -> Result<PathBuf> {
    let named = std::env::var_os(DIRECTORY).map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories = match &named {
        Some(directory) => vec![directory.clone()],
        None => std::env::split_paths(&path)
            .chain(["/usr/bin", "/opt/homebrew/bin", "/usr/local/bin"].map(PathBuf::from))
            .collect(),
    };
    let binary = ["redis-server", "valkey-server"]
        .iter()
        .flat_map(|name| {
            directories
                .iter()
                .map(move |directory| directory.join(name))
        })
        .find(|file| file.is_file())
        .with_context(|| match &named {
            Some(directory) => format!("{DIRECTORY}: no server is in {}", directory.display()),
            None => "redis-server is not installed".to_owned(),
        })?;

    // "Redis server v=7.0.15 sha=…"
    let said = Command::new(&binary)
        .arg("--version")
        .output()
        .context("redis-server --version")?
        .stdout;
    let said = String::from_utf8_lossy(&said).into_owned();
    let major = said
        .split_once("v=")
        .and_then(|(_, rest)| rest.split('.').next()?.parse::<u32>().ok());
    ensure!(
        major >= Some(OLDEST),
        "Redis {OLDEST} or later is needed; {} is {}",
        binary.display(),
        said.trim()
    );
    Ok(binary)
}

/// A Redis server and its data.
#[derive(Debug)]
pub struct Redis {
    binary: PathBuf,
    directory: PathBuf,
    port: u16,
    stream: String,
    secrets: Secrets,
    environment: BTreeMap<String, OsString>,
    process: Option<Process>,
}

impl Redis {
    /// One that will keep its data, and its log, in `directory`, and whose users may work on `stream`.
    pub fn new(directory: &Path, port: u16, stream: &str, secrets: &Secrets) -> Result<Self> {
        Ok(Self {
            binary: find()?,
            directory: directory.to_owned(),
            port,
            stream: stream.to_owned(),
            secrets: secrets.clone(),
            environment: BTreeMap::new(),
            process: None,
        })
    }

    /// From the next start on it has this in its environment.
    pub fn set_environment(&mut self, name: &str, value: impl Into<OsString>) {
        self.environment.insert(name.to_owned(), value.into());
    }

    /// The port of 127.0.0.1 on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where its data is.
    pub fn data(&self) -> &Path {
        &self.directory
    }

    /// The number of its process; none while it does not run.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// A URL with a user's name and password.
    pub fn url(&self, user: User) -> String {
        format!(
            "redis://{}:{}@127.0.0.1:{}",
            user.name(),
            user.password(&self.secrets),
            self.port
        )
    }

    /// Starts it, with the data that it has, and waits until it serves.
    pub async fn start(&mut self) -> Result<()> {
        fs::create_dir_all(&self.directory)
            .with_context(|| format!("could not make {}", self.directory.display()))?;
        let users = self.directory.join("users.acl");
        crate::secrets::write_private(&users, &self.users()?)
            .context("could not write Redis' users")?;
        let log_file = self.directory.join("redis.log");
        let log = File::create(&log_file).context("could not write Redis' log")?;
        let mut command = Command::new(&self.binary);
        command
            .arg(checkout::root().join("redis/redis.conf"))
            .args(["--bind", "127.0.0.1", "--port", &self.port.to_string()])
            .arg("--dir")
            .arg(&self.directory)
            .arg("--aclfile")
            .arg(&users)
            .envs(&self.environment)
            .stdout(log.try_clone()?)
            .stderr(log);
        let process = self
            .process
            .insert(Process::spawn(&mut command, Farewell::Terminate)?);

        let deadline = Instant::now() + PATIENCE;
        let ask = format!(
            "AUTH {} {}\r\nPING\r\n",
            User::Operator.name(),
            self.secrets.redis_operator
        );
        // Until the data is loaded, PING is answered with -LOADING.
        while ask_redis(self.port, &ask, 2).await.ok().as_deref() != Some("+PONG") {
            if let Some(status) = process.exited()? {
                let said = fs::read_to_string(&log_file).unwrap_or_default();
                bail!(
                    "Redis ended ({status}); its log, {}, says:\n{said}",
                    log_file.display()
                );
            }
            ensure!(
                Instant::now() < deadline,
                "Redis does not answer; see {}",
                log_file.display()
            );
            sleep(POLL).await;
        }
        Ok(())
    }

    /// The users, as an ACL file.
    fn users(&self) -> Result<String> {
        let output = Command::new("sh")
            .arg(checkout::root().join("redis/users.sh"))
            .env("SPINVOTE_STREAM", &self.stream)
            .env("SPINVOTE_API_PASSWORD", &self.secrets.redis_api)
            .env("SPINVOTE_CONSUMER_PASSWORD", &self.secrets.redis_consumer)
            .env("SPINVOTE_ORGANIZER_PASSWORD", &self.secrets.redis_organizer)
            .env("SPINVOTE_OPERATOR_PASSWORD", &self.secrets.redis_operator)
            .output()
            .context("could not run redis/users.sh")?;
        ensure!(
            output.status.success(),
            "redis/users.sh: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).context("redis/users.sh")
    }

    /// How many listen to a channel.
    pub async fn subscribers(&self, channel: &str) -> Result<usize> {
        let operator = format!(
            "AUTH {} {}",
            User::Operator.name(),
            self.secrets.redis_operator
        );
        // +OK, *2, $<length>, <channel>, :<subscribers>
        let reply = ask_redis(
            self.port,
            &format!("{operator}\r\nPUBSUB NUMSUB {channel}\r\n"),
            5,
        )
        .await?;
        reply
            .strip_prefix(':')
            .and_then(|count| count.parse().ok())
            .with_context(|| format!("not a count: {reply}"))
    }

    /// How it ended, if it has by itself; `None` also while it is stopped.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.process.as_mut().map_or(Ok(None), Process::exited)
    }

    /// Hangs it: connections stay open, and nothing is answered.
    pub fn pause(&self) {
        self.process.iter().for_each(Process::pause);
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.process.iter().for_each(Process::resume);
    }

    /// Kills it (SIGKILL). What it has acknowledged is in its append-only file; [`Self::start`] starts it again.
    pub fn kill(&mut self) {
        self.process.iter_mut().for_each(Process::kill);
        self.process = None;
    }

    /// Stops it; its data stays, and [`Self::start`] starts it again.
    pub fn stop(&mut self) {
        self.process = None;
    }
}

/// Sends inline commands and returns the last of the lines that answer them.
async fn ask_redis(port: u16, commands: &str, lines: usize) -> Result<String> {
    let exchange = async {
        let mut stream = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await?;
        stream.write_all(commands.as_bytes()).await?;
        let mut replies = BufReader::new(stream);
        let mut line = String::new();
        for _ in 0..lines {
            line.clear();
            replies.read_line(&mut line).await?;
        }
        std::io::Result::Ok(line.trim_end().to_owned())
    };
    Ok(timeout(Duration::from_secs(1), exchange).await??)
}
