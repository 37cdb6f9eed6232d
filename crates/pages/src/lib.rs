//! The HTML pages: what they say, in three languages, and how they look. Pure functions that turn data
//! into HTML, without I/O or Spin, so all of it is tested natively.
//!
//! In reading order: [`Language`] and its [`texts`]; [`Poll`] and its [`Paths`]; [`assets`], the files that the pages load; `layout`, what all
//! pages share; and the pages themselves: [`vote_page`], [`results_page`], [`polls_page()`], [`api_page`], [`ERROR_PAGES`],
//! and those for organizers, [`desk_page`] and [`organized_poll_page`].
//!
//! A page holds no inline script or style: [`SECURITY_POLICY`] forbids both. It works without a
//! script; `assets/page.js` makes it live.

#![warn(missing_docs)]

use conventions::{Response, vary};
use http::header::CONTENT_SECURITY_POLICY;
use http::{HeaderValue, StatusCode};

mod api_page;
pub mod assets;
mod error_page;
mod figures;
mod language;
mod layout;
mod organize_page;
mod organize_path;
mod paths;
mod poll;
mod polls_page;
mod results_page;
mod results_section;
pub mod texts;
mod vote_page;

pub use api_page::api_page;
pub use error_page::ERROR_PAGES;
pub use language::Language;
pub use organize_page::{
    Desk, Notice, OrganizedPoll, SignInProblem, desk_page, organized_poll_page, sign_in_page,
};
pub use organize_path::OrganizePath;
pub use paths::{Paths, PollPath};
pub use poll::{Choice, Poll};
pub use polls_page::{ListedPoll, polls_page};
pub use results_page::{MyVote, ResultsPage, results_page};
pub use vote_page::vote_page;

/// The content type of every page.
pub const CONTENT_TYPE: &str = "text/html; charset=utf-8";

/// What a browser may do on our pages: load our files, send forms to us, and nothing else. Trusted
/// Types cost nothing, because the script never turns text into markup.
pub const SECURITY_POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'self'; \
    frame-ancestors 'none'; frame-src 'none'; object-src 'none'; worker-src 'none'; \
    require-trusted-types-for 'script'; trusted-types 'none'";

/// An answer with a page. It may differ by language, and has a stricter policy than other answers.
pub fn respond(status: StatusCode, html: impl Into<bytes::Bytes>) -> Response {
    let mut response = conventions::respond(status, CONTENT_TYPE, html);
    let policy = HeaderValue::from_static(SECURITY_POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    vary(response.headers_mut(), "Accept-Language");
    response
}
