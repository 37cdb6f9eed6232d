//! Reads bodies, which may be too long, come too slowly, or never end.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use conventions::{Announced, Problem, Result};
use futures::poll;

use crate::Request;
use crate::settings::{self, InvalidSetting};
use crate::within::within;

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
    let announced = Announced::of(request.headers(), limits.size)?;
    let mut reading = pin!(read(request, announced.length, limits.size));
    // Most bodies are there already, and need no timer.
    if let Poll::Ready(body) = poll!(reading.as_mut()) {
        return body;
    }
    let body = within(limits.time, reading).await;
    body.unwrap_or(Err(Problem::TooSlow { limit: limits.time }))
}

async fn read(request: Request, announced: Option<u64>, limit: usize) -> Result<Bytes> {
    // At its announced length a body is whole. That it has ended may be known only later.
    let is_enough = |body: &[u8]| {
        body.len() > limit || announced.is_some_and(|length| body.len() as u64 >= length)
    };
    match request.into_body().read(is_enough).await {
        Some(body) if body.len() > limit => Err(Problem::TooLarge { limit }),
        Some(body) => Ok(body.into()),
        None => Err(Problem::Incomplete),
    }
}
