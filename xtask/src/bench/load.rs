//! The load: wrk, with one thread, as fast as it is answered.

use std::{net::SocketAddr, time::Duration};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use stack::checkout;
use tokio::process::Command;

/// A request, which is sent again and again.
#[derive(Clone, Copy)]
pub enum Request {
    /// In the poll `default`.
    Vote,
    /// Of the poll `default`.
    Results,
    /// In another poll.
    VoteIn(&'static str),
    /// Of another poll.
    ResultsOf(&'static str),
    /// So many votes at once, a line each.
    Votes(usize),
    /// What has a body, to a component that does not look at it.
    Nothing,
    /// Whether the process answers.
    Health,
    /// A vote with a field that there is not: 422.
    Refused,
}

impl Request {
    pub fn path(self) -> String {
        match self {
            Self::Vote | Self::Nothing | Self::Refused => "/api/vote".to_owned(),
            Self::Health => "/health".to_owned(),
            Self::Results => "/api/results".to_owned(),
            Self::VoteIn(poll) => format!("/api/polls/{poll}/vote"),
            Self::ResultsOf(poll) => format!("/api/polls/{poll}/results"),
            Self::Votes(_) => "/api/votes".to_owned(),
        }
    }

    /// As load.lua takes it.
    fn environment(self) -> Vec<(&'static str, String)> {
        let post = |kind: &str, body: &str, repeat: usize| {
            vec![
                ("BENCH_METHOD", "POST".to_owned()),
                ("BENCH_TYPE", kind.to_owned()),
                ("BENCH_BODY", body.to_owned()),
                ("BENCH_REPEAT", repeat.to_string()),
            ]
        };
        match self {
            Self::Vote | Self::VoteIn(_) | Self::Nothing => post("application/json", VOTE, 1),
            Self::Refused => post("application/json", r#"{"choice":"cats"}"#, 1),
            Self::Results | Self::ResultsOf(_) | Self::Health => Vec::new(),
            Self::Votes(number) => post("application/x-ndjson", &format!("{VOTE}\n"), number),
        }
    }
}

/// The body of a vote.
pub const VOTE: &str = r#"{"option":"cats"}"#;

/// What wrk has measured.
#[derive(Debug, Deserialize)]
pub struct Load {
    pub requests: u64,
    micros: u64,
    failed: u64,
    refused: u64,
    p50: u64,
    p99: u64,
    p999: u64,
}

impl Load {
    /// Sends `request` for so long, over so many connections. Every one must be answered, and with success, or else, if
    /// it is to be refused, without.
    pub async fn run(
        address: SocketAddr,
        request: Request,
        connections: usize,
        time: Duration,
    ) -> Result<Self> {
        let output = Command::new("wrk")
            .args(["--threads", "1", "--timeout", "30s"])
            .args(["--connections", &connections.to_string()])
            .args(["--duration", &format!("{}s", time.as_secs())])
            .arg("--script")
            .arg(checkout::root().join("bench/load.lua"))
            .arg(format!("http://{address}{}", request.path()))
            .envs(request.environment())
            .kill_on_drop(true)
            .output()
            .await
            .context("could not run wrk")?;
        let said = String::from_utf8_lossy(&output.stdout);
        let load: Self = said
            .lines()
            .last()
            .and_then(|line| serde_json::from_str(line).ok())
            .with_context(|| {
                let complaint = String::from_utf8_lossy(&output.stderr);
                format!("wrk did not measure: {said}{complaint}")
            })?;
        let refused = match request {
            Request::Refused => load.requests,
            _ => 0,
        };
        ensure!(
            load.failed == 0 && load.refused == refused && load.requests > 0,
            "of {} requests {} failed and {} were refused",
            load.requests,
            load.failed,
            load.refused
        );
        Ok(load)
    }

    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 * 1e6 / self.micros as f64
    }

    /// The median, and what 99 % and 99.9 % are below, in milliseconds.
    pub fn latencies(&self) -> [(&'static str, f64); 3] {
        [("p50", self.p50), ("p99", self.p99), ("p99.9", self.p999)]
            .map(|(name, micros)| (name, micros as f64 / 1e3))
    }
}
