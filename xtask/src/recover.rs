//! `cargo xtask recover`: after PostgreSQL has gone back in time, or was lost. What was counted since is in the stream as
//! long as that holds it; by its id each vote counts once, so that the whole stream may be read again.

use anyhow::{Context, Result};
use clap::Args;
use redis::{Commands, FromRedisValue, Script, Value};
use serde_json::json;

use crate::{
    psql::{database_url, literal, psql},
    stream::{self, Stream},
};

const POLLS: &str = include_str!("recover.sql");

/// Makes the group anew, and the stream if need be. A group takes next to no memory.
const ANEW: &str = "#!lua flags=allow-oom
redis.pcall('XGROUP', 'DESTROY', KEYS[1], ARGV[1])
redis.call('XGROUP', 'CREATE', KEYS[1], ARGV[1], '0', 'MKSTREAM')";

#[derive(Args)]
pub struct Options {
    #[command(flatten)]
    stream: stream::Options,
    /// The variable `consumer_group`
    #[arg(long, default_value = "vote-processors")]
    group: String,
}

/// Safe at any time, interrupted anywhere, and any number of times.
pub fn recover(options: &Options) -> Result<()> {
    let mut stream = options.stream.connect()?;
    let database = database_url()?;

    // Polls first: votes in a poll that PostgreSQL does not know would go to the dead letters.
    let definitions = published(&mut stream, &database)?;
    let statements = POLLS.replace(
        "DEFINITIONS",
        &literal(&serde_json::Value::from(definitions).to_string()),
    );
    let polls: Vec<[String; 2]> = psql(&database, &statements)?;
    for [poll, change] in &polls {
        println!("The poll {poll:?} was {change} as Redis has it");
    }

    // A group that begins at the beginning. What the one before it held is in the stream as well.
    let group = options.group.as_str();
    let name = stream.name.clone();
    Script::new(ANEW)
        .key(&name)
        .arg(group)
        .invoke::<()>(&mut stream.redis)
        .context("the consumer group could not be made anew")?;
    let entries: u64 = stream.redis.xlen(&name)?;
    let first: Vec<(String, Value)> = redis::cmd("XRANGE")
        .arg(&[name.as_str(), "-", "+", "COUNT", "1"])
        .query(&mut stream.redis)?;
    let since = first
        .first()
        .and_then(|(id, _)| ballot::StreamId::parse(id)?.appended_at());
    match since {
        Some(since) => println!(
            "The consumers read all {entries} entries of the stream again, those since {since}; what was counted already \
             does not count again"
        ),
        None => println!("The stream is empty: there is nothing to read again"),
    }
    Ok(())
}

/// The definitions of all polls that Redis or PostgreSQL knows, as Redis has them.
fn published(stream: &mut Stream, database: &str) -> Result<Vec<serde_json::Value>> {
    let mut polls: Vec<String> = stream.redis.hkeys(stream.key("polls"))?;
    let known: Vec<[String; 1]> =
        psql(database, "select poll from polls").context("has the database been migrated?")?;
    polls.extend(known.into_iter().flatten());
    polls.sort();
    polls.dedup();

    let mut definitions = Vec::new();
    for poll in polls {
        let fields: Value = stream.redis.hgetall(stream.key(&format!("poll:{poll}")))?;
        let Ok(fields) = Vec::<(String, String)>::from_redis_value(&fields) else {
            continue; // something else has its name
        };
        let field = |name: &str| {
            fields
                .iter()
                .find(|(it, _)| it == name)
                .map(|(_, value)| value.as_str())
        };
        let number = |name: &str| field(name).and_then(|value| value.parse::<i64>().ok());
        let Some(revision) = number("revision") else {
            continue;
        };
        let mut options: Vec<(u32, &str)> = fields
            .iter()
            .filter_map(|(name, place)| Some((place.parse().ok()?, name.strip_prefix("option:")?)))
            .collect();
        options.sort_unstable();
        let options: Vec<_> = options.into_iter().map(|(_, option)| option).collect();
        definitions.push(json!({
            "poll": poll,
            "revision": revision,
            "deleted": field("deleted").is_some(),
            "question": field("question"),
            "options": options,
            "opens_ms": number("opens_ms"),
            "closes_ms": number("closes_ms"),
            "one_vote_per_voter": field("one_vote_per_voter").is_some(),
        }));
    }
    Ok(definitions)
}
