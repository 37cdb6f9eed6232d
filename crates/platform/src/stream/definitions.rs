//! The definitions of polls, as they are published to where votes are taken.

use std::time::Duration;

use ballot::{Change, Definition, OptionName, PollId};
use sha1_smol::Sha1;

use super::Names;
use super::producer::{texts, time};
use crate::Failure;
use crate::redis::{Redis, Value, number, parameter, unexpected};
use crate::settings::InvalidSetting;

/// The most polls that one call may be about.
pub const MOST_CHANGES: usize = 500;

/// How long a poll may be held. PostgreSQL gives up a statement of the organizer's after ten seconds
/// (migrations/0010), so that no change comes after it.
const HOLDS: Duration = Duration::from_secs(15);

/// Where definitions are published, by the variables `stream` and `redis_url`.
pub struct Definitions {
    redis: Redis,
    names: Names,
}

/// Which revision of a poll is the newest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PollRevision {
    /// Its name.
    pub poll: PollId,
    /// See [`Change::revision`].
    pub revision: i64,
    /// Whether it is gone.
    pub deleted: bool,
}

impl Definitions {
    /// Reads the variable `stream`, and those of [`Redis::from_settings`].
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        Ok(Self {
            redis: Redis::from_settings().await?,
            names: Names::from_settings().await?,
        })
    }

    /// Publishes changes, at most [`MOST_CHANGES`]. One that is older than what is published already
    /// changes nothing, so publishers need not know of each other. Returns how many were news.
    pub async fn publish(&self, changes: &[Change]) -> Result<i64, Failure> {
        let polls = self.names.polls();
        let definitions: Vec<_> = changes
            .iter()
            .map(|change| self.names.definition(&change.poll))
            .collect();
        let mut keys = vec![polls.as_str()];
        keys.extend(definitions.iter().map(String::as_str));
        let arguments = changes.iter().flat_map(|change| {
            let fields = fields(change);
            [
                parameter(change.poll.as_str()),
                number(i64::from(change.definition.is_none())),
                number(fields.len() * 2),
            ]
            .into_iter()
            .chain(
                fields
                    .into_iter()
                    .flat_map(|(name, value)| [parameter(name), parameter(value)]),
            )
            .collect::<Vec<_>>()
        });
        let reply = self
            .redis
            .evaluate(&script!("publish"), &keys, arguments)
            .await?;
        match reply.as_slice() {
            [Value::Int64(count)] => Ok(*count),
            _ => Err(unexpected("publish.lua")),
        }
    }

    /// Has a poll take no votes until [`Self::release`], and no longer than [`HOLDS`]: whoever votes meanwhile
    /// waits. False if somebody has voted in it already.
    pub async fn hold(&self, poll: &PollId) -> Result<bool, Failure> {
        self.run_hold(poll, HOLDS).await
    }

    /// Has it take votes again.
    pub async fn release(&self, poll: &PollId) -> Result<(), Failure> {
        self.run_hold(poll, Duration::ZERO).await.map(drop)
    }

    async fn run_hold(&self, poll: &PollId, duration: Duration) -> Result<bool, Failure> {
        let (definition, voted) = (self.names.definition(poll), self.names.voted());
        let arguments = [parameter(poll.as_str()), number(duration.as_millis())];
        let reply = self
            .redis
            .evaluate(&script!("hold"), &[&definition, &voted], arguments)
            .await?;
        match reply.as_slice() {
            [Value::Int64(held)] => Ok(*held == 1),
            _ => Err(unexpected("hold.lua")),
        }
    }

    /// The definition by which votes in a poll are taken; none if it is not there.
    pub async fn find(&self, poll: &PollId) -> Result<Option<Definition>, Failure> {
        let key = [parameter(self.names.definition(poll))];
        let reply = self.redis.execute("HGETALL", &key).await?;
        let fields = texts(&reply).ok_or_else(|| unexpected("HGETALL"))?;
        // One that is held may have no other field yet.
        let has = |name| fields.iter().step_by(2).any(|field| *field == name);
        if !has("revision") || has("deleted") {
            return Ok(None);
        }
        definition(&fields)
            .map(Some)
            .ok_or_else(|| unexpected("HGETALL"))
    }

    /// Which of these polls, at most [`MOST_CHANGES`], are not published in their newest revision, or are damaged.
    pub async fn outdated<'a>(
        &self,
        revisions: &'a [PollRevision],
    ) -> Result<Vec<&'a PollId>, Failure> {
        let definitions: Vec<_> = revisions
            .iter()
            .map(|revision| self.names.definition(&revision.poll))
            .collect();
        let keys: Vec<_> = definitions.iter().map(String::as_str).collect();
        let arguments = revisions
            .iter()
            .flat_map(|it| [number(it.revision), number(i64::from(it.deleted))]);
        self.redis
            .evaluate(&script!("outdated"), &keys, arguments)
            .await?
            .iter()
            .map(|place| match place {
                Value::Int64(place) => usize::try_from(place - 1)
                    .ok()
                    .and_then(|at| revisions.get(at))
                    .map(|revision| &revision.poll),
                _ => None,
            })
            .collect::<Option<_>>()
            .ok_or_else(|| unexpected("outdated.lua"))
    }

    /// Whether all polls are published, as far as Redis knows: it may have been restarted since.
    pub async fn are_published(&self) -> Result<bool, Failure> {
        self.run_published(false).await
    }

    /// Says that all polls are published. A poll that is not there does not exist, then.
    pub async fn set_published(&self) -> Result<(), Failure> {
        self.run_published(true).await.map(drop)
    }

    async fn run_published(&self, all: bool) -> Result<bool, Failure> {
        let key = self.names.published();
        let reply = self
            .redis
            .evaluate(&script!("published"), &[&key], [number(i64::from(all))])
            .await?;
        match reply.as_slice() {
            [Value::Int64(all)] => Ok(*all == 1),
            _ => Err(unexpected("published.lua")),
        }
    }
}

/// Reads what [`fields`] wrote.
fn definition(fields: &[&str]) -> Option<Definition> {
    let mut definition = Definition {
        question: String::new(),
        options: Vec::new(),
        opens_at: None,
        closes_at: None,
        one_vote_per_voter: false,
    };
    // Counted from 1, so that the first stays empty.
    let mut options = vec![None; fields.len()];
    for field in fields.chunks_exact(2) {
        match *field {
            ["question", question] => definition.question = question.to_owned(),
            ["opens_ms", millis] => definition.opens_at = Some(time(millis)?),
            ["closes_ms", millis] => definition.closes_at = Some(time(millis)?),
            ["one_vote_per_voter", _] => definition.one_vote_per_voter = true,
            [name, place] => {
                if let Some(option) = name.strip_prefix("option:") {
                    let place: usize = place.parse().ok()?;
                    *options.get_mut(place)? = Some(OptionName::parse(option).ok()?);
                }
            }
            _ => return None,
        }
    }
    definition.options = options.into_iter().flatten().collect();
    Some(definition)
}

/// The fields of a change: publish.lua says what they are.
fn fields(change: &Change) -> Vec<(String, String)> {
    let mut fields = vec![field("revision", change.revision.to_string())];
    match &change.definition {
        None => fields.push(field("deleted", "1".into())),
        Some(definition) => fields.extend(definition_fields(definition)),
    }
    fields.push(field("digest", digest(&fields).to_string()));
    fields
}

fn field(name: &str, value: String) -> (String, String) {
    (name.to_owned(), value)
}

fn definition_fields(definition: &Definition) -> Vec<(String, String)> {
    let Definition {
        question,
        options,
        opens_at,
        closes_at,
        one_vote_per_voter,
    } = definition;
    let mut fields = vec![field("question", question.clone())];
    for (name, time) in [("opens_ms", opens_at), ("closes_ms", closes_at)] {
        fields.extend(time.map(|time| field(name, time.as_millis().to_string())));
    }
    if *one_vote_per_voter {
        fields.push(field("one_vote_per_voter", "1".into()));
    }
    fields.extend(
        options
            .iter()
            .enumerate()
            .map(|(at, option)| (format!("option:{option}"), (at + 1).to_string())),
    );
    fields
}

/// By which outdated.lua sees whether a definition is whole: a sum, as Redis does not keep the order of fields.
fn digest(fields: &[(String, String)]) -> u64 {
    fields
        .iter()
        .map(|(name, value)| {
            let hash = Sha1::from(format!("{name}={value}")).digest().bytes();
            u64::from(u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]))
        })
        .sum()
}
