//! The page that people see when something goes wrong.

use maud::html;

use crate::layout::page;
use crate::texts::{Error, Texts};
use crate::{Language, Paths};
use ballot::PollId;

/// What went wrong.
#[derive(Debug)]
pub struct ErrorPage<'a> {
    /// The HTTP status.
    pub status: u16,
    /// What the API says about it, in English.
    pub detail: &'a str,
    /// The vote that could not be recorded.
    pub retry: Option<RetryForm<'a>>,
}

/// A form that sends a vote again under the id that it had, so that it counts once.
#[derive(Debug)]
pub struct RetryForm<'a> {
    /// The poll whose page has the form.
    pub poll: &'a PollId,
    /// As the poll names it; escaped by the page.
    pub option: &'a str,
    /// That of the attempt that failed.
    pub vote_id: &'a str,
}

/// The page of an error, which says what to do.
pub fn error_page(language: Language, error: &ErrorPage<'_>) -> String {
    let texts = language.texts();
    let default = PollId::default();
    let paths = Paths::of(error.retry.as_ref().map_or(&default, |retry| retry.poll));
    let Error { title, advice } = words(texts, error);
    let main = html! {
        main.error {
            p.status aria-hidden="true" { (error.status) }
            h1 { (title) }
            p.advice { (advice) }
            @if let Some(retry) = &error.retry {
                form method="post" action=(paths.form) {
                    input type="hidden" name="vote_id" value=(retry.vote_id);
                    button.button name="option" value=(retry.option) { (texts.retry) }
                }
            }
            p { a.button.quiet href=(paths.page) { (texts.back) } }
            p.detail { (texts.detail) " " span lang="en" { (error.detail) } }
        }
    };
    page(language, title, &paths, false, main)
}

fn words(texts: &'static Texts, error: &ErrorPage<'_>) -> Error {
    match error.status {
        _ if error.retry.is_some() => texts.not_recorded,
        403 => texts.forbidden,
        404 => texts.not_found,
        405 => texts.not_allowed,
        413 => texts.too_large,
        422 => texts.unprocessable,
        503 => texts.unavailable,
        500.. => texts.at_fault,
        _ => texts.bad_request,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_to_do_in_every_language() {
        for (language, title) in [
            (Language::English, "There is nothing here"),
            (Language::German, "Hier ist nichts"),
            (Language::Spanish, "Aquí no hay nada"),
        ] {
            let error = ErrorPage {
                status: 404,
                detail: "<i>none</i>",
                retry: None,
            };
            let html = error_page(language, &error);
            assert!(html.contains(&format!("<h1>{title}</h1>")));
            assert!(html.contains("&lt;i&gt;none&lt;/i&gt;") && !html.contains("<i>"));
            assert!(!html.contains("<script"), "an error page needs none");
        }
    }

    #[test]
    fn a_vote_that_was_not_recorded_can_be_sent_again_under_its_id() {
        let retry = RetryForm {
            poll: &PollId::default(),
            option: "cats",
            vote_id: "\"k\"",
        };
        let error = ErrorPage {
            status: 503,
            detail: "Later.",
            retry: Some(retry),
        };
        let html = error_page(Language::English, &error);
        assert!(html.contains("name=\"vote_id\" value=\"&quot;k&quot;\""));
        assert!(html.contains("name=\"option\" value=\"cats\""));
        assert!(html.contains("it counts once"));
    }
}
