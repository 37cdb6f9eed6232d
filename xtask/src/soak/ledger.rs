//! What became of each request, and which votes were accepted.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::client::Answer;

/// No request may take longer.
pub const LONGEST: Duration = Duration::from_secs(10);

/// How many of what was not expected is told in full.
const TOLD: usize = 20;

#[derive(Default)]
pub struct Ledger(RefCell<Inner>);

#[derive(Default)]
struct Inner {
    kinds: BTreeMap<&'static str, Kind>,
    unexpected: Vec<String>,
    /// Of each poll: votes that were accepted.
    accepted: BTreeMap<String, u64>,
    /// Votes whose fate is unknown: they may count once, or not.
    unknown: u64,
}

/// Requests of one kind.
#[derive(Default, Clone, Serialize, Deserialize)]
pub struct Kind {
    pub requests: u64,
    pub statuses: BTreeMap<u16, u64>,
    pub unanswered: u64,
    pub unexpected: u64,
    pub longest_ms: f64,
    mean_ms: f64,
}

impl Ledger {
    /// Writes down an answer. One that is not expected is a failure; so is a 503 without Retry-After, even where
    /// it is expected.
    pub fn answered(&self, kind: &'static str, took: Duration, answer: &Answer, expected: &[u16]) {
        let mut inner = self.0.borrow_mut();
        let entry = inner.kinds.entry(kind).or_default();
        entry.add(took);
        *entry.statuses.entry(answer.status).or_default() += 1;
        let says_when = answer.status != 503 || !answer.header("retry-after").is_empty();
        if !expected.contains(&answer.status) || !says_when {
            entry.unexpected += 1;
            let body = String::from_utf8_lossy(&answer.body);
            let body: String = body.chars().take(200).collect();
            inner.tell(format!(
                "{kind}: {} after {took:.1?}: {body}",
                answer.status
            ));
        }
    }

    pub fn unanswered(&self, kind: &'static str, took: Duration, error: &str) {
        let mut inner = self.0.borrow_mut();
        let entry = inner.kinds.entry(kind).or_default();
        entry.add(took);
        entry.unanswered += 1;
        entry.unexpected += 1;
        inner.tell(format!("{kind}: after {took:.1?}: {error}"));
    }

    /// Something else than an answer was not as it must be.
    pub fn wrong(&self, kind: &'static str, what: String) {
        let mut inner = self.0.borrow_mut();
        inner.kinds.entry(kind).or_default().unexpected += 1;
        inner.tell(format!("{kind}: {what}"));
    }

    pub fn accepted(&self, poll: &str, votes: u64) {
        let mut inner = self.0.borrow_mut();
        *inner.accepted.entry(poll.to_owned()).or_default() += votes;
    }

    pub fn unknown(&self, votes: u64) {
        self.0.borrow_mut().unknown += votes;
    }

    /// Votes that were accepted, over all polls.
    pub fn votes(&self) -> u64 {
        self.0.borrow().accepted.values().sum()
    }

    /// Of each poll, and how many more there may be.
    pub fn expected(&self) -> (BTreeMap<String, u64>, u64) {
        let inner = self.0.borrow();
        (inner.accepted.clone(), inner.unknown)
    }

    pub fn kinds(&self) -> BTreeMap<String, Kind> {
        let inner = self.0.borrow();
        let kinds = inner.kinds.iter();
        kinds
            .map(|(name, kind)| ((*name).to_owned(), kind.clone()))
            .collect()
    }

    /// The first of what was not expected, in words.
    pub fn told(&self) -> Vec<String> {
        self.0.borrow().unexpected.clone()
    }
}

impl Inner {
    fn tell(&mut self, what: String) {
        if self.unexpected.len() < TOLD {
            eprintln!("! {what}");
            self.unexpected.push(what);
        }
    }
}

impl Kind {
    fn add(&mut self, took: Duration) {
        let ms = took.as_secs_f64() * 1e3;
        self.mean_ms += (ms - self.mean_ms) / (self.requests + 1) as f64;
        self.requests += 1;
        self.longest_ms = self.longest_ms.max(ms);
    }

    pub fn mean_ms(&self) -> f64 {
        self.mean_ms
    }
}
