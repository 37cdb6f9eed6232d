//! Counts votes: drains the stream into PostgreSQL, each vote once.
//!
//! One wasm file, two components: `tally` is woken by the doorbell, `sweep` by
//! `GET /sweep`. Both do the same, [`Drain::drain`], until nothing is left or time is up.
//! `sweep` also says how things stand: `GET /metrics`.

#![expect(
    unsafe_code,
    reason = "the expansion of `redis_subscriber` exports functions by hand"
)]

use std::time::{Duration, Instant};

use bytes::Bytes;
use conventions::Problem;
use http::{Method, StatusCode};
use platform::Request;
use platform::settings::InvalidSetting;
use platform::{Failure, PerInstance, log};
use serde_json::json;
use spin_sdk::redis_subscriber;

mod definitions;
mod drain;
mod metrics;

use drain::Drain;

static DRAIN: PerInstance<Drain> = PerInstance::new();

/// A probe waits for the answer; what is left after this is for the doorbell's subscriber.
const SWEEP_FOR: Duration = Duration::from_secs(1);

/// While votes keep coming they gather for so long before they are counted; the first one after a pause is counted at
/// once. A wake-up has an instance and connections of its own: one for each few votes costs more than counting them.
const BETWEEN_BATCHES: Duration = Duration::from_millis(20);

/// How long a wake-up goes on in that way. While it does, others wait in the runtime's queue, about one each second.
const GATHERS_FOR: Duration = Duration::from_secs(1);

/// The message carries nothing; it only says that there is something to count.
#[redis_subscriber]
async fn on_doorbell(_message: Bytes) -> anyhow::Result<()> {
    // An error that was returned would be logged by the SDK, in its own way. We log in ours.
    match open("tally").await {
        Ok(drain) => drain_all(drain)
            .await
            .unwrap_or_else(|failure| failure.log()),
        Err(invalid) => invalid.log(),
    }
    Ok(())
}

async fn open(component: &'static str) -> Result<&'static Drain, InvalidSetting> {
    log::open(component).await?;
    DRAIN.get(Drain::from_settings).await
}

async fn drain_all(drain: &Drain) -> Result<(), Failure> {
    drain.answer_doorbell().await?;
    let until = Instant::now() + GATHERS_FOR;
    loop {
        // A vote that found no definition has rung, too, and waits for it.
        if !drain.definitions.are_published().await? {
            definitions::publish(drain).await?;
        }
        // Whoever has come since the doorbell was answered has rung it again.
        if drain.drain(None).await? == 0 || Instant::now() >= until {
            return Ok(());
        }
        platform::sleep(BETWEEN_BATCHES).await;
    }
}

platform::http_service!(|request| platform::serve("sweep", None, request, handle));

async fn handle(request: Request) -> conventions::Result {
    conventions::allow(&request, &[Method::GET])?;
    let drain = open("sweep").await?;
    match request.uri().path() {
        "/sweep" => sweep(drain).await,
        "/metrics" => metrics::metrics(&drain.consumer, &drain.postgres).await,
        _ => Err(Problem::NothingHere),
    }
}

/// `GET /sweep`
async fn sweep(drain: &Drain) -> conventions::Result {
    let (counted, left) = drain_some(drain).await.map_err(|failure| {
        failure.into_problem(
            "The stream could not be swept. What is in it is counted as soon as it can be.",
        )
    })?;
    let swept = json!({ "status": "swept", "counted": counted, "left": left });
    conventions::json(StatusCode::OK, &swept)
}

/// Drains for as long as a sweep may take. Returns how many votes were counted, and how many entries
/// are left.
async fn drain_some(drain: &Drain) -> Result<(usize, i64), Failure> {
    let until = Instant::now() + SWEEP_FOR;
    definitions::publish(drain).await?;
    let counted = drain.drain(Some(until)).await?;
    let left = drain.tidy_up().await?;
    Ok((counted, left))
}
