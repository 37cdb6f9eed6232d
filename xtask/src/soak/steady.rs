//! A steady load for a long time, with everything on.

use std::{cell::RefCell, time::Duration};

use anyhow::{Context, Result};
use stack::{Runtime, Stack};
use tokio::time::{Instant, sleep};

use super::{
    Options,
    client::Client,
    ledger::{LONGEST, Ledger},
    load::{self, Load},
    report::{Report, Use},
    samples::{self, METRICS, PARTS, Sample},
    stores,
    trend::{growth, median},
};
use crate::step::{Step, step};

/// How long it may take until all votes are counted, once no more come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Samples that a report keeps.
const KEPT: usize = 240;

/// What may grow after the warm-up: a share of what there was, or so much where that is little.
const SHARE: f64 = 0.10;
const LITTLE: [f64; METRICS.len()] = [8.0, 8.0, 8.0, 8.0];

pub async fn run(options: &Options, runtime: Runtime) -> Result<Report> {
    let time = Duration::from_secs_f64(options.minutes * 60.0);
    // What is kept for a time is kept for so short a one that what comes and what goes are the same for most of the run.
    let retention = (time.as_secs() / 12).clamp(5, 300);
    let warm_up = Duration::from_secs(2 * retention);
    let mut report = Report::new(false, options.minutes, runtime)?;
    let stack = step("Start a Spinvote", async |_| {
        Stack::builder()
            .variable("stream_retention", retention)
            .variable("idempotency_ttl", retention)
            .start()
            .await
    })
    .await?;

    let ledger = Ledger::default();
    let begin = Instant::now();
    let load = Load {
        address: stack.app.address().context("it serves")?,
        token: &stack.secrets().organizer_token,
        ledger: &ledger,
        until: begin + time,
    };
    load.prepare().await?;
    load.rush().await;
    let samples = RefCell::new(Vec::new());
    let others = RefCell::default();
    let minutes = options.minutes;
    step(
        format!("{} votes/s for {minutes} min", options.rate),
        async |step| {
            let watch = samples::watch(&stack, &others, begin, |sample| {
                tell(step, &sample, &ledger);
                samples.borrow_mut().push(sample);
            });
            tokio::select! {
                () = load.everything(f64::from(options.rate)) => Ok(()),
                failed = watch => failed,
            }
        },
    )
    .await?;
    let took = begin.elapsed();
    let votes = ledger.votes();

    let settled = step("Count what is left", async |_| {
        settle(&stack, &ledger, &load).await
    })
    .await?;
    let samples = samples.into_inner();
    report.warm_after = warm_up.as_secs_f64();
    report.uses = uses(&samples, report.warm_after);
    report.figure("votes accepted", votes);
    report.figure(
        "votes a second",
        format!("{:.0}", votes as f64 / took.as_secs_f64()),
    );
    report.figure(
        "entries, keys and sessions are kept for",
        format!("{retention} s"),
    );
    let requests: u64 = ledger.kinds().values().map(|kind| kind.requests).sum();
    report.figure("requests", requests);
    judge_requests(&mut report, &ledger);
    judge_votes(&mut report, &stack, &ledger, settled)?;
    for used in &report.uses {
        let index = METRICS.iter().position(|(name, _)| *name == used.metric);
        let little = index.map_or(0.0, |index| LITTLE[index]);
        let most = (used.first * SHARE).max(little);
        let name = format!("{}: {} stays", used.part, used.metric);
        let seen = format!(
            "{:+.1} from {:.1}{}; {most:.1} are allowed",
            used.growth,
            used.first,
            if used.unit.is_empty() { "" } else { " MB" }
        );
        report
            .checks
            .push(super::report::Check::new(name, used.growth <= most, seen));
    }
    report.samples = samples::thinned(&samples, KEPT);
    Ok(report)
}

/// Shows how it goes.
pub fn tell(step: &Step, sample: &Sample, ledger: &Ledger) {
    let [runtime, redis, postgres] = sample.parts.map(|part| part[0]);
    step.note(&format!(
        "{} votes; {runtime:.0}, {redis:.0}, {postgres:.0} MB",
        ledger.votes()
    ));
}

/// Sweeps until as many votes are recorded as were accepted. How long that took; none if they never were.
pub async fn settle(stack: &Stack, ledger: &Ledger, load: &Load<'_>) -> Result<Option<Duration>> {
    let (expected, _) = ledger.expected();
    let expected: u64 = expected.values().sum();
    let mut client = Client::of(load.address, ledger);
    let begin = Instant::now();
    let mut last = (0, begin);
    // As long as it goes on.
    while last.1.elapsed() < PATIENCE {
        let left = load::sweep(&mut client).await.unwrap_or(1);
        let recorded: u64 = stores::recorded(stack)?.values().sum();
        if left == 0 && recorded >= expected {
            return Ok(Some(begin.elapsed()));
        }
        if recorded > last.0 {
            last = (recorded, Instant::now());
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(None)
}

/// No request took too long, and each was answered as it must be.
pub fn judge_requests(report: &mut Report, ledger: &Ledger) {
    report.requests = ledger.kinds();
    let kinds = || report.requests.values();
    let longest = kinds().map(|kind| kind.longest_ms).fold(0.0, f64::max);
    let unexpected: u64 = kinds().map(|kind| kind.unexpected).sum();
    report.check(
        format!("no request takes longer than {} s", LONGEST.as_secs()),
        longest <= LONGEST.as_secs_f64() * 1e3,
        format!("the longest took {longest:.0} ms"),
    );
    let told = ledger.told().into_iter().next();
    report.check(
        "every request is answered as it must be",
        unexpected == 0,
        match told {
            Some(first) => format!("{unexpected} were not; the first: {first}"),
            None => "all were".to_owned(),
        },
    );
}

/// What was accepted counts, once, and nothing else does.
pub fn judge_votes(
    report: &mut Report,
    stack: &Stack,
    ledger: &Ledger,
    settled: Option<Duration>,
) -> Result<()> {
    let (expected, unknown) = ledger.expected();
    let recorded = stores::recorded(stack)?;
    let lost: u64 = expected
        .iter()
        .map(|(poll, votes)| votes.saturating_sub(recorded.get(poll).copied().unwrap_or(0)))
        .sum();
    let too_many: u64 = recorded
        .iter()
        .map(|(poll, votes)| votes.saturating_sub(expected.get(poll).copied().unwrap_or(0)))
        .sum();
    let seen = match settled {
        Some(time) => format!("all, {:.1} s after the last", time.as_secs_f64()),
        None => format!("{lost} were lost"),
    };
    report.check(
        "every accepted vote is counted",
        lost == 0 && settled.is_some(),
        seen,
    );
    report.check(
        "no other is",
        too_many <= unknown,
        format!("{too_many} more, of {unknown} whose answer was not seen"),
    );
    let disagreeing = stores::disagreeing(stack)?;
    report.check(
        "the tallies agree with the audit log",
        disagreeing == 0,
        format!("{disagreeing} do not"),
    );
    let dead = stores::dead_letters(stack)?;
    report.check(
        "nothing is put aside",
        dead == 0,
        format!("{dead} dead letters"),
    );
    Ok(())
}

/// What each part used of everything, after a time.
pub fn uses(samples: &[Sample], warm_after: f64) -> Vec<Use> {
    let warm: Vec<_> = samples
        .iter()
        .filter(|sample| sample.seconds >= warm_after)
        .collect();
    let mut uses = Vec::new();
    for (p, part) in PARTS.iter().enumerate() {
        for (m, (metric, unit)) in METRICS.iter().enumerate() {
            let points: Vec<_> = warm
                .iter()
                .map(|sample| (sample.seconds, sample.parts[p][m]))
                .collect();
            let tenth = points.len().div_ceil(10);
            let middle = |points: &[(f64, f64)]| median(points.iter().map(|it| it.1).collect());
            uses.push(Use {
                part: (*part).to_owned(),
                metric: (*metric).to_owned(),
                unit: (*unit).to_owned(),
                first: middle(&points[..tenth]),
                last: middle(&points[points.len() - tenth..]),
                most: samples.iter().map(|it| it.parts[p][m]).fold(0.0, f64::max),
                growth: growth(&points),
            });
        }
    }
    uses
}
