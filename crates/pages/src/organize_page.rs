//! The pages for organizers: to sign in, all polls with a form for a new one, and one poll, to watch and to
//! change. They work without a script, which only shows times as the organizer's own.

use std::time::Duration;

use ballot::{PollForm, PollId, Timestamp};
use maud::{Markup, html};

use crate::assets::{SCRIPT, TIMES};
use crate::layout::{hours, live_main, page, question};
use crate::polls_page::{ListedPoll, listed};
use crate::texts::{Organize, fill};
use crate::{Language, OrganizePath, Paths, Poll, results_section};

/// Why nobody was signed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignInProblem {
    /// The token is not one of ours.
    WrongToken,
    /// Too many attempts have failed; the next may be made after this time.
    TooMany {
        /// From now on.
        wait: Duration,
    },
    /// How many have failed cannot be told at the moment.
    Unavailable,
}

/// What became of the form that was sent last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// There was none.
    None,
    /// It did what it should.
    Saved,
    /// It did nothing. What the API says about it, in English.
    Refused(&'a str),
}

/// What an organizer sees first.
#[derive(Debug)]
pub struct Desk<'a> {
    /// In the order in which they are shown.
    pub polls: &'a [ListedPoll],
    /// For a new poll.
    pub form: &'a PollForm,
    /// See [`ballot::Session`].
    pub form_key: &'a str,
    /// About the form.
    pub notice: Notice<'a>,
    /// By which polls are open or not.
    pub now: Timestamp,
}

/// One poll, as organizers see it.
#[derive(Debug)]
pub struct OrganizedPoll<'a> {
    /// As it is.
    pub poll: &'a Poll,
    /// As it is, or as it was to be.
    pub form: &'a PollForm,
    /// Of the poll as it is: a form that was made before somebody else's change does nothing.
    pub revision: i64,
    /// See [`ballot::Session`].
    pub form_key: &'a str,
    /// About the forms.
    pub notice: Notice<'a>,
    /// By which it is open or not.
    pub now: Timestamp,
}

/// The page to sign in.
pub fn sign_in_page(language: Language, problem: Option<SignInProblem>) -> String {
    let texts = language.texts().organize;
    let problem = problem.map(|problem| match problem {
        SignInProblem::WrongToken => texts.wrong_token.to_owned(),
        SignInProblem::TooMany { wait } => {
            let minutes = wait.as_secs().div_ceil(60).max(1);
            fill(texts.too_many, "n", &minutes.to_string())
        }
        SignInProblem::Unavailable => texts.sign_in_unavailable.to_owned(),
    });
    let main = html! {
        main { div.organize {
            h1 { (texts.title) }
            @if let Some(problem) = &problem { p.notice.refused role="alert" { (problem) } }
            form.card method="post" action=(OrganizePath::SignIn) {
                // Password managers keep what is typed by a name.
                input hidden readonly autocomplete="username" value="organizer";
                label {
                    span.name { (texts.token) }
                    input type="password" name="token" autocomplete="current-password" required
                        aria-describedby="token-hint";
                }
                p.hint #token-hint { (texts.sign_in_hint) }
                div.actions { button.button { (texts.sign_in) } }
            }
        } }
    };
    frame(language, texts.title, &[], main)
}

/// All polls, and a form for a new one.
pub fn desk_page(language: Language, desk: &Desk<'_>) -> String {
    let texts = language.texts().organize;
    let main = html! {
        main { div.organize {
            h1 { (texts.title) }
            (notice(language, desk.notice))
            (listed(language, desk.polls, desk.now, |poll, _| OrganizePath::Poll(poll.id.clone()).to_string()))
            section.card {
                h2 { (texts.new_poll) }
                form method="post" action=(OrganizePath::Polls) autocomplete="off" {
                    input type="hidden" name="form_key" value=(desk.form_key);
                    label {
                        span.name { (texts.name) }
                        input name="poll" value=(desk.form.poll) required maxlength="63" pattern="[a-z0-9][a-z0-9\\-]*"
                            autocapitalize="none" spellcheck="false" aria-describedby="name-hint";
                    }
                    p.hint #name-hint { (texts.name_hint) }
                    (fields(texts, desk.form))
                    div.actions { button.button { (texts.create) } }
                }
            }
            form method="post" action=(OrganizePath::SignOut) {
                input type="hidden" name="form_key" value=(desk.form_key);
                button.button.quiet { (texts.sign_out) }
            }
        } }
    };
    frame(language, texts.title, &[TIMES.path], main)
}

/// One poll, to watch and to change.
pub fn organized_poll_page(language: Language, organized: &OrganizedPoll<'_>) -> String {
    let texts = language.texts().organize;
    let OrganizedPoll { poll, now, .. } = organized;
    let id = || poll.id.clone();
    let paths = Paths::of(&poll.id);
    let is_closed = poll.closes_at.is_some_and(|closes| closes <= *now);
    let opens_later = poll.opens_at.is_some_and(|opens| opens > *now);
    let content = html! {
        (question(poll))
        (hours(language, poll.opens_at, poll.closes_at, *now))
        (notice(language, organized.notice))
        div.actions {
            @if is_closed || opens_later {
                (action(organized, &OrganizePath::Open(id()), if is_closed { texts.open_again } else { texts.open_now }))
            } @else {
                (action(organized, &OrganizePath::Close(id()), texts.close_now))
            }
            a.button.quiet href=(paths.page) { (texts.page_to_vote) }
            a.button.quiet href=(paths.results) { (language.texts().results) }
            a.button.quiet href=(OrganizePath::DESK) { (texts.all_polls) }
        }
        div.needs-script { (results_section::empty(language, poll)) }
        section.card {
            h2 { (texts.change) }
            form method="post" action=(OrganizePath::Poll(id())) autocomplete="off" {
                (keys(organized))
                (fields(texts, organized.form))
                div.actions { button.button { (texts.save) } }
            }
        }
        section.card {
            h2 { (texts.log) }
            p.hint { (texts.log_hint) }
            div.actions {
                a.button.quiet href=(OrganizePath::Csv(id())) download { "CSV" }
                a.button.quiet href=(OrganizePath::Ndjson(id())) download { "NDJSON" }
            }
        }
        details.card {
            summary { (texts.delete) }
            p.hint { (texts.delete_hint) }
            (action(organized, &OrganizePath::Delete(id()), texts.delete))
        }
    };
    let main = live_main(language, poll, html! { div.organize { (content) } });
    frame(language, &poll.question, &[SCRIPT.path, TIMES.path], main)
}

fn frame(language: Language, title: &str, scripts: &[&str], main: Markup) -> String {
    page(
        language,
        title,
        &Paths::of(&PollId::default()),
        scripts,
        main,
    )
}

fn notice(language: Language, notice: Notice<'_>) -> Markup {
    let texts = language.texts().organize;
    html! {
        @match notice {
            Notice::None => {}
            Notice::Saved => { p.notice.saved role="status" { (texts.saved) } }
            Notice::Refused(detail) => {
                p.notice.refused role="alert" { (texts.refused) " " span lang="en" { (detail) } }
            }
        }
    }
}

/// A form that is one button.
fn action(organized: &OrganizedPoll<'_>, path: &OrganizePath, text: &str) -> Markup {
    html! {
        form method="post" action=(path) {
            (keys(organized))
            button.button { (text) }
        }
    }
}

/// That it is ours, and of which revision.
fn keys(organized: &OrganizedPoll<'_>) -> Markup {
    html! {
        input type="hidden" name="form_key" value=(organized.form_key);
        input type="hidden" name="revision" value=(organized.revision);
    }
}

/// What of a poll can be changed.
fn fields(texts: &Organize, form: &PollForm) -> Markup {
    html! {
        label {
            span.name { (texts.question) }
            input name="question" value=(form.question) required maxlength="500" dir="auto";
        }
        label {
            span.name { (texts.options) }
            textarea name="options" rows="5" required dir="auto" aria-describedby="options-hint" { (form.options) }
        }
        p.hint #options-hint { (texts.options_hint) }
        div.times {
            (time("opens_at", texts.opens_at, &form.opens_at))
            (time("closes_at", texts.closes_at, &form.closes_at))
        }
        p.hint #times-hint {
            @let (before, after) = texts.times_hint.split_once("{zone}").unwrap_or((texts.times_hint, ""));
            (before) span data-zone { "UTC" } (after)
        }
        label.tick {
            input type="checkbox" name="one_vote_per_voter" checked[form.one_vote_per_voter];
            (texts.one_vote_per_voter)
        }
    }
}

/// In UTC; the script makes it the organizer's own time. A poll may have been closed in the middle of a minute.
fn time(name: &str, text: &str, value: &str) -> Markup {
    html! {
        label {
            span.name { (text) }
            input type="datetime-local" name=(name) value=(value) step="any" aria-describedby="times-hint";
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::poll::tests::default_in;

    const EVIL: &str = "\"><script>alert(1)</script>";

    fn form() -> PollForm {
        PollForm {
            poll: EVIL.into(),
            question: EVIL.into(),
            options: format!("cats\n</textarea>{EVIL}"),
            opens_at: EVIL.into(),
            closes_at: "2026-12-31T17:00".into(),
            one_vote_per_voter: true,
        }
    }

    fn poll_page(opens_at: u64, closes_at: u64, now: u64, notice: Notice<'_>) -> String {
        let mut poll = default_in(Language::English);
        let at = Timestamp::from_millis;
        (poll.opens_at, poll.closes_at) = (at(opens_at), at(closes_at));
        let organized = OrganizedPoll {
            poll: &poll,
            form: &form(),
            revision: 7,
            form_key: "key",
            notice,
            now: at(now).unwrap(),
        };
        organized_poll_page(Language::English, &organized)
    }

    #[test]
    fn each_form_has_its_key_and_markup_is_text() {
        for language in Language::ALL {
            let desk = Desk {
                polls: &[],
                form: &form(),
                form_key: "key",
                notice: Notice::Refused(EVIL),
                now: Timestamp::EPOCH,
            };
            let html = desk_page(language, &desk);
            assert_eq!(html.matches("name=\"form_key\" value=\"key\"").count(), 2);
            assert_eq!(html.matches("<form ").count(), 2);
            assert_eq!(html.matches("<script").count(), 1, "only our file");
            assert!(html.contains("value=\"2026-12-31T17:00\"") && html.contains(" checked"));
            assert!(!html.contains("</textarea>\""), "{html}");
        }
        let html = poll_page(1, 9, 5, Notice::Saved);
        assert_eq!(html.matches("<form ").count(), 3);
        assert_eq!(html.matches("name=\"form_key\" value=\"key\"").count(), 3);
        assert_eq!(html.matches("name=\"revision\" value=\"7\"").count(), 3);
        assert_eq!(html.matches("<script").count(), 2);
        assert!(html.contains("Saved."));
    }

    #[test]
    fn what_can_be_done_depends_on_the_hours() {
        let offered = |now| {
            let html = poll_page(10_000, 20_000, now, Notice::None);
            ["Open now", "Close now", "Open again"]
                .into_iter()
                .filter(|text| html.contains(text))
                .collect::<Vec<_>>()
        };
        assert_eq!(offered(5_000), ["Open now"]);
        assert_eq!(offered(10_000), ["Close now"]);
        assert_eq!(offered(20_000), ["Open again"]);
    }

    #[test]
    fn who_may_not_sign_in_is_told_why() {
        let page = |problem| sign_in_page(Language::German, Some(problem));
        assert!(page(SignInProblem::WrongToken).contains("role=\"alert\""));
        let wait = Duration::from_secs(61);
        assert!(page(SignInProblem::TooMany { wait }).contains("in 2 Minuten"));
        let html = sign_in_page(Language::English, None);
        assert!(!html.contains("alert") && html.contains("action=\"/organize/sign-in\""));
    }
}
