//! `cargo xtask dead-letters`: what came through the stream and could not be counted. It waits in a stream of its own,
//! each entry with the reason, until an operator puts it back, since what was wrong is right by now, or drops it.

use std::{
    io::{BufWriter, Write},
    process::ExitCode,
};

use anyhow::{Context, Result, ensure};
use ballot::StreamId;
use clap::{Args, Subcommand};
use redis::{Commands, Script};
use serde_json::json;

use crate::stream::{self, Stream};

/// What is asked for, and done, at once.
const PAGE: usize = 100;

/// More bytes of an entry than these are not shown in the table.
const MOST_SHOWN: usize = 200;

const REPLAY: &str = include_str!("replay.lua");

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    stream: stream::Options,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Show them, the oldest first
    List {
        /// A JSON object a line, with all of each
        #[arg(long)]
        json: bool,
        /// Only those with this reason
        #[arg(long)]
        reason: Option<String>,
    },
    /// Append them to the stream again, as they were; each counts once, however often this is done
    Replay(Selection),
    /// Delete them
    Drop(Selection),
}

/// Which of those that are there when it begins.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Selection {
    /// Their ids, as `list` shows them
    ids: Vec<String>,
    /// All
    #[arg(long)]
    all: bool,
    /// All with this reason, such as "unknown poll"
    #[arg(long)]
    reason: Option<String>,
}

/// One entry of the dead-letter stream.
struct DeadLetter {
    id: String,
    /// Names and values by turns.
    fields: Vec<Vec<u8>>,
}

pub fn dead_letters(options: Options) -> Result<ExitCode> {
    let mut stream = options.stream.connect()?;
    match options.command {
        Command::List { json, reason } => list(&mut stream, json, reason.as_deref()),
        Command::Replay(selection) => replay(&mut stream, &selection),
        Command::Drop(selection) => drop_them(&mut stream, &selection),
    }
}

fn list(stream: &mut Stream, json: bool, reason: Option<&str>) -> Result<ExitCode> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    if !json {
        writeln!(
            out,
            "{:<20} {:<24} {:<24} {:<20} entry",
            "id", "rejected at", "reason", "stream id"
        )?;
    }
    let mut count = 0_u64;
    each_page(stream, |_, page| {
        for letter in page.iter().filter(|letter| letter.is_of(reason)) {
            count += 1;
            letter.show(&mut out, json)?;
        }
        Ok(())
    })?;
    if !json {
        writeln!(out, "{count} dead letters")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn replay(stream: &mut Stream, selection: &Selection) -> Result<ExitCode> {
    let keys = [stream.key("rejected"), stream.name.clone()];
    let suffix = stream.suffix.clone();
    let script = Script::new(REPLAY);
    let (mut replayed, mut gone, mut cut) = (0, 0, Vec::new());
    let done = selection.each(stream, |stream, ids| {
        let mut call = script.key(&keys);
        let outcomes: Vec<String> = call
            .arg(&suffix)
            .arg(ids)
            .invoke(&mut stream.redis)
            .context("Redis did not take them")?;
        for (id, outcome) in ids.iter().zip(outcomes) {
            match outcome.as_str() {
                "replayed" => replayed += 1,
                "gone" => gone += 1,
                _ => cut.push(id.clone()),
            }
        }
        Ok(())
    });
    println!("{replayed} are in the stream again, and are counted by the next sweep or vote");
    if gone > 0 {
        println!("{gone} are not there any more");
    }
    done.context("not all were put back; run it again, it counts none twice")?;
    if cut.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "{} stay, since a dead letter does not keep all of so large an entry:",
        cut.len()
    );
    cut.iter().for_each(|id| eprintln!("  {id}"));
    Ok(ExitCode::FAILURE)
}

fn drop_them(stream: &mut Stream, selection: &Selection) -> Result<ExitCode> {
    let rejected = stream.key("rejected");
    let mut dropped = 0_u64;
    let done = selection.each(stream, |stream, ids| {
        let deleted: u64 = stream.redis.xdel(&rejected, ids)?;
        dropped += deleted;
        Ok(())
    });
    println!("{dropped} are dropped");
    done?;
    Ok(ExitCode::SUCCESS)
}

/// Gives all that are there when it begins, a page at a time. What is rejected meanwhile comes later.
fn each_page(
    stream: &mut Stream,
    mut act: impl FnMut(&mut Stream, &[DeadLetter]) -> Result<()>,
) -> Result<()> {
    type Page = Vec<(String, Vec<Vec<u8>>)>;
    let rejected = stream.key("rejected");
    let newest: Page = redis::cmd("XREVRANGE")
        .arg(&[rejected.as_str(), "+", "-", "COUNT", "1"])
        .query(&mut stream.redis)?;
    let Some((last, _)) = newest.into_iter().next() else {
        return Ok(());
    };
    let mut from = "-".to_owned();
    loop {
        let page: Page = redis::cmd("XRANGE")
            .arg(&[&rejected, &from, &last, "COUNT", &PAGE.to_string()])
            .query(&mut stream.redis)?;
        let page: Vec<_> = page
            .into_iter()
            .map(|(id, fields)| DeadLetter { id, fields })
            .collect();
        let Some(end) = page.last() else {
            return Ok(());
        };
        from = format!("({}", end.id);
        act(stream, &page)?;
    }
}

impl Selection {
    /// Gives the ids of all that are selected, some at a time.
    fn each(
        &self,
        stream: &mut Stream,
        mut act: impl FnMut(&mut Stream, &[String]) -> Result<()>,
    ) -> Result<()> {
        if self.all || self.reason.is_some() {
            return each_page(stream, |stream, page| {
                let selected = page
                    .iter()
                    .filter(|letter| letter.is_of(self.reason.as_deref()));
                let ids: Vec<_> = selected.map(|letter| letter.id.clone()).collect();
                if ids.is_empty() {
                    return Ok(());
                }
                act(stream, &ids)
            });
        }
        for id in &self.ids {
            ensure!(
                StreamId::parse(id).is_some(),
                "{id:?} is no id; `list` shows them"
            );
        }
        self.ids.chunks(PAGE).try_for_each(|ids| act(stream, ids))
    }
}

impl DeadLetter {
    fn is_of(&self, reason: Option<&str>) -> bool {
        reason.is_none_or(|reason| self.text(1) == reason)
    }

    fn text(&self, at: usize) -> String {
        let bytes = self.fields.get(at).map(Vec::as_slice).unwrap_or_default();
        String::from_utf8_lossy(bytes).into_owned()
    }

    fn show(&self, out: &mut impl Write, json: bool) -> Result<()> {
        let rejected_at = StreamId::parse(&self.id)
            .and_then(|id| id.appended_at())
            .map_or_else(String::new, |time| time.to_string());
        let (reason, stream_id) = (self.text(1), self.text(3));
        let entry = (4..self.fields.len())
            .step_by(2)
            .map(|at| (self.text(at), self.text(at + 1)));
        if json {
            let entry: Vec<_> = entry.map(|(name, value)| [name, value]).collect();
            let line = json!({
                "id": self.id, "rejected_at": rejected_at, "reason": reason, "stream_id": stream_id, "entry": entry,
            });
            writeln!(out, "{line}")?;
        } else {
            let entry: Vec<_> = entry
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            let entry = entry.join(" ");
            // Whoever appended it may have put anything in, what moves a terminal's cursor included.
            let shown: String = entry.escape_debug().take(MOST_SHOWN).collect();
            let id = &self.id;
            writeln!(
                out,
                "{id:<20} {rejected_at:<24} {reason:<24} {stream_id:<20} {shown}"
            )?;
        }
        Ok(())
    }
}
