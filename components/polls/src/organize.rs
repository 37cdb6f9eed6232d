//! `/organize`: what the API does for organizers, for people in a browser, without a script.
//!
//! Somebody signs in with a token, and has a session then, by a cookie. Each form carries a key of that session,
//! so that no page but ours can send it.

use ballot::{OrganizerForm, PollChange, PollForm, PollId, Session, Timestamp};
use conventions::Problem;
use http::header::{CONTENT_DISPOSITION, RETRY_AFTER, SET_COOKIE};
use http::{Method, StatusCode};
use pages::{
    Desk, Language, Notice, OrganizePath, OrganizedPoll, Poll, SignInProblem, desk_page,
    organized_poll_page, sign_in_page,
};
use platform::{Request, Streamed};

use crate::log::{self, Format};
use crate::office::{Office, invalid, unavailable, unknown};
use crate::queries;

/// More are not shown; the API lists all.
const MOST: i64 = 1000;

/// In the address that a form leads to: it did what it should.
const SAVED: &str = "saved";

pub async fn handle(
    office: &'static Office,
    path: OrganizePath,
    request: Request,
    streamed: &Streamed,
) -> conventions::Result {
    let session = office.organizers.session(request.headers())?;
    conventions::allow(&request, path.methods())?;
    let is_post = request.method() == Method::POST;
    if path == OrganizePath::SignIn && is_post {
        return sign_in(office, request).await;
    }
    let language = Language::of(request.headers());
    let Some(session) = session else {
        let status = match path {
            OrganizePath::Desk => StatusCode::OK,
            _ => StatusCode::FORBIDDEN,
        };
        return Ok(pages::respond(status, sign_in_page(language, None)));
    };
    let visit = Visit {
        office,
        language,
        session,
    };
    match path {
        path if is_post => {
            let form = visit.read(request).await?;
            visit.act(path, &form).await
        }
        OrganizePath::Desk => visit.desk(&PollForm::default(), Notice::None).await,
        OrganizePath::Poll(poll) => {
            let notice = match request.uri().query() {
                Some(SAVED) => Notice::Saved,
                _ => Notice::None,
            };
            visit.poll(&poll, None, notice).await
        }
        OrganizePath::Csv(poll) => visit.log(poll, Format::Csv, &request, streamed).await,
        OrganizePath::Ndjson(poll) => visit.log(poll, Format::Ndjson, &request, streamed).await,
        // A browser that is led here by the address alone finds the forms.
        _ => conventions::see_other(OrganizePath::DESK),
    }
}

async fn sign_in(office: &Office, request: Request) -> conventions::Result {
    let headers = request.headers().clone();
    let body = platform::body(request, &office.limits).await?;
    let form = OrganizerForm::parse(&body).map_err(invalid)?;
    let language = Language::of(&headers);
    let refuse = |status, problem| {
        let html = sign_in_page(language, Some(problem));
        Ok(pages::respond(status, html))
    };
    let wait = match office.sign_ins.attempt(&headers).await {
        Ok(wait) => wait,
        Err(failure) => {
            failure.log();
            return refuse(StatusCode::SERVICE_UNAVAILABLE, SignInProblem::Unavailable);
        }
    };
    if let Some(wait) = wait {
        let problem = SignInProblem::TooMany { wait };
        let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, problem)?;
        let seconds = wait.as_secs() + 1;
        response.headers_mut().insert(RETRY_AFTER, seconds.into());
        return Ok(response);
    }
    let Some(cookie) = office.organizers.sign_in(form.token.trim())? else {
        return refuse(StatusCode::FORBIDDEN, SignInProblem::WrongToken);
    };
    if let Err(failure) = office.sign_ins.succeeded(&headers).await {
        failure.log();
    }
    let mut response = conventions::see_other(OrganizePath::DESK)?;
    response.headers_mut().insert(SET_COOKIE, cookie);
    Ok(response)
}

/// A request of somebody who has signed in.
struct Visit {
    office: &'static Office,
    language: Language,
    session: Session,
}

impl Visit {
    /// A form of ours, sent by our page.
    async fn read(&self, request: Request) -> conventions::Result<OrganizerForm> {
        let body = platform::body(request, &self.office.limits).await?;
        let form = OrganizerForm::parse(&body).map_err(invalid)?;
        // Both are signatures: how long a comparison takes helps nobody to make one.
        if form.form_key == self.session.form_key {
            Ok(form)
        } else {
            Err(Problem::Forbidden(
                "This form was made before you last signed in. Go back to /organize, and send it from there."
                    .into(),
            ))
        }
    }

    /// Does what a form asks for. What is refused is shown with the form as it was sent.
    async fn act(&self, path: OrganizePath, form: &OrganizerForm) -> conventions::Result {
        if path == OrganizePath::SignOut {
            let mut response = conventions::see_other(OrganizePath::DESK)?;
            let cookie = self.office.organizers.sign_out()?;
            response.headers_mut().insert(SET_COOKIE, cookie);
            return Ok(response);
        }
        let problem = match self.change(&path, form).await {
            Ok(location) => return conventions::see_other(&location),
            Err(problem) => problem,
        };
        let (status, detail) = match problem {
            Problem::Unprocessable(detail) => (StatusCode::UNPROCESSABLE_ENTITY, detail),
            Problem::Conflict { detail, .. } => (StatusCode::CONFLICT, detail),
            Problem::PreconditionFailed(detail) => (StatusCode::PRECONDITION_FAILED, detail),
            problem => return Err(problem),
        };
        let notice = Notice::Refused(&detail);
        let mut response = match &path {
            OrganizePath::Poll(poll) => self.poll(poll, Some(&form.poll), notice).await?,
            OrganizePath::Open(poll) | OrganizePath::Close(poll) | OrganizePath::Delete(poll) => {
                self.poll(poll, None, notice).await?
            }
            _ => self.desk(&form.poll, notice).await?,
        };
        *response.status_mut() = status;
        Ok(response)
    }

    /// Returns where that leads.
    async fn change(
        &self,
        path: &OrganizePath,
        form: &OrganizerForm,
    ) -> conventions::Result<String> {
        let expects = |revision| form.revision.is_none_or(|expected| expected == revision);
        let (poll, change) = match path {
            OrganizePath::Polls => {
                let new = form.poll.create().map_err(invalid)?;
                let poll = new.poll.clone();
                self.office.create(new).await?;
                return Ok(saved(poll));
            }
            OrganizePath::Delete(poll) => {
                self.office.delete(poll, expects).await?;
                return Ok(OrganizePath::DESK.to_owned());
            }
            OrganizePath::Poll(poll) => (poll, form.poll.change().map_err(invalid)?),
            OrganizePath::Open(poll) => (poll, PollChange::open()),
            OrganizePath::Close(poll) => (poll, PollChange::close(Timestamp::now())),
            _ => return Err(Problem::NothingHere),
        };
        self.office.change(poll, &change, expects).await?;
        Ok(saved(poll.clone()))
    }

    /// All polls, and a form for a new one.
    async fn desk(&self, form: &PollForm, notice: Notice<'_>) -> conventions::Result {
        let polls = queries::listed(&self.office.postgres, MOST)
            .await
            .map_err(unavailable)?;
        let desk = Desk {
            polls: &polls,
            form,
            form_key: &self.session.form_key,
            notice,
            now: Timestamp::now(),
        };
        let html = desk_page(self.language, &desk);
        Ok(pages::respond(StatusCode::OK, html))
    }

    /// One poll, to watch and to change; `form` as it was sent, or else as the poll is.
    async fn poll(
        &self,
        poll: &PollId,
        form: Option<&PollForm>,
        notice: Notice<'_>,
    ) -> conventions::Result {
        let found = queries::definition(&self.office.postgres, poll).await;
        let (revision, definition) = found.map_err(unavailable)?.ok_or_else(|| unknown(poll))?;
        let as_it_is = PollForm::of(&definition);
        let organized = OrganizedPoll {
            poll: &Poll::defined(self.language, poll.clone(), definition),
            form: form.unwrap_or(&as_it_is),
            revision,
            form_key: &self.session.form_key,
            notice,
            now: Timestamp::now(),
        };
        let html = organized_poll_page(self.language, &organized);
        Ok(pages::respond(StatusCode::OK, html))
    }

    /// The audit log, as a file.
    async fn log(
        &self,
        poll: PollId,
        format: Format,
        request: &Request,
        streamed: &Streamed,
    ) -> conventions::Result {
        let file = format!("attachment; filename=\"{poll}.{}\"", format.extension());
        let mut response = log::send(self.office, poll, format, request, streamed).await?;
        let disposition = conventions::header_value(&file)?;
        let headers = response.headers_mut();
        headers.insert(CONTENT_DISPOSITION, disposition);
        Ok(response)
    }
}

/// The page of a poll, which says that it is as it was to be.
fn saved(poll: PollId) -> String {
    format!("{}?{SAVED}", OrganizePath::Poll(poll))
}
