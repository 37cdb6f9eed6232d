//! `/api/polls` and `/api/polls/{poll}`. Everybody may read; organizers change.

use ballot::{InvalidPoll, NewPoll, PollChange, PollId};
use bytes::Bytes;
use conventions::{IfMatch, Problem};
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use platform::{Cause, Failure, Request};
use serde::Serialize;

use crate::office::{Office, conflict, unavailable, unknown};
use crate::queries::{self, Document};

/// Polls in one answer, if the client does not say, and at most.
const PAGE: i64 = 50;
const LONGEST_PAGE: i64 = 100;

/// How often a change is tried again that somebody else's came before.
const ATTEMPTS: usize = 3;

#[derive(Serialize)]
struct List {
    polls: Vec<Document>,
    /// The name after which the list goes on.
    next: Option<String>,
}

/// `/api/polls`
pub async fn polls(office: &Office, request: Request) -> conventions::Result {
    conventions::allow(&request, &[Method::GET, Method::POST])?;
    if request.method() == Method::POST {
        office.organizers.admit(request.headers())?;
        create(office, request).await
    } else {
        list(office, request.uri().query().unwrap_or_default()).await
    }
}

/// `/api/polls/{poll}`
pub async fn poll(office: &Office, poll: PollId, request: Request) -> conventions::Result {
    conventions::allow(&request, &[Method::GET, Method::PATCH, Method::DELETE])?;
    match *request.method() {
        Method::PATCH => {
            office.organizers.admit(request.headers())?;
            change(office, poll, request).await
        }
        Method::DELETE => {
            office.organizers.admit(request.headers())?;
            delete(office, poll, request.headers()).await
        }
        _ => {
            let found = queries::find(&office.postgres, &poll).await;
            let document = found.map_err(unavailable)?.ok_or_else(|| unknown(&poll))?;
            let etag = etag(document.revision);
            let mut response = conventions::json(StatusCode::OK, &document)?;
            response.headers_mut().insert(CACHE_CONTROL, NO_CACHE);
            conventions::revalidate_by(&etag, response, request.headers())
        }
    }
}

/// Kept, and asked for again each time.
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

async fn list(office: &Office, query: &str) -> conventions::Result {
    let (mut after, mut limit) = (String::new(), PAGE);
    for (name, value) in query.split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "after" => {
                let name = conventions::decode(value);
                after = name
                    .filter(|name| name.is_empty() || PollId::parse(name).is_ok())
                    .ok_or_else(|| {
                        Problem::BadRequest("after: must be the name of a poll.".into())
                    })?;
            }
            "limit" => {
                let number = value.parse().ok();
                limit = number
                    .filter(|number| (1..=LONGEST_PAGE).contains(number))
                    .ok_or_else(|| {
                        Problem::BadRequest(format!(
                            "limit: must be a number from 1 to {LONGEST_PAGE}."
                        ))
                    })?;
            }
            _ => {}
        }
    }
    // One more, to know whether the list goes on.
    let found = queries::list(&office.postgres, &after, limit + 1).await;
    let mut polls = found.map_err(unavailable)?;
    let most = usize::try_from(limit).unwrap_or_default();
    let goes_on = polls.len() > most;
    polls.truncate(most);
    let next = polls
        .last()
        .filter(|_| goes_on)
        .map(|last| last.poll.clone());
    let mut response = conventions::json(StatusCode::OK, &List { polls, next })?;
    response.headers_mut().insert(CACHE_CONTROL, NO_CACHE);
    Ok(response)
}

async fn create(office: &Office, request: Request) -> conventions::Result {
    let body = platform::body(request, &office.limits).await?;
    let NewPoll { poll, definition } = NewPoll::parse(&body).map_err(invalid)?;
    office.check(&definition)?;
    let created = queries::create(&office.postgres, &poll, &definition).await;
    let document = created.map_err(unavailable)?.ok_or_else(|| {
        conflict(format!(
            "There is a poll \"{poll}\" already. Choose another name, or change that one."
        ))
    })?;
    office.publish(&poll).await;
    let mut response = shown(StatusCode::CREATED, &document)?;
    let location = conventions::header_value(&format!("/api/polls/{poll}"))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

async fn change(office: &Office, poll: PollId, request: Request) -> conventions::Result {
    let if_match = IfMatch::of(request.headers());
    let body = platform::body(request, &office.limits).await?;
    let change = PollChange::parse(&body).map_err(invalid)?;
    for _ in 0..ATTEMPTS {
        let found = queries::definition(&office.postgres, &poll).await;
        let (revision, before) = found.map_err(unavailable)?.ok_or_else(|| unknown(&poll))?;
        allow_revision(&if_match, revision)?;
        let after = change.clone().apply(before).map_err(invalid)?;
        office.check(&after)?;
        let changed = queries::change(&office.postgres, &poll, &after, revision).await;
        if let Some(document) = changed.map_err(refused)? {
            office.publish(&poll).await;
            return shown(StatusCode::OK, &document);
        }
    }
    Err(conflict(
        "Others are changing this poll at the same time. Try again.",
    ))
}

async fn delete(office: &Office, poll: PollId, headers: &HeaderMap) -> conventions::Result {
    let if_match = IfMatch::of(headers);
    for _ in 0..ATTEMPTS {
        let found = queries::find(&office.postgres, &poll).await;
        let document = found.map_err(unavailable)?.ok_or_else(|| unknown(&poll))?;
        allow_revision(&if_match, document.revision)?;
        let deleted = queries::delete(&office.postgres, &poll, document.revision).await;
        if deleted.map_err(refused)? {
            office.publish(&poll).await;
            let mut response = conventions::Response::new(Bytes::new());
            *response.status_mut() = StatusCode::NO_CONTENT;
            return Ok(response);
        }
    }
    Err(conflict(
        "Others are changing this poll at the same time. Try again.",
    ))
}

fn shown(status: StatusCode, document: &Document) -> conventions::Result {
    let mut response = conventions::json(status, document)?;
    let etag = conventions::header_value(&etag(document.revision))?;
    response.headers_mut().insert(ETAG, etag);
    Ok(response)
}

fn etag(revision: i64) -> String {
    format!("\"{revision}\"")
}

fn allow_revision(if_match: &IfMatch, revision: i64) -> conventions::Result<()> {
    if if_match.allows(&etag(revision)) {
        Ok(())
    } else {
        Err(Problem::PreconditionFailed(
            "Somebody else has changed this poll since you read it. Read it again, and decide anew.".into(),
        ))
    }
}

fn invalid(invalid: InvalidPoll) -> Problem {
    match invalid {
        InvalidPoll::NotJson => Problem::BadRequest(invalid.to_string()),
        InvalidPoll::NotAPoll(detail) => Problem::Unprocessable(detail),
    }
}

/// What votes that were cast do not allow, or what PostgreSQL did not do.
fn refused(failure: Failure) -> Problem {
    match failure.cause {
        Cause::InUse => conflict(
            "This poll has votes. Options can be added to it, its hours and its question changed; it can be \
             closed by closes_at, and not be deleted.",
        ),
        _ => unavailable(failure),
    }
}
