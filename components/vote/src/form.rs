//! `POST /vote`: a vote from a browser without a script.

use ballot::{Door, PollId, VoteForm};
use http::Method;
use pages::Paths;
use platform::http::{self as web, Problem, Request};

use crate::{BALLOT_BOX, issue_id, offered, open, refuse};

pub const PATH: &str = "/vote";

/// Records the vote and leads to the results, which show what became of it. If Redis does not take
/// it, the page that says so sends it again under its id.
pub async fn cast(request: Request) -> web::Result {
    let poll = PollId::default();
    let paths = Paths::of(&poll);
    // A browser that is led here by the address alone finds the form.
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return web::see_other(&paths.page);
    }
    web::allow(&request, &[Method::GET, Method::POST])?;
    let ballot_box = BALLOT_BOX.get(open).await?;
    let body = web::body(request, &ballot_box.body).await?;
    let VoteForm { option, vote_id } = VoteForm::parse(&body).map_err(refuse)?;
    let option = offered(option)?;
    let vote_id = vote_id.unwrap_or_else(|| issue_id(Door::Form));

    let appended = ballot_box
        .stream
        .append_once(&poll, &option, &vote_id)
        .await;
    match appended {
        Ok(appended) if appended.option == option.as_str() => {
            web::see_other(&paths.results_of(vote_id.as_str()))
        }
        Ok(_) => Err(Problem::Unprocessable(
            "This vote was recorded already, for another option. Go back to cast a new one.".into(),
        )),
        Err(failure) => Err(Problem::NotRecorded {
            vote: Box::new((poll, option, vote_id)),
            failure,
        }),
    }
}
