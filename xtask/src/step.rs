//! Progress: one line a step, with the time that it took. On a terminal the line shows meanwhile what
//! is being done.

use std::{
    io::{IsTerminal, Write},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::Command,
};

/// A step that is being done.
pub struct Step {
    label: String,
    started: Instant,
}

/// Does one step.
pub async fn step<T>(
    label: impl Into<String>,
    work: impl AsyncFnOnce(&Step) -> Result<T>,
) -> Result<T> {
    let step = Step {
        label: label.into(),
        started: Instant::now(),
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
        if std::io::stderr().is_terminal() {
            self.erase();
            let text: String = text.chars().take(30).collect();
            eprint!(
                "· {:<32} {:>6}  {text}",
                self.label,
                seconds(self.started.elapsed())
            );
            let _ = std::io::stderr().flush();
        }
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

    async fn follow(&self, output: Option<impl AsyncRead + Unpin>) -> String {
        let mut said = String::new();
        if let Some(output) = output {
            let mut lines = BufReader::new(output).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                self.note(line.trim());
                said.push_str(&line);
                said.push('\n');
            }
        }
        said
    }
}

/// For people: a tenth of a second is fine enough.
fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
