//! The consumer's side of the stream.

use std::time::{Duration, Instant};

use ballot::{Deliveries, Rejection, StreamId};
use serde_json::json;

use super::producer::texts;
use super::{DOORBELL_HOLDS, Names, UNDECIDED};
use crate::redis::{Redis, Value, number, parameter, unexpected};
use crate::settings::{self, InvalidSetting};
use crate::{Failure, log};

/// How much of Redis' `maxmemory` may be used before settled entries are trimmed whatever their age, in
/// per cent. At 85,000 votes a second, which is all that Redis takes, 384 MB fill in 16 s: the rest is
/// for what comes in between two times of tidying.
const SHORT_OF_MEMORY: u8 = 75;

/// How long [`Consumer::tidy`] goes on while more waits to be trimmed.
const TIDY_FOR: Duration = Duration::from_millis(250);

/// How often [`Consumer::tidy_in_passing`] tidies, however many consumers call it. One call that finds
/// nothing to do takes Redis a tenth of a millisecond.
const TIDY_EVERY: Duration = Duration::from_millis(100);

/// One member of the consumer group, by the variables `stream`, `consumer_group`, `consumer_name`,
/// `batch_size`, `claim_idle_ms`, `stream_retention`, `consumer_retention` and `redis_url`.
pub struct Consumer {
    redis: Redis,
    names: Names,
    group: String,
    name: String,
    batch_size: u32,
    claim_idle: Duration,
    retention: Duration,
    consumer_retention: Duration,
}

/// How the stream stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Entries in the stream.
    pub length: i64,
    /// Entries that the group has not read.
    pub lag: i64,
    /// Whether these are exactly so many. Else Redis does not know, and they are no more than these.
    pub lag_is_exact: bool,
    /// Entries that are read and not acknowledged.
    pub pending: i64,
    /// How long ago the oldest of these was last handed to a consumer; zero without one.
    pub oldest_pending: Duration,
    /// How often it was; zero without one.
    pub oldest_pending_deliveries: i64,
    /// Consumers in the group, those that are gone and not yet forgotten included.
    pub consumers: i64,
    /// Entries in the dead-letter stream, if it is one.
    pub rejected: Option<i64>,
    /// Entries that were ever appended, if Redis knows: it does not after a restart, until the group has
    /// caught up, nor without the group.
    pub added: Option<i64>,
    /// How far the newest id lies ahead of Redis' clock. Redis makes no such id; a producer does.
    pub clock_lead: Duration,
    /// Bytes.
    pub used_memory: i64,
    /// Bytes; zero without a limit.
    pub max_memory: i64,
    /// Entries that were trimmed before their time because memory was short.
    pub trimmed_early: i64,
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
        Ok(Self {
            redis: Redis::from_settings().await?,
            names: Names::from_settings().await?,
            group: settings::text("consumer_group").await?,
            name: settings::text("consumer_name").await?,
            batch_size: settings::count("batch_size").await?,
            claim_idle: settings::millis("claim_idle_ms").await?,
            retention: settings::seconds("stream_retention").await?,
            consumer_retention: settings::seconds("consumer_retention").await?,
        })
    }

    /// Takes note that the bell was rung: from now on an append rings again. Must come before
    /// reading, or an entry appended between the two would wait unannounced.
    pub async fn answer_doorbell(&self) -> Result<(), Failure> {
        self.redis
            .execute("DEL", &[parameter(self.names.doorbell())])
            .await
            .map(drop)
    }

    /// Wakes the consumers, unless somebody has just done so.
    pub async fn ring(&self) -> Result<(), Failure> {
        let flag = [
            parameter(self.names.doorbell()),
            parameter(""),
            parameter("NX"),
            parameter("PX"),
            number(DOORBELL_HOLDS.as_millis()),
        ];
        if self.redis.execute("SET", &flag).await? != [Value::Nil] {
            self.redis
                .execute(
                    "PUBLISH",
                    &[parameter(self.names.doorbell_channel()), parameter("")],
                )
                .await?;
        }
        Ok(())
    }

    /// How many are woken when the bell is rung.
    pub async fn listeners(&self) -> Result<i64, Failure> {
        let arguments = [
            parameter("NUMSUB"),
            parameter(self.names.doorbell_channel()),
        ];
        match self.redis.execute("PUBSUB", &arguments).await?.as_slice() {
            [_, Value::Int64(listeners)] => Ok(*listeners),
            _ => Err(unexpected("PUBSUB")),
        }
    }

    /// Takes up to `batch_size` entries, stale ones first, and fewer where they are large.
    pub async fn read(&self) -> Result<Deliveries, Failure> {
        let reply = match self.run_read().await {
            Err(failure) if failure.says("NOGROUP") => {
                self.create_group().await?;
                self.run_read().await?
            }
            reply => reply?,
        };
        match reply.as_slice() {
            [Value::Binary(packed)] => Deliveries::unpack(packed),
            _ => None,
        }
        .ok_or_else(|| unexpected("read.lua"))
    }

    async fn run_read(&self) -> Result<Vec<Value>, Failure> {
        let arguments = [
            parameter(&self.group),
            parameter(&self.name),
            number(self.batch_size),
            number(self.claim_idle.as_millis()),
        ];
        self.redis
            .evaluate(&script!("read"), &[&self.names.stream], arguments)
            .await
    }

    /// The group is gone, or was never there: it begins at the beginning. What was counted before is
    /// known by its id in PostgreSQL.
    async fn create_group(&self) -> Result<(), Failure> {
        let script = script!("create_group");
        let arguments = [parameter(&self.group)];
        match self
            .redis
            .evaluate(&script, &[&self.names.stream], arguments)
            .await
        {
            // Another consumer was quicker.
            Err(failure) if failure.says("BUSYGROUP") => {}
            outcome => {
                outcome?;
                let fields = json!({ "stream": self.names.stream, "consumer_group": self.group });
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
        let arguments: Vec<_> = [parameter(&self.names.stream), parameter(&self.group)]
            .into_iter()
            .chain(ids.iter().map(|id| parameter(id.as_str())))
            .collect();
        self.redis.execute("XACK", &arguments).await.map(drop)
    }

    /// Moves entries to the dead-letter stream, each with its reason. What cannot be written there stays
    /// pending, to be claimed and tried again: it costs no other entry anything.
    pub async fn reject(&self, entries: &[(StreamId, Rejection)]) -> Result<(), Failure> {
        if entries.is_empty() {
            return Ok(());
        }
        let pairs = entries
            .iter()
            .flat_map(|(id, reason)| [parameter(id.as_str()), parameter(reason.to_string())]);
        let arguments = [parameter(&self.group)].into_iter().chain(pairs);
        let rejected = self.names.rejected();
        let keys = [self.names.stream.as_str(), &rejected];
        let reply = self
            .redis
            .evaluate(&script!("reject"), &keys, arguments)
            .await?;
        let [_, Value::Int64(left), Value::Binary(error)] = reply.as_slice() else {
            return Err(unexpected("reject.lua"));
        };
        if *left > 0 {
            let error = String::from_utf8_lossy(error);
            let fields = json!({ "stream": rejected, "entries": left, "error": error });
            log::error("dead_letters_not_written", fields);
        }
        Ok(())
    }

    /// Gives back entries that could not be recorded: the next reader claims them at once, without
    /// waiting for `claim_idle_ms`.
    pub async fn release(&self, ids: &[&StreamId]) -> Result<(), Failure> {
        let arguments: Vec<_> = [&self.names.stream, &self.group, &self.name]
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

    /// Trims what is settled, and forgets consumers that are gone. Entries stay for `stream_retention` after
    /// they were acknowledged, and less where memory is short: then they go before a vote is refused.
    pub async fn tidy(&self) -> Result<(), Failure> {
        self.tidy_unless_done_within(Duration::ZERO).await
    }

    /// The same, for callers that come by often: does nothing if it was done within [`TIDY_EVERY`].
    pub async fn tidy_in_passing(&self) -> Result<(), Failure> {
        self.tidy_unless_done_within(TIDY_EVERY).await
    }

    async fn tidy_unless_done_within(&self, every: Duration) -> Result<(), Failure> {
        let until = Instant::now() + TIDY_FOR;
        let mut every = every;
        let mut done = Tidied::default();
        loop {
            let more = self.run_tidy(every, &mut done).await?;
            if !more || Instant::now() >= until {
                break;
            }
            every = Duration::ZERO;
        }
        if done != Tidied::default() {
            let fields = json!({
                "entries_trimmed": done.trimmed,
                "entries_trimmed_early": done.trimmed_early,
                "consumers_forgotten": done.forgotten,
            });
            log::info("stream_tidied", fields);
        }
        Ok(())
    }

    /// Says whether more waits to be trimmed: each call has a bound.
    async fn run_tidy(&self, every: Duration, done: &mut Tidied) -> Result<bool, Failure> {
        let arguments = [
            parameter(&self.group),
            number(self.retention.as_millis()),
            number(self.consumer_retention.as_millis()),
            number(every.as_millis()),
            number(SHORT_OF_MEMORY),
            parameter(self.names.remembered()),
        ];
        let (tidied, trimmed_early) = (self.names.tidied(), self.names.trimmed_early());
        let keys = [self.names.stream.as_str(), &tidied, &trimmed_early];
        let script = script!("tidy");
        let [trimmed, trimmed_early, forgotten, more] =
            numbers(&self.redis.evaluate(&script, &keys, arguments).await?)
                .ok_or_else(|| unexpected("tidy.lua"))?;
        done.trimmed += trimmed;
        done.trimmed_early += trimmed_early;
        done.forgotten += forgotten;
        Ok(more != 0)
    }

    /// How many votes were not taken by the policy.
    pub async fn refusals(&self) -> Result<Refusals, Failure> {
        let key = parameter(self.names.refused());
        let reply = self.redis.execute("HGETALL", &[key]).await?;
        let fields = texts(&reply).ok_or_else(|| unexpected("HGETALL"))?;
        let mut refusals = Refusals::default();
        for field in fields.chunks_exact(2) {
            let [code, count] = *field else { continue };
            let count = count.parse().map_err(|_| unexpected("HGETALL"))?;
            if code == UNDECIDED {
                refusals.undecided = count;
            } else {
                refusals.by_code.push((code.to_owned(), count));
            }
        }
        refusals.by_code.sort();
        Ok(refusals)
    }

    /// How the stream stands, whether or not it or the group are there yet.
    pub async fn standing(&self) -> Result<Standing, Failure> {
        let (rejected, trimmed_early) = (self.names.rejected(), self.names.trimmed_early());
        let keys = [self.names.stream.as_str(), &rejected, &trimmed_early];
        let script = script!("standing");
        let arguments = [parameter(&self.group)];
        let [
            length,
            lag,
            lag_is_exact,
            pending,
            idle,
            oldest_pending_deliveries,
            consumers,
            rejected,
            added,
            clock_lead,
            used_memory,
            max_memory,
            trimmed_early,
        ] = numbers(&self.redis.evaluate(&script, &keys, arguments).await?)
            .ok_or_else(|| unexpected("standing.lua"))?;
        let known = |number: i64| Some(number).filter(|&number| number >= 0);
        let positive = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(Standing {
            length,
            lag,
            lag_is_exact: lag_is_exact != 0,
            pending,
            oldest_pending: Duration::from_millis(positive(idle)),
            oldest_pending_deliveries,
            consumers,
            rejected: known(rejected),
            added: known(added),
            clock_lead: Duration::from_secs(positive(clock_lead)),
            used_memory,
            max_memory,
            trimmed_early,
        })
    }
}

/// How many votes the policy has not let through, ever.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Refusals {
    /// Those that it refused, by the codes of its refusals.
    pub by_code: Vec<(String, u64)>,
    /// Those that it did not decide about.
    pub undecided: u64,
}

/// What tidying came to.
#[derive(Default, PartialEq, Eq)]
struct Tidied {
    /// Entries.
    trimmed: i64,
    /// Entries that went before their time.
    trimmed_early: i64,
    /// Consumers.
    forgotten: i64,
}

/// A reply that is just so many whole numbers.
fn numbers<const N: usize>(reply: &[Value]) -> Option<[i64; N]> {
    let number = |value: &Value| match value {
        Value::Int64(number) => Some(*number),
        _ => None,
    };
    let numbers: Vec<_> = reply.iter().map_while(number).collect();
    numbers.try_into().ok()
}
