//! The stream of votes, and all that hangs on its name: the doorbell `<stream>:doorbell`, the
//! dead-letter stream `<stream>:rejected`, the remembered keys `<stream>:idempotency:…`, and what tidying
//! keeps, `<stream>:tidied` and `<stream>:trimmed-early`.
//!
//! [`Producer`] is how a vote gets in, [`Consumer`] how votes get out. What must happen in one piece is
//! a Lua script beside this file.
//!
//! While a script runs nobody else is served, and anybody may have appended anything. So each has a bound
//! that holds whatever is in the stream:
//!
//! | script | what one call does at most | its reply |
//! |---|---|---|
//! | `append.lua` | appends one entry of at most 1.4 kB, sets one key and one flag | 2 values |
//! | `read.lua` | claims or reads 64 entries at a time, until it has `batch_size` or 4 MiB; looks at 25,600 pending entries | 6 values an entry, each of at most 1,020 bytes |
//! | `reject.lua` | reads again what `read.lua` gave; copies of each entry 64 fields of at most 1,020 bytes | 3 values |
//! | `create_group.lua` | makes one group | one value |
//! | `tidy.lua` | trims 10,000 old entries and 2,000 early, of which it reads ten at a time, until it has read 1 MiB; forgets 100 consumers | 4 numbers |
//! | `standing.lua` | reads one entry, the newest, and only while the group has not read it | 13 numbers |
//!
//! Both look at each group of the stream once, and `tidy.lua` at each consumer of ours.

/// A script beside this file, without its comments: see build.rs.
macro_rules! script {
    ($name:literal) => {
        include_str!(concat!(env!("OUT_DIR"), "/", $name, ".lua"))
    };
}

mod consumer;

use std::time::Duration;

use ballot::{Door, OptionName, PollId, StreamId, VoteId};

use crate::Failure;
use crate::redis::{Redis, Value, number, parameter, unexpected};
use crate::settings::{self, InvalidSetting};

pub use consumer::{Consumer, Deliveries, Delivery, Standing};

/// How long the doorbell counts as rung. If nobody listened, the first vote after it rings again.
const DOORBELL_HOLDS: Duration = Duration::from_secs(1);

/// Where votes are appended, by the variables `stream` and `redis_url`.
pub struct Producer {
    redis: Redis,
    name: String,
    doorbell: String,
    idempotency_ttl: Duration,
}

/// What was appended: now, or when the client sent the same key before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// Of the entry that was appended first.
    pub stream_id: StreamId,
    /// The option of the vote that was appended first.
    pub option: String,
}

impl Producer {
    /// Reads the variables `stream` and `idempotency_ttl`, and those of [`Redis::from_settings`].
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        let name = settings::text("stream").await?;
        Ok(Self {
            redis: Redis::from_settings().await?,
            doorbell: doorbell(&name),
            name,
            idempotency_ttl: settings::seconds("idempotency_ttl").await?,
        })
    }

    /// Appends a vote and rings, unless a vote with this id was appended within `idempotency_ttl`: then
    /// that one is the answer, whatever its option. Should it be appended twice all the same, its id makes
    /// it count once.
    pub async fn append(
        &self,
        poll: &PollId,
        option: &OptionName,
        vote_id: &VoteId,
    ) -> Result<Appended, Failure> {
        let remembered = format!("{}{poll}:{vote_id}", remembered(&self.name));
        let mut keys = vec![self.name.as_str(), &self.doorbell];
        // An id that the answer tells for the first time is never sent to us.
        if vote_id.issued_at() != Some(Door::Api) {
            keys.push(&remembered);
        }
        let arguments = [
            parameter(option.as_str()),
            parameter(poll.as_str()),
            parameter(vote_id.as_str()),
            number(DOORBELL_HOLDS.as_millis()),
            number(self.idempotency_ttl.as_secs()),
        ];
        let reply = self
            .redis
            .evaluate(script!("append"), &keys, arguments)
            .await?;
        let [Value::Binary(id), Value::Binary(option)] = reply.as_slice() else {
            return Err(unexpected("append.lua"));
        };
        let id = str::from_utf8(id).ok().and_then(StreamId::parse);
        Ok(Appended {
            stream_id: id.ok_or_else(|| unexpected("append.lua"))?,
            option: String::from_utf8_lossy(option).into_owned(),
        })
    }
}

/// The flag that says that the bell was rung, and the channel on which it rings.
fn doorbell(stream: &str) -> String {
    format!("{stream}:doorbell")
}

/// What the names begin with by which idempotency keys are remembered.
fn remembered(stream: &str) -> String {
    format!("{stream}:idempotency:")
}
