//! What all pages share.

use maud::{DOCTYPE, Markup, html};

use crate::assets::{ICON, PREVIEW, SCRIPT, STYLE};
use crate::{Language, Paths, Poll};

/// The frame of a page about a poll: `live` pages load the script.
pub(crate) fn page(
    language: Language,
    title: &str,
    paths: &Paths,
    live: bool,
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
                @if live { script type="module" src=(SCRIPT.path) {} }
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
    html! { h1 #question .long[long] { (poll.question) } }
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
