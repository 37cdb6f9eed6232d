//! A client that keeps its connection, and writes down what became of each request.

use std::{net::SocketAddr, time::Duration};

use anyhow::Result;
use http_body_util::{BodyExt, Full};
use hyper::{HeaderMap, Request, body::Bytes, header::HOST};
use tokio::time::Instant;

use super::ledger::Ledger;
use crate::bench::client::{Sender, connect};

/// How long an answer is waited for. No request may take longer than [`super::ledger::LONGEST`]; so it is seen by how
/// much.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Client<'a> {
    address: SocketAddr,
    ledger: &'a Ledger,
    connection: Option<Sender>,
}

/// An answer, read to its end.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    /// A header's value; empty if it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// A request to be.
pub struct Ask<'a> {
    /// What it is called in the report.
    pub kind: &'static str,
    pub method: &'a str,
    pub path: &'a str,
    pub headers: Vec<(&'a str, String)>,
    pub body: String,
}

impl<'a> Ask<'a> {
    pub fn get(kind: &'static str, path: &'a str) -> Self {
        Self {
            kind,
            method: "GET",
            path,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    pub fn post(kind: &'static str, path: &'a str, body: String) -> Self {
        Self {
            method: "POST",
            body,
            ..Self::get(kind, path)
        }
    }

    pub fn header(mut self, name: &'a str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl<'a> Client<'a> {
    pub fn of(address: SocketAddr, ledger: &'a Ledger) -> Self {
        Self {
            address,
            ledger,
            connection: None,
        }
    }

    /// Sends a request, and waits for its answer; none if there is none, which is written down.
    pub async fn ask(&mut self, ask: Ask<'_>, expected: &[u16]) -> Option<Answer> {
        let kind = ask.kind;
        let begin = Instant::now();
        let answer = tokio::time::timeout(PATIENCE, self.exchange(ask)).await;
        let took = begin.elapsed();
        match answer {
            Ok(Ok(answer)) => {
                self.ledger.answered(kind, took, &answer, expected);
                Some(answer)
            }
            Ok(Err(error)) => {
                self.connection = None;
                self.ledger.unanswered(kind, took, &format!("{error:#}"));
                None
            }
            Err(_) => {
                self.connection = None;
                self.ledger.unanswered(kind, took, "no answer");
                None
            }
        }
    }

    async fn exchange(&mut self, ask: Ask<'_>) -> Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(self.address).await?,
        };
        // The server may have closed what was idle for long.
        if connection.ready().await.is_err() {
            connection = connect(self.address).await?;
        }
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.path)
            .header(HOST, self.address.to_string());
        for (name, value) in ask.headers {
            request = request.header(name, value);
        }
        let request = request.body(Full::from(ask.body))?;
        let answer = connection.send_request(request).await?;
        let (head, body) = answer.into_parts();
        let body = body.collect().await?.to_bytes();
        self.connection = Some(connection);
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        })
    }
}
