//! The consumer's side of the stream.

use std::time::Duration;

use ballot::{RawEntry, Rejection, StreamId};
use serde_json::json;

use super::{DOORBELL_HOLDS, doorbell};
use crate::redis::{Redis, Value, number, parameter, unexpected};
use crate::settings::{self, InvalidSetting};
use crate::{Cause, Failure, log};

/// One member of the consumer group, by the variables `stream`, `consumer_group`, `consumer_name`,
/// `batch_size`, `claim_idle_ms`, `stream_retention`, `consumer_retention` and `redis_url`.
pub struct Consumer {
    redis: Redis,
    stream: String,
    rejected: String,
    doorbell: String,
    group: String,
    name: String,
    batch_size: u32,
    claim_idle: Duration,
    retention: Duration,
    consumer_retention: Duration,
}

/// An entry that was handed to us, to be acknowledged or rejected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// By which it is acknowledged.
    pub stream_id: StreamId,
    /// Nothing of it is checked yet.
    pub raw: RawEntry,
}

/// How the stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Entries in the stream.
    pub length: i64,
    /// Entries that the group has not read.
    pub lag: i64,
    /// Entries that are read and not acknowledged.
    pub pending: i64,
    /// How long ago the oldest of these was appended; zero without one.
    pub oldest_pending: Duration,
    /// Consumers in the group, those that are gone and not yet forgotten included.
    pub consumers: i64,
    /// Entries in the dead-letter stream.
    pub rejected: i64,
}

impl Standing {
    /// Entries that are not counted yet, whether read or not.
    pub fn backlog(&self) -> i64 {
        self.lag + self.pending
    }
}

impl Consumer {
    /// Reads the variables of the consumer, and those of [`Redis::from_settings`].
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        let stream = settings::text("stream").await?;
        Ok(Self {
            redis: Redis::from_settings().await?,
            rejected: format!("{stream}:rejected"),
            doorbell: doorbell(&stream),
            stream,
            group: settings::text("consumer_group").await?,
            name: settings::text("consumer_name").await?,
            batch_size: settings::count("batch_size").await?,
            claim_idle: settings::millis("claim_idle_ms").await?,
            retention: settings::seconds("stream_retention").await?,
            consumer_retention: settings::seconds("consumer_retention").await?,
        })
    }

    /// How many entries [`Self::read`] takes at most.
    pub fn batch_size(&self) -> usize {
        self.batch_size as usize
    }

    /// Takes note that the bell was rung: whoever appends from now on rings again. Must come before
    /// reading, or an entry appended between the two would wait unannounced.
    pub async fn answer_doorbell(&self) -> Result<(), Failure> {
        self.redis
            .execute("DEL", &[parameter(&self.doorbell)])
            .await
            .map(drop)
    }

    /// Wakes the consumers, unless somebody has just done so.
    pub async fn ring(&self) -> Result<(), Failure> {
        let flag = [
            parameter(&self.doorbell),
            parameter(""),
            parameter("NX"),
            parameter("PX"),
            number(DOORBELL_HOLDS.as_millis()),
        ];
        if self.redis.execute("SET", &flag).await? != [Value::Nil] {
            self.redis
                .execute("PUBLISH", &[parameter(&self.doorbell), parameter("")])
                .await?;
        }
        Ok(())
    }

    /// Takes up to `batch_size` entries, stale ones first. Fewer means that nothing else was there.
    pub async fn read(&self) -> Result<Vec<Delivery>, Failure> {
        let reply = match self.run_read().await {
            Err(failure) if says(&failure, "NOGROUP") => {
                self.create_group().await?;
                self.run_read().await?
            }
            reply => reply?,
        };
        reply.chunks(6).map(delivery).collect()
    }

    async fn run_read(&self) -> Result<Vec<Value>, Failure> {
        let arguments = [
            parameter(&self.group),
            parameter(&self.name),
            number(self.batch_size),
            number(self.claim_idle.as_millis()),
        ];
        self.redis
            .evaluate(include_str!("read.lua"), &[&self.stream], arguments)
            .await
    }

    /// The group is gone, or was never there: it begins at the beginning. What was counted before is
    /// known by its id in PostgreSQL.
    async fn create_group(&self) -> Result<(), Failure> {
        let script = include_str!("create_group.lua");
        let arguments = [parameter(&self.group)];
        match self
            .redis
            .evaluate(script, &[&self.stream], arguments)
            .await
        {
            // Another consumer was quicker.
            Err(failure) if says(&failure, "BUSYGROUP") => {}
            outcome => {
                outcome?;
                let fields = json!({ "stream": self.stream, "consumer_group": self.group });
                log::info("consumer_group_created", fields);
            }
        }
        Ok(())
    }

    /// Tells the group that these are done with. An id that it does not know is no error.
    pub async fn acknowledge(&self, ids: &[&StreamId]) -> Result<(), Failure> {
        if ids.is_empty() {
            return Ok(());
        }
        let arguments: Vec<_> = [parameter(&self.stream), parameter(&self.group)]
            .into_iter()
            .chain(ids.iter().map(|id| parameter(id.as_str())))
            .collect();
        self.redis.execute("XACK", &arguments).await.map(drop)
    }

    /// Moves entries to the dead-letter stream, each with its reason.
    pub async fn reject(&self, entries: &[(StreamId, Rejection)]) -> Result<(), Failure> {
        if entries.is_empty() {
            return Ok(());
        }
        let pairs = entries
            .iter()
            .flat_map(|(id, reason)| [parameter(id.as_str()), parameter(reason.to_string())]);
        let arguments = [parameter(&self.group)].into_iter().chain(pairs);
        let keys = [self.stream.as_str(), &self.rejected];
        self.redis
            .evaluate(include_str!("reject.lua"), &keys, arguments)
            .await
            .map(drop)
    }

    /// Gives back entries that could not be recorded: whoever reads next claims them at once, without
    /// waiting for `claim_idle_ms`.
    pub async fn release(&self, ids: &[&StreamId]) -> Result<(), Failure> {
        let arguments: Vec<_> = [&self.stream, &self.group, &self.name]
            .map(parameter)
            .into_iter()
            .chain([number(0)])
            .chain(ids.iter().map(|id| parameter(id.as_str())))
            .chain([
                parameter("IDLE"),
                number(self.claim_idle.as_millis()),
                parameter("JUSTID"),
            ])
            .collect();
        self.redis.execute("XCLAIM", &arguments).await.map(drop)
    }

    /// Trims what is acknowledged and old, and forgets consumers that are gone.
    pub async fn tidy(&self) -> Result<(), Failure> {
        let arguments = [
            parameter(&self.group),
            number(self.retention.as_millis()),
            number(self.consumer_retention.as_millis()),
        ];
        let keys = [self.stream.as_str()];
        let reply = self
            .redis
            .evaluate(include_str!("tidy.lua"), &keys, arguments)
            .await?;
        let [Value::Int64(trimmed), Value::Int64(forgotten)] = reply.as_slice() else {
            return Err(unexpected("tidy.lua"));
        };
        if (*trimmed, *forgotten) != (0, 0) {
            let fields = json!({ "entries_trimmed": trimmed, "consumers_forgotten": forgotten });
            log::info("stream_tidied", fields);
        }
        Ok(())
    }

    /// How the stream stands, whether or not it or the group are there yet.
    pub async fn standing(&self) -> Result<Standing, Failure> {
        let keys = [self.stream.as_str(), &self.rejected];
        let script = include_str!("standing.lua");
        let arguments = [parameter(&self.group)];
        let reply = self.redis.evaluate(script, &keys, arguments).await?;
        match *reply.as_slice() {
            [
                Value::Int64(length),
                Value::Int64(lag),
                Value::Int64(pending),
                Value::Int64(age),
                Value::Int64(consumers),
                Value::Int64(rejected),
            ] => Ok(Standing {
                length,
                lag,
                pending,
                oldest_pending: Duration::from_millis(u64::try_from(age).unwrap_or_default()),
                consumers,
                rejected,
            }),
            _ => Err(unexpected("standing.lua")),
        }
    }
}

fn says(failure: &Failure, code: &str) -> bool {
    matches!(&failure.cause, Cause::Refused(error) if error.contains(code))
}

/// Reads the six values that read.lua gives for an entry.
fn delivery(values: &[Value]) -> Result<Delivery, Failure> {
    let [Value::Binary(id), option, poll, vote_id, voter, timestamp] = values else {
        return Err(unexpected("read.lua"));
    };
    let id = str::from_utf8(id).ok().and_then(StreamId::parse);
    let field = |value: &Value| match value {
        Value::Binary(bytes) => Some(bytes.clone()),
        _ => None,
    };
    Ok(Delivery {
        stream_id: id.ok_or_else(|| unexpected("read.lua"))?,
        raw: RawEntry {
            option: field(option),
            poll: field(poll),
            vote_id: field(vote_id),
            voter: field(voter),
            timestamp: field(timestamp),
        },
    })
}
