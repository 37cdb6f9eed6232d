//! Pages for people: `GET /polls`, all polls, and `GET /` and `GET /polls/{poll}`, to vote on.

use ballot::{Definition, PollId, Timestamp};
use http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use http::{Method, StatusCode};
use pages::{Language, Poll, polls_page, vote_page};
use platform::Request;

use crate::office::{Office, unavailable, unknown};
use crate::queries;

/// More are not shown; the API lists all.
const MOST: i64 = 200;

pub async fn polls(office: &Office, request: &Request) -> conventions::Result {
    conventions::allow(request, &[Method::GET])?;
    let polls = queries::listed(&office.postgres, MOST)
        .await
        .map_err(unavailable)?;
    let language = Language::of(request.headers());
    let html = polls_page(language, &polls, Timestamp::now());
    let mut response = pages::respond(StatusCode::OK, html);
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    conventions::revalidate(response, request.headers())
}

/// The page to vote on. It is there whenever votes are taken, and also while they are not: then it keeps them.
pub async fn poll(office: &Office, poll: PollId, request: &Request) -> conventions::Result {
    conventions::allow(request, &[Method::GET])?;
    let definition = definition(office, &poll).await?;
    let language = Language::of(request.headers());
    // Somebody who votes twice at once, in two tabs or by a double click, is one voter then.
    let voter = office.voters.credentials(request.headers()).cookie;
    let is_new = definition.one_vote_per_voter && voter.is_none();
    let poll = Poll::defined(language, poll, definition);
    let html = vote_page(language, &poll, Timestamp::now());
    let mut response = pages::respond(StatusCode::OK, html);
    let headers = response.headers_mut();
    if is_new {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(SET_COOKIE, office.voters.register()?.cookie);
        return Ok(response);
    }
    // Kept, but asked for again each time: options may be added, and it names the files of its own version.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    conventions::revalidate(response, request.headers())
}

/// As votes are taken by it, in Redis. What Redis cannot tell, PostgreSQL can: each may be down.
async fn definition(office: &Office, poll: &PollId) -> conventions::Result<Definition> {
    match office.definitions.find(poll).await {
        Ok(Some(definition)) => return Ok(definition),
        Ok(None) => {}
        Err(failure) => failure.log(),
    }
    let found = queries::definition(&office.postgres, poll).await;
    let (_, definition) = found.map_err(unavailable)?.ok_or_else(|| unknown(poll))?;
    Ok(definition)
}
