//! Connections that an instance keeps, and does not wait for for ever.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use conventions::Problem;
use serde_json::json;
use spin_sdk::time::sleep;

use crate::log;
use crate::within::within;

/// Redis, PostgreSQL or the policy did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    /// `redis`, `postgres` or [`Self::POLICY`].
    pub upstream: &'static str,
    /// For the log.
    pub cause: Cause,
}

/// Why it did not. The texts are for the log alone: no client ever sees them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// All attempts together took longer than this.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// It cannot be reached, or the connection broke.
    #[error("{0}")]
    Broken(String),
    /// PostgreSQL cannot store something that it was given: a row is at fault, not the server. Holds the
    /// SQLSTATE alone, for the message may repeat the value.
    #[error("SQLSTATE {0}")]
    Unstorable(String),
    /// PostgreSQL refuses a change for the sake of what depends on it (SQLSTATE 55006).
    #[error("in use")]
    InUse,
    /// PostgreSQL refuses a change that could be known to be right only in the one cell that there is (SQLSTATE
    /// 55000).
    #[error("there are several cells")]
    SeveralCells,
    /// It answered that it will not, or what cannot be understood.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// The policy, as an upstream.
    pub const POLICY: &str = "policy";

    /// Writes the event `upstream_failed`, or `policy_failed`: that one is for the organizer to mend.
    pub fn log(&self) {
        let error = self.to_string();
        if self.upstream == Self::POLICY {
            log::error("policy_failed", json!({ "error": error }));
        } else {
            let fields = json!({ "upstream": self.upstream, "error": error });
            log::error("upstream_failed", fields);
        }
    }

    /// What the client is told, who learns from `detail` what became of the request; the log learns the rest.
    pub fn into_problem(self, detail: &'static str) -> Problem {
        self.log();
        Problem::Unavailable(detail)
    }

    /// Whether the server answered with an error in which this stands.
    pub(crate) fn says(&self, words: &str) -> bool {
        matches!(&self.cause, Cause::Refused(error) if error.contains(words))
    }
}

/// A connection that is opened when it is first needed, and opened again, once, when it turns out to
/// be broken. A connection for each request would halve the throughput.
pub(crate) struct Kept<C> {
    // Never locked across an await.
    state: Mutex<State<C>>,
    upstream: &'static str,
    timeout: Duration,
}

enum State<C> {
    Closed,
    /// A request opens it; those that come meanwhile wait, so that they open one connection together.
    Opening,
    Open(Arc<C>),
}

/// How often a request that waits for another looks. It may not be woken by it: a request can only
/// wait for the host, and the runtime of wit-bindgen panics when one wakes another.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

impl<C> Kept<C> {
    pub(crate) fn new(upstream: &'static str, timeout: Duration) -> Self {
        Self {
            state: Mutex::new(State::Closed),
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
        let outcome = match within(self.timeout, self.attempt(open, act)).await {
            Some(outcome) => outcome,
            None => {
                // Whatever still comes on it would answer a question that nobody asks any more.
                let mut state = self.state();
                if let State::Open(_) = *state {
                    *state = State::Closed;
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
        let kept = match &*self.state() {
            State::Open(connection) => Some(connection.clone()),
            State::Closed | State::Opening => None,
        };
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
        let opening = loop {
            {
                let mut state = self.state();
                match &*state {
                    State::Open(kept)
                        if broken
                            .as_ref()
                            .is_none_or(|broken| !Arc::ptr_eq(kept, broken)) =>
                    {
                        return Ok(kept.clone());
                    }
                    State::Opening => {}
                    State::Open(_) | State::Closed => {
                        *state = State::Opening;
                        break Opening(self);
                    }
                }
            }
            sleep(BETWEEN_LOOKS).await;
        };
        let connection = Arc::new(open().await?);
        opening.done(connection.clone());
        Ok(connection)
    }

    fn state(&self) -> MutexGuard<'_, State<C>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a request is opening the connection. Should it fail, or be given up, the next one may try.
struct Opening<'a, C>(&'a Kept<C>);

impl<C> Opening<'_, C> {
    fn done(self, connection: Arc<C>) {
        *self.0.state() = State::Open(connection);
    }
}

impl<C> Drop for Opening<'_, C> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        if let State::Opening = *state {
            *state = State::Closed;
        }
    }
}
