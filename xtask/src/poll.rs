//! `cargo xtask poll …`: the organizers' API from the command line, here and in a cluster.

use std::{
    fs::File,
    path::PathBuf,
    process::{Command as Process, Stdio},
};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};

use crate::{curl::curl, instance};

#[derive(Args)]
pub struct Options {
    /// Where Spinvote is; without it, the instance that runs in this checkout
    #[arg(long, global = true, env = "SPINVOTE_URL")]
    url: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Create a poll
    Create {
        /// Its name, as it stands in paths: a-z, 0-9 and hyphens
        poll: String,
        /// What is asked
        #[arg(long)]
        question: String,
        /// What can be answered, two or more times
        #[arg(long = "option", required = true)]
        options: Vec<String>,
        /// From when on votes are taken, such as 2026-12-01T08:00:00+01:00
        #[arg(long)]
        opens_at: Option<String>,
        /// Until when votes are taken
        #[arg(long)]
        closes_at: Option<String>,
        /// Of all votes of one voter, only the latest counts
        #[arg(long)]
        one_vote_per_voter: bool,
    },
    /// List polls, a page of a hundred at a time
    List {
        /// The name after which the page begins
        #[arg(long, default_value = "")]
        after: String,
    },
    /// Close a poll
    Close {
        poll: String,
        /// When; now, if it is not said
        #[arg(long)]
        at: Option<String>,
    },
    /// Take the audit log away, as a JSON object a line or as CSV
    Export {
        poll: String,
        #[arg(long)]
        csv: bool,
        /// The cursor of the last row that you have
        #[arg(long)]
        after: Option<String>,
        /// Where to write it; without it, to standard output
        #[arg(long)]
        output: Option<PathBuf>,
    },
}

/// SPINVOTE_TOKEN is the organizer's token; without it, that of the instance in this checkout.
pub fn poll(options: Options) -> Result<()> {
    let (url, token) = instance::service(options.url)?;
    let token = token.context("set SPINVOTE_TOKEN to an organizer's token")?;
    let curl = |arguments: &[&str], output| ask(&token, arguments, output);
    let api = |path: &str| format!("{url}/api/polls{path}");
    match options.command {
        Command::Create {
            poll,
            question,
            options,
            opens_at,
            closes_at,
            one_vote_per_voter,
        } => {
            let body = serde_json::json!({
                "poll": poll,
                "question": question,
                "options": options,
                "opens_at": opens_at,
                "closes_at": closes_at,
                "one_vote_per_voter": one_vote_per_voter,
            });
            curl(
                &["--request", "POST", "--data", &body.to_string(), &api("")],
                None,
            )
        }
        Command::List { after } => {
            let after = format!("after={after}");
            curl(
                &[
                    "--get",
                    "--data",
                    "limit=100",
                    "--data-urlencode",
                    &after,
                    &api(""),
                ],
                None,
            )
        }
        Command::Close { poll, at } => {
            let at = match at {
                Some(at) => at,
                None => now()?,
            };
            let body = serde_json::json!({ "closes_at": at }).to_string();
            let url = api(&format!("/{poll}"));
            curl(&["--request", "PATCH", "--data", &body, &url], None)
        }
        Command::Export {
            poll,
            csv,
            after,
            output,
        } => {
            let accept = if csv {
                "text/csv"
            } else {
                "application/x-ndjson"
            };
            let accept = format!("Accept: {accept}");
            let url = api(&format!("/{poll}/votes"));
            let mut arguments = vec!["--get", "--header", &accept, &url];
            let after = after.map(|after| format!("after={after}"));
            if let Some(after) = &after {
                arguments.extend(["--data-urlencode", after]);
            }
            curl(&arguments, output)
        }
    }
}

/// Asks, and prints the answer, with a line break at the end. What is refused is printed, too, and an error.
fn ask(token: &str, arguments: &[&str], output: Option<PathBuf>) -> Result<()> {
    let stdout = match &output {
        Some(file) => File::create(file)
            .with_context(|| format!("could not write {}", file.display()))?
            .into(),
        None => Stdio::inherit(),
    };
    let status = curl(Some(token), arguments, stdout)?.status;
    if output.is_none() {
        println!();
    }
    ensure!(status.success(), "Spinvote did not do it ({status})");
    Ok(())
}

/// In ISO 8601.
fn now() -> Result<String> {
    let output = Process::new("date")
        .args(["-u", "+%Y-%m-%dT%H:%M:%SZ"])
        .output()
        .context("could not ask for the time")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
