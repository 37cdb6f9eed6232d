//! From the start of a process to its first answer to a vote. What is compiled once is compiled, and the servers run.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::time::sleep;

use super::{
    Bench,
    client::Connection,
    contenders::Contender,
    figures::Figures,
    load::{Request, VOTE},
};

const PATIENCE: Duration = Duration::from_secs(30);

pub async fn start(bench: &Bench) -> Result<Figures> {
    let mut figures = Figures::default();
    let contenders = bench.contenders(Contender::is_service);
    bench
        .turns("start", &contenders, async |contender| {
            // Compiles, publishes the polls, and reads all files once.
            drop(contender.start(&bench.servers).await?);
            let begin = Instant::now();
            let running = contender.start_unchecked(&bench.servers).await?;
            while vote(running.address).await.unwrap_or_default() != 201 {
                ensure!(begin.elapsed() < PATIENCE, "no vote is taken");
                sleep(Duration::from_millis(1)).await;
            }
            let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
            figures.add(contender, "start", "ms", milliseconds);
            Ok(())
        })
        .await?;
    Ok(figures)
}

async fn vote(address: std::net::SocketAddr) -> Result<u16> {
    let mut connection = Connection::open(address).await?;
    let (status, _) = connection.post(&Request::Vote.path(), VOTE).await?;
    Ok(status)
}
