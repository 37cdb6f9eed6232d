//! `GET /polls`: all polls, for people.

use ballot::Timestamp;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, StatusCode};
use pages::{Language, polls_page};
use platform::Request;

use crate::office::{Office, unavailable};
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
