//! How a vote gets into the stream.

use std::time::Duration;

use ballot::{Door, OptionName, PollId, StreamId, Timestamp, VoteId, Voter};

use super::{DOORBELL_HOLDS, Names};
use crate::Failure;
use crate::redis::{Redis, Value, number, parameter, unexpected};
use crate::settings::{self, InvalidSetting};

/// Where votes are appended, by the variables `stream`, `idempotency_ttl` and `redis_url`.
pub struct Producer {
    redis: Redis,
    names: Names,
    /// As the script needs them, put together once.
    doorbell: String,
    doorbell_channel: String,
    polls: String,
    published: String,
    voted: String,
    remembered: String,
    idempotency_ttl: Duration,
}

/// What became of a vote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// It is in the stream: now, or since a vote with its id was sent before.
    Recorded {
        /// Of the entry that was appended first.
        stream_id: StreamId,
        /// Of the vote that was appended first.
        option: OptionName,
    },
    /// The poll has other options: these.
    UnknownOption(Vec<OptionName>),
    /// The poll opens then.
    NotOpen(Timestamp),
    /// The poll closed then.
    Closed(Timestamp),
    /// Each voter has one vote in this poll, and nobody said who votes.
    VoterMissing,
    /// There is no such poll.
    UnknownPoll,
    /// Redis has no definition of the poll, and may lack some: it has been asked for. Or the poll is being
    /// changed.
    Unpublished,
}

impl Producer {
    /// Reads the variables `stream` and `idempotency_ttl`, and those of [`Redis::from_settings`].
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        let names = Names::from_settings().await?;
        Ok(Self {
            redis: Redis::from_settings().await?,
            doorbell: names.doorbell(),
            doorbell_channel: names.doorbell_channel(),
            polls: names.polls(),
            published: names.published(),
            voted: names.voted(),
            remembered: names.remembered(),
            names,
            idempotency_ttl: settings::seconds("idempotency_ttl").await?,
        })
    }

    /// Appends a vote and rings, if the definition of its poll allows it; unless a vote with this id was
    /// appended within `idempotency_ttl`: then that one is the answer, whatever its option. Should it be
    /// appended twice all the same, its id makes it count once.
    ///
    /// The voter is written down only where each has one vote.
    pub async fn append(
        &self,
        poll: &PollId,
        option: &OptionName,
        vote_id: &VoteId,
        voter: Option<&Voter>,
    ) -> Result<Appended, Failure> {
        let definition = self.names.definition(poll);
        let remembered = format!("{}{poll}:{vote_id}", self.remembered);
        let mut keys = vec![
            self.names.stream.as_str(),
            &self.doorbell,
            &definition,
            &self.polls,
            &self.published,
            &self.voted,
        ];
        // An id that the answer tells for the first time is never sent to us.
        if vote_id.issued_at() != Some(Door::Api) {
            keys.push(&remembered);
        }
        let arguments = [
            parameter(option.as_str()),
            parameter(poll.as_str()),
            parameter(vote_id.as_str()),
            parameter(voter.map_or("", Voter::as_str)),
            parameter(&self.doorbell_channel),
            number(DOORBELL_HOLDS.as_millis()),
            number(self.idempotency_ttl.as_secs()),
        ];
        let reply = self
            .redis
            .evaluate(&script!("append"), &keys, arguments)
            .await?;
        appended(&reply).ok_or_else(|| unexpected("append.lua"))
    }
}

/// A reply that is just text.
pub(super) fn texts(reply: &[Value]) -> Option<Vec<&str>> {
    reply
        .iter()
        .map(|value| match value {
            Value::Binary(bytes) => str::from_utf8(bytes).ok(),
            _ => None,
        })
        .collect()
}

pub(super) fn time(millis: &str) -> Option<Timestamp> {
    Timestamp::from_millis(millis.parse().ok()?)
}

/// Reads the reply of append.lua.
fn appended(reply: &[Value]) -> Option<Appended> {
    let texts = texts(reply)?;
    let option = |text: &&str| OptionName::parse(text).ok();
    Some(match texts.as_slice() {
        ["appended", id, of] => Appended::Recorded {
            stream_id: StreamId::parse(id)?,
            option: option(of)?,
        },
        ["unknown_option", options @ ..] => {
            Appended::UnknownOption(options.iter().map(option).collect::<Option<_>>()?)
        }
        ["not_open", opens] => Appended::NotOpen(time(opens)?),
        ["closed", closes] => Appended::Closed(time(closes)?),
        ["voter_missing"] => Appended::VoterMissing,
        ["unknown_poll"] => Appended::UnknownPoll,
        ["unpublished"] => Appended::Unpublished,
        _ => return None,
    })
}
