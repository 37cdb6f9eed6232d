//! One cell of those that `cargo xtask up --cells` runs: a Redis, and what takes and counts the votes in it.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context, Result};
use stack::{
    App, Redis,
    app::{CELL_COMPONENTS, Settings},
};

/// Runs from when it is started until it is dropped.
pub struct Cell {
    /// From 1.
    pub number: u16,
    pub redis: Redis,
    pub app: App,
    /// What listens to the doorbell. Spin ends a runtime whose subscriber has lost Redis, so that has one of its own:
    /// pages stay up.
    pub subscriber: App,
}

impl Cell {
    /// One whose Redis runs, and whose runtimes do not yet. `settings` are those of the first cell's runtime, with
    /// the components that serve; another cell takes of these what it needs.
    pub fn new(
        number: u16,
        redis: Redis,
        mut settings: Settings,
        subscribers: Vec<String>,
        directory: &Path,
    ) -> Self {
        settings
            .variables
            .insert("redis_port".into(), redis.port().to_string());
        if number > 1 {
            settings.variables.insert("cell".into(), number.to_string());
            let of_each = |id: &String| CELL_COMPONENTS.contains(&id.as_str());
            settings.components.retain(of_each);
        }
        settings.state = directory.join(named("spin", number));
        let subscriber = Settings {
            port: None,
            components: subscribers,
            state: directory.join(named("spin-subscriber", number)),
            ..settings.clone()
        };
        Self {
            number,
            redis,
            app: App::new(settings),
            subscriber: App::new(subscriber),
        }
    }

    /// Starts its runtimes, and waits until it answers.
    pub async fn start(&mut self) -> Result<()> {
        self.app.start().await?;
        self.subscriber.start().await
    }

    /// Where it serves.
    pub fn address(&self) -> Result<SocketAddr> {
        self.app.address().context("it serves")
    }

    /// Likewise, without a slash at the end.
    pub fn url(&self) -> Result<String> {
        Ok(format!("http://{}", self.address()?))
    }
}

/// What a cell calls a part of it: the first as if it were the only one.
pub fn named(part: &str, number: u16) -> String {
    match number {
        1 => part.to_owned(),
        _ => format!("{part}-{number}"),
    }
}
