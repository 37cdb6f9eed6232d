//! `GET /` and `GET /polls/{poll}`: the page to vote on. It is made from what votes are taken by, so it is there
//! whenever votes are taken.

use ballot::{PollId, Timestamp};
use conventions::revalidate;
use http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE};
use http::{Method, StatusCode};
use pages::{Language, Poll, vote_page};
use platform::Request;

use crate::ballot_box::BallotBox;

pub async fn show(poll: PollId, request: Request) -> conventions::Result {
    conventions::allow(&request, &[Method::GET])?;
    let ballot_box = BallotBox::open().await?;
    let definition = ballot_box.definition(&poll).await?;
    // Whoever votes twice at once, in two tabs or by a double click, is one voter then.
    let voter = ballot_box.voters.credentials(request.headers()).cookie;
    let is_new = definition.one_vote_per_voter && voter.is_none();
    let language = Language::of(request.headers());
    let poll = Poll::defined(language, poll, definition);
    let mut response = pages::respond(StatusCode::OK, vote_page(language, &poll, Timestamp::now()));
    // Kept, but asked for again each time: options may be added, and it names the files of its own version.
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_new {
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(SET_COOKIE, ballot_box.voters.register()?.cookie);
        return Ok(response);
    }
    revalidate(response, request.headers())
}
