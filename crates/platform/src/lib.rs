//! Everything that touches Spin, so that a component is only the few lines that make it what it is.
//!
//! In reading order: [`settings`] and [`log`]; [`serve`], which brings requests to the `conventions`, and
//! [`body`]; [`Organizers`], who may do more than others, [`Voters`], and
//! [`Eligibility`], who may vote; [`redis`] and [`postgres`], which keep their connections and never wait for ever; and [`stream`], the
//! votes on their way, with the Lua scripts that Redis runs for us; [`BallotBox`], by which they get there.
//!
//! What a vote is, `ballot` knows; nothing here decides about one.

#![warn(missing_docs)]

pub mod log;
pub mod polls;
pub mod postgres;
pub mod redis;
pub mod settings;
pub mod stream;

mod ballot_box;
mod body;
mod connection;
mod eligibility;
mod idempotency_key;
mod organizers;
mod per_instance;
mod proxies;
mod recent;
mod serve;
mod voters;
mod wasi;
mod within;

pub use ballot_box::{BallotBox, Sender};
pub use body::{BodyLimits, body};
pub use connection::{Cause, Failure};
pub use idempotency_key::idempotency_key;
pub use organizers::Organizers;
pub use per_instance::PerInstance;
pub use recent::Recent;
pub use serve::{Request, Streamed, serve, serve_streamed};
pub use spin_sdk::time::sleep;
pub use voters::{Credentials, NewVoter, Voters};

/// For [`http_service!`].
#[doc(hidden)]
pub use spin_sdk;
