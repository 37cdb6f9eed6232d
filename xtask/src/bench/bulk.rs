//! `POST /api/votes`: many votes in each request.

use anyhow::Result;

use super::{
    Bench,
    figures::Figures,
    load::{Load, Request},
    votes::connections,
};

const LINES: usize = 5000;
const CONNECTIONS: [usize; 3] = [1, 2, 8];

pub async fn bulk(bench: &Bench) -> Result<Figures> {
    let mut figures = Figures::default();
    // No other has such requests.
    let contenders = bench.contenders(|contender| contender.is_spinvote());
    bench
        .turns("bulk", &contenders, async |contender| {
            let mut running = contender.start(&bench.servers).await?;
            let request = Request::Votes(LINES);
            running.warm_up(request, 2).await?;
            for number in CONNECTIONS {
                let case = connections(number);
                let load = Load::run(running.address, request, number, bench.time()).await?;
                let rate = load.rate() * LINES as f64;
                figures.add(contender, &case, "votes/s", rate);
                for (name, milliseconds) in load.latencies() {
                    figures.add(contender, &case, &format!("{name} ms"), milliseconds);
                }
            }
            running.ensure_alive()
        })
        .await?;
    Ok(figures)
}
