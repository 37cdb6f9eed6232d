//! Nothing lost, nothing counted twice, whatever fails: clients vote all the time while faults strike in an order
//! that a seed gives, and in the end what is recorded is held to what each client was told. docs/faults.md says what
//! is promised.
//!
//! In the order in which to read:
//! - [`schedule`]: which faults, when
//! - [`clients`], [`ledger`]: who votes, and what they know of it
//! - [`faults`], [`proxy`], [`machine`]: what strikes, and how it is seen to have bitten
//! - [`verdict`]: whether the promises were kept

pub mod clients;
pub mod faults;
pub mod ledger;
pub mod machine;
pub mod proxy;
pub mod schedule;
pub mod verdict;

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use redis::streams::{StreamInfoGroupsReply, StreamInfoStreamReply};
use reqwest::{Method, StatusCode};
use serde_json::json;
use stack::{App, Role};
use tokio::{task::JoinHandle, time::sleep};

use self::{
    clients::{Booth, Clients, ONE_VOTE, POLLS},
    faults::Fault,
    ledger::{Ledger, Outcome},
    machine::{Clock, Disk},
    proxy::{Protocol, Proxy},
    schedule::{Random, Schedule},
    verdict::{Recorded, Row, verdict},
};
use crate::{Answer, World, eventually, sql_at};

/// The name of the second consumer.
pub const SECOND: &str = "second";

/// A vote that nobody swept up is counted within this time: the doorbell is heard, or its flag has expired.
const TO_RING: Duration = Duration::from_secs(15);

/// How long everything may take to be counted once all is well again.
const TO_SETTLE: Duration = Duration::from_secs(60);

/// Spinvote, with what the faults need.
pub struct Arena {
    pub world: World,
    /// One more consumer of the same stream.
    pub second: App,
    /// Stand before the stores, for both.
    pub to_redis: Proxy,
    pub to_postgres: Proxy,
    /// Where PostgreSQL's servers have their data.
    pub place: PathBuf,
    /// That of `place`, if it could be had.
    pub disk: Option<Disk>,
    /// Redis', likewise.
    pub clock: Option<Clock>,
    pub ledger: Arc<Ledger>,
    pub booth: Arc<Booth>,
    /// The entries that are no votes.
    pub garbage: BTreeSet<String>,
    /// The votes that are in the stream twice, or under another id than their clients were told.
    pub copied: BTreeSet<String>,
    /// The votes that Redis' disk has lost.
    pub torn: BTreeSet<String>,
    probes: usize,
}

/// How a run went.
#[derive(Debug)]
pub struct Report {
    pub seed: u64,
    pub accepted: usize,
    pub refused: usize,
    pub unknown: usize,
    /// When each fault struck, and what shows that it bit.
    pub timeline: Vec<String>,
    /// Faults that bit.
    pub faults: usize,
    /// What is not as promised.
    pub wrong: Vec<String>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            seed,
            accepted,
            refused,
            unknown,
            faults,
            wrong,
            ..
        } = self;
        let votes = accepted + refused + unknown;
        write!(
            f,
            "seed {seed}: {votes} votes ({accepted} accepted, {refused} refused, {unknown} unknown), {faults} faults: "
        )?;
        match wrong.len() {
            0 => f.write_str("all as promised"),
            wrong => write!(f, "{wrong} promises broken"),
        }
    }
}

/// Runs it for about so long, and until so many votes are cast; and a minute for the end at most.
pub async fn run(seed: u64, length: Duration, at_least: usize) -> Report {
    let mut arena = Arena::open().await.expect("an arena");
    let started = Instant::now();
    let mut timeline = Vec::new();
    let mut note = |line: String| {
        println!("{line}");
        timeline.push(line);
    };
    let mut wrong = Vec::new();
    let mut faults = 0;
    let clients = Clients::start(&arena.booth, Random::new(seed).number());
    let sweeps = sweep_each_second(&arena.world);

    for step in Schedule::new(seed) {
        if let Err(error) = arena.quiet(step.quiet).await {
            wrong.push(format!("it does not start again: {error:#}"));
            break;
        }
        if started.elapsed() > length && arena.ledger.votes().len() >= at_least {
            break;
        }
        if let Some(lack) = arena.lack(step.fault) {
            note(format!("{:?} is left out: {lack}", step.fault));
            continue;
        }
        let at = started.elapsed();
        let bitten = step.fault.strike(&mut arena, step.lasts).await;
        let took = started.elapsed() - at;
        let line = format!("{:>6.1}s {:?}", at.as_secs_f64(), step.fault);
        match bitten {
            Ok(proof) => {
                faults += 1;
                note(format!("{line}: {proof} ({took:.1?})"));
            }
            Err(error) => {
                note(format!("{line}: did not bite: {error:#} ({took:.1?})"));
                wrong.push(format!("{:?} did not bite: {error:#}", step.fault));
                break;
            }
        }
    }

    clients.finish().await;
    match arena.settle().await {
        Ok(()) => note(format!(
            "{:>6.1}s all is counted",
            started.elapsed().as_secs_f64()
        )),
        Err(error) => wrong.push(format!("it does not settle: {error:#}")),
    }
    sweeps.abort();
    if let Err(error) = arena.ring().await {
        wrong.push(format!("the doorbell is not heard: {error:#}"));
    }
    let votes = std::mem::take(&mut *arena.ledger.votes());
    match arena.recorded().await {
        Ok(recorded) => wrong.extend(verdict(&votes, &recorded)),
        Err(error) => wrong.push(format!("what is recorded cannot be read: {error:#}")),
    }
    let recount = arena.world.xtask(&["recount"]);
    if !(recount.done && recount.said.contains("agree with the audit log")) {
        wrong.push(format!("recount: {}{}", recount.said, recount.errors));
    }

    let number = |is: fn(&Outcome) -> bool| votes.iter().filter(|vote| is(&vote.outcome)).count();
    Report {
        seed,
        accepted: number(|outcome| matches!(outcome, Outcome::Accepted { .. })),
        refused: number(|outcome| *outcome == Outcome::Refused),
        unknown: number(|outcome| *outcome == Outcome::Unknown),
        timeline,
        faults,
        wrong,
    }
}

/// As probes do in production.
fn sweep_each_second(world: &World) -> JoinHandle<()> {
    let url = format!("{}/sweep", world.url());
    tokio::spawn(async move {
        let http = reqwest::Client::new();
        loop {
            let _ = http.get(&url).timeout(Duration::from_secs(5)).send().await;
            sleep(Duration::from_secs(1)).await;
        }
    })
}

/// Gives the stores what faults need, which they have from their next start on, and starts them again.
async fn furnish(world: &mut World, clock: Option<&Clock>, place: &Path) -> Result<()> {
    world.stack.redis.stop();
    world.stack.postgres.stop();
    if let Some(clock) = clock {
        clock.give_to(&mut world.stack.redis);
    }
    world.stack.postgres = world.stack.postgres.move_to(place)?;
    world.stack.redis.start().await?;
    world.stack.postgres.start().await?;
    world.stack.start_app().await
}

impl Arena {
    pub async fn open() -> Result<Self> {
        let to_redis = Proxy::start(Protocol::Redis).await?;
        let to_postgres = Proxy::start(Protocol::Postgres).await?;
        let mut world = World::start_with(|stack| {
            stack
                // So that there are many batches, and what is left by one consumer is soon claimed by the other.
                .variable("batch_size", 200)
                .variable("claim_idle_ms", 2000)
                .variable("upstream_timeout_ms", 1500)
        })
        .await;
        let clock = Clock::make(world.stack.directory());
        let disk = Disk::mount();
        let place = disk.as_ref().map_or_else(
            || world.stack.directory().join("servers"),
            |disk| disk.place().to_owned(),
        );
        to_redis.lead_to(world.stack.redis.port());
        to_postgres.lead_to(world.stack.postgres.port());
        world.stack.set_variable("redis_port", to_redis.port());
        world
            .stack
            .set_variable("postgres_port", to_postgres.port());
        furnish(&mut world, clock.as_ref(), &place.join("first")).await?;
        let mut second = world.stack.another_app(|settings| {
            settings.port = None;
            settings.components = vec!["tally".to_owned()];
            settings
                .variables
                .insert("consumer_name".to_owned(), SECOND.to_owned());
        })?;
        second.start().await?;

        let token = world.stack.secrets().organizer_token.clone();
        for (poll, options) in &POLLS[1..] {
            let body = json!({
                "poll": poll, "question": "Which?", "options": options, "one_vote_per_voter": *poll == ONE_VOTE,
            });
            eventually(&format!("{poll} is open"), async || {
                let request = world.request(Method::POST, "/api/polls");
                let created = Answer::of(request.bearer_auth(&token).body(body.to_string())).await;
                [201, 409].contains(&created.status.as_u16())
            })
            .await;
        }
        eventually("polls are published", async || {
            world.sweep().await.status == 200
        })
        .await;

        let ledger = Arc::new(Ledger::default());
        let booth = Arc::new(Booth::new(world.url(), &token, ledger.clone()));
        Ok(Self {
            world,
            second,
            to_redis,
            to_postgres,
            place,
            disk,
            clock,
            ledger,
            booth,
            garbage: BTreeSet::new(),
            copied: BTreeSet::new(),
            torn: BTreeSet::new(),
            probes: 0,
        })
    }

    /// Casts one vote, to see how Spinvote is.
    pub async fn probe(&mut self) -> Option<StatusCode> {
        self.probes += 1;
        self.booth.probe(format!("probe-{}", self.probes)).await
    }

    /// Why a fault cannot strike on this machine.
    fn lack(&self, fault: Fault) -> Option<&'static str> {
        match fault {
            Fault::PostgresDiskFull if self.disk.is_none() => {
                Some("a disk may not be mounted here")
            }
            Fault::RedisClockStepped if self.clock.is_none() => Some("there is no C compiler"),
            _ => None,
        }
    }

    /// Starts what has ended by itself: without Redis, a runtime that listens to it ends, and PostgreSQL without
    /// room. In production something does so, too.
    pub async fn revive(&mut self) -> Result<()> {
        if self.world.stack.postgres.exited()?.is_some() {
            self.world.stack.postgres.start().await?;
        }
        if self.world.stack.app.id().is_none() || self.world.stack.app.exited()?.is_some() {
            self.world.stack.start_app().await?;
        }
        if self.second.id().is_none() || self.second.exited()?.is_some() {
            self.second.start().await?;
        }
        Ok(())
    }

    async fn quiet(&mut self, pause: Duration) -> Result<()> {
        let until = Instant::now() + pause;
        while Instant::now() < until {
            self.revive().await?;
            sleep(Duration::from_millis(50)).await;
        }
        self.revive().await
    }

    /// The ids that the dead letters had.
    pub async fn dead_letters(&self) -> Result<BTreeSet<String>> {
        let letters = self.world.try_dead_letters().await?;
        Ok(letters.into_iter().map(|(_, id)| id).collect())
    }

    /// Waits until nothing is left to count.
    async fn settle(&mut self) -> Result<()> {
        let deadline = Instant::now() + TO_SETTLE;
        loop {
            self.revive().await?;
            let swept = self.world.try_get("/sweep").await;
            if swept.is_some_and(|swept| swept.status == 200) {
                let stream: StreamInfoStreamReply =
                    self.world.try_command("XINFO STREAM votes").await?;
                let groups: StreamInfoGroupsReply =
                    self.world.try_command("XINFO GROUPS votes").await?;
                let group = groups.groups.first().context("there is no group")?;
                if group.pending == 0 && group.last_delivered_id == stream.last_generated_id {
                    return Ok(());
                }
            }
            ensure!(
                Instant::now() < deadline,
                "in {TO_SETTLE:?} not all is counted"
            );
            sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until a vote is counted that nothing but the doorbell announces. If the flag of an earlier one is still
    /// raised, it is one of the next votes that rings.
    async fn ring(&mut self) -> Result<()> {
        let first = format!("probe-{}", self.probes + 1);
        let sql = self.world.sql().await;
        let deadline = Instant::now() + TO_RING;
        loop {
            self.revive().await?;
            self.probe().await;
            sleep(Duration::from_millis(500)).await;
            let counted = "select 1 from vote_events where poll = 'default' and vote_id = $1";
            if sql.query_opt(counted, &[&first]).await?.is_some() {
                // And those after it.
                return self.settle().await;
            }
            ensure!(
                Instant::now() < deadline,
                "no vote is counted in {TO_RING:?} without a sweep"
            );
        }
    }

    async fn recorded(&self) -> Result<Recorded> {
        let sql = sql_at(&self.world.stack.database_url(Role::Operator)).await?;
        let rows = sql
            .query(
                "select poll, vote_id, coalesce(stream_id, ''), option, voter from vote_events",
                &[],
            )
            .await?;
        let tallies = sql
            .query("select poll, option, count from votes", &[])
            .await?;
        Ok(Recorded {
            rows: rows
                .iter()
                .map(|row| Row {
                    poll: row.get(0),
                    vote_id: row.get(1),
                    stream_id: row.get(2),
                    option: row.get(3),
                    voter: row.get(4),
                })
                .collect(),
            tallies: tallies
                .iter()
                .map(|row| (row.get(0), row.get(1), row.get(2)))
                .collect(),
            dead: self.dead_letters().await?,
            garbage: self.garbage.clone(),
            copied: self.copied.clone(),
            torn: self.torn.clone(),
        })
    }
}
