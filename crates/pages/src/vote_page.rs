//! The page to vote on.

use ballot::Timestamp;
use maud::{Markup, html};

use crate::assets::SCRIPT;
use crate::layout::{hours, live_main, page, question};
use crate::texts::fill;
use crate::{Language, Paths, Poll, results_section};

/// The page of a poll: its question, its options, and its results. It holds no figures: the script
/// fetches them, and without a script `/results` shows them. So it is the same for everybody.
pub fn vote_page(language: Language, poll: &Poll, now: Timestamp) -> String {
    let paths = Paths::of(&poll.id);
    let content = html! {
        (ballot(language, poll, &paths, now))
        div.needs-script { (results_section::empty(language, poll)) }
    };
    let main = live_main(language, poll, content);
    page(language, &poll.question, &paths, &[SCRIPT.path], main)
}

fn ballot(language: Language, poll: &Poll, paths: &Paths, now: Timestamp) -> Markup {
    let texts = language.texts();
    let keys = poll.choices.len().min(9);
    html! {
        form.ballot method="post" action=(paths.form) {
            (question(poll))
            (hours(language, poll.opens_at, poll.closes_at, now))
            div.choices role="group" aria-labelledby="question" {
                @for (i, choice) in poll.choices.iter().enumerate() {
                    button.choice name="option" value=(choice.option) aria-keyshortcuts=[key(i)] {
                        span.label dir="auto" { (choice.label) }
                        @if let Some(key) = key(i) { kbd.needs-script aria-hidden="true" { (key) } }
                    }
                }
            }
            div.outcome {
                div.message role="status" {
                    p { @if poll.one_vote_per_voter { (texts.ready_once) } @else { (texts.ready) } }
                }
                // A key pressed by accident casts a vote, so people who use speech input or have unsteady
                // hands can switch the keys off (WCAG 2.1.4).
                label.keys.needs-script {
                    input type="checkbox" checked;
                    (fill(texts.keys_hint, "n", &keys.to_string()))
                }
            }
        }
    }
}

/// The key that votes for an option.
fn key(index: usize) -> Option<usize> {
    (index < 9).then_some(index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Choice;
    use crate::poll::tests::default_in;
    use ballot::{OptionName, PollId};

    #[test]
    fn each_language_has_a_page() {
        for language in Language::ALL {
            let html = vote_page(language, &default_in(language), Timestamp::EPOCH);
            assert!(html.starts_with("<!DOCTYPE html>"));
            assert!(html.contains(&format!("<html lang=\"{}\">", language.tag())));
            assert!(html.contains(r#"<form class="ballot" method="post" action="/vote">"#));
            for option in ["cats", "dogs"] {
                assert!(html.contains(&format!("name=\"option\" value=\"{option}\"")));
            }
            assert!(html.len() < 12 * 1024, "{}", html.len());
        }
    }

    #[test]
    fn markup_in_a_poll_is_text() {
        let evil = "\"><script>alert(1)</script>'&";
        let poll = Poll {
            id: PollId::parse("evil").unwrap(),
            question: evil.into(),
            choices: (0..50)
                .map(|i| Choice {
                    option: OptionName::parse(&format!("{evil}{i}")).unwrap(),
                    label: format!("{evil}{i}"),
                })
                .collect(),
            opens_at: None,
            closes_at: None,
            one_vote_per_voter: false,
        };
        let html = vote_page(Language::English, &poll, Timestamp::EPOCH);
        assert!(!html.contains("<script>") && !html.contains("value=\"\">"));
        assert_eq!(html.matches("<button ").count(), 50);
        assert_eq!(html.matches("<kbd ").count(), 9);
        assert!(html.contains("action=\"/polls/evil/vote\""));
    }

    #[test]
    fn hours_and_what_one_may_change_are_said() {
        let mut poll = default_in(Language::English);
        let at = |millis| Timestamp::from_millis(millis);
        (poll.opens_at, poll.closes_at) = (at(1_000_000), at(2_000_000));
        poll.one_vote_per_voter = true;
        let page = |now| vote_page(Language::English, &poll, at(now).unwrap());
        let before = page(0);
        assert!(before.contains(
            "Voting opens on <time data-date datetime=\"1970-01-01T00:16:40Z\">1970-01-01 00:16 UTC"
        ));
        assert!(before.contains("Voting closes on") && before.contains("You can change yours"));
        assert!(!page(1_500_000).contains("Voting opens"));
        assert!(page(2_500_000).contains("Voting closed on"));
    }

    #[test]
    fn nothing_is_inline() {
        let html = vote_page(
            Language::English,
            &default_in(Language::English),
            Timestamp::EPOCH,
        );
        for inline in ["style=", "<style", "onclick", "onload"] {
            assert!(!html.contains(inline), "{inline}");
        }
        assert_eq!(html.matches("<script").count(), 1);
        assert!(html.contains("<script type=\"module\" src=\"/assets/page."));
        assert!(!html.contains("//fonts") && !html.contains("https://"));
    }
}
