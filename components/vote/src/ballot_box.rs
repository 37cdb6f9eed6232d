//! The one way into the stream, whichever door a vote came by.

use ballot::{Door, InvalidRequest, OptionName, PollId, StreamId, VoteId, default_poll};
use platform::http::{self as web, BodyLimits, Problem, Request};
use platform::settings::InvalidSetting;
use platform::stream::Producer;
use platform::{Failure, PerInstance};
use uuid::Uuid;

pub struct BallotBox {
    producer: Producer,
    limits: BodyLimits,
}

/// What became of a vote.
pub enum Cast {
    /// It is in the stream, now or since it was first sent.
    Recorded(StreamId),
    /// Under its id a vote for another option is in the stream.
    IdTaken,
}

static BALLOT_BOX: PerInstance<BallotBox> = PerInstance::new();

impl BallotBox {
    pub async fn open() -> Result<&'static Self, InvalidSetting> {
        BALLOT_BOX
            .get(async || {
                Ok(Self {
                    producer: Producer::from_settings().await?,
                    limits: BodyLimits::from_settings().await?,
                })
            })
            .await
    }

    /// What a request brings, read by `parse`, if it is a vote that the poll has on offer.
    pub async fn read<T>(
        &self,
        request: Request,
        parse: impl Fn(&[u8]) -> Result<T, InvalidRequest>,
        option: impl Fn(&T) -> &OptionName,
    ) -> web::Result<T> {
        let body = web::body(request, &self.limits).await?;
        let vote = parse(&body).map_err(|invalid| match invalid {
            InvalidRequest::NotJson => Problem::BadRequest(invalid.to_string()),
            InvalidRequest::NotAVote | InvalidRequest::NotAForm => {
                Problem::Unprocessable(invalid.to_string())
            }
            InvalidRequest::NotAnOption => Problem::Unprocessable(default_poll::choices()),
        })?;
        if default_poll::offers(option(&vote)) {
            Ok(vote)
        } else {
            Err(Problem::Unprocessable(default_poll::choices()))
        }
    }

    pub async fn cast(
        &self,
        poll: &PollId,
        option: &OptionName,
        vote_id: &VoteId,
    ) -> Result<Cast, Failure> {
        let appended = self.producer.append(poll, option, vote_id).await?;
        Ok(if appended.option == option.as_str() {
            Cast::Recorded(appended.stream_id)
        } else {
            Cast::IdTaken
        })
    }
}

/// An id for a vote that came without one. It grows with time, so that the index of the audit log grows
/// at its end.
pub fn issue_id(door: Door) -> VoteId {
    VoteId::issue(door, Uuid::now_v7())
}
