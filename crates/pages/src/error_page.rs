//! The page that people see when something goes wrong.

use conventions::{ErrorPage, ErrorPages};
use http::StatusCode;
use maud::html;

use crate::layout::page;
use crate::texts::{Error, Texts};
use crate::{Language, Paths, respond};
use ballot::PollId;

/// Pages for people in place of errors for programs.
pub const ERROR_PAGES: ErrorPages = ErrorPages {
    is_page: Paths::is_page,
    render: |headers, error| respond(StatusCode::OK, error_page(Language::of(headers), error)),
};

/// The page of an error, which says what to do.
fn error_page(language: Language, error: &ErrorPage<'_>) -> String {
    let texts = language.texts();
    let paths = Paths::of(&PollId::default());
    let back = error.resend.map_or(&paths.page, |form| &form.page);
    let Error { title, advice } = words(texts, error);
    let main = html! {
        main.error {
            p.status aria-hidden="true" { (error.status) }
            h1 { (title) }
            p.advice { (advice) }
            @if let Some(form) = error.resend {
                form method="post" action=(form.action) {
                    @for (name, value) in &form.fields {
                        input type="hidden" name=(name) value=(value);
                    }
                    button.button { (texts.retry) }
                }
            }
            p { a.button.quiet href=(back) { (texts.back) } }
            p.detail { (texts.detail) " " span lang=(error.language) { (error.detail) } }
        }
    };
    page(language, title, &paths, &[], main)
}

fn words(texts: &'static Texts, error: &ErrorPage<'_>) -> Error {
    match error.status {
        _ if error.resend.is_some() => texts.not_recorded,
        403 => texts.forbidden,
        404 => texts.not_found,
        405 => texts.not_allowed,
        413 => texts.too_large,
        422 => texts.unprocessable,
        429 => texts.too_often,
        503 => texts.unavailable,
        500.. => texts.at_fault,
        _ => texts.bad_request,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conventions::Resend;

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
                language: "en",
                resend: None,
            };
            let html = error_page(language, &error);
            assert!(html.contains(&format!("<h1>{title}</h1>")));
            assert!(html.contains("&lt;i&gt;none&lt;/i&gt;") && !html.contains("<i>"));
            assert!(!html.contains("<script"), "an error page needs none");
        }
    }

    #[test]
    fn a_vote_that_was_not_recorded_can_be_sent_again_under_its_id() {
        let form = Resend {
            page: "/polls/pets".into(),
            action: "/polls/pets/vote".into(),
            fields: vec![("option", "cats".into()), ("vote_id", "\"k\"".into())],
        };
        let error = ErrorPage {
            status: 503,
            detail: "Later.",
            language: "en",
            resend: Some(&form),
        };
        let html = error_page(Language::English, &error);
        assert!(html.contains("name=\"vote_id\" value=\"&quot;k&quot;\""));
        assert!(html.contains("name=\"option\" value=\"cats\""));
        assert!(html.contains("action=\"/polls/pets/vote\""));
        assert!(html.contains("href=\"/polls/pets\""));
        assert!(html.contains("it counts once"));
    }
}
