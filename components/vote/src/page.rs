//! `GET /` and `GET /polls/{poll}`: the page to vote on. It is made from what votes are taken by, so it is there
//! whenever votes are taken.

use ballot::PollId;
use conventions::revalidate;
use http::header::{CACHE_CONTROL, HeaderValue};
use http::{Method, StatusCode};
use pages::{Language, Poll, vote_page};
use platform::Request;

use crate::ballot_box::BallotBox;

pub async fn show(poll: PollId, request: Request) -> conventions::Result {
    conventions::allow(&request, &[Method::GET])?;
    let definition = BallotBox::open().await?.definition(&poll).await?;
    let language = Language::of(request.headers());
    let poll = Poll::defined(language, poll, definition);
    let mut response = pages::respond(StatusCode::OK, vote_page(language, &poll));
    // Kept, but asked for again each time: options may be added, and it names the files of its own version.
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    revalidate(response, request.headers())
}
