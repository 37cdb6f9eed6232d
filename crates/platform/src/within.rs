//! The one time limit. Spin sets none on what a component waits for.

use std::future::Future;
use std::pin::pin;
use std::time::Duration;

use futures::future::{Either, select};
use spin_sdk::time::sleep;

/// What comes of `waiting`; none if it takes longer than `limit`, and is given up.
pub(crate) async fn within<T>(limit: Duration, waiting: impl Future<Output = T>) -> Option<T> {
    match select(pin!(waiting), pin!(sleep(limit))).await {
        Either::Left((outcome, _)) => Some(outcome),
        Either::Right(_) => None,
    }
}
