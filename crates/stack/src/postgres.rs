//! A private PostgreSQL: listens on 127.0.0.1 only, knows passwords only, never runs as root.

mod account;
mod binaries;
pub(crate) mod template;

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::sleep;

pub use self::{
    account::Account,
    binaries::{Binaries, OLDEST},
};
use crate::{
    Secrets, guard,
    process::{Farewell, POLL, Process},
};

/// How long a start may take; after a crash the log is replayed first.
const PATIENCE: Duration = Duration::from_secs(60);

/// The database of Spinvote.
pub const DATABASE: &str = "spinvote";

/// Who connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May only read: the components results and health.
    Reader,
    /// May only execute `record_votes`, and read: the components tally and sweep.
    Consumer,
    /// May change polls, and read the audit log: the component polls.
    Organizer,
    /// May do anything, and owns everything.
    Operator,
}

impl Role {
    /// The name to log in with.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reader => "spinvote_reader",
            Self::Consumer => "spinvote_consumer",
            Self::Organizer => "spinvote_organizer",
            Self::Operator => "operator",
        }
    }

    fn password(self, secrets: &Secrets) -> &str {
        match self {
            Self::Reader => &secrets.postgres_reader,
            Self::Consumer => &secrets.postgres_consumer,
            Self::Organizer => &secrets.postgres_organizer,
            Self::Operator => &secrets.postgres_operator,
        }
    }
}

/// What becomes of the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// It is kept, and outlives a loss of power.
    Kept,
    /// It is thrown away: the disk need not hear of it. It still outlives the server's crash.
    ThrownAway,
}

/// A PostgreSQL server and its data.
#[derive(Debug)]
pub struct Postgres {
    binaries: Binaries,
    account: Account,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    durability: Durability,
    secrets: Secrets,
    process: Option<Process>,
    /// Its backends that are paused. Each leads a process group, out of reach of the server's.
    paused: Vec<Pid>,
}

impl Postgres {
    /// One that keeps its data in `directory/postgres`, or, if PostgreSQL cannot reach that, in a place
    /// that `directory/elsewhere` shows. Its log is in `directory`.
    pub fn new(
        directory: &Path,
        port: u16,
        durability: Durability,
        secrets: &Secrets,
    ) -> Result<Self> {
        let account = Account::choose()?;
        let data = account.reachable(directory.to_owned())?.join("postgres");
        Ok(Self {
            binaries: Binaries::find(Some(&data))?,
            account,
            data,
            log: directory.join("postgres.log"),
            port,
            durability,
            secrets: secrets.clone(),
            process: None,
            paused: Vec::new(),
        })
    }

    /// One like this, which has stopped, with its data moved to `directory`, which may be on another disk.
    pub fn move_to(&self, directory: &Path) -> Result<Self> {
        let moved = Self::new(directory, self.port, self.durability, &self.secrets)?;
        run(Command::new("cp").arg("-a").args([&self.data, &moved.data]))
            .context("could not copy PostgreSQL's data")?;
        fs::remove_dir_all(&self.data).context("could not remove what was copied")?;
        Ok(moved)
    }

    /// A standby of this server, which serves: with a copy of its data in `directory`, and ready to be started. Then it
    /// follows.
    pub fn standby(&self, directory: &Path, port: u16) -> Result<Self> {
        let standby = Self::new(directory, port, self.durability, &self.secrets)?;
        self.account.make_directory(&standby.data)?;
        let mut copy = self.steward(self.binaries.program("pg_basebackup"), Role::Operator);
        copy.args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"]);
        run(copy.arg("--pgdata").arg(&standby.data)).context("pg_basebackup")?;
        Ok(standby)
    }

    /// The port of 127.0.0.1 on which it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What it has written to its log since it started.
    pub fn said(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its programs.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The number of its process; none while it does not run.
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// A URL with a role's name and password.
    pub fn url(&self, role: Role) -> String {
        format!(
            "postgres://{}:{}@127.0.0.1:{}/{DATABASE}",
            role.name(),
            role.password(&self.secrets),
            self.port
        )
    }

    /// Where its data is.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// A psql, or a script that runs psql, connected as a role by the environment.
    pub fn client(&self, program: impl AsRef<std::ffi::OsStr>, role: Role) -> Command {
        self.connect(Command::new(program), role)
    }

    /// A program that may read and write what the server does, its data for example, connected likewise.
    pub fn steward(&self, program: impl AsRef<std::ffi::OsStr>, role: Role) -> Command {
        let mut command = self.connect(self.account.command(program), role);
        command.env("PGDATA", &self.data);
        command
    }

    /// A directory that the server's account can write to.
    pub fn make_directory(&self, name: &str) -> Result<PathBuf> {
        let directory = self.data.with_file_name(name);
        self.account.make_directory(&directory)?;
        Ok(directory)
    }

    fn connect(&self, mut command: Command, role: Role) -> Command {
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(
            std::iter::once(self.binaries.directory.clone()).chain(std::env::split_paths(&path)),
        );
        command
            .env("PATH", path.unwrap_or_default())
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.port.to_string())
            .env("PGUSER", role.name())
            .env("PGPASSWORD", role.password(&self.secrets))
            .env("PGDATABASE", DATABASE);
        command
    }

    /// Starts it, with the data that it has, and waits until it serves. The first time makes the data:
    /// an empty database.
    pub async fn start(&mut self) -> Result<()> {
        if self.data.join("PG_VERSION").exists() {
            self.clear_stale_lock().await?;
        } else {
            self.initialise()?;
        }
        let log = File::create(&self.log).context("could not write PostgreSQL's log")?;
        let mut command = self.account.command(self.binaries.program("postgres"));
        command
            .arg("-D")
            .arg(&self.data)
            .args(["-p", &self.port.to_string()]);
        for setting in self.settings() {
            command.args(["-c", setting]);
        }
        command.stdout(log.try_clone()?).stderr(log);
        let process = self
            .process
            .insert(Process::spawn(&mut command, Farewell::Interrupt)?);

        let deadline = Instant::now() + PATIENCE;
        while !is_ready(&self.data, process.id()) {
            if let Some(status) = process.exited()? {
                bail!(
                    "PostgreSQL ended ({status}); its log, {}, says:\n{}",
                    self.log.display(),
                    self.said()
                );
            }
            ensure!(
                Instant::now() < deadline,
                "PostgreSQL does not get ready; see {}",
                self.log.display()
            );
            sleep(POLL).await;
        }
        Ok(())
    }

    fn settings(&self) -> Vec<&'static str> {
        let mut settings = vec![
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            // Each process of the runtime pools up to 64 connections a role.
            "max_connections=300",
        ];
        if self.durability == Durability::ThrownAway {
            settings.extend(["fsync=off", "full_page_writes=off", "shared_buffers=32MB"]);
        }
        settings
    }

    /// Makes the data in a place aside, so that a half-made one is never taken for whole.
    fn initialise(&self) -> Result<()> {
        let unfinished = self.data.with_extension("new");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .context("could not remove what an earlier start left")?;
        }
        self.account.make_directory(&unfinished)?;
        let data = unfinished.join("data");
        let password = unfinished.join("password");
        crate::secrets::write_private(&password, &self.secrets.postgres_operator)?;
        self.account.give(&password)?;

        let mut initdb = self.account.command(self.binaries.program("initdb"));
        initdb.args([
            "--username",
            Role::Operator.name(),
            "--auth",
            "scram-sha-256",
            "--encoding",
            "UTF8",
        ]);
        // Identical everywhere, and text compares fastest.
        initdb.args(["--locale", "C"]);
        if self.durability == Durability::ThrownAway {
            initdb.arg("--no-sync");
        }
        run(initdb.arg("--pwfile").arg(&password).arg("-D").arg(&data)).context("initdb")?;

        let statement = unfinished.join("statement");
        fs::write(&statement, format!("create database {DATABASE}\n"))?;
        let mut single = self.account.command(self.binaries.program("postgres"));
        single
            .arg("--single")
            .arg("-D")
            .arg(&data)
            .arg("postgres")
            .stdin(File::open(&statement)?);
        run(&mut single).context("create database")?;

        let _ = fs::remove_dir_all(&self.data);
        fs::rename(&data, &self.data).context("could not put the new database into place")?;
        fs::remove_dir_all(&unfinished).context("could not remove what is no longer needed")
    }

    /// After an unclean end a `postmaster.pid` is left, whose number may by now be somebody else's,
    /// which PostgreSQL would take for a server that runs. Our caller holds a lock of his own, so what
    /// runs on this data, if anything, is an orphan.
    async fn clear_stale_lock(&self) -> Result<()> {
        let file = self.data.join("postmaster.pid");
        let Some(pid) = first_line(&file).and_then(|line| Pid::from_raw(line.parse().ok()?)) else {
            return Ok(());
        };
        let command = Command::new("ps")
            .args(["-o", "args=", "-p", &pid.as_raw_pid().to_string()])
            .output();
        let command = command
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default();
        if command.contains(&*self.data.to_string_lossy()) {
            kill_process(pid, Signal::INT).context("could not stop an earlier PostgreSQL")?;
            let deadline = Instant::now() + PATIENCE;
            while file.exists() {
                ensure!(
                    Instant::now() < deadline,
                    "an earlier PostgreSQL (process {pid:?}) does not end"
                );
                sleep(POLL).await;
            }
        } else {
            fs::remove_file(&file).context("could not remove a stale postmaster.pid")?;
        }
        Ok(())
    }

    /// How it ended, if it has by itself; `None` also while it is stopped.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        self.process.as_mut().map_or(Ok(None), Process::exited)
    }

    /// Hangs it, with all its connections: nothing is answered, new connections included.
    pub fn pause(&mut self) -> Result<()> {
        let Some(process) = &self.process else {
            return Ok(());
        };
        process.pause(); // first, so that it starts no backend that we would miss
        for backend in children(process.id())? {
            let _ = kill_process(backend, Signal::STOP);
            guard::watch(backend, "KILL");
            self.paused.push(backend);
        }
        Ok(())
    }

    /// Ends [`Self::pause`].
    pub fn resume(&mut self) {
        for backend in self.paused.drain(..) {
            let _ = kill_process(backend, Signal::CONT);
            guard::forget(backend);
        }
        self.process.iter().for_each(Process::resume);
    }

    /// Kills it (SIGKILL), with all its connections, in the middle of whatever they do. What it has committed is in its
    /// log; [`Self::start`] starts it again.
    pub fn kill(&mut self) -> Result<()> {
        // A backend that is left would finish what it does, and keep the next server from starting.
        self.pause()?;
        for backend in self.paused.drain(..) {
            let _ = kill_process(backend, Signal::KILL);
            guard::forget(backend);
        }
        self.process.iter_mut().for_each(Process::kill);
        self.process = None;
        Ok(())
    }

    /// Stops it; its data stays, and [`Self::start`] starts it again.
    pub fn stop(&mut self) {
        self.resume();
        self.process = None;
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The server says so itself in the last line of its lock file, and of whom it speaks in the first.
/// Source: `src/include/utils/pidfile.h`.
fn is_ready(data: &Path, pid: u32) -> bool {
    let lock = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    let lines: Vec<_> = lock.lines().map(str::trim).collect();
    lines.first() == Some(&pid.to_string().as_str()) && lines.get(7) == Some(&"ready")
}

fn first_line(file: &Path) -> Option<String> {
    fs::read_to_string(file)
        .ok()?
        .lines()
        .next()
        .map(str::to_owned)
}

fn children(parent: u32) -> Result<Vec<Pid>> {
    let output = Command::new("ps")
        .args(["-A", "-o", "ppid=,pid="])
        .output()
        .context("ps")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Ok(text
        .lines()
        .filter_map(|line| line.trim().split_once(char::is_whitespace))
        .filter(|(ppid, _)| *ppid == parent.to_string())
        .filter_map(|(_, pid)| Pid::from_raw(pid.trim().parse().ok()?))
        .collect())
}

/// Runs a command quietly; its output is the error if it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("could not start {}", command.get_program().display()))?;
    ensure!(
        output.status.success(),
        "{}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
