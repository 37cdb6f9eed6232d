//! The page with all polls.

use ballot::{PollId, Timestamp};
use maud::{Markup, html};

use crate::assets::TIMES;
use crate::layout::{hours, page};
use crate::{Language, Paths};

/// A poll on the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedPoll {
    /// Its name.
    pub id: PollId,
    /// What is asked.
    pub question: String,
    /// From when on votes are taken.
    pub opens_at: Option<Timestamp>,
    /// Until when they are.
    pub closes_at: Option<Timestamp>,
}

impl ListedPoll {
    /// Its place among the headings: open, not open yet, closed.
    fn heading(&self, now: Timestamp) -> usize {
        if self.closes_at.is_some_and(|closes| closes <= now) {
            2
        } else {
            usize::from(self.opens_at.is_some_and(|opens| opens > now))
        }
    }
}

/// The polls, open ones first.
pub fn polls_page(language: Language, polls: &[ListedPoll], now: Timestamp) -> String {
    let texts = language.texts();
    let main = html! {
        main.polls {
            h1 { (texts.polls) }
            // What is closed can only be watched.
            (listed(language, polls, now, |poll, is_closed| {
                let paths = Paths::of(&poll.id);
                if is_closed { paths.results } else { paths.page }
            }))
        }
    };
    let paths = Paths::of(&PollId::default());
    page(language, texts.polls, &paths, &[TIMES.path], main)
}

/// Polls under headings; `path` says where each leads to, which depends on whether it is closed.
pub(crate) fn listed(
    language: Language,
    polls: &[ListedPoll],
    now: Timestamp,
    path: impl Fn(&ListedPoll, bool) -> String,
) -> Markup {
    let texts = language.texts();
    let headings = [texts.open_polls, texts.upcoming_polls, texts.closed_polls];
    html! {
        @if polls.is_empty() { p { (texts.no_polls) } }
        @for (place, heading) in headings.into_iter().enumerate() {
            @if polls.iter().any(|poll| poll.heading(now) == place) {
                h2 { (heading) }
                ul.listed {
                    @for poll in polls.iter().filter(|poll| poll.heading(now) == place) {
                        li {
                            a href=(path(poll, place == 2)) dir="auto" { (poll.question) }
                            (hours(language, poll.opens_at, poll.closes_at, now))
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_polls_come_first_and_closed_ones_lead_to_their_results() {
        let at = Timestamp::from_millis;
        let poll = |id: &str, opens_at, closes_at| ListedPoll {
            id: PollId::parse(id).unwrap(),
            question: format!("<{id}>?"),
            opens_at,
            closes_at,
        };
        let polls = [
            poll("closed", None, at(1000)),
            poll("later", at(3000), None),
            poll("open", at(1000), at(3000)),
        ];
        let html = polls_page(Language::German, &polls, at(2000).unwrap());
        let place = |text: &str| html.find(text).unwrap_or_else(|| panic!("{text}: {html}"));
        assert!(place("Jetzt offen") < place("href=\"/polls/open\""));
        assert!(place("href=\"/polls/open\"") < place("href=\"/polls/later\""));
        assert!(place("href=\"/polls/later\"") < place("href=\"/polls/closed/results\""));
        assert!(html.contains("&lt;open&gt;?"));
        let html = polls_page(Language::English, &[], at(0).unwrap());
        assert!(html.contains("There are no polls"));
    }
}
