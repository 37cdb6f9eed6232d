//! Starts and stops the parts of Spinvote on this machine: a Redis, a PostgreSQL and the runtime,
//! all private, all on 127.0.0.1. `cargo xtask up` runs them for a person, with data that stays;
//! the end-to-end tests run as many as they like at once, and nothing of these stays.
//! It is for development and tests; nothing of it runs in production.
//!
//! In the order in which to read:
//! - [`checkout`]: where things are
//! - [`process`], [`guard`]: children that never outlive us
//! - [`ports`], [`secrets`], [`http`]: small tools
//! - [`redis`], [`postgres`], [`migrate`]: the stores
//! - [`build`], [`app`]: the runtime, and what it runs
//! - [`stack`]: all of it, for a test

#![warn(missing_docs)]

pub mod app;
pub mod build;
pub mod checkout;
mod guard;
pub mod http;
pub mod migrate;
pub mod ports;
pub mod postgres;
pub mod process;
pub mod redis;
pub mod secrets;
pub mod stack;

pub use app::{App, Runtime};
pub use postgres::{Postgres, Role};
pub use redis::{Redis, User as RedisUser};
pub use secrets::Secrets;
pub use stack::{Cell, Stack, StackBuilder};
