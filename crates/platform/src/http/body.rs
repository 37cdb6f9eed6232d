//! Reads bodies, which may be too long, come too slowly, or never end.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures::future::{Either, select};
use futures::{StreamExt, poll};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};
use spin_sdk::http::body::IncomingBodyExt;
use spin_sdk::time::sleep;

use super::{Problem, Request, Result, list};
use crate::settings::{self, InvalidSetting};

/// What a client may ask of us before it has said anything.
#[derive(Debug, Clone, Copy)]
pub struct BodyLimits {
    /// Bytes.
    size: usize,
    /// For the body as a whole, however it is cut up: a byte now and then gains no time.
    time: Duration,
}

impl BodyLimits {
    /// From the variables `max_request_size` and `request_timeout_ms`.
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        Ok(Self {
            size: settings::count::<u32>("max_request_size").await? as usize,
            time: settings::millis("request_timeout_ms").await?,
        })
    }
}

/// The whole body, if it keeps within the limits; what is beyond is not read. Spin sets no time limit:
/// it calls us as soon as the headers are there.
pub async fn body(request: Request, limits: &BodyLimits) -> Result<Bytes> {
    if is_encoded(request.headers()) {
        return Err(Problem::Encoded);
    }
    let mut reading = pin!(read(request, limits.size));
    // Most bodies are there already, and need no timer.
    if let Poll::Ready(body) = poll!(reading.as_mut()) {
        return body;
    }
    match select(reading, pin!(sleep(limits.time))).await {
        Either::Left((body, _)) => body,
        Either::Right(_) => Err(Problem::TooSlow { limit: limits.time }),
    }
}

/// Whether the body must be decoded to be read. `identity` says that it need not.
fn is_encoded(headers: &HeaderMap) -> bool {
    list(headers, CONTENT_ENCODING)
        .split(',')
        .map(str::trim)
        .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
}

async fn read(request: Request, limit: usize) -> Result<Bytes> {
    let announced = request
        .headers()
        .get(CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit as u64) {
        return Err(Problem::TooLarge { limit });
    }
    let mut body = Vec::new();
    let mut chunks = request.into_body().stream();
    // At its announced length a body is whole. That it has ended may be known only later.
    while announced.is_none_or(|length| (body.len() as u64) < length) {
        let Some(chunk) = chunks.next().await else {
            break;
        };
        let chunk = chunk.map_err(|_| Problem::Incomplete)?;
        if body.len() + chunk.len() > limit {
            return Err(Problem::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}
