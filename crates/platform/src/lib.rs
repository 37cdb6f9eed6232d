//! Everything that touches Spin, so that a component is only the few lines that make it what it is.
//!
//! In reading order: [`settings`] and [`log`]; [`http`], what every answer has in common; [`redis`]
//! and [`postgres`], which keep their connections and never wait for ever; and [`stream`], the
//! votes on their way, with the Lua scripts that Redis runs for us.
//!
//! What a vote is, `ballot` knows; nothing here decides about one.

#![warn(missing_docs)]

pub mod http;
pub mod log;
pub mod postgres;
pub mod redis;
pub mod settings;
pub mod stream;

mod connection;
mod per_instance;

pub use connection::{Cause, Failure};
pub use per_instance::PerInstance;
pub use spin_sdk::time::sleep;
