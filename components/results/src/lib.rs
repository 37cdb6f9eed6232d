//! Serves what is counted: the tallies, and the receipt of a vote. Never touches Redis.

mod page;
mod queries;

use std::time::{Duration, Instant};

use ballot::{PollId, Receipt, Results, VoteId};
use conventions::{Problem, prefer};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use platform::Request;
use platform::postgres::Postgres;
use platform::{Failure, PerInstance};
use spin_sdk::http::IntoResponse;
use spin_sdk::http_service;

/// As old as a page that asks every two seconds would show it anyway.
const TWO_SECONDS: HeaderValue = HeaderValue::from_static("public, max-age=2");

/// Between two looks for a receipt. A vote is mostly counted within a few milliseconds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

static POSTGRES: PerInstance<Postgres> = PerInstance::new();

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    platform::serve(
        "results",
        Some(&pages::ERROR_PAGES),
        request,
        async |request| {
            conventions::allow(&request, &[Method::GET])?;
            let postgres = POSTGRES.get(Postgres::from_settings).await?;
            match request.uri().path() {
                "/api/results" => results(postgres, request.headers()).await,
                page::PATH => page::results(postgres, &request).await,
                path => match path.strip_prefix("/api/votes/") {
                    Some(vote_id) => receipt(postgres, vote_id, request.headers()).await,
                    None => Err(Problem::NothingHere),
                },
            }
        },
    )
    .await
}

/// `GET /api/results`
async fn results(postgres: &Postgres, headers: &HeaderMap) -> conventions::Result {
    let results = find_results(postgres, &PollId::default()).await?;
    let mut response = conventions::json(StatusCode::OK, &results)?;
    response.headers_mut().insert(CACHE_CONTROL, TWO_SECONDS);
    conventions::revalidate(response, headers)
}

async fn find_results(postgres: &Postgres, poll: &PollId) -> conventions::Result<Results> {
    queries::results(postgres, poll)
        .await
        .map_err(unavailable)?
        .ok_or_else(|| Problem::NotFound("There is no such poll.".into()))
}

/// `GET /api/votes/{vote_id}`
async fn receipt(postgres: &Postgres, segment: &str, headers: &HeaderMap) -> conventions::Result {
    let wait = prefer::wait(headers);
    let receipt = wait_for_receipt(postgres, segment, wait.unwrap_or_default()).await?;
    let receipt = receipt.ok_or(Problem::NotCounted { waited: wait })?;
    let mut response = conventions::json(StatusCode::OK, &receipt)?;
    response.headers_mut().extend(wait.map(prefer::applied));
    Ok(response)
}

/// Looks for the receipt until it is there, at growing intervals, or until the time is up. In between no
/// connection is held.
async fn wait_for_receipt(
    postgres: &Postgres,
    segment: &str,
    time: Duration,
) -> conventions::Result<Option<Receipt>> {
    let until = Instant::now() + time;
    let mut pause = SHORTEST_PAUSE;
    loop {
        let receipt = find_receipt(postgres, PollId::default(), segment).await?;
        let left = until.saturating_duration_since(Instant::now());
        if receipt.is_some() || left.is_zero() {
            return Ok(receipt);
        }
        platform::sleep(pause.min(left)).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

/// The receipt of the vote that a segment of a path, or a parameter, names.
async fn find_receipt(
    postgres: &Postgres,
    poll: PollId,
    segment: &str,
) -> conventions::Result<Option<Receipt>> {
    // What cannot be an id is the id of no vote.
    match conventions::decode(segment).and_then(|id| VoteId::parse(&id).ok()) {
        Some(vote_id) => queries::receipt(postgres, poll, vote_id)
            .await
            .map_err(unavailable),
        None => Ok(None),
    }
}

fn unavailable(failure: Failure) -> Problem {
    failure.into_problem(
        "The tallies cannot be read now. Votes are still taken; ask again in a moment.",
    )
}
