//! `GET /results` and `GET /polls/{poll}/results`: the results for people.

use std::time::Duration;

use ballot::PollId;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use pages::{Language, MyVote, Paths, Poll, ResultsPage, results_page};
use platform::Request;

use crate::{Source, TWO_SECONDS, known, standing, vote_id, wait_for_receipt};

/// For how long a vote is looked for. It is usually counted before the browser has followed the redirect;
/// when it takes a few milliseconds longer, nobody should have to reload.
const FOLLOWED_FOR: Duration = Duration::from_millis(500);

/// The results. After a vote with the form also what became of it: that page is for its voter alone,
/// so no cache may keep it.
pub async fn results(source: &Source, poll: PollId, request: &Request) -> conventions::Result {
    let language = Language::of(request.headers());
    // The vote before the tallies, so that these include a vote that the page calls counted.
    let vote = request.uri().query().and_then(Paths::vote_in);
    let receipt = match vote.and_then(vote_id) {
        Some(id) => wait_for_receipt(&source.postgres, &poll, &id, FOLLOWED_FOR).await?,
        None => None,
    };
    let ask = standing(&source.postgres, &poll);
    let standing = if receipt.is_some() {
        source.standings.get_newest(&poll, ask).await
    } else {
        source.standings.get(&poll, ask).await
    };
    let results = &known(standing, &poll)?.results;

    let shown = ResultsPage {
        poll: &Poll::counted(language, results),
        results,
        vote: vote.map(|_| receipt.as_ref().map_or(MyVote::NotCounted, MyVote::Counted)),
    };
    let mut response = pages::respond(StatusCode::OK, results_page(language, &shown));
    if vote.is_none() {
        response.headers_mut().insert(CACHE_CONTROL, TWO_SECONDS);
    }
    conventions::revalidate(response, request.headers())
}
