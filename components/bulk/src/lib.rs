//! Takes many votes at once, from gateways and kiosks: `POST /api/votes`. A component of its own, so that votes that
//! come alone need not wait in an instance for thousands that do not. Never touches PostgreSQL.

use ballot::{
    BulkLine, BulkRequest, BulkVote, Door, IdempotencyKey, Identity, OptionName, PollId, VoteId,
    Voter,
};
use conventions::{Problem, Quota};
use http::{Method, StatusCode};
use platform::stream::{Appended, MOST_VOTES, Vote};
use platform::{BallotBox, Failure, Request, Sender};
use serde::Serialize;
use uuid::Uuid;

platform::http_service!(|request| platform::serve("bulk", None, request, cast));

/// What became of the votes of one request.
#[derive(Default, Serialize)]
struct Outcome {
    accepted: usize,
    rejected: Vec<Rejected>,
    #[serde(skip)]
    quota: Option<Quota>,
}

#[derive(Serialize)]
struct Rejected {
    line: usize,
    detail: String,
}

/// A vote that can be appended.
struct Ready {
    line: usize,
    poll: PollId,
    option: OptionName,
    vote_id: VoteId,
    /// As it is stored.
    voter: Option<Voter>,
}

async fn cast(request: Request) -> conventions::Result {
    if *request.uri().path() != *"/api/votes" {
        return Err(Problem::NothingHere);
    }
    conventions::allow(&request, &[Method::POST])?;
    let ballot_box = BallotBox::open().await?;
    let key = platform::idempotency_key(request.headers())?;
    let credentials = ballot_box.voters.credentials(request.headers());
    let sender = ballot_box.sender(request.headers(), &credentials).await;
    let body = platform::body(request, &ballot_box.limits).await?;
    let BulkRequest { lines } = BulkRequest::parse(&body).map_err(|invalid| match invalid {
        ballot::InvalidBulk::NotJson => Problem::BadRequest(invalid.to_string()),
        ballot::InvalidBulk::TooMany(_) => Problem::Unprocessable(invalid.to_string()),
    })?;

    let mut outcome = Outcome::default();
    let mut votes = Vec::with_capacity(lines.len());
    for line in lines {
        let number = line.number;
        match ready(ballot_box, line, key.as_ref(), credentials.is_gateway()) {
            Ok(vote) => votes.push(vote),
            Err(detail) => outcome.reject(number, detail),
        }
    }
    for votes in votes.chunks(MOST_VOTES) {
        append(ballot_box, votes, &sender, &mut outcome)
            .await
            .map_err(|failure| {
                failure.into_problem(
                    "Not all of these votes could be recorded. Send them all again in a moment: those that have a \
                     vote_id, or are sent under an Idempotency-Key, count once.",
                )
            })?;
    }
    outcome.rejected.sort_by_key(|rejected| rejected.line);
    let mut response = conventions::json(StatusCode::OK, &outcome)?;
    if let Some(quota) = outcome.quota {
        quota.add_headers(response.headers_mut());
    }
    Ok(response)
}

/// The vote of a line, or why it cannot be one.
fn ready(
    ballot_box: &BallotBox,
    line: BulkLine,
    key: Option<&IdempotencyKey>,
    is_gateway: bool,
) -> Result<Ready, String> {
    let BulkVote {
        poll,
        option,
        vote_id,
        voter,
    } = line.vote.map_err(|invalid| invalid.to_string())?;
    if voter.is_some() && !is_gateway {
        let detail = "Only a gateway may say who votes. Send Authorization: Bearer with one of organizer_tokens.";
        return Err(detail.to_owned());
    }
    let vote_id = match (vote_id, key) {
        (Some(vote_id), _) => vote_id,
        (None, Some(key)) => key.line(line.number).ok_or(
            "The Idempotency-Key is too long to number votes by. Send a shorter one.".to_owned(),
        )?,
        (None, None) => VoteId::issue(Door::Api, Uuid::now_v7()),
    };
    let voter = voter.and_then(|voter| ballot_box.voters.hash(&poll, &Identity::Named(voter)));
    Ok(Ready {
        line: line.number,
        poll,
        option,
        vote_id,
        voter,
    })
}

async fn append(
    ballot_box: &BallotBox,
    votes: &[Ready],
    sender: &Sender,
    outcome: &mut Outcome,
) -> Result<(), Failure> {
    let entries: Vec<_> = votes
        .iter()
        .map(|vote| Vote {
            poll: &vote.poll,
            option: &vote.option,
            vote_id: &vote.vote_id,
            voter: vote.voter.as_ref(),
        })
        .collect();
    let appended = ballot_box.append(&entries, sender).await?;
    for (vote, appended) in votes.iter().zip(appended) {
        match appended {
            Appended::Recorded { option, quota, .. } if option == vote.option => {
                outcome.accepted += 1;
                outcome.quota = quota.or(outcome.quota);
            }
            Appended::Recorded { .. } => {
                let detail = "A vote for another option was recorded under this vote_id. Use a new one for a new vote.";
                outcome.reject(vote.line, detail.to_owned());
            }
            refused => {
                if let Appended::Limited { quota, .. } = &refused {
                    outcome.quota = Some(*quota);
                }
                outcome.reject(vote.line, refused.detail(&vote.poll));
            }
        }
    }
    Ok(())
}

impl Outcome {
    fn reject(&mut self, line: usize, detail: String) {
        self.rejected.push(Rejected { line, detail });
    }
}
