//! Who asks for what, and how often: voters, a gateway, readers of results and pages, an organizer, and what watches.

use std::{
    cell::{Cell, RefCell},
    net::SocketAddr,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::future::{join, join_all, join3};
use serde_json::{Value, json};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use super::{
    client::{Answer, Ask, Client},
    ledger::Ledger,
};

/// A poll with three options, in which everybody may vote as often as they like.
pub const LUNCH: &str = "soak-lunch";
/// A poll in which each voter has one vote.
pub const VOTERS: &str = "soak-voters";
/// The poll that is always there.
pub const DEFAULT: &str = "default";

/// Connections of those who cast one vote at a time.
const LANES: usize = 16;
/// Of a hundred votes so many come in bulk.
const IN_BULK: f64 = 30.0;
/// How many votes there are in a request of those.
const LINES: u64 = 50;
/// How many people there are in [`VOTERS`] who vote with a browser, and as many behind a gateway.
const PEOPLE: usize = 500;

/// How many people come at once in [`Load::rush`], and how often each of them asks for everything.
const CROWD: usize = 256;
const ROUNDS: usize = 8;

/// What all of them share.
pub struct Load<'a> {
    pub address: SocketAddr,
    pub token: &'a str,
    pub ledger: &'a Ledger,
    /// When it ends.
    pub until: Instant,
}

impl Load<'_> {
    fn client(&self) -> Client<'_> {
        Client::of(self.address, self.ledger)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// Creates both polls.
    pub async fn prepare(&self) -> Result<()> {
        for (poll, one_vote_per_voter) in [(LUNCH, false), (VOTERS, true)] {
            let body = json!({
                "poll": poll, "question": "What is for lunch?", "options": ["soup", "rice", "bread"],
                "one_vote_per_voter": one_vote_per_voter,
            });
            let ask = Ask::post("create a poll", "/api/polls", body.to_string())
                .header("Authorization", self.bearer());
            let answer = self.client().ask(ask, &[201]).await;
            let status = answer.map(|answer| answer.status);
            ensure!(status == Some(201), "{poll} could not be created");
        }
        Ok(())
    }

    /// A crowd, once: a runtime keeps some of the memory that it needed for as many instances as there ever were at once.
    /// Without it each peak on a busy machine would look like a leak.
    pub async fn rush(&self) {
        let vote = json!({ "option": "cats" }).to_string();
        let paths = ["/", "/results", "/api/results", "/polls", "/docs"];
        let crowd = (0..CROWD).map(async |person| {
            let mut client = self.client();
            for round in 0..ROUNDS {
                // Each begins with something else.
                match (person + round) % (paths.len() + 1) {
                    0 => {
                        let ask = Ask::post("vote", "/api/vote", vote.clone());
                        self.cast(&mut client, DEFAULT, ask).await;
                    }
                    at => {
                        client.ask(Ask::get("page", paths[at - 1]), &[200]).await;
                    }
                }
            }
        });
        join_all(crowd).await;
    }

    /// Everybody, with so many votes a second in all.
    pub async fn everything(&self, rate: f64) {
        let bulk = rate * IN_BULK / 100.0;
        let voting = join(self.voters(rate - bulk), self.gateway(bulk / LINES as f64));
        let watching = join(self.supervisor(), self.prometheus());
        let reading = join3(self.results(), self.pages(), self.receipts());
        let organizing = join(self.organizer(), self.auditor());
        join(join(voting, watching), join(reading, organizing)).await;
    }

    /// One vote at a time, at a steady rate, whether the last was answered or not.
    async fn voters(&self, rate: f64) {
        let begin = Instant::now();
        let next = Cell::new(0_u64);
        let cookies = RefCell::new(Vec::new());
        let lanes = (0..LANES).map(async |_| {
            let mut client = self.client();
            loop {
                let vote = next.replace(next.get() + 1);
                let due = begin + Duration::from_secs_f64(vote as f64 / rate);
                if due >= self.until {
                    break;
                }
                sleep_until(due).await;
                self.vote(&mut client, vote, &cookies).await;
            }
        });
        join_all(lanes).await;
    }

    /// The nth vote: each twenty of them are of all kinds.
    async fn vote(&self, client: &mut Client<'_>, n: u64, cookies: &RefCell<Vec<String>>) {
        let option = ["cats", "dogs"][usize::from(n.is_multiple_of(3))];
        let dish = ["soup", "rice", "bread"][usize::try_from(n % 3).unwrap_or(0)];
        let lunch = format!("/api/polls/{LUNCH}/vote");
        let voters = format!("/api/polls/{VOTERS}/vote");
        let body = |option: &str| json!({ "option": option }).to_string();
        match n % 20 {
            0..10 => {
                let ask = Ask::post("vote", "/api/vote", body(option));
                self.cast(client, DEFAULT, ask).await;
            }
            10..13 => {
                let ask = Ask::post("vote with a key", "/api/vote", body(option));
                let ask = ask.header("Idempotency-Key", format!("soak-{n}"));
                self.cast(client, DEFAULT, ask).await;
            }
            13..16 => {
                let ask = Ask::post("vote in a poll", &lunch, body(dish));
                self.cast(client, LUNCH, ask).await;
            }
            16..19 => {
                let known = {
                    let cookies = cookies.borrow();
                    let at = usize::try_from(n).unwrap_or(0).wrapping_mul(7919) % PEOPLE;
                    cookies.get(at).cloned()
                };
                let is_new = known.is_none();
                let mut ask = Ask::post("vote of a voter", &voters, body(dish));
                if let Some(cookie) = known {
                    ask = ask.header("Cookie", cookie);
                }
                let answer = self.cast(client, VOTERS, ask).await;
                let cookie = answer.and_then(|answer| {
                    let cookie = answer.header("set-cookie").split(';').next()?.to_owned();
                    (!cookie.is_empty()).then_some(cookie)
                });
                if is_new && cookie.is_none() {
                    self.ledger
                        .wrong("vote of a voter", "no cookie was set".to_owned());
                }
                let mut cookies = cookies.borrow_mut();
                if cookies.len() < PEOPLE {
                    cookies.extend(cookie);
                }
            }
            _ => {
                let voter = format!("person-{}", n % PEOPLE as u64);
                let body = json!({ "option": dish, "voter": voter }).to_string();
                let ask = Ask::post("vote through a gateway", &voters, body)
                    .header("Authorization", self.bearer());
                self.cast(client, VOTERS, ask).await;
            }
        }
    }

    async fn cast(&self, client: &mut Client<'_>, poll: &str, ask: Ask<'_>) -> Option<Answer> {
        let answer = client.ask(ask, &[201]).await;
        match &answer {
            Some(answer) if answer.status == 201 => self.ledger.accepted(poll, 1),
            Some(_) => {}
            None => self.ledger.unknown(1),
        }
        answer
    }

    /// Many votes in each request, so many requests a second, in all three polls.
    async fn gateway(&self, rate: f64) {
        let mut client = self.client();
        let mut batch = 0_u64;
        self.every(Duration::from_secs_f64(1.0 / rate), async || {
            batch += 1;
            let lines: String = (0..LINES)
                .map(|line| {
                    let dish = ["soup", "rice", "bread"][usize::try_from(line % 3).unwrap_or(0)];
                    let line = match line % 5 {
                        0 => json!({ "poll": LUNCH, "option": dish }),
                        1 => json!({
                            "poll": VOTERS, "option": dish, "voter": format!("person-{}", (batch + line) % PEOPLE as u64),
                        }),
                        _ => json!({ "option": "dogs" }),
                    };
                    format!("{line}\n")
                })
                .collect();
            let ask = Ask::post("votes in bulk", "/api/votes", lines)
                .header("Authorization", self.bearer())
                .header("Idempotency-Key", format!("bulk-{batch}"));
            match client.ask(ask, &[200]).await {
                Some(answer) if answer.status == 200 => {
                    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                    if said["accepted"] == LINES {
                        for (poll, share) in [(LUNCH, 1), (VOTERS, 1), (DEFAULT, 3)] {
                            self.ledger.accepted(poll, LINES / 5 * share);
                        }
                    } else {
                        self.ledger.wrong("votes in bulk", said.to_string());
                        self.ledger.unknown(LINES);
                    }
                }
                _ => self.ledger.unknown(LINES),
            }
        })
        .await;
    }

    /// What stands in for the supervisor of `cargo xtask up`, and for probes.
    async fn supervisor(&self) {
        let mut client = self.client();
        self.every(Duration::from_secs(2), async || {
            client.ask(Ask::get("sweep", "/sweep"), &[200]).await;
            client.ask(Ask::get("probe", "/ready"), &[200]).await;
            client.ask(Ask::get("probe", "/health"), &[200]).await;
        })
        .await;
    }

    async fn prometheus(&self) {
        let mut client = self.client();
        self.every(Duration::from_secs(15), async || {
            client.ask(Ask::get("metrics", "/metrics"), &[200]).await;
        })
        .await;
    }

    /// As the page asks for them.
    async fn results(&self) {
        let paths = [
            "/api/results".to_owned(),
            format!("/api/polls/{LUNCH}/results"),
            format!("/api/polls/{VOTERS}/results"),
        ];
        let mut tags = [const { String::new() }; 3];
        let mut client = self.client();
        self.every(Duration::from_millis(500), async || {
            for (path, tag) in paths.iter().zip(&mut tags) {
                let ask = Ask::get("results", path).header("If-None-Match", tag.clone());
                if let Some(answer) = client.ask(ask, &[200, 304]).await {
                    *tag = answer.header("etag").to_owned();
                }
            }
        })
        .await;
    }

    async fn pages(&self) {
        let paths = [
            "/".to_owned(),
            format!("/polls/{LUNCH}"),
            "/results".to_owned(),
            format!("/polls/{VOTERS}/results"),
            "/polls".to_owned(),
            "/docs".to_owned(),
            "/openapi.json".to_owned(),
            "/api/polls".to_owned(),
        ];
        let mut client = self.client();
        self.every(Duration::from_secs(1), async || {
            for path in &paths {
                client.ask(Ask::get("page", path), &[200]).await;
            }
            client
                .ask(Ask::get("nothing there", "/nothing/here"), &[404])
                .await;
        })
        .await;
    }

    /// Casts a vote, and waits for its receipt.
    async fn receipts(&self) {
        let mut client = self.client();
        let vote = json!({ "option": "cats" }).to_string();
        self.every(Duration::from_secs(2), async || {
            let ask = Ask::post("vote", "/api/vote", vote.clone());
            let Some(answer) = self.cast(&mut client, DEFAULT, ask).await else {
                return;
            };
            let location = answer.header("location").to_owned();
            let ask = Ask::get("receipt", &location).header("Prefer", "wait=9");
            client.ask(ask, &[200]).await;
        })
        .await;
    }

    /// Changes a poll that is being voted in, and creates and deletes another one.
    async fn organizer(&self) {
        let mut client = self.client();
        let lunch = format!("/api/polls/{LUNCH}");
        let mut change = 0_u64;
        self.every(Duration::from_secs(10), async || {
            change += 1;
            let Some(poll) = client.ask(Ask::get("poll", &lunch), &[200]).await else {
                return;
            };
            let question = json!({ "question": format!("What is for lunch on day {change}?") });
            let ask = Ask {
                method: "PATCH",
                ..Ask::post("change a poll", &lunch, question.to_string())
            };
            let ask = ask
                .header("Authorization", self.bearer())
                .header("If-Match", poll.header("etag"));
            client.ask(ask, &[200]).await;

            let name = format!("soak-{change}");
            let body = json!({ "poll": name, "question": "?", "options": ["yes", "no"] });
            let ask = Ask::post("create a poll", "/api/polls", body.to_string())
                .header("Authorization", self.bearer());
            client.ask(ask, &[201]).await;
            let path = format!("/api/polls/{name}");
            let ask = Ask {
                method: "DELETE",
                ..Ask::get("delete a poll", &path)
            };
            let ask = ask.header("Authorization", self.bearer());
            client.ask(ask, &[204]).await;
        })
        .await;
    }

    /// Takes the audit log of a poll away, from where it was left.
    async fn auditor(&self) {
        let mut client = self.client();
        let mut after = String::new();
        self.every(Duration::from_secs(30), async || {
            let path = format!("/api/polls/{LUNCH}/votes{after}");
            let ask = Ask::get("audit log", &path).header("Authorization", self.bearer());
            let Some(answer) = client.ask(ask, &[200]).await else {
                return;
            };
            let text = String::from_utf8_lossy(&answer.body);
            let last = text.lines().last();
            let last: Option<Value> = last.and_then(|line| serde_json::from_str(line).ok());
            if let Some(cursor) = last.as_ref().and_then(|row| row["cursor"].as_str()) {
                let encoded: String = cursor.bytes().map(|byte| format!("%{byte:02X}")).collect();
                after = format!("?after={encoded}");
            }
        })
        .await;
    }

    /// Does something again and again until the end; what takes longer than the time between is not done twice at once.
    async fn every(&self, period: Duration, mut work: impl AsyncFnMut()) {
        let mut clock = interval(period);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let due = clock.tick().await;
            if due >= self.until {
                break;
            }
            work().await;
        }
    }
}

/// What /sweep says is left to count.
pub async fn sweep(client: &mut Client<'_>) -> Result<u64> {
    let answer = client.ask(Ask::get("sweep", "/sweep"), &[200, 503]).await;
    let answer = answer.context("/sweep does not answer")?;
    let said: Value = serde_json::from_slice(&answer.body).context("/sweep does not speak JSON")?;
    said["left"].as_u64().context("/sweep failed")
}
