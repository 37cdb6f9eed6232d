//! What clients know of their votes: the one truth that the verdict holds Spinvote to.

use std::sync::{Mutex, MutexGuard};

/// What a client was told in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// 2xx: it counts, once. A batch is not told the ids of its entries.
    Accepted { stream_id: Option<String> },
    /// 4xx: it does not count.
    Refused,
    /// No answer, or 5xx, however often it was asked: it counts at most once.
    Unknown,
}

#[derive(Debug, Clone)]
pub struct Vote {
    pub poll: String,
    /// Unknown to a client that sent none and was not answered.
    pub vote_id: Option<String>,
    pub option: String,
    /// The voter's name, where a gateway says who votes.
    pub voter: Option<String>,
    pub outcome: Outcome,
    /// How often it was sent.
    pub attempts: usize,
}

#[derive(Debug, Default)]
pub struct Ledger(Mutex<Vec<Vote>>);

impl Ledger {
    pub fn write(&self, vote: Vote) {
        self.votes().push(vote);
    }

    pub fn votes(&self) -> MutexGuard<'_, Vec<Vote>> {
        self.0.lock().expect("nobody panics while writing")
    }
}
