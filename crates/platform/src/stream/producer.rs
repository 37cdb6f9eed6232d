//! How a vote gets into the stream.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ballot::{Door, OptionName, PollId, Refusal, StreamId, Timestamp, VoteId, Voter};
use conventions::{Quota, QuotaPolicy};
use http::HeaderMap;

use super::{DOORBELL_HOLDS, Names, RateLimit};
use crate::proxies::Proxies;
use crate::redis::{Redis, Value, number, parameter, unexpected};
use crate::settings::{self, InvalidSetting};
use crate::{Cause, Credentials, Failure};

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
    proxies: Proxies,
}

/// The most votes that one call may append.
pub const MOST_VOTES: usize = 500;

/// Codes of refusals that are counted by themselves; those that come later are counted as one.
const MOST_CODES: usize = 50;

/// How long a vote waits for the definition of its poll, which is missing when Redis has just started. The
/// consumer is asked for it, and needs a few milliseconds.
const WAITS_FOR_DEFINITION: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A vote to be appended.
#[derive(Debug, Clone, Copy)]
pub struct Vote<'a> {
    /// In which it is cast.
    pub poll: &'a PollId,
    /// For what.
    pub option: &'a OptionName,
    /// By which it counts once.
    pub vote_id: &'a VoteId,
    /// Written down only where each voter has one vote.
    pub voter: Option<&'a Voter>,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// If it is known.
    pub address: Option<IpAddr>,
    /// Whether it has an organizer's token, and passes on the votes of many: it is not limited.
    pub is_gateway: bool,
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
    /// The policy does not allow it.
    Ineligible(Refusal),
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
    /// Reads the variables `stream`, `idempotency_ttl` and `trusted_proxies`, those of [`Redis::from_settings`] and of
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
            proxies: Proxies::from_settings().await?,
            idempotency_ttl: settings::seconds("idempotency_ttl").await?,
        })
    }

    /// Who sent a request.
    pub fn client(&self, headers: &HeaderMap, credentials: &Credentials) -> Client {
        Client {
            address: self.proxies.client(headers),
            is_gateway: credentials.is_gateway(),
        }
    }

    /// Appends votes and rings, each if the definition of its poll allows it; unless a vote with its id was
    /// appended within `idempotency_ttl`: then that one is the answer, whatever its option. Should one be
    /// appended twice all the same, its id makes it count once. At most [`MOST_VOTES`]; an outcome for each.
    ///
    /// A vote whose poll is not published waits for that, which the consumer sees to, for at most a second.
    pub async fn append(
        &self,
        votes: &[Vote<'_>],
        client: &Client,
    ) -> Result<Vec<Appended>, Failure> {
        let mut outcomes = self.append_now(votes, client).await?;
        let until = Instant::now() + WAITS_FOR_DEFINITION;
        while outcomes.contains(&Appended::Unpublished) {
            if Instant::now() >= until {
                return Err(Failure {
                    upstream: "redis",
                    cause: Cause::Refused("the definition of the poll is not published".into()),
                });
            }
            crate::sleep(BETWEEN_LOOKS).await;
            let waiting: Vec<_> = (0..votes.len())
                .filter(|&at| outcomes.get(at) == Some(&Appended::Unpublished))
                .collect();
            let again: Vec<_> = waiting
                .iter()
                .filter_map(|&at| votes.get(at))
                .copied()
                .collect();
            let later = self.append_now(&again, client).await?;
            for (at, outcome) in waiting.into_iter().zip(later) {
                if let Some(place) = outcomes.get_mut(at) {
                    *place = outcome;
                }
            }
        }
        Ok(outcomes)
    }

    /// Counts votes that the policy refuses, each with the code of its refusal; unless a vote with its id was appended
    /// within `idempotency_ttl`, when they were allowed: then that one is the outcome. At most [`MOST_VOTES`].
    pub async fn refuse(
        &self,
        refused: &[(Vote<'_>, &str)],
    ) -> Result<Vec<Option<Appended>>, Failure> {
        let mut keys = vec![self.names.refused()];
        let mut arguments = vec![number(MOST_CODES)];
        for (vote, code) in refused {
            let remembered = self.remembered_by(vote.poll, vote.vote_id);
            arguments.extend([parameter(code), number(i64::from(remembered.is_some()))]);
            keys.extend(remembered);
        }
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let reply = self
            .redis
            .evaluate(&script!("refuse"), &keys, arguments)
            .await?;
        outcomes(&reply, |outcome| match texts(outcome)?.as_slice() {
            ["refused"] => Some(None),
            _ => appended(outcome, None).map(Some),
        })
        .filter(|outcomes| outcomes.len() == refused.len())
        .ok_or_else(|| unexpected("refuse.lua"))
    }

    /// By which key a vote is remembered, if it is: an id that the answer tells for the first time is never sent to us.
    fn remembered_by(&self, poll: &PollId, vote_id: &VoteId) -> Option<String> {
        (vote_id.issued_at() != Some(Door::Api))
            .then(|| format!("{}{poll}:{vote_id}", self.remembered))
    }

    async fn append_now(
        &self,
        votes: &[Vote<'_>],
        client: &Client,
    ) -> Result<Vec<Appended>, Failure> {
        let limit = self.rate_limit.as_ref().filter(|_| !client.is_gateway);
        let mut keys: Vec<_> = [
            &self.names.stream,
            &self.doorbell,
            &self.polls,
            &self.published,
            &self.voted,
        ]
        .map(|key| Cow::Borrowed(key.as_str()))
        .into();
        let policy = limit.map(|limit| limit.policy);
        let mut arguments = vec![
            parameter(&self.doorbell_channel),
            number(DOORBELL_HOLDS.as_millis()),
            number(self.idempotency_ttl.as_secs()),
            number(policy.map_or(0, |policy| policy.quota)),
            number(policy.map_or(0, |policy| policy.window.as_millis())),
        ];
        for vote in votes {
            let Vote {
                poll,
                option,
                vote_id,
                voter,
            } = *vote;
            let remembered = self.remembered_by(poll, vote_id);
            let is_remembered = remembered.is_some();
            keys.push(self.names.definition(poll).into());
            keys.extend(remembered.map(Cow::from));
            if let Some(limit) = limit {
                let counted_by = limit.counted_by(poll, client.address);
                keys.push(format!("{}{counted_by}", self.cast_by).into());
            }
            arguments.extend([
                parameter(option.as_str()),
                parameter(poll.as_str()),
                parameter(vote_id.as_str()),
                parameter(voter.map_or("", Voter::as_str)),
                number(i64::from(is_remembered)),
            ]);
        }
        let keys: Vec<_> = keys.iter().map(|key| &**key).collect();
        let reply = self
            .redis
            .evaluate(&script!("append"), &keys, arguments)
            .await?;
        outcomes(&reply, |outcome| appended(outcome, policy))
            .filter(|outcomes| outcomes.len() == votes.len())
            .ok_or_else(|| unexpected("append.lua"))
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

/// Reads a reply that says for each vote how many values follow, and these.
fn outcomes<T>(mut reply: &[Value], read: impl Fn(&[Value]) -> Option<T>) -> Option<Vec<T>> {
    let mut outcomes = Vec::new();
    while let [Value::Int64(length), rest @ ..] = reply {
        let (outcome, rest) = rest.split_at_checked(usize::try_from(*length).ok()?)?;
        outcomes.push(read(outcome)?);
        reply = rest;
    }
    reply.is_empty().then_some(outcomes)
}

fn appended(reply: &[Value], policy: Option<QuotaPolicy>) -> Option<Appended> {
    let texts = texts(reply)?;
    let option = |text: &&str| OptionName::parse(text).ok();
    let quota = |remaining: &str, full_in: &str| {
        Some(Quota {
            policy: policy?,
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
