//! Casting one vote, whichever door it came by.

use ballot::{Door, Identity, InvalidRequest, OptionName, PollId, StreamId, VoteId};
use conventions::{Problem, Quota};
use http::HeaderValue;
use platform::stream::{Appended, Vote};
use platform::{BallotBox, Failure, Request, Sender};
use uuid::Uuid;

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
    /// Matters only where each voter has one vote, and to policies.
    pub voter: Option<Identity>,
    pub sender: Sender,
}

/// Why a vote is not in the stream, or not as it was sent.
pub enum NotCast {
    /// Under its id a vote for another option is in the stream.
    IdTaken,
    /// The poll or the policy does not take it.
    Refused(Problem),
    /// Whether it is in the stream is not known.
    Unavailable(Failure),
}

/// What a request brings, read by `parse`.
pub async fn read<T>(
    ballot_box: &BallotBox,
    request: Request,
    parse: impl Fn(&[u8]) -> Result<T, InvalidRequest>,
) -> conventions::Result<T> {
    let body = platform::body(request, &ballot_box.limits).await?;
    parse(&body).map_err(|invalid| match invalid {
        InvalidRequest::NotJson => Problem::BadRequest(invalid.to_string()),
        InvalidRequest::NotAVote
        | InvalidRequest::NotAForm
        | InvalidRequest::NotAnOption
        | InvalidRequest::NotAVoter(_) => Problem::Unprocessable(invalid.to_string()),
    })
}

/// Appends a vote, if its poll takes it. Where each voter has one vote, somebody without a cookie becomes a
/// voter with this vote.
pub async fn cast(
    ballot_box: &BallotBox,
    poll: &PollId,
    option: &OptionName,
    vote_id: &VoteId,
    mut caster: Caster,
) -> Result<Cast, NotCast> {
    let appended = append(ballot_box, poll, option, vote_id, &caster).await?;
    let (appended, new_voter) = if appended == Appended::VoterMissing {
        let new = ballot_box.voters.register().map_err(NotCast::Refused)?;
        caster.voter = Some(Identity::Cookie(new.id));
        let appended = append(ballot_box, poll, option, vote_id, &caster).await?;
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
        refusal => Err(NotCast::Refused(refusal.refusal(poll))),
    }
}

async fn append(
    ballot_box: &BallotBox,
    poll: &PollId,
    option: &OptionName,
    vote_id: &VoteId,
    caster: &Caster,
) -> Result<Appended, NotCast> {
    let voter = caster.voter.as_ref();
    let voter = voter.and_then(|voter| ballot_box.voters.hash(poll, voter));
    let vote = Vote {
        poll,
        option,
        vote_id,
        voter: voter.as_ref(),
    };
    let outcomes = ballot_box.append(&[vote], &caster.sender).await;
    let outcome = outcomes.map_err(NotCast::Unavailable)?.pop();
    outcome.ok_or_else(|| NotCast::Refused(Problem::Internal("no outcome".to_owned())))
}

/// An id for a vote that came without one. It grows with time, so that the index of the audit log grows
/// at its end.
pub fn issue_id(door: Door) -> VoteId {
    VoteId::issue(door, Uuid::now_v7())
}
