//! How far a request goes into the component that takes votes, and what each step costs.

use anyhow::Result;

use super::{Bench, contenders::Contender, figures::Figures, load::Request, votes};

/// Each goes further than the one before.
pub const CASES: [(&str, Request); 4] = [
    ("answered with nothing", Request::Nothing),
    ("an answer, no body read", Request::Health),
    ("a body read and refused", Request::Refused),
    ("a vote appended", Request::Vote),
];

pub async fn steps(bench: &Bench) -> Result<Figures> {
    let mut figures = Figures::default();
    let is_empty = |contender| matches!(contender, Contender::EmptySpin | Contender::EmptyHost);
    let contenders = bench.contenders(|contender| contender.is_spinvote() || is_empty(contender));
    bench
        .turns("steps", &contenders, async |contender| {
            let mut running = contender.start(&bench.servers).await?;
            running.warm_up(Request::Vote, 32).await?;
            for (case, request) in CASES {
                // The empty handler goes the first step, Spinvote the others.
                if is_empty(contender) == matches!(request, Request::Nothing) {
                    votes::load(bench, &running, request, 32, case, &mut figures).await?;
                }
            }
            running.ensure_alive()
        })
        .await?;
    Ok(figures)
}
