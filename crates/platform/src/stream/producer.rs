//! How a vote gets into the stream.

use std::net::IpAddr;
use std::time::Duration;

use ballot::{Door, OptionName, PollId, StreamId, Timestamp, VoteId, Voter};
use conventions::Quota;

use super::{DOORBELL_HOLDS, Names, RateLimit};
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
    cast_by: String,
    idempotency_ttl: Duration,
    rate_limit: Option<RateLimit>,
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
        /// What is left to the client, where votes are limited and this one is new.
        quota: Option<Quota>,
    },
    /// The client has cast as many votes as it may.
    Limited {
        /// When it may cast the next one.
        retry_after: Duration,
        /// Nothing is left of it.
        quota: Quota,
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
    /// Reads the variables `stream` and `idempotency_ttl`, those of [`Redis::from_settings`] and of
    /// [`RateLimit::from_settings`].
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
            cast_by: names.cast_by(),
            names,
            rate_limit: RateLimit::from_settings().await?,
            idempotency_ttl: settings::seconds("idempotency_ttl").await?,
        })
    }

    /// Appends a vote and rings, if the definition of its poll allows it; unless a vote with this id was
    /// appended within `idempotency_ttl`: then that one is the answer, whatever its option. Should it be
    /// appended twice all the same, its id makes it count once.
    ///
    /// The voter is written down only where each has one vote. The client is who asks, for the rate limit.
    pub async fn append(
        &self,
        poll: &PollId,
        option: &OptionName,
        vote_id: &VoteId,
        voter: Option<&Voter>,
        client: Option<IpAddr>,
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
        let is_remembered = vote_id.issued_at() != Some(Door::Api);
        if is_remembered {
            keys.push(&remembered);
        }
        let limit = self.rate_limit.as_ref();
        let cast = limit.map(|limit| format!("{}{}", self.cast_by, limit.counted_by(poll, client)));
        keys.extend(cast.as_deref());
        let arguments = [
            parameter(option.as_str()),
            parameter(poll.as_str()),
            parameter(vote_id.as_str()),
            parameter(voter.map_or("", Voter::as_str)),
            parameter(&self.doorbell_channel),
            number(DOORBELL_HOLDS.as_millis()),
            number(if is_remembered {
                self.idempotency_ttl.as_secs()
            } else {
                0
            }),
            number(limit.map_or(0, |limit| limit.policy.quota)),
            number(limit.map_or(0, |limit| limit.policy.window.as_millis())),
        ];
        let reply = self
            .redis
            .evaluate(&script!("append"), &keys, arguments)
            .await?;
        appended(&reply, limit).ok_or_else(|| unexpected("append.lua"))
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

fn duration(millis: &str) -> Option<Duration> {
    Some(Duration::from_millis(millis.parse().ok()?))
}

/// Reads the reply of append.lua.
fn appended(reply: &[Value], limit: Option<&RateLimit>) -> Option<Appended> {
    let texts = texts(reply)?;
    let option = |text: &&str| OptionName::parse(text).ok();
    let quota = |remaining: &str, full_in: &str| {
        Some(Quota {
            policy: limit?.policy,
            remaining: remaining.parse().ok()?,
            full_in: duration(full_in)?,
        })
    };
    Some(match texts.as_slice() {
        ["appended", id, of, left @ ..] => Appended::Recorded {
            stream_id: StreamId::parse(id)?,
            option: option(of)?,
            quota: match left {
                [remaining, full_in] => Some(quota(remaining, full_in)?),
                _ => None,
            },
        },
        ["limited", retry_after, full_in] => Appended::Limited {
            retry_after: duration(retry_after)?,
            quota: quota("0", full_in)?,
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
