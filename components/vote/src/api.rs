//! `POST /api/vote` and `POST /api/polls/{poll}/vote`: a vote as JSON, from a program.

use ballot::{Door, IdempotencyKey, PollId, VoteRequest};
use conventions::Problem;
use http::header::{LOCATION, SET_COOKIE};
use http::{Method, StatusCode};
use pages::Paths;
use platform::{BallotBox, Request};
use serde::Serialize;

use crate::cast::{self, Caster, NotCast, issue_id};

#[derive(Serialize)]
struct Recorded<'a> {
    message: &'static str,
    option: &'a str,
    stream_id: &'a str,
    vote_id: &'a str,
}

pub async fn cast(poll: PollId, request: Request) -> conventions::Result {
    conventions::allow(&request, &[Method::POST])?;
    let ballot_box = BallotBox::open().await?;
    let key = platform::idempotency_key(request.headers())?;
    let credentials = ballot_box.voters.credentials(request.headers());
    let sender = ballot_box.sender(request.headers(), &credentials).await;
    let VoteRequest { option, voter } = cast::read(ballot_box, request, VoteRequest::parse).await?;
    let voter = credentials.identity(voter)?;
    let caster = Caster { voter, sender };
    let vote_id = key.map_or_else(|| issue_id(Door::Api), IdempotencyKey::into_vote_id);

    let cast = cast::cast(ballot_box, &poll, &option, &vote_id, caster)
        .await
        .map_err(|not_cast| match not_cast {
            NotCast::IdTaken => Problem::Unprocessable(
                "This Idempotency-Key was used for another option. Use a new key for a new vote."
                    .into(),
            ),
            NotCast::Refused(problem) => problem,
            NotCast::Unavailable(failure) => failure.into_problem(
                "The vote could not be recorded. Send it again in a moment, with an Idempotency-Key so that \
                 it counts once.",
            ),
        })?;

    let mut response = conventions::json(
        StatusCode::CREATED,
        &Recorded {
            message: "Vote recorded successfully",
            option: option.as_str(),
            stream_id: cast.stream_id.as_str(),
            vote_id: vote_id.as_str(),
        },
    )?;
    let receipt = Paths::of(&poll).receipt(vote_id.as_str());
    let headers = response.headers_mut();
    headers.insert(LOCATION, conventions::header_value(&receipt)?);
    if let Some(quota) = cast.quota {
        quota.add_headers(headers);
    }
    headers.extend(cast.new_voter.map(|cookie| (SET_COOKIE, cookie)));
    Ok(response)
}
