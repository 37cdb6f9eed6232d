//! Connections that an instance keeps, and does not wait for for ever.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{Either, select};
use futures::lock::Mutex;
use serde_json::json;
use spin_sdk::time::sleep;

use crate::log;

/// Redis or PostgreSQL did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    /// `redis` or `postgres`.
    pub upstream: &'static str,
    pub cause: Cause,
}

/// Why it did not. The texts are for the log alone: no client ever sees them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// It cannot be reached, or the connection broke.
    #[error("{0}")]
    Broken(String),
    /// It answered that it will not, or what cannot be understood.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    pub fn log(&self) {
        let fields = json!({ "upstream": self.upstream, "error": self.to_string() });
        log::error("upstream_failed", fields);
    }
}

/// A connection that is opened when it is first needed, and opened again, once, when it turns out to
/// be broken. A connection for each request would halve the throughput.
pub(crate) struct Kept<C> {
    // Locked while it is opened, so that requests that come together open one connection.
    connection: Mutex<Option<Arc<C>>>,
    upstream: &'static str,
    timeout: Duration,
}

impl<C> Kept<C> {
    pub(crate) fn new(upstream: &'static str, timeout: Duration) -> Self {
        Self {
            connection: Mutex::new(None),
            upstream,
            timeout,
        }
    }

    /// Does `act` on the connection. It may be done twice, if the connection breaks on the way: it
    /// must be something that is safe to repeat. Spin sets no time limit, so one is set here, for all
    /// of it together.
    pub(crate) async fn run<T>(
        &self,
        open: impl AsyncFn() -> Result<C, Cause>,
        act: impl AsyncFn(&C) -> Result<T, Cause>,
    ) -> Result<T, Failure> {
        let attempt = pin!(self.attempt(open, act));
        let outcome = match select(attempt, pin!(sleep(self.timeout))).await {
            Either::Left((outcome, _)) => outcome,
            Either::Right(_) => {
                // Whatever still comes on it would answer a question that nobody asks any more. If it is
                // locked, it is being opened anew already.
                if let Some(mut connection) = self.connection.try_lock() {
                    *connection = None;
                }
                Err(Cause::TimedOut(self.timeout))
            }
        };
        outcome.map_err(|cause| Failure {
            upstream: self.upstream,
            cause,
        })
    }

    async fn attempt<T>(
        &self,
        open: impl AsyncFn() -> Result<C, Cause>,
        act: impl AsyncFn(&C) -> Result<T, Cause>,
    ) -> Result<T, Cause> {
        let kept = self.connection.lock().await.clone();
        let broken = match kept {
            None => None,
            Some(connection) => match act(&connection).await {
                Err(Cause::Broken(_)) => Some(connection),
                outcome => return outcome,
            },
        };
        let connection = self.renew(broken, open).await?;
        act(&connection).await
    }

    /// A connection other than `broken`: one that another request has opened meanwhile, or a new one.
    async fn renew(
        &self,
        broken: Option<Arc<C>>,
        open: impl AsyncFn() -> Result<C, Cause>,
    ) -> Result<Arc<C>, Cause> {
        let mut kept = self.connection.lock().await;
        match (&*kept, broken) {
            (Some(kept), None) => return Ok(kept.clone()),
            (Some(kept), Some(broken)) if !Arc::ptr_eq(kept, &broken) => return Ok(kept.clone()),
            _ => *kept = None,
        }
        let connection = Arc::new(open().await?);
        *kept = Some(connection.clone());
        Ok(connection)
    }
}
