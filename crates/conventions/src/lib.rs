//! What every answer over HTTP has in common, so that a component only says what is its own: the form of
//! errors, whose pages may ask, what a cache may keep, which of several versions a client prefers.
//!
//! No I/O and no Spin here, and no page: all of it is tested natively, and who shows errors to people passes
//! in how ([`ErrorPages`]).
//!
//! In reading order: [`Conventions::answer`], through which every request goes; [`Problem`], the only way to
//! an error; `origins` and `security`, what browsers are told; then what handlers take as they need it:
//! [`json`], [`revalidate`], [`accept`], [`prefer`], [`decode`], [`cookies`], [`client`], [`Quota`], [`Announced`].
//!
//! Its own parsing rather than the crate `headers`: of the headers that are read here that one has
//! If-None-Match, Origin and Content-Length, and reads the middle one less strictly; it has no Accept,
//! Accept-Language, Prefer or Idempotency-Key.

#![warn(missing_docs)]

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, COOKIE, LOCATION, VARY};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use serde::Serialize;

pub mod accept;
mod announced;
mod answer;
mod caching;
pub mod client;
mod origins;
mod path;
pub mod prefer;
mod problem;
mod quota;
mod security;

pub use announced::Announced;
pub use answer::Conventions;
pub use caching::{IfMatch, revalidate, revalidate_by};
pub use origins::{InvalidOrigins, Origins};
pub use path::decode;
pub use problem::{ErrorPage, ErrorPages, Problem, Resend};
pub use quota::{Quota, QuotaPolicy};

/// With its whole body, so that it has a Content-Length.
pub type Response = http::Response<Bytes>;
/// What a handler gives.
pub type Result<T = Response, E = Problem> = std::result::Result<T, E>;

/// Lets the methods of a path through. `GET` brings `HEAD` with it, whose body is dropped on the
/// way out.
pub fn allow<B>(request: &Request<B>, methods: &'static [Method]) -> Result<()> {
    let method = request.method();
    if methods.contains(method) || (method == Method::HEAD && methods.contains(&Method::GET)) {
        Ok(())
    } else {
        Err(Problem::MethodNotAllowed(methods))
    }
}

/// An answer with a body of this type.
pub fn respond(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// An answer with this value. [`Problem::Internal`] if it cannot be written as JSON.
pub fn json(status: StatusCode, value: &impl Serialize) -> Result {
    let body = serde_json::to_vec(value).map_err(|error| Problem::Internal(error.to_string()))?;
    Ok(respond(status, "application/json", body))
}

/// Sends a browser, after it has posted a form, to a page that it may reload.
pub fn see_other(path: &str) -> Result {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, header_value(path)?);
    Ok(response)
}

/// A header that may come in several lines, as the one list that it is (RFC 9110, section 5.3).
pub fn list(request: &HeaderMap, name: HeaderName) -> String {
    let lines = request.get_all(name);
    let lines: Vec<_> = lines.iter().filter_map(|line| line.to_str().ok()).collect();
    lines.join(",")
}

/// The values of a cookie: a browser may send several of one name, for other paths or hosts.
pub fn cookies<'a>(request: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    request
        .get_all(COOKIE)
        .iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='))
        .filter(move |(known, _)| *known == name)
        .map(|(_, value)| value)
}

/// `Set-Cookie`, for a cookie that no script reads and that other sites' forms do not bring. `secure` keeps it from
/// plain HTTP.
pub fn set_cookie(
    name: &str,
    value: &str,
    path: &str,
    seconds: u64,
    secure: bool,
) -> Result<HeaderValue> {
    let secure = if secure { "; Secure" } else { "" };
    header_value(&format!(
        "{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    ))
}

/// Adds a request header to those by which answers differ. One line for all of them: not every cache
/// reads a second.
pub fn vary(headers: &mut HeaderMap, name: &str) {
    let names = match headers.get(VARY).and_then(|names| names.to_str().ok()) {
        Some(names) => format!("{names}, {name}"),
        None => name.to_owned(),
    };
    if let Ok(names) = HeaderValue::from_str(&names) {
        headers.insert(VARY, names);
    }
}

/// A header value made of our own text.
pub fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| Problem::Internal(error.to_string()))
}

/// Without a length the body would be sent in chunks, the last of them in a write of its own, which
/// Nagle's algorithm delays by 40 ms. An answer that has no body by definition has no length.
pub(crate) fn with_length(mut response: Response) -> Response {
    if !matches!(
        response.status(),
        StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT
    ) {
        let length = response.body().len().into();
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_differs_by_is_one_list() {
        let mut headers = HeaderMap::new();
        vary(&mut headers, "Origin");
        vary(&mut headers, "Accept");
        assert_eq!(headers[VARY], "Origin, Accept");
        assert_eq!(headers.get_all(VARY).iter().count(), 1);
    }

    #[test]
    fn get_brings_head_with_it() {
        let may = |method: &str, methods| {
            let request = Request::builder().method(method).body(()).unwrap();
            allow(&request, methods).is_ok()
        };
        assert!(may("HEAD", &[Method::GET]) && may("GET", &[Method::GET]));
        assert!(!may("HEAD", &[Method::POST]) && !may("OPTIONS", &[Method::GET]));
    }
}
