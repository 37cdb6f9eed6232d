//! From cast to visible: votes come at a steady rate, whether the last was answered or not, and a vote is visible when the
//! tally in PostgreSQL has it. That is asked for every two milliseconds on one connection, of all contenders alike: to ask
//! for the receipt of each vote would be more work than to cast it.

use std::{
    cell::Cell,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow, ensure};
use tokio::time::sleep_until;

use super::{
    Bench,
    client::Connection,
    consumer::Count,
    contenders::{Contender, Running},
    figures::Figures,
    load::{Request, VOTE},
    servers::Servers,
};

const RATES: [usize; 3] = [100, 1000, 3000];
const CONNECTIONS: usize = 64;
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// Votes that are not visible so long after the last was cast count with the time that they have waited until then.
const PATIENCE: Duration = Duration::from_secs(5);

/// A case: votes at this rate.
pub fn rate(votes: usize) -> String {
    format!("{votes} votes/s")
}

pub async fn visible(bench: &Bench) -> Result<Figures> {
    let mut figures = Figures::default();
    let contenders = bench.contenders(|contender| {
        // Its tally has no total that costs nothing to ask for.
        let flask = matches!(contender, Contender::FlaskSync | Contender::FlaskThreads);
        contender.has_consumer() && !flask
    });
    bench
        .turns("visible", &contenders, async |contender| {
            for votes in RATES {
                bench.servers.empty()?;
                let mut running = contender.start(&bench.servers).await?;
                let mut consumers = contender.start_consumers(&bench.servers, 1).await?;
                for (metric, milliseconds) in
                    latencies(&bench.servers, &running, votes, bench.time()).await?
                {
                    figures.add(contender, &rate(votes), metric, milliseconds);
                }
                running.ensure_alive()?;
                consumers.ensure_alive()?;
            }
            Ok(())
        })
        .await?;
    Ok(figures)
}

/// The median, and what 99 % and all are below, in milliseconds.
pub async fn latencies(
    servers: &Servers,
    running: &Running,
    rate: usize,
    time: Duration,
) -> Result<[(&'static str, f64); 3]> {
    // The first votes find no connection, and wake a consumer that has just started.
    measure(servers, running, rate, Duration::from_secs(1)).await?;
    let mut waited = measure(servers, running, rate, time).await?;
    waited.sort_unstable();
    let below = |share: f64| -> f64 {
        let at = (share * (waited.len() - 1) as f64).round() as usize;
        waited[at].as_secs_f64() * 1e3
    };
    Ok([
        ("p50 ms", below(0.5)),
        ("p99 ms", below(0.99)),
        ("longest ms", below(1.0)),
    ])
}

/// How long each vote was not visible.
async fn measure(
    servers: &Servers,
    running: &Running,
    rate: usize,
    time: Duration,
) -> Result<Vec<Duration>> {
    let mut count = Count::open(servers, running.contender)?;
    let before = settled(&mut count)?;
    let number = rate * usize::try_from(time.as_secs())?;
    let gives_up = Arc::new(AtomicBool::new(false));
    let watch = {
        let gives_up = Arc::clone(&gives_up);
        thread::spawn(move || watch(&mut count, before, number, &gives_up))
    };

    let begin = Instant::now() + Duration::from_millis(50);
    let due = |vote: usize| begin + Duration::from_secs_f64(vote as f64 / rate as f64);
    let next = Cell::new(0);
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(Connection::open(running.address).await?);
    }
    let casting = connections.into_iter().map(async |mut connection| {
        while next.get() < number {
            let vote = next.replace(next.get() + 1);
            sleep_until(due(vote).into()).await;
            let (status, body) = connection.post(&Request::Vote.path(), VOTE).await?;
            ensure!(status == 201, "a vote was answered with {status}: {body}");
        }
        Ok(())
    });
    let cast = futures::future::try_join_all(casting).await;
    let deadline = Instant::now() + PATIENCE;
    while !watch.is_finished() && Instant::now() < deadline && cast.is_ok() {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    gives_up.store(true, Ordering::Relaxed);
    let seen = watch.join().map_err(|_| anyhow!("the watch ended"))??;
    cast.context("could not cast at this rate")?;
    let waited = |(vote, seen): (usize, Instant)| seen.saturating_duration_since(due(vote));
    Ok(seen.into_iter().enumerate().map(waited).collect())
}

/// The count, once nothing is on its way any more.
fn settled(count: &mut Count) -> Result<i64> {
    let deadline = Instant::now() + 4 * PATIENCE;
    let mut last = count.read()?;
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = count.read()?;
        if now == last || Instant::now() > deadline {
            return Ok(now);
        }
        last = now;
    }
}

/// When each vote was seen in the tally, in the order in which they were cast, which is that in which they are counted
/// but for some milliseconds.
fn watch(
    count: &mut Count,
    before: i64,
    number: usize,
    gives_up: &AtomicBool,
) -> Result<Vec<Instant>> {
    let mut seen = Vec::with_capacity(number);
    while seen.len() < number {
        let last_look = gives_up.load(Ordering::Relaxed);
        let counted = usize::try_from(count.read()? - before)?.min(number);
        let visible = if last_look { number } else { counted };
        seen.resize(visible.max(seen.len()), Instant::now());
        thread::sleep(LOOK_EVERY);
    }
    Ok(seen)
}
