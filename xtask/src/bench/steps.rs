//! How far a request goes into the component that takes votes, and what each step costs.

use anyhow::Result;

use super::{Bench, figures::Figures, load::Request, votes};

/// Each goes further than the one before.
pub const CASES: [(&str, Request); 4] = [
    ("answered with nothing", Request::Nothing),
    ("an answer, no body read", Request::Health),
    ("a body read and refused", Request::Refused),
    ("a vote appended", Request::Vote),
];

pub async fn steps(bench: &Bench) -> Result<Figures> {
    let mut figures = Figures::default();
    let contenders =
        bench.contenders(|contender| contender.is_spinvote() || contender.is_handler());
    bench
        .turns("steps", &contenders, async |contender| {
            let mut running = contender.start(&bench.servers).await?;
            running.warm_up(Request::Vote, 32).await?;
            // The empty handler goes the first step, the one that appends alone the last, Spinvote all but the first.
            let steps = match contender {
                it if it.is_spinvote() => &CASES[1..],
                it if it.appends_alone() => &CASES[3..],
                _ => &CASES[..1],
            };
            for (case, request) in steps {
                votes::load(bench, &running, *request, 32, case, &mut figures).await?;
            }
            running.ensure_alive()
        })
        .await?;
    Ok(figures)
}
