//! Progress: one line a step, with the time that it took. Meanwhile a terminal shows what is being done,
//! and a log gets a line every ten seconds.

use std::{
    cell::Cell,
    io::{IsTerminal, Write},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    process::Command,
};

/// How often a log is told that a step is still being done.
const BETWEEN_LINES: Duration = Duration::from_secs(10);

/// A step that is being done.
pub struct Step {
    label: String,
    started: Instant,
    /// When something was last written of it.
    told: Cell<Instant>,
}

/// Does one step.
pub async fn step<T>(
    label: impl Into<String>,
    work: impl AsyncFnOnce(&Step) -> Result<T>,
) -> Result<T> {
    let now = Instant::now();
    let step = Step {
        label: label.into(),
        started: now,
        told: Cell::new(now),
    };
    step.note("");
    let result = work(&step).await;
    let mark = if result.is_ok() { '✓' } else { '✗' };
    step.erase();
    eprintln!(
        "{mark} {:<32} {:>6}",
        step.label,
        seconds(step.started.elapsed())
    );
    result
}

impl Step {
    /// Shows what is being done.
    pub fn note(&self, text: &str) {
        let is_terminal = std::io::stderr().is_terminal();
        if !is_terminal && self.told.get().elapsed() < BETWEEN_LINES {
            return;
        }
        self.told.set(Instant::now());
        self.erase();
        let text: String = text.chars().take(45).collect();
        let elapsed = seconds(self.started.elapsed());
        let end = if is_terminal { "" } else { "\n" };
        eprint!("· {:<32} {elapsed:>6}  {text}{end}", self.label);
        let _ = std::io::stderr().flush();
    }

    fn erase(&self) {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[2K");
        }
    }

    /// Runs a command that says much: its last line is shown meanwhile, and all of it if it fails.
    pub async fn run(&self, command: impl Into<Command>) -> Result<()> {
        let mut command: Command = command.into();
        let name = command.as_std().get_program().display().to_string();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // cargo would count the crates on a terminal only.
            .env("CARGO_TERM_PROGRESS_WHEN", "always")
            .env("CARGO_TERM_PROGRESS_WIDTH", "80")
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("could not start {name}"))?;
        let (out, err) = tokio::join!(
            self.follow(child.stdout.take()),
            self.follow(child.stderr.take())
        );
        let status = child
            .wait()
            .await
            .with_context(|| format!("could not wait for {name}"))?;
        if !status.success() {
            bail!("{name} ended with {status}\n{out}{err}");
        }
        Ok(())
    }

    /// Shows each line as it comes, and returns all but those of cargo's progress, which end in a
    /// carriage return.
    async fn follow(&self, output: Option<impl AsyncRead + Unpin>) -> String {
        let mut said = String::new();
        let Some(mut output) = output else {
            return said;
        };
        let mut unfinished = Vec::new();
        while let Ok(1..) = output.read_buf(&mut unfinished).await {
            while let Some(end) = unfinished.iter().position(|byte| b"\r\n".contains(byte)) {
                let line: Vec<_> = unfinished.drain(..=end).collect();
                self.hear(String::from_utf8_lossy(&line).trim(), &mut said);
            }
        }
        self.hear(String::from_utf8_lossy(&unfinished).trim(), &mut said);
        said
    }

    fn hear(&self, line: &str, said: &mut String) {
        if let Some(counts) = progress(line) {
            self.note(counts);
        } else if !line.is_empty() {
            self.note(line);
            said.push_str(line);
            said.push('\n');
        }
    }
}

/// How many of how many crates are built, and which are being built, as cargo tells it:
/// `Building [===>   ] 12/34: serde, syn(build)`.
fn progress(line: &str) -> Option<&str> {
    let (_, bar) = line.split_once("Building [")?;
    bar.split_once("] ").map(|(_, counts)| counts)
}

/// For people: a tenth of a second is fine enough.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_from_what_is_said() {
        let bar = "    Building [=====>      ] 12/34: serde, syn(build)";
        assert_eq!(progress(bar), Some("12/34: serde, syn(build)"));
        assert_eq!(progress("   Compiling serde v1.0.0"), None);
    }
}
