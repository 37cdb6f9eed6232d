//! Serves what is counted: the tallies, and the receipt of a vote. Never touches Redis.

mod page;
mod queries;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ballot::{FlatResults, PollId, Receipt, Results, VoteId};
use bytes::Bytes;
use conventions::{Problem, prefer};
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{HeaderMap, Method, StatusCode};
use pages::PollPath;
use platform::Request;
use platform::postgres::Postgres;
use platform::settings::{self, InvalidSetting};
use platform::{Failure, PerInstance, Recent};
use serde::Serialize;

/// As old as a page that asks every two seconds would show it anyway.
const TWO_SECONDS: HeaderValue = HeaderValue::from_static("public, max-age=2");

/// Between two looks for a receipt. A vote is mostly counted within a few milliseconds.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The results of the default poll, in a shape that is older than other polls.
const FLAT: &str = "/api/results";

/// What an instance answers from.
struct Source {
    postgres: Postgres,
    /// How polls stand, as it was a moment ago.
    standings: Recent<PollId, Result<Option<Arc<Standing>>, Failure>>,
}

static SOURCE: PerInstance<Source> = PerInstance::new();

impl Source {
    /// Reads the variable `results_cache_ms`, and those of [`Postgres::from_settings`].
    async fn from_settings() -> Result<Self, InvalidSetting> {
        let expected = "must be a whole number of milliseconds";
        let age: u32 = settings::parsed("results_cache_ms", expected).await?;
        Ok(Self {
            postgres: Postgres::from_settings().await?,
            standings: Recent::new(Duration::from_millis(age.into())),
        })
    }
}

/// How a poll stands, and the answers that say so to programs, which are written when one first asks.
struct Standing {
    results: Results,
    json: OnceLock<Bytes>,
    flat_json: OnceLock<Bytes>,
}

platform::http_service!(|request| platform::serve(
    "results",
    Some(&pages::ERROR_PAGES),
    request,
    handle
));

async fn handle(request: Request) -> conventions::Result {
    conventions::allow(&request, &[Method::GET])?;
    let source = SOURCE.get(Source::from_settings).await?;
    let path = request.uri().path();
    match PollPath::parse(path) {
        // The default poll has a shape of its own there.
        Some((poll, PollPath::ApiResults)) => {
            let flat = path == FLAT;
            results(source, poll, flat, request.headers()).await
        }
        Some((poll, PollPath::ApiReceipt(vote_id))) => {
            receipt(&source.postgres, poll, vote_id, request.headers()).await
        }
        Some((poll, PollPath::Results)) => page::results(source, poll, &request).await,
        _ => Err(Problem::NothingHere),
    }
}

/// `GET /api/polls/{poll}/results`, and `GET /api/results`, which is flat.
async fn results(
    source: &Source,
    poll: PollId,
    flat: bool,
    headers: &HeaderMap,
) -> conventions::Result {
    let standing = source
        .standings
        .get(&poll, standing(&source.postgres, &poll))
        .await;
    let standing = known(standing, &poll)?;
    let results = &standing.results;
    let body = if flat {
        written(&standing.flat_json, &FlatResults(results))?
    } else {
        written(&standing.json, results)?
    };
    let mut response = conventions::respond(StatusCode::OK, "application/json", body);
    response.headers_mut().insert(CACHE_CONTROL, TWO_SECONDS);
    conventions::revalidate(response, headers)
}

async fn standing(postgres: &Postgres, poll: &PollId) -> Result<Option<Arc<Standing>>, Failure> {
    let results = queries::results(postgres, poll.clone()).await?;
    Ok(results.map(|results| {
        Arc::new(Standing {
            results,
            json: OnceLock::new(),
            flat_json: OnceLock::new(),
        })
    }))
}

fn known(
    standing: Result<Option<Arc<Standing>>, Failure>,
    poll: &PollId,
) -> conventions::Result<Arc<Standing>> {
    standing.map_err(unavailable)?.ok_or_else(|| {
        let detail = "GET /api/polls lists those that there are.";
        Problem::NotFound(format!("There is no poll \"{poll}\". {detail}"))
    })
}

/// A value as JSON, written once.
fn written(json: &OnceLock<Bytes>, value: &impl Serialize) -> conventions::Result<Bytes> {
    if let Some(json) = json.get() {
        return Ok(json.clone());
    }
    let text = serde_json::to_vec(value).map_err(|error| Problem::Internal(error.to_string()))?;
    Ok(json.get_or_init(|| text.into()).clone())
}

/// `GET /api/votes/{vote_id}`, and `GET /api/polls/{poll}/votes/{vote_id}`
async fn receipt(
    postgres: &Postgres,
    poll: PollId,
    segment: &str,
    headers: &HeaderMap,
) -> conventions::Result {
    let wait = prefer::wait(headers);
    let receipt = match vote_id(segment) {
        Some(id) => wait_for_receipt(postgres, &poll, &id, wait.unwrap_or_default()).await?,
        None => None,
    };
    let receipt = receipt.ok_or(Problem::NotCounted { waited: wait })?;
    let mut response = conventions::json(StatusCode::OK, &receipt)?;
    response.headers_mut().extend(wait.map(prefer::applied));
    Ok(response)
}

/// The vote that a segment of a path, or a parameter, names. What cannot be an id is that of no vote.
fn vote_id(segment: &str) -> Option<VoteId> {
    VoteId::parse(&conventions::decode(segment)?).ok()
}

/// Looks for the receipt until it is there, at growing intervals, or until the time is up. In between no
/// connection is held.
async fn wait_for_receipt(
    postgres: &Postgres,
    poll: &PollId,
    vote_id: &VoteId,
    time: Duration,
) -> conventions::Result<Option<Receipt>> {
    let until = Instant::now() + time;
    let mut pause = SHORTEST_PAUSE;
    loop {
        let receipt = queries::receipt(postgres, poll.clone(), vote_id.clone())
            .await
            .map_err(unavailable)?;
        let left = until.saturating_duration_since(Instant::now());
        if receipt.is_some() || left.is_zero() {
            return Ok(receipt);
        }
        platform::sleep(pause.min(left)).await;
        pause = (2 * pause).min(LONGEST_PAUSE);
    }
}

fn unavailable(failure: Failure) -> Problem {
    failure.into_problem(
        "The tallies cannot be read now. Votes are still taken; ask again in a moment.",
    )
}
