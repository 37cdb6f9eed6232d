//! `cargo xtask cast`: casts the votes of a file through `POST /api/votes`, in batches, here and in a cluster. Each vote
//! has an id by its line, so that whoever runs it again, after whatever went wrong, counts none twice.

use std::{
    fs::File,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{ExitCode, Stdio},
};

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use sha1_smol::Sha1;

use crate::{curl::curl, instance};

/// A batch is full with so many lines, or bytes: max_request_size is 1 MiB by default.
const MOST_LINES: usize = 5000;
const MOST_BYTES: usize = 512 * 1024;

/// More rejected lines than these are not shown.
const MOST_SHOWN: usize = 20;

#[derive(Args)]
pub struct Options {
    /// One vote on each line, such as {"option":"cats"}; "poll", "vote_id" and "voter" may be added
    #[arg(long)]
    file: PathBuf,
    /// What votes without a vote_id are numbered under, as KEY:LINE. Without it the hash of the file: name one
    /// for a file that grows
    #[arg(long)]
    key: Option<String>,
    /// Where Spinvote is; without it, the instance that runs in this checkout
    #[arg(long, env = "SPINVOTE_URL")]
    url: Option<String>,
}

/// Lines that are sent at once, each with its number in the file.
#[derive(Default)]
struct Batch {
    numbers: Vec<usize>,
    body: String,
}

/// SPINVOTE_TOKEN is the organizer's token, if there are voters to name; without it, that of the instance in this
/// checkout.
pub fn cast(options: Options) -> Result<ExitCode> {
    let (url, token) = instance::service(options.url)?;
    let name = options.file.display().to_string();
    let about = || format!("could not read {name}");
    let key = match options.key {
        Some(key) => key,
        None => hash(&options.file).with_context(about)?,
    };
    let file = File::open(&options.file).with_context(about)?;
    let bar = ProgressBar::new(file.metadata().with_context(about)?.len());
    bar.set_style(ProgressStyle::with_template(
        "{bar:40} {percent:>3} %  {msg}",
    )?);

    let (mut accepted, mut rejected) = (0, Vec::new());
    let mut batch = Batch::default();
    let mut send = |batch: &Batch| -> Result<()> {
        let outcome = post(&format!("{url}/api/votes"), token.as_deref(), &batch.body)?;
        accepted += outcome["accepted"].as_u64().unwrap_or_default();
        for line in outcome["rejected"].as_array().into_iter().flatten() {
            let at = line["line"]
                .as_u64()
                .and_then(|at| usize::try_from(at).ok());
            let number = at.and_then(|at| batch.numbers.get(at.checked_sub(1)?));
            let detail = line["detail"].as_str().unwrap_or_default().to_owned();
            rejected.push((number.copied().unwrap_or_default(), detail));
        }
        bar.set_message(format!("{accepted} votes"));
        Ok(())
    };
    for (at, line) in BufReader::new(file).lines().enumerate() {
        let line = line.with_context(about)?;
        bar.inc(line.len() as u64 + 1);
        if line.trim().is_empty() {
            continue;
        }
        let line = numbered(&line, &key, at + 1);
        let is_full = batch.numbers.len() == MOST_LINES
            || (!batch.body.is_empty() && batch.body.len() + line.len() > MOST_BYTES);
        if is_full {
            send(&std::mem::take(&mut batch))?;
        }
        batch.numbers.push(at + 1);
        batch.body.push_str(&line);
        batch.body.push('\n');
    }
    if !batch.numbers.is_empty() {
        send(&batch)?;
    }
    bar.finish_and_clear();

    println!(
        "{accepted} votes are recorded, {} lines rejected",
        rejected.len()
    );
    for (line, detail) in rejected.iter().take(MOST_SHOWN) {
        eprintln!("{name}:{line}: {detail}");
    }
    if rejected.len() > MOST_SHOWN {
        eprintln!("… and {} more", rejected.len() - MOST_SHOWN);
    }
    Ok(if rejected.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Gives a vote that has none an id. What is no vote stays as it is: the service says what is wrong with it.
fn numbered(line: &str, key: &str, number: usize) -> String {
    match serde_json::from_str(line) {
        Ok(Value::Object(mut vote)) if !vote.contains_key("vote_id") => {
            vote.insert("vote_id".to_owned(), format!("{key}:{number}").into());
            Value::Object(vote).to_string()
        }
        _ => line.to_owned(),
    }
}

fn hash(file: &Path) -> Result<String> {
    let mut reader = BufReader::new(File::open(file)?);
    let mut hash = Sha1::new();
    loop {
        let read = reader.fill_buf()?;
        if read.is_empty() {
            return Ok(hash.digest().to_string());
        }
        hash.update(read);
        let length = read.len();
        reader.consume(length);
    }
}

/// Sends a batch, again and again, when the service says, while that may help.
fn post(url: &str, token: Option<&str>, body: &str) -> Result<Value> {
    let mut file = tempfile::NamedTempFile::new().context("could not write a batch")?;
    file.write_all(body.as_bytes())
        .context("could not write a batch")?;
    let body = format!("@{}", file.path().display());
    let retry = [
        "--retry",
        "10",
        "--retry-connrefused",
        "--retry-max-time",
        "300",
    ];
    let request = [
        "--header",
        "Content-Type: application/x-ndjson",
        "--data-binary",
        &body,
        url,
    ];
    let output = curl(token, &[&retry[..], &request].concat(), Stdio::piped())?;
    let answer = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "not all votes are recorded; run it again, it counts none twice ({}) {answer}",
        output.status
    );
    serde_json::from_str(&answer).with_context(|| format!("{url} is not Spinvote's"))
}
