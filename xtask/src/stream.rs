//! The stream of votes as an operator reaches it: what is in Redis is the same here and in a cluster.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ballot::Cell;
use clap::Args;
use redis::Connection;

use crate::instance;

/// How long Redis may take to be reached, and to answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[derive(Args)]
#[group(skip)] // those that flatten it are called Options, too
pub struct Options {
    /// The name of the cell, where there are several and it is not the first; of those of `cargo xtask up --cells N`
    /// that is its number
    #[arg(long, global = true, default_value = "")]
    cell: String,
    /// The variable `stream`
    #[arg(long, global = true, default_value = "votes")]
    stream: String,
}

/// The stream of one cell, and the connection to it.
pub struct Stream {
    pub redis: Connection,
    pub name: String,
    /// The last part of the ids of votes that came without one: see [`Cell::vote_id`].
    pub suffix: String,
}

impl Options {
    /// To the Redis of REDIS_URL if that is set, else to the running instance's.
    pub fn connect(&self) -> Result<Stream> {
        let cell = Cell::parse(&self.cell).context("--cell: no cell can have this name")?;
        let url = match std::env::var("REDIS_URL") {
            Ok(url) => url,
            Err(_) => {
                let of_cell = if cell.as_str().is_empty() { "" } else { "_" };
                instance::address(&format!("REDIS_URL{of_cell}{}", cell.as_str()))?
            }
        };
        ensure!(
            url.starts_with("redis://"),
            "REDIS_URL is no redis://… address; where Redis wants TLS, go through a tunnel"
        );
        // What it says of a URL that it cannot read would show the password.
        let client = redis::Client::open(url)
            .ok()
            .context("REDIS_URL is no address")?;
        let redis = client
            .get_connection_with_timeout(PATIENCE)
            .context("Redis does not answer")?;
        redis.set_read_timeout(Some(PATIENCE))?;
        redis.set_write_timeout(Some(PATIENCE))?;
        let suffix = match cell.as_str() {
            "" => String::new(),
            name => format!("@{name}"),
        };
        Ok(Stream {
            redis,
            name: self.stream.clone(),
            suffix,
        })
    }
}

impl Stream {
    /// What else there is in Redis has the stream as its hash tag: `{votes}:rejected`.
    pub fn key(&self, of: &str) -> String {
        format!("{{{}}}:{of}", self.name)
    }
}
