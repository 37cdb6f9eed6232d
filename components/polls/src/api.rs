//! `/api/polls` and `/api/polls/{poll}`. Everybody may read; organizers change.

use ballot::{NewPoll, PollChange, PollId};
use bytes::Bytes;
use conventions::{IfMatch, Problem};
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, LOCATION};
use http::{HeaderMap, Method, StatusCode};
use platform::Request;
use serde::Serialize;

use crate::office::{Office, invalid, unavailable, unknown};
use crate::queries::{self, Document};

/// Polls in one answer, if the client does not say, and at most.
const PAGE: i64 = 50;
const LONGEST_PAGE: i64 = 100;

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
    let document = office
        .create(NewPoll::parse(&body).map_err(invalid)?)
        .await?;
    let mut response = shown(StatusCode::CREATED, &document)?;
    let location = conventions::header_value(&format!("/api/polls/{}", document.poll))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

async fn change(office: &Office, poll: PollId, request: Request) -> conventions::Result {
    let if_match = IfMatch::of(request.headers());
    let body = platform::body(request, &office.limits).await?;
    let change = PollChange::parse(&body).map_err(invalid)?;
    let expects = |revision| if_match.allows(&etag(revision));
    let document = office.change(&poll, &change, expects).await?;
    shown(StatusCode::OK, &document)
}

async fn delete(office: &Office, poll: PollId, headers: &HeaderMap) -> conventions::Result {
    let if_match = IfMatch::of(headers);
    office
        .delete(&poll, |revision| if_match.allows(&etag(revision)))
        .await?;
    let mut response = conventions::Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    Ok(response)
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
