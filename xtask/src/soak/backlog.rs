//! More votes than Redis has room for while nobody counts, and then somebody does.

use std::{
    cell::{Cell, RefCell},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use futures::future::join;
use serde_json::{Value, json};
use stack::{Runtime, Stack};
use tokio::time::{Instant, sleep};

use super::{
    Options,
    client::{Ask, Client},
    ledger::Ledger,
    load::{self, DEFAULT, Load},
    report::Report,
    samples::{self, PARTS},
    steady::{judge_requests, judge_votes, settle, tell, uses},
    stores,
};
use crate::step::step;

/// Connections of those who cast one vote at a time, without a pause.
const LANES: usize = 16;
/// Votes in a request of a gateway, which has one connection and does not pause either.
const LINES: usize = 200;
/// How often somebody sweeps, once votes may be counted.
const BETWEEN_SWEEPS: Duration = Duration::from_secs(1);
/// How long Redis may take to have room again, once votes are counted.
const RECOVERY: Duration = Duration::from_secs(60);
/// How long votes are cast after that.
const AFTER: Duration = Duration::from_secs(15);
/// What the runtime may use while it refuses, in MB: a few hundred requests, and what it had before.
const RUNTIME: f64 = 1000.0;
const KEPT: usize = 240;

pub async fn run(options: &Options, runtime: Runtime) -> Result<Report> {
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    let mut report = Report::new(true, options.minutes, runtime)?;
    let stack = step("Start a Spinvote that does not count", async |_| {
        Stack::builder().without_component("tally").start().await
    })
    .await?;
    let maxmemory = format!("{}mb", options.maxmemory);
    stores::redis(&stack, &["CONFIG", "SET", "maxmemory", &maxmemory])?;
    let mut consumer = stack.another_app(|settings| {
        settings.port = None;
        settings.components = vec!["tally".to_owned()];
    })?;

    let ledger = Ledger::default();
    let begin = Instant::now();
    let counting = Cell::new(None);
    let ends = Cell::new(false);
    let first_refusal = Cell::new(None);
    let recovered = Cell::new(None);
    let address = stack.app.address().context("it serves")?;
    let casting = async {
        let lanes = (0..LANES).map(async |lane| {
            let mut client = Client::of(address, &ledger);
            let mut vote = 0_u64;
            while !ends.get() {
                vote += 1;
                let option = ["cats", "dogs"][lane % 2];
                let ask = Ask::post("vote", "/api/vote", json!({ "option": option }).to_string())
                    .header("Idempotency-Key", format!("lane-{lane}-{vote}"));
                match client.ask(ask, &[201, 503]).await {
                    Some(answer) if answer.status == 201 => {
                        ledger.accepted(DEFAULT, 1);
                        if counting.get().is_some() && recovered.get().is_none() {
                            recovered.set(Some(Instant::now()));
                        }
                    }
                    // Refused: it must not count.
                    Some(_) => first_refusal.set(first_refusal.get().or(Some(Instant::now()))),
                    None => ledger.unknown(1),
                }
            }
        });
        join(
            futures::future::join_all(lanes),
            gateway(address, &ledger, &ends),
        )
        .await;
    };

    let samples = RefCell::new(Vec::new());
    // The consumer is another process, and a part of the runtime.
    let consumers = RefCell::new(Vec::new());
    let minutes = options.minutes;
    step(format!("No counting for {minutes} min"), async |step| {
        let watch = samples::watch(&stack, &consumers, begin, |sample| {
            tell(step, &sample, &ledger);
            samples.borrow_mut().push(sample);
        });
        let course = async {
            sleep(time).await;
            counting.set(Some(Instant::now()));
            consumer.start().await?;
            consumers.borrow_mut().extend(consumer.id());
            // A vote that is refused wakes nobody: the sweeps do, which probes ask for.
            let mut probe = Client::of(address, &ledger);
            let deadline = Instant::now() + RECOVERY;
            while recovered.get().is_none() && Instant::now() < deadline {
                let _ = load::sweep(&mut probe).await;
                sleep(BETWEEN_SWEEPS).await;
            }
            sleep(AFTER).await;
            ends.set(true);
            anyhow::Ok(())
        };
        tokio::select! {
            (course, ()) = join(course, casting) => course,
            failed = watch => failed,
        }
    })
    .await?;

    let load = Load {
        address,
        token: &stack.secrets().organizer_token,
        ledger: &ledger,
        until: begin,
    };
    let settled = step("Count what is left", async |_| {
        settle(&stack, &ledger, &load).await
    })
    .await?;
    ensure!(
        consumer.exited()?.is_none(),
        "the consumer ended\n{}",
        stack.app_output()
    );

    let samples = samples.into_inner();
    report.uses = uses(&samples, 0.0);
    let seconds = |from: Instant, to: Option<Instant>| {
        to.map_or("never".to_owned(), |to| {
            format!("{:.1} s", (to - from).as_secs_f64())
        })
    };
    let kinds = ledger.kinds();
    let refused: u64 = kinds
        .values()
        .filter_map(|kind| kind.statuses.get(&503))
        .sum();
    report.figure("Redis may use", format!("{} MB", options.maxmemory));
    report.figure("votes accepted", ledger.votes());
    report.figure("requests refused", refused);
    report.figure(
        "the first refusal came after",
        seconds(begin, first_refusal.get()),
    );
    let counting_since = counting.get().unwrap_or(begin);
    report.figure(
        "votes were taken again, once counting had begun, after",
        seconds(counting_since, recovered.get()),
    );
    report.check(
        "votes are refused with 503 and Retry-After where Redis has no room",
        refused > 0,
        format!("{refused} were"),
    );
    report.check(
        "votes are taken again by itself",
        recovered.get().is_some(),
        seconds(counting_since, recovered.get()),
    );
    judge_requests(&mut report, &ledger);
    judge_votes(&mut report, &stack, &ledger, settled)?;
    // What Redis counts, and what a rewrite of its append-only file may take meanwhile.
    let bounds = [RUNTIME, options.maxmemory as f64 * 2.0, 1000.0];
    for ((p, part), bound) in PARTS.iter().enumerate().zip(bounds) {
        let most = samples
            .iter()
            .map(|sample| sample.parts[p][0] + sample.parts[p][1])
            .fold(0.0, f64::max);
        report.check(
            format!("{part} uses at most {bound:.0} MB"),
            most <= bound,
            format!("{most:.0} MB"),
        );
    }
    report.samples = samples::thinned(&samples, KEPT);
    Ok(report)
}

/// Sends batches without a pause, each until it is recorded as a whole.
async fn gateway(address: std::net::SocketAddr, ledger: &Ledger, ends: &Cell<bool>) {
    let mut client = Client::of(address, ledger);
    let lines = "{\"option\":\"dogs\"}\n".repeat(LINES);
    let mut batch = 0_u64;
    while !ends.get() {
        batch += 1;
        loop {
            let ask = Ask::post("votes in bulk", "/api/votes", lines.clone())
                .header("Idempotency-Key", format!("bulk-{batch}"));
            match client.ask(ask, &[200, 503]).await {
                Some(answer) if answer.status == 200 => {
                    let said: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                    if said["accepted"] == LINES {
                        ledger.accepted(DEFAULT, LINES as u64);
                    } else {
                        ledger.wrong("votes in bulk", said.to_string());
                        ledger.unknown(LINES as u64);
                    }
                    break;
                }
                _ => {}
            }
            // It counts once however often it is sent: the key says so.
            if ends.get() {
                ledger.unknown(LINES as u64);
                break;
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}
