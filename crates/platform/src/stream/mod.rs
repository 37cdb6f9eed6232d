//! The stream of votes, and all that hangs on its name: the doorbell `<stream>:doorbell`, the
//! dead-letter stream `<stream>:rejected`, and the remembered keys `<stream>:idempotency:…`.
//!
//! [`Stream`] is how a vote gets in, [`Consumer`] how votes get out. What must happen in one piece is
//! a Lua script beside this file.

mod consumer;

use std::time::Duration;

use ballot::{OptionName, PollId, StreamId, VoteId};

use crate::Failure;
use crate::redis::{Redis, Value, number, parameter, unexpected};
use crate::settings::{self, InvalidSetting};

pub use consumer::{Consumer, Delivery, Standing};

/// How long the doorbell counts as rung. If nobody listened, the first vote after it rings again.
const DOORBELL_HOLDS: Duration = Duration::from_secs(1);

/// Where votes are appended, by the variables `stream` and `redis_url`.
pub struct Stream {
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

impl Stream {
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

    /// Appends a vote and rings. Should it happen twice, `vote_id` makes it count once.
    pub async fn append(
        &self,
        poll: &PollId,
        option: &OptionName,
        vote_id: &VoteId,
    ) -> Result<Appended, Failure> {
        self.run_append(&[&self.name, &self.doorbell], poll, option, vote_id)
            .await
    }

    /// Appends a vote and rings, unless a vote with this id was appended within `idempotency_ttl`:
    /// then that one is the answer, whatever its option.
    pub async fn append_once(
        &self,
        poll: &PollId,
        option: &OptionName,
        vote_id: &VoteId,
    ) -> Result<Appended, Failure> {
        let remembered = format!("{}:idempotency:{poll}:{vote_id}", self.name);
        self.run_append(
            &[&self.name, &self.doorbell, &remembered],
            poll,
            option,
            vote_id,
        )
        .await
    }

    async fn run_append(
        &self,
        keys: &[&str],
        poll: &PollId,
        option: &OptionName,
        vote_id: &VoteId,
    ) -> Result<Appended, Failure> {
        let arguments = [
            parameter(option.as_str()),
            parameter(poll.as_str()),
            parameter(vote_id.as_str()),
            number(DOORBELL_HOLDS.as_millis()),
            number(self.idempotency_ttl.as_secs()),
        ];
        let reply = self
            .redis
            .evaluate(include_str!("append.lua"), keys, arguments)
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
