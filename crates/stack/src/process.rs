//! A child process, in a process group of its own: Ctrl-C in the terminal reaches only us, so that we
//! end our children in order. It ends when it is dropped, and when we are killed.

use std::{
    os::unix::process::CommandExt,
    process::{Child, Command, ExitStatus, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::guard;

/// How often something is looked at that announces itself to nobody.
pub(crate) const POLL: Duration = Duration::from_millis(10);

/// How a child is asked to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Farewell {
    /// SIGTERM.
    Terminate,
    /// SIGINT, which PostgreSQL takes for a "fast" shutdown: it does not wait for its clients.
    Interrupt,
}

impl Farewell {
    fn signal(self) -> Signal {
        match self {
            Self::Terminate => Signal::TERM,
            Self::Interrupt => Signal::INT,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Terminate => "TERM",
            Self::Interrupt => "INT",
        }
    }
}

/// A child process and the group that it leads.
#[derive(Debug)]
pub struct Process {
    child: Child,
    group: Pid,
    farewell: Farewell,
    ended: Option<ExitStatus>,
}

impl Process {
    /// How long a child may take to end before it is killed.
    pub const GRACE: Duration = Duration::from_secs(5);

    /// Starts `command`, with nothing to read.
    pub fn spawn(command: &mut Command, farewell: Farewell) -> Result<Self> {
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("could not start {}", command.get_program().display()))?;
        let group = Pid::from_child(&child);
        guard::watch(group, farewell.name());
        Ok(Self {
            child,
            group,
            farewell,
            ended: None,
        })
    }

    /// The process's number, which is its group's too.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has. Does not wait.
    pub fn exited(&mut self) -> Result<Option<ExitStatus>> {
        if self.ended.is_none()
            && let Some(status) = self
                .child
                .try_wait()
                .context("could not look after a child")?
        {
            // What it started ends with it.
            self.signal(Signal::KILL);
            guard::forget(self.group);
            self.ended = Some(status);
        }
        Ok(self.ended)
    }

    /// Signals the whole group. A process that has ended already does not mind.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            let _ = kill_process_group(self.group, signal);
        }
    }

    /// Stops it as it is, mid-step, answering nobody (SIGSTOP).
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Asks it to end, and kills it if it has not within [`Self::GRACE`].
    pub fn stop(&mut self) {
        self.signal(self.farewell.signal());
        self.resume(); // a paused process takes no signal
        if !self.wait(Self::GRACE) {
            self.kill();
        }
    }

    /// Kills it (SIGKILL), and all that it started.
    pub fn kill(&mut self) {
        self.signal(Signal::KILL);
        self.wait(Self::GRACE);
    }

    /// Blocks, for this is also what a destructor does.
    fn wait(&mut self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            match self.exited() {
                Ok(None) if Instant::now() < deadline => thread::sleep(POLL),
                Ok(None) => return false,
                Ok(Some(_)) | Err(_) => return true,
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether we may do anything on this machine.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
