//! `GET /results`: the results for people.

use ballot::PollId;
use http::StatusCode;
use http::header::CACHE_CONTROL;
use pages::{MyVote, Paths, Poll, ResultsPage, results_page};
use platform::http::{self as web, Request};
use platform::postgres::Postgres;

use crate::{TWO_SECONDS, find_receipt, find_results};

pub const PATH: &str = "/results";

/// How the poll stands. After a vote by the form also what became of that: this page is the voter's,
/// and in no cache.
pub async fn results(postgres: &Postgres, request: &Request) -> web::Result {
    let language = web::language(request.headers());
    let poll = Poll::default_in(language);
    // First the vote, then the tallies: so they hold the vote that is said to be counted.
    let vote = request.uri().query().and_then(Paths::vote_in);
    let receipt = match vote {
        Some(id) => find_receipt(postgres, PollId::default(), id).await?,
        None => None,
    };
    let results = find_results(postgres, &poll.id).await?;

    let shown = ResultsPage {
        poll: &poll,
        results: &results,
        vote: match (&receipt, vote.and_then(web::decode)) {
            (Some(receipt), _) => Some(MyVote::Counted(receipt)),
            (None, Some(id)) => Some(MyVote::NotCounted {
                receipt: Paths::of(&poll.id).receipt(&id),
            }),
            (None, None) => None,
        },
    };
    let mut response = web::page(StatusCode::OK, results_page(language, &shown));
    if vote.is_none() {
        response.headers_mut().insert(CACHE_CONTROL, TWO_SECONDS);
    }
    web::revalidate(response, request.headers())
}
