//! The page with the results.

use ballot::{Receipt, Results};
use maud::html;

use crate::assets::SCRIPT;
use crate::layout::{live_main, page, question};
use crate::results_section::{clock, with};
use crate::texts::fill;
use crate::{Language, Paths, Poll};

/// What the page shows.
#[derive(Debug)]
pub struct ResultsPage<'a> {
    /// What was asked.
    pub poll: &'a Poll,
    /// How it stands.
    pub results: &'a Results,
    /// The vote that the address names: the form leads here with its id.
    pub vote: Option<MyVote<'a>>,
}

/// What became of a vote.
#[derive(Debug)]
pub enum MyVote<'a> {
    /// It is in the tally.
    Counted(&'a Receipt),
    /// Not yet, or it was never cast: PostgreSQL cannot tell one from the other.
    NotCounted,
}

/// The results of a poll, and what became of a vote cast with the form.
pub fn results_page(language: Language, shown: &ResultsPage<'_>) -> String {
    let texts = language.texts();
    let paths = Paths::of(&shown.poll.id);
    let content = html! {
        (question(shown.poll))
        @match &shown.vote {
            None => {}
            Some(MyVote::Counted(receipt)) => {
                div.outcome data-kind="counted" {
                    div.message role="status" {
                        p { (fill(mine(language, receipt), "option", shown.poll.label(&receipt.option))) }
                        p.detail {
                            time datetime=(receipt.counted_at) { (clock(&receipt.counted_at)) } " · "
                            a href=(paths.receipt(receipt.vote_id.as_str())) { (texts.receipt) " " code { (receipt.vote_id) } }
                        }
                    }
                }
            }
            Some(MyVote::NotCounted) => {
                div.outcome data-kind="waiting" {
                    div.message role="status" {
                        p { (texts.mine_not_counted) }
                        p.detail { (texts.mine_not_counted_advice) }
                    }
                }
            }
        }
        (with(language, shown.poll, shown.results))
        p { a.button href=(paths.page) { (texts.back) } }
    };
    let title = format!("{} {}", texts.results, shown.poll.question);
    let main = live_main(language, shown.poll, content);
    page(language, &title, &paths, &[SCRIPT.path], main)
}

fn mine(language: Language, receipt: &Receipt) -> &'static str {
    let texts = language.texts();
    if receipt.replaced {
        texts.mine_replaced
    } else {
        texts.mine_counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ballot::{OptionName, PollId, Tally, VoteId};

    fn results() -> Results {
        let tally = |option: &str, count, percentage| Tally {
            option: OptionName::parse(option).unwrap(),
            count,
            percentage,
        };
        Results {
            poll: PollId::default(),
            question: "Cats or dogs?".into(),
            replaced: None,
            tallies: vec![tally("cats", 1234, 99.92), tally("dogs", 1, 0.08)],
            last_updated: "2025-11-16T20:14:48.273326Z".into(),
        }
    }

    fn page(language: Language, vote: Option<MyVote<'_>>) -> String {
        let poll = Poll::counted(language, &results());
        results_page(
            language,
            &ResultsPage {
                poll: &poll,
                results: &results(),
                vote,
            },
        )
    }

    #[test]
    fn the_figures_are_there_without_a_script() {
        let html = page(Language::English, None);
        for shown in [
            "1,234 votes",
            ">1 vote<",
            "1,235 votes",
            "99.92%",
            "width=\"99.92%\"",
            "2025-11-16T20:14:48.273326Z",
            "20:14:48 UTC",
        ] {
            assert!(html.contains(shown), "{shown}: {html}");
        }
        assert!(page(Language::German, None).contains("99,92\u{a0}%"));
    }

    #[test]
    fn an_id_without_a_counted_vote_is_not_said_to_be_recorded() {
        let html = page(Language::English, Some(MyVote::NotCounted));
        assert!(html.contains("No vote with this id has been counted yet."));
        assert!(html.contains("data-kind=\"waiting\""), "{html}");
        assert!(!html.contains("data-kind=\"recorded\""), "{html}");
    }

    #[test]
    fn a_vote_shows_its_receipt() {
        let receipt = Receipt {
            vote_id: VoteId::parse("<b>/1").unwrap(),
            poll: PollId::default(),
            option: OptionName::parse("dogs").unwrap(),
            replaced: false,
            counted_at: "2025-11-16T20:14:48.273326Z".into(),
        };
        let html = page(Language::Spanish, Some(MyVote::Counted(&receipt)));
        assert!(html.contains("Tu voto se ha contado: Perros."));
        assert!(html.contains("href=\"/api/votes/%3Cb%3E%2F1\""));
        assert!(html.contains("<code>&lt;b&gt;/1</code>"));
        let replaced = Receipt {
            replaced: true,
            ..receipt
        };
        let html = page(Language::English, Some(MyVote::Counted(&replaced)));
        assert!(html.contains("no longer counts: Dogs."));
    }
}
