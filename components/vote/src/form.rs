//! `POST /vote` and `POST /polls/{poll}/vote`: a vote from a browser without a script.

use ballot::{Door, PollId, VoteForm};
use conventions::{Problem, Resend};
use http::Method;
use http::header::SET_COOKIE;
use pages::Paths;
use platform::{BallotBox, Request};

use crate::cast::{self, Caster, NotCast, issue_id};

/// Records the vote and leads to the results, which show what became of it. If Redis does not take
/// it, the page that says so sends it again under its id.
pub async fn cast(poll: PollId, request: Request) -> conventions::Result {
    let paths = Paths::of(&poll);
    // A browser that is led here by the address alone finds the form.
    if [Method::GET, Method::HEAD].contains(request.method()) {
        return conventions::see_other(&paths.page);
    }
    conventions::allow(&request, &[Method::GET, Method::POST])?;
    let ballot_box = BallotBox::open().await?;
    let credentials = ballot_box.voters.credentials(request.headers());
    let caster = Caster {
        sender: ballot_box.sender(request.headers(), &credentials).await,
        voter: credentials.cookie,
    };
    let VoteForm { option, vote_id } = cast::read(ballot_box, request, VoteForm::parse).await?;
    let vote_id = vote_id.unwrap_or_else(|| issue_id(Door::Form));

    match cast::cast(ballot_box, &poll, &option, &vote_id, caster).await {
        Ok(cast) => {
            let mut response = conventions::see_other(&paths.results_of(vote_id.as_str()))?;
            let cookie = cast.new_voter.map(|cookie| (SET_COOKIE, cookie));
            response.headers_mut().extend(cookie);
            Ok(response)
        }
        Err(NotCast::IdTaken) => Err(Problem::Unprocessable(
            "This vote was recorded already, for another option. Go back to cast a new one.".into(),
        )),
        Err(NotCast::Refused(problem)) => Err(problem),
        Err(NotCast::Unavailable(failure)) => {
            failure.log();
            Err(Problem::NotRecorded(Box::new(Resend {
                page: paths.page,
                action: paths.form,
                fields: vec![
                    ("option", option.into_string()),
                    ("vote_id", vote_id.into_string()),
                ],
            })))
        }
    }
}
