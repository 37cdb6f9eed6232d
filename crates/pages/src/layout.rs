//! What all pages share.

use ballot::Timestamp;
use maud::{DOCTYPE, Markup, html};

use crate::assets::{ICON, PREVIEW, STYLE};
use crate::{Language, Paths, Poll};

/// The frame of a page, with the paths of the scripts that it loads.
pub(crate) fn page(
    language: Language,
    title: &str,
    paths: &Paths,
    scripts: &[&str],
    main: Markup,
) -> String {
    let texts = language.texts();
    html! {
        (DOCTYPE)
        html lang=(language.tag()) {
            head {
                meta charset="utf-8";
                title { (title) " · Spinvote" }
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta name="description" content=(texts.description);
                link rel="icon" type=(ICON.content_type) href=(ICON.path);
                link rel="stylesheet" href=(STYLE.path);
                @for script in scripts { script type="module" src=(script) {} }
                meta property="og:type" content="website";
                meta property="og:site_name" content="Spinvote";
                meta property="og:title" content=(title);
                meta property="og:description" content=(texts.description);
                meta property="og:image" content=(PREVIEW.path);
                meta property="og:image:width" content="1200";
                meta property="og:image:height" content="630";
                meta name="twitter:card" content="summary_large_image";
            }
            body {
                header.masthead {
                    a.brand href=(paths.page) {
                        img src=(ICON.path) alt="" width="28" height="28";
                        "Spinvote"
                    }
                    nav {
                        a href=(paths.page) { (texts.vote) }
                        a href=(paths.results) { (texts.results) }
                        a href="/polls" { (texts.polls) }
                        a href="/docs" { (texts.api) }
                    }
                }
                (main)
            }
        }
    }
    .into_string()
}

/// The question, in a size that fits it.
pub(crate) fn question(poll: &Poll) -> Markup {
    let long = poll.question.chars().count() > 60;
    html! { h1 #question .long[long] dir="auto" { (poll.question) } }
}

/// The `main` of a live page. Its attributes hold everything the script needs to know.
pub(crate) fn live_main(language: Language, poll: &Poll, content: Markup) -> Markup {
    let paths = Paths::of(&poll.id);
    // Cannot fail: the texts are plain strings.
    let texts = serde_json::to_string(&language.texts().script).unwrap_or_default();
    html! {
        main
            data-poll=(poll.id)
            data-vote=(paths.api_vote)
            data-results=(paths.api_results)
            data-receipts=(paths.api_receipts)
            data-texts=(texts)
        { (content) }
    }
}

/// When a poll opens and closes. Without a script in UTC; the script shows the visitor's own time.
pub(crate) fn hours(
    language: Language,
    opens_at: Option<Timestamp>,
    closes_at: Option<Timestamp>,
    now: Timestamp,
) -> Markup {
    let texts = language.texts();
    let opens = opens_at
        .filter(|opens| *opens > now)
        .map(|at| (texts.opens, at));
    let closes = closes_at.map(|at| (if at > now { texts.closes } else { texts.closed }, at));
    html! {
        @if opens.is_some() || closes.is_some() {
            p.hours {
                @for (text, at) in opens.into_iter().chain(closes) { (sentence(text, at)) " " }
            }
        }
    }
}

fn sentence(text: &'static str, at: Timestamp) -> Markup {
    let (before, after) = text.split_once("{time}").unwrap_or((text, ""));
    let instant = at.to_string();
    let shown = format!(
        "{} {} UTC",
        instant.get(..10).unwrap_or_default(),
        instant.get(11..16).unwrap_or_default()
    );
    html! { (before) time data-date datetime=(instant) { (shown) } (after) }
}
