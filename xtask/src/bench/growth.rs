//! Whether it stays as fast when there is more: votes that are stored, polls, options.

use anyhow::{Context, Result, ensure};

use super::{
    Bench,
    consumer::{self, Work, record},
    contenders::Contender,
    figures::Figures,
    load::{Load, Request},
    visible,
};
use crate::step::step;

const STORED: usize = 10_000_000;
const POLLS: usize = 1000;

/// Fewer than there are in consumer.rs, for it is the same in all cases.
const BACKLOG: usize = 200_000;

const VISIBLE_RATE: usize = 1000;

pub const CASES: [&str; 5] = [
    "nothing stored",
    "1,000 polls",
    "50 options",
    "one vote per voter",
    "10 million votes stored",
];

pub async fn growth(bench: &Bench) -> Result<Figures> {
    let [nothing, many_polls, many_options, one_vote, stored] = CASES;
    let mut figures = Figures::default();
    let contenders = bench.contenders(Contender::is_spinvote);
    let servers = &bench.servers;
    store(bench).await?;
    bench
        .turns("growth", &contenders, async |contender| {
            let default = [Request::Vote, Request::Results];
            rates(bench, contender, nothing, default, &mut figures).await?;
            servers.swap()?;
            rates(bench, contender, stored, default, &mut figures).await?;
            servers.swap()?;
            add_polls(bench)?;
            for (case, poll) in [
                (many_polls, "bench-500"),
                (many_options, "bench-long"),
                (one_vote, "bench-voters"),
            ] {
                let requests = [Request::VoteIn(poll), Request::ResultsOf(poll)];
                rates(bench, contender, case, requests, &mut figures).await?;
            }

            // Last, for they leave PostgreSQL with work.
            servers.empty()?;
            counting(bench, contender, nothing, &mut figures).await?;
            servers.swap()?;
            counting(bench, contender, stored, &mut figures).await?;
            servers.swap()
        })
        .await?;
    servers.empty()?;
    servers.drop_aside()?;
    Ok(figures)
}

/// Stores millions of votes in a database that is put aside. Once for all turns: it takes a minute or two.
async fn store(bench: &Bench) -> Result<()> {
    let servers = &bench.servers;
    step("Store 10 million votes", async |_| {
        servers.empty()?;
        record(servers, 2, Work::Votes(STORED))?;
        servers.sql("vacuum (analyze) vote_events")?;
        let count = servers.sql("select sum(count) from votes")?;
        let count: usize = count.parse().context("the tally is no number")?;
        // Two calls may have drawn the same number.
        ensure!(count >= STORED / 100 * 99, "only {count} votes are stored");
        servers.put_aside()?;
        servers.sql("checkpoint").map(drop)
    })
    .await
}

fn add_polls(bench: &Bench) -> Result<()> {
    bench.servers.sql(&format!(
        "insert into polls (poll, question, options, one_vote_per_voter)
         select 'bench-' || i, 'Which?', '{{cats,dogs}}', false from generate_series(1, {POLLS} - 3) i
         union all
         select 'bench-long', 'Which?', '{{cats}}' || array_agg('option ' || i), false from generate_series(1, 49) i
         union all
         select 'bench-voters', 'Which?', '{{cats,dogs}}', true"
    ))?;
    Ok(())
}

/// Votes and results a second, at 32 connections.
async fn rates(
    bench: &Bench,
    contender: Contender,
    case: &str,
    [vote, results]: [Request; 2],
    figures: &mut Figures,
) -> Result<()> {
    bench.servers.redis_cli(&["FLUSHALL"])?;
    let running = contender.start_unchecked(&bench.servers).await?;
    running.publish(&bench.servers).await?;
    for (request, metric) in [(vote, "votes/s"), (results, "results/s")] {
        running.warm_up(request, 32).await?;
        let load = Load::run(running.address, request, 32, bench.time()).await?;
        figures.add(contender, case, metric, load.rate());
    }
    Ok(())
}

/// How fast votes are counted, and how soon they are visible.
async fn counting(
    bench: &Bench,
    contender: Contender,
    case: &str,
    figures: &mut Figures,
) -> Result<()> {
    let servers = &bench.servers;
    servers.redis_cli(&["FLUSHALL"])?;
    consumer::drain(servers, contender, 1, BACKLOG, case, figures).await?;
    servers.redis_cli(&["FLUSHALL"])?;
    let running = contender.start_unchecked(servers).await?;
    running.publish(servers).await?;
    let _consumers = contender.start_consumers(servers, 1).await?;
    for (metric, milliseconds) in
        visible::latencies(servers, &running, VISIBLE_RATE, bench.time()).await?
    {
        figures.add(contender, case, &format!("visible {metric}"), milliseconds);
    }
    Ok(())
}
