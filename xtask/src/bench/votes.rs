//! `POST /api/vote`, as fast as it is answered; and the results likewise.
//!
//! Consumers do not run meanwhile, but for the case "32, counted": the votes wait in Redis, for everybody.

use anyhow::Result;

use super::{
    Bench,
    contenders::{Contender, Running},
    cost::Cost,
    figures::Figures,
    load::{Load, Request},
    servers::succeed,
};

const CONNECTIONS: [usize; 3] = [1, 32, 256];

/// A case: so many connections.
pub fn connections(number: usize) -> String {
    match number {
        1 => "1 connection".to_owned(),
        _ => format!("{number} connections"),
    }
}

/// With 32 connections, while the consumer works on the same cores.
pub const COUNTED: &str = "32 connections, counted";

pub async fn votes(bench: &Bench) -> Result<Figures> {
    let mut figures = Figures::default();
    let contenders = bench.contenders(|_| true);
    bench
        .turns("votes", &contenders, async |contender| {
            if contender == Contender::Stores {
                return redis_alone(bench, &mut figures);
            }
            let mut running = contender.start(&bench.servers).await?;
            running.warm_up(Request::Vote, 32).await?;
            for number in CONNECTIONS {
                let case = connections(number);
                load(bench, &running, Request::Vote, number, &case, &mut figures).await?;
                running.ensure_alive()?;
            }
            if !contender.has_consumer() {
                return Ok(());
            }
            drop(running);
            bench.servers.empty()?;
            let running = contender.start(&bench.servers).await?;
            running.warm_up(Request::Vote, 32).await?;
            let mut consumers = contender.start_consumers(&bench.servers, 1).await?;
            load(bench, &running, Request::Vote, 32, COUNTED, &mut figures).await?;
            consumers.ensure_alive()
        })
        .await?;
    Ok(figures)
}

pub async fn results(bench: &Bench) -> Result<Figures> {
    let mut figures = Figures::default();
    let contenders = bench.contenders(|contender| {
        use Contender::{Axum, FlaskSync, FlaskThreads};
        contender.is_service() && !matches!(contender, FlaskSync | FlaskThreads | Axum)
    });
    bench
        .turns("results", &contenders, async |contender| {
            let mut running = contender.start(&bench.servers).await?;
            running.warm_up(Request::Results, 32).await?;
            for number in CONNECTIONS {
                let case = connections(number);
                load(
                    bench,
                    &running,
                    Request::Results,
                    number,
                    &case,
                    &mut figures,
                )
                .await?;
            }
            running.ensure_alive()
        })
        .await?;
    Ok(figures)
}

/// Loads one that runs, and notes how fast it answered and what that cost.
pub async fn load(
    bench: &Bench,
    running: &Running,
    request: Request,
    connections: usize,
    case: &str,
    figures: &mut Figures,
) -> Result<()> {
    let contender = running.contender;
    let before = Cost::so_far(running, &bench.servers)?;
    let load = Load::run(running.address, request, connections, bench.time()).await?;
    let cost = Cost::so_far(running, &bench.servers)?;
    figures.add(contender, case, "requests/s", load.rate());
    for (name, milliseconds) in load.latencies() {
        figures.add(contender, case, &format!("{name} ms"), milliseconds);
    }
    cost.add(&before, load.requests, contender, case, figures);
    Ok(())
}

/// By redis-benchmark: the entry of a vote, appended by each connection as soon as the last is.
fn redis_alone(bench: &Bench, figures: &mut Figures) -> Result<()> {
    for number in CONNECTIONS {
        let mut command = bench.servers.redis_client("redis-benchmark");
        command.args(["-c", &number.to_string(), "--csv"]);
        // About as long as the others are loaded: one connection waits for each answer.
        let requests = bench.seconds * if number == 1 { 20_000 } else { 80_000 };
        command.args(["-n", &requests.to_string(), "XADD", "votes", "*"]);
        command.args(["vote", "cats"]);
        let said = succeed(&mut command)?;
        // "test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms",…
        let values: Vec<f64> = said
            .lines()
            .last()
            .unwrap_or_default()
            .rsplit("\",\"")
            .filter_map(|value| value.trim_matches('"').parse().ok())
            .collect();
        let [_, p99, _, p50, _, _, rate] = values[..] else {
            return Err(anyhow::anyhow!("redis-benchmark said {said}"));
        };
        let case = connections(number);
        figures.add(Contender::Stores, &case, "requests/s", rate);
        figures.add(Contender::Stores, &case, "p50 ms", p50);
        figures.add(Contender::Stores, &case, "p99 ms", p99);
    }
    Ok(())
}
