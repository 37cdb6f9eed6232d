//! Clients that vote all the time, as good clients do: on no answer and on 5xx they send the same again, under the
//! same key; without a key they never send a vote twice.

use std::{
    fmt::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use super::{
    ledger::{Ledger, Outcome, Vote},
    schedule::Random,
};

/// The polls, and their options. In the last each voter has one vote.
pub const POLLS: [(&str, &[&str]); 4] = [
    ("default", &["cats", "dogs"]),
    ("colours", &["red", "green", "blue"]),
    ("sizes", &["small", "large"]),
    (ONE_VOTE, &["soup", "rice", "bread"]),
];

/// The poll in which each voter has one vote.
pub const ONE_VOTE: &str = "lunch";

/// So few that each changes its vote often.
const VOTERS: usize = 200;

/// An option that no poll has.
const NO_OPTION: &str = "nothing";

const ATTEMPTS: usize = 6;
const BEFORE_THE_NEXT_ATTEMPT: Duration = Duration::from_millis(400);

/// Longer than Spinvote's own limit, so that it is mostly Spinvote that answers.
const PATIENCE: Duration = Duration::from_secs(3);

/// What all clients share.
#[derive(Debug)]
pub struct Booth {
    http: reqwest::Client,
    url: String,
    token: String,
    ledger: Arc<Ledger>,
}

enum Reply {
    Accepted(Value),
    Refused,
    Nothing,
}

impl Booth {
    pub fn new(url: &str, token: &str, ledger: Arc<Ledger>) -> Self {
        Self {
            http: reqwest::Client::builder()
                .timeout(PATIENCE)
                .build()
                .expect("a client"),
            url: url.to_owned(),
            token: token.to_owned(),
            ledger,
        }
    }

    /// One vote, sent once under a key: how Spinvote is at the moment. None is no answer.
    pub async fn probe(&self, key: String) -> Option<StatusCode> {
        let request = self
            .http
            .post(format!("{}/api/vote", self.url))
            .header("Idempotency-Key", &key)
            .body(r#"{"option":"cats"}"#);
        let answer = request.send().await.ok();
        let status = answer.as_ref().map(reqwest::Response::status);
        let outcome = match answer {
            Some(answer) if answer.status().is_success() => Outcome::Accepted {
                stream_id: answer
                    .json::<Value>()
                    .await
                    .ok()
                    .and_then(|said| said["stream_id"].as_str().map(str::to_owned)),
            },
            Some(answer) if answer.status().is_client_error() => Outcome::Refused,
            _ => Outcome::Unknown,
        };
        self.ledger.write(Vote {
            poll: "default".to_owned(),
            vote_id: Some(key),
            option: "cats".to_owned(),
            voter: None,
            outcome,
            attempts: 1,
        });
        status
    }

    async fn send(&self, path: &str, key: Option<&str>, body: String) -> Reply {
        // The token lets a client say who votes.
        let mut request = self
            .http
            .post(format!("{}{path}", self.url))
            .bearer_auth(&self.token)
            .body(body);
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let Ok(answer) = request.send().await else {
            return Reply::Nothing;
        };
        if answer.status().is_client_error() {
            return Reply::Refused;
        }
        if !answer.status().is_success() {
            return Reply::Nothing;
        }
        // A 201 that was cut off in its body has not been understood.
        answer.json().await.map_or(Reply::Nothing, Reply::Accepted)
    }

    /// Until there is an answer that says what became of it; how often it was sent.
    async fn send_until_answered(&self, path: &str, key: &str, body: &str) -> (Reply, usize) {
        for attempt in 1..=ATTEMPTS {
            let reply = self.send(path, Some(key), body.to_owned()).await;
            if !matches!(reply, Reply::Nothing) {
                return (reply, attempt);
            }
            sleep(BEFORE_THE_NEXT_ATTEMPT).await;
        }
        (Reply::Nothing, ATTEMPTS)
    }

    async fn single(&self, ballot: Ballot, key: Option<String>) {
        let path = match ballot.poll {
            "default" => "/api/vote".to_owned(),
            poll => format!("/api/polls/{poll}/vote"),
        };
        let body = ballot.body().to_string();
        let (reply, attempts) = match &key {
            Some(key) => self.send_until_answered(&path, key, &body).await,
            None => (self.send(&path, None, body).await, 1),
        };
        let (vote_id, outcome) = match reply {
            Reply::Accepted(said) => {
                let text = |name: &str| said[name].as_str().map(str::to_owned);
                let stream_id = text("stream_id");
                (
                    key.or_else(|| text("vote_id")),
                    Outcome::Accepted { stream_id },
                )
            }
            Reply::Refused => (key, Outcome::Refused),
            Reply::Nothing => (key, Outcome::Unknown),
        };
        self.ledger.write(ballot.vote(vote_id, outcome, attempts));
    }

    async fn bulk(&self, ballots: Vec<Ballot>, key: &str) {
        let mut body = String::new();
        for ballot in &ballots {
            let mut line = ballot.body();
            line["poll"] = json!(ballot.poll);
            let _ = writeln!(body, "{line}");
        }
        let (reply, attempts) = self.send_until_answered("/api/votes", key, &body).await;
        let rejected: Option<Vec<u64>> = match reply {
            Reply::Accepted(said) => Some(
                said["rejected"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|rejected| rejected["line"].as_u64())
                    .collect(),
            ),
            // All of it.
            Reply::Refused => Some((1..=ballots.len() as u64).collect()),
            Reply::Nothing => None,
        };
        for (line, ballot) in (1..).zip(ballots) {
            let outcome = match &rejected {
                None => Outcome::Unknown,
                Some(lines) if lines.contains(&line) => Outcome::Refused,
                Some(_) => Outcome::Accepted { stream_id: None },
            };
            self.ledger
                .write(ballot.vote(Some(format!("{key}:{line}")), outcome, attempts));
        }
    }
}

/// What a client is about to cast.
struct Ballot {
    poll: &'static str,
    option: &'static str,
    voter: Option<String>,
}

impl Ballot {
    fn random(random: &mut Random) -> Self {
        let (poll, options) = *random.one_of(&POLLS);
        let option = match random.below(50) {
            0 => NO_OPTION,
            _ => *random.one_of(options),
        };
        let voter = (poll == ONE_VOTE).then(|| format!("voter-{}", random.below(VOTERS)));
        Self {
            poll,
            option,
            voter,
        }
    }

    fn body(&self) -> Value {
        let mut body = json!({ "option": self.option });
        if let Some(voter) = &self.voter {
            body["voter"] = json!(voter);
        }
        body
    }

    fn vote(self, vote_id: Option<String>, outcome: Outcome, attempts: usize) -> Vote {
        Vote {
            poll: self.poll.to_owned(),
            vote_id,
            option: self.option.to_owned(),
            voter: self.voter,
            outcome,
            attempts,
        }
    }
}

/// Clients at work.
#[derive(Debug)]
pub struct Clients {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Clients {
    pub fn start(booth: &Arc<Booth>, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        // So many of each kind as the machine has time for beside the faults.
        let tasks = (0..10)
            .map(|client| {
                let (booth, stop) = (booth.clone(), stop.clone());
                let mut random = Random::new(seed ^ ((client + 1) << 32));
                tokio::spawn(async move {
                    for count in 0_usize.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let key = format!("client-{client}-{count}");
                        match client {
                            0..5 => booth.single(Ballot::random(&mut random), Some(key)).await,
                            5..8 => booth.single(Ballot::random(&mut random), None).await,
                            _ => {
                                let lines = 1 + random.below(200);
                                let ballots = (0..lines).map(|_| Ballot::random(&mut random));
                                booth.bulk(ballots.collect(), &key).await;
                                sleep(Duration::from_millis(80)).await;
                            }
                        }
                        sleep(random.millis(1, 10)).await;
                    }
                })
            })
            .collect();
        Self { stop, tasks }
    }

    /// Lets each finish the vote that it is at.
    pub async fn finish(self) {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await.expect("a client does not panic");
        }
    }
}
