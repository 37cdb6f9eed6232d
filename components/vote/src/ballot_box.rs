//! The one way into the stream, whichever door a vote came by.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ballot::{Door, Identity, InvalidRequest, OptionName, PollId, StreamId, Timestamp, VoteId};
use conventions::{Problem, Quota, client};
use http::{HeaderMap, HeaderValue};
use platform::settings::{self, InvalidSetting};
use platform::stream::{Appended, Producer};
use platform::{BodyLimits, Request};
use platform::{Cause, Failure, PerInstance, Voters};
use serde_json::{Map, json};
use uuid::Uuid;

/// How long a vote waits for the definition of its poll, which is missing when Redis has just started. The
/// consumer is asked for it, and needs a few milliseconds.
const WAITS_FOR_DEFINITION: Duration = Duration::from_secs(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// More options than these are not listed in an answer.
const MOST_LISTED: usize = 10;

pub struct BallotBox {
    producer: Producer,
    limits: BodyLimits,
    pub voters: Voters,
    /// Proxies of ours between clients and us.
    trusted_proxies: u8,
}

/// A vote that is in the stream, now or since it was first sent.
pub struct Cast {
    pub stream_id: StreamId,
    /// The cookie of a voter who is new.
    pub new_voter: Option<HeaderValue>,
    /// What is left to the client, if that is limited.
    pub quota: Option<Quota>,
}

/// Who casts a vote, as far as that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caster {
    /// Matters only where each voter has one vote.
    pub voter: Option<Identity>,
    /// Matters only where votes are limited.
    pub client: Option<IpAddr>,
}

/// Why a vote is not in the stream, or not as it was sent.
pub enum NotCast {
    /// Under its id a vote for another option is in the stream.
    IdTaken,
    /// The poll does not take it.
    Refused(Problem),
    /// Whether it is in the stream is not known.
    Unavailable(Failure),
}

static BALLOT_BOX: PerInstance<BallotBox> = PerInstance::new();

impl BallotBox {
    pub async fn open() -> Result<&'static Self, InvalidSetting> {
        BALLOT_BOX
            .get(async || {
                Ok(Self {
                    producer: Producer::from_settings().await?,
                    limits: BodyLimits::from_settings().await?,
                    voters: Voters::from_settings().await?,
                    trusted_proxies: settings::trusted_proxies().await?,
                })
            })
            .await
    }

    /// What a request brings, read by `parse`.
    pub async fn read<T>(
        &self,
        request: Request,
        parse: impl Fn(&[u8]) -> Result<T, InvalidRequest>,
    ) -> conventions::Result<T> {
        let body = platform::body(request, &self.limits).await?;
        parse(&body).map_err(|invalid| match invalid {
            InvalidRequest::NotJson => Problem::BadRequest(invalid.to_string()),
            InvalidRequest::NotAVote
            | InvalidRequest::NotAForm
            | InvalidRequest::NotAnOption
            | InvalidRequest::NotAVoter(_) => Problem::Unprocessable(invalid.to_string()),
        })
    }

    /// Where a request comes from, to which the rate limit applies.
    pub fn client(&self, headers: &HeaderMap) -> Option<IpAddr> {
        client::address(headers, self.trusted_proxies.into()).map(client::network)
    }

    /// Appends a vote, if its poll takes it. Where each voter has one vote, somebody without a cookie becomes a
    /// voter with this vote.
    pub async fn cast(
        &self,
        poll: &PollId,
        option: &OptionName,
        vote_id: &VoteId,
        mut caster: Caster,
    ) -> Result<Cast, NotCast> {
        let appended = self.append(poll, option, vote_id, &caster).await?;
        let (appended, new_voter) = if appended == Appended::VoterMissing {
            let new = self.voters.register().map_err(NotCast::Refused)?;
            caster.voter = Some(Identity::Cookie(new.id));
            let appended = self.append(poll, option, vote_id, &caster).await?;
            (appended, Some(new.cookie))
        } else {
            (appended, None)
        };
        match appended {
            Appended::Recorded {
                stream_id,
                option: recorded,
                quota,
            } if recorded == *option => Ok(Cast {
                stream_id,
                new_voter,
                quota,
            }),
            Appended::Recorded { .. } => Err(NotCast::IdTaken),
            refusal => Err(NotCast::Refused(problem(poll, refusal))),
        }
    }

    async fn append(
        &self,
        poll: &PollId,
        option: &OptionName,
        vote_id: &VoteId,
        caster: &Caster,
    ) -> Result<Appended, NotCast> {
        let voter = caster.voter.as_ref();
        let voter = voter.and_then(|voter| self.voters.hash(poll, voter));
        let until = Instant::now() + WAITS_FOR_DEFINITION;
        loop {
            let appended = self
                .producer
                .append(poll, option, vote_id, voter.as_ref(), caster.client)
                .await
                .map_err(NotCast::Unavailable)?;
            if appended != Appended::Unpublished {
                return Ok(appended);
            }
            if Instant::now() >= until {
                return Err(NotCast::Unavailable(Failure {
                    upstream: "redis",
                    cause: Cause::Refused("the definition of the poll is not published".into()),
                }));
            }
            platform::sleep(BETWEEN_LOOKS).await;
        }
    }
}

/// What the client is told of a vote that its poll does not take.
fn problem(poll: &PollId, refusal: Appended) -> Problem {
    match refusal {
        Appended::UnknownOption(options) => Problem::Unprocessable(choices(poll, &options)),
        Appended::UnknownPoll => Problem::NotFound(format!(
            "There is no poll \"{poll}\". GET /api/polls lists those that there are."
        )),
        Appended::NotOpen(time) => out_of_hours("opens_at", time, |time| {
            format!("The poll \"{poll}\" opens at {time}. Vote again then.")
        }),
        Appended::Closed(time) => out_of_hours("closes_at", time, |time| {
            format!("The poll \"{poll}\" closed at {time}. It takes no more votes.")
        }),
        Appended::Limited { retry_after, quota } => Problem::TooMany {
            detail: format!(
                "You may cast {} votes in {} seconds. Send this one again after the time in Retry-After.",
                quota.policy.quota,
                quota.policy.window.as_secs()
            ),
            retry_after,
            quota,
        },
        Appended::VoterMissing | Appended::Recorded { .. } | Appended::Unpublished => {
            Problem::Internal("no refusal".to_owned())
        }
    }
}

fn out_of_hours(name: &str, time: Timestamp, detail: impl Fn(&str) -> String) -> Problem {
    let time = time.to_string();
    Problem::Conflict {
        detail: detail(&time),
        members: Map::from_iter([(name.to_owned(), json!(time))]),
    }
}

/// What a client is told that chose something else.
fn choices(poll: &PollId, options: &[OptionName]) -> String {
    let names: Vec<_> = options.iter().map(OptionName::as_str).collect();
    let choose = if names.len() > MOST_LISTED {
        format!("GET /api/polls/{poll} lists all {}", names.len())
    } else {
        format!("Choose one of: {}", names.join(", "))
    };
    format!("The poll \"{poll}\" has no such option. {choose}.")
}

/// An id for a vote that came without one. It grows with time, so that the index of the audit log grows
/// at its end.
pub fn issue_id(door: Door) -> VoteId {
    VoteId::issue(door, Uuid::now_v7())
}
