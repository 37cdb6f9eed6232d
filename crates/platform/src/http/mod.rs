//! What every request and every answer has in common.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

use bytes::Bytes;
use http::header::{
    ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE,
    ETAG, IF_NONE_MATCH, LOCATION, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use pages::{Language, accept};
use serde::Serialize;
use spin_sdk::http::{FullBody, IntoResponse};

use crate::settings::{self, InvalidSetting};
use crate::{PerInstance, log};

mod body;
mod origins;
mod path;
pub mod prefer;
mod problem;
mod security;

pub use body::{BodyLimits, body};
use origins::Origins;
pub use path::decode;
pub use problem::ErrorPages;
pub use problem::Problem;
use problem::Reader;

/// With a body that has not been read.
pub type Request = spin_sdk::http::Request;
/// With its whole body, so that it has a Content-Length.
pub type Response = http::Response<Bytes>;
/// What a handler gives.
pub type Result<T = Response, E = Problem> = std::result::Result<T, E>;

/// What the variables say about HTTP.
struct Conventions {
    origins: Origins,
    production: bool,
}

static CONVENTIONS: PerInstance<Conventions> = PerInstance::new();

async fn conventions(component: &'static str) -> Result<&'static Conventions, InvalidSetting> {
    CONVENTIONS
        .get(async || {
            log::open(component).await?;
            Ok(Conventions {
                origins: Origins::parse(&settings::text("cors_origins").await?)?,
                production: settings::text("environment").await? == "production",
            })
        })
        .await
}

/// Answers a request of a component: `handle` says what, and this sees to what all answers share.
///
/// `pages` makes an error a page for people, where a component answers them at all.
///
/// Requests that another site's page makes a browser send never reach `handle`. `OPTIONS` does, so that
/// [`allow`] says which methods there are.
pub async fn serve(
    component: &'static str,
    pages: Option<ErrorPages>,
    request: Request,
    handle: impl AsyncFnOnce(Request) -> Result,
) -> impl IntoResponse {
    let reader = Reader::of(&request, pages);
    let response = match conventions(component).await {
        Ok(conventions) => answer(conventions, &reader, request, handle).await,
        Err(invalid) => {
            let mut response = Problem::from(invalid).into_response(&reader);
            security::add_headers(response.headers_mut(), false);
            response
        }
    };
    with_length(response).map(FullBody::new)
}

async fn answer(
    conventions: &Conventions,
    reader: &Reader,
    request: Request,
    handle: impl AsyncFnOnce(Request) -> Result,
) -> Response {
    let method = request.method().clone();
    let origin = request.headers().get(ORIGIN).cloned();
    let relation = conventions
        .origins
        .relation(origin.as_ref(), authority(&request));

    let mut response = match &origin {
        Some(_) if method == Method::OPTIONS && !relation.is_welcome() => {
            Err(Problem::UnknownOrigin)
        }
        Some(origin) if method == Method::OPTIONS => match handle(request).await {
            Err(Problem::MethodNotAllowed(methods)) => origins::preflight(origin, methods),
            // Granted all the same, so that the script that asks can read what is wrong.
            _ => origins::preflight(origin, &[]),
        },
        Some(_) if !method.is_safe() && !relation.is_welcome() => Err(Problem::ForeignOrigin),
        _ => match handle(request).await {
            // Asked by no browser: what can be done here, then.
            Err(Problem::MethodNotAllowed(methods)) if method == Method::OPTIONS => {
                options(methods)
            }
            answer => answer,
        },
    }
    .unwrap_or_else(|problem| problem.into_response(reader));

    let headers = response.headers_mut();
    security::add_headers(headers, conventions.production);
    relation.add_headers(origin, headers);
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

fn options(methods: &[Method]) -> Result {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(ALLOW, header_value(&problem::allow_header(methods))?);
    Ok(response)
}

/// The authority that the client asked for, of whichever version of HTTP. Spin takes it from `Host` or
/// `:authority`, and lets no request through that has neither, or two that differ. Its header
/// `spin-full-url` will not do: over HTTP/2, which has no `Host`, it always says `localhost`.
fn authority(request: &Request) -> &str {
    let authority = request.uri().authority();
    authority.map(|it| it.as_str()).unwrap_or_default()
}

/// Without a length the body would be sent in chunks, the last of them in a write of its own, which
/// Nagle's algorithm delays by 40 ms. An answer that has no body by definition has no length.
fn with_length(mut response: Response) -> Response {
    if !matches!(
        response.status(),
        StatusCode::NOT_MODIFIED | StatusCode::NO_CONTENT
    ) {
        let length = response.body().len().into();
        response.headers_mut().insert(CONTENT_LENGTH, length);
    }
    response
}

/// Lets the methods of a path through. `GET` brings `HEAD` with it, whose body is dropped on the
/// way out.
pub fn allow(request: &Request, methods: &'static [Method]) -> Result<()> {
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

/// A page. It may differ by language, and has a stricter policy than other answers.
pub fn page(status: StatusCode, html: impl Into<Bytes>) -> Response {
    let mut response = respond(status, pages::CONTENT_TYPE, html);
    let policy = HeaderValue::from_static(pages::SECURITY_POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    vary(response.headers_mut(), "Accept-Language");
    response
}

/// Sends a browser, after it has posted a form, to a page that it may reload.
pub fn see_other(path: &str) -> Result {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::SEE_OTHER;
    response.headers_mut().insert(LOCATION, header_value(path)?);
    Ok(response)
}

/// The language for a page.
pub fn language(request: &HeaderMap) -> Language {
    accept::language(&list(request, ACCEPT_LANGUAGE))
}

/// A header that may come in several lines, as the one list that it is (RFC 9110, section 5.3).
pub fn list(request: &HeaderMap, name: HeaderName) -> String {
    let lines = request.get_all(name);
    let lines: Vec<_> = lines.iter().filter_map(|line| line.to_str().ok()).collect();
    lines.join(",")
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

/// Gives an answer an `ETag` made from its body. A client that has this body already gets 304 instead.
pub fn revalidate(response: Response, request: &HeaderMap) -> Result {
    let mut hasher = DefaultHasher::new();
    hasher.write(response.body());
    let etag = format!("\"{:016x}\"", hasher.finish());
    revalidate_by(&etag, response, request)
}

/// Likewise with an `ETag` that is known already.
pub fn revalidate_by(etag: &str, mut response: Response, request: &HeaderMap) -> Result {
    response.headers_mut().insert(ETAG, header_value(etag)?);
    if has(request, etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
        response.body_mut().clear();
    }
    Ok(response)
}

/// Whether `If-None-Match` names the entity tag, by the weak comparison that RFC 9110 asks for.
fn has(request: &HeaderMap, etag: &str) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// A header value made of our own text.
pub fn header_value(text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| Problem::Internal(error.to_string()))
}
