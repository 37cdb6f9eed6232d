//! The results of a poll, as bars. The markup is the same with figures and without, so that nothing
//! moves when the script fills them in.

use ballot::Results;
use maud::{Markup, html};

use crate::figures::{bar, count, decimals, share};
use crate::texts::fill;
use crate::{Language, Poll};

/// Without figures yet.
pub(crate) fn empty(language: Language, poll: &Poll) -> Markup {
    section(language, poll, None)
}

/// As it stands.
pub(crate) fn with(language: Language, poll: &Poll, results: &Results) -> Markup {
    section(language, poll, Some(results))
}

fn section(language: Language, poll: &Poll, results: Option<&Results>) -> Markup {
    let texts = language.texts();
    html! {
        section.results aria-labelledby="standing" {
            h2 #standing { (texts.results) }
            ol.bars {
                @for choice in &poll.choices {
                    @let tally = results.and_then(|results| {
                        results.tallies.iter().find(|tally| tally.option == choice.option)
                    });
                    li data-option=(choice.option) {
                        span.label dir="auto" { (choice.label) }
                        span.count { @if let Some(tally) = tally { (votes(language, tally.count)) } @else { "–" } }
                        strong.share {
                            @if let Some(tally) = tally { (share(language, tally, results.map_or(0, Results::total))) } @else { "–" }
                        }
                        // SVG has an attribute for the width; the policy forbids an inline style.
                        svg.bar aria-hidden="true" focusable="false" {
                            rect height="100%" width={ (decimals(tally.map_or(0.0, bar))) "%" } {}
                        }
                    }
                }
            }
            div.foot {
                p.trust {
                    strong.total { @if let Some(results) = results { (votes(language, results.total())) } @else { "–" } }
                    span.last {
                        (texts.last_counted) " "
                        @if let Some(results) = results {
                            time datetime=(results.last_updated) { (clock(&results.last_updated)) }
                        } @else {
                            time { "–" }
                        }
                    }
                    span.state.needs-script data-state="loading" { "…" }
                }
                figure.history.needs-script {
                    figcaption { (texts.history) ": " strong { "0" } }
                    svg viewBox="0 0 300 48" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
                        path.area d="M0 47H300" {}
                        path.line d="M0 47H300" {}
                    }
                }
            }
            p.summary.visually-hidden role="status" {}
        }
    }
}

/// A number of votes, in words.
pub(crate) fn votes(language: Language, number: i64) -> String {
    let texts = &language.texts().script;
    let text = if number == 1 {
        texts.votes_one
    } else {
        texts.votes
    };
    fill(text, "n", &count(language, number))
}

/// The time of day of an ISO 8601 instant, as it stands there; the script makes it local.
pub(crate) fn clock(instant: &str) -> String {
    match instant.get(11..19) {
        Some(time) => format!("{time} UTC"),
        None => instant.to_owned(),
    }
}
