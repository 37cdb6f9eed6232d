//! Everything that can go wrong with a request, and what the client is told: a program by RFC 9457,
//! a person by a page.

use std::time::Duration;

use ballot::{OptionName, PollId, VoteId};
use http::header::{ACCEPT, ACCEPT_ENCODING, ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use pages::{ErrorPage, Language, Paths, RetryForm, accept};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{Request, Response, language, list, page, prefer, respond, vary};
use crate::settings::InvalidSetting;
use crate::{Failure, log};

/// The one place that says which status a failure becomes. Every `detail` says what to do; none
/// repeats what a library, Redis or PostgreSQL said: that goes to the log.
#[derive(Debug)]
pub enum Problem {
    /// The request is not understood: 400.
    BadRequest(String),
    /// The body ended before its length, or could not be read: 400.
    Incomplete,
    /// The body did not come within `limit`: 408.
    TooSlow {
        /// What the body as a whole may take.
        limit: Duration,
    },
    /// The body is compressed, or encoded otherwise: 415.
    Encoded,
    /// Only who shows a token that we know may do this: 401.
    Unauthorized,
    /// The request is understood, and what is there does not allow it: 409. The members say what is there.
    Conflict {
        /// For the client.
        detail: String,
        /// By their names.
        members: Map<String, Value>,
    },
    /// What is there is not what the client thinks: 412.
    PreconditionFailed(String),
    /// A preflight from an origin that may not call: 400.
    UnknownOrigin,
    /// A page of another site tries to change something here: 403.
    ForeignOrigin,
    /// Nobody serves this path: 404. Also of a route with a slash at its end, which Spin's routes take.
    NothingHere,
    /// 404, with what is not there.
    NotFound(String),
    /// A vote is not in the tally: 404. If the client was willing to wait, for how long we did.
    NotCounted {
        /// See [`prefer::wait`].
        waited: Option<Duration>,
    },
    /// 405, with the methods that are; HEAD, where GET is, and OPTIONS are added.
    MethodNotAllowed(&'static [Method]),
    /// The body is longer than `limit` bytes: 413.
    TooLarge {
        /// The variable `max_request_size`.
        limit: usize,
    },
    /// The request is understood, and cannot be done: 422.
    Unprocessable(String),
    /// Redis or PostgreSQL did not do its part: 503. `detail` says what became of the request.
    Unavailable {
        /// For the client.
        detail: &'static str,
        /// For the log.
        failure: Failure,
    },
    /// A vote that came by a form could not be recorded: 503. The page offers to send it again under
    /// its id.
    NotRecorded {
        /// What the form said, with the id under which it may be sent again.
        vote: Box<(PollId, OptionName, VoteId)>,
        /// For the log.
        failure: Failure,
    },
    /// Not ready: 503, with how each thing that was asked for stands.
    NotReady(Map<String, Value>),
    /// A variable does not say what it should: 500.
    Misconfigured(InvalidSetting),
    /// Our own fault: 500. The text goes to the log.
    Internal(String),
}

/// Makes a page of an error.
pub type ErrorPages = fn(Language, &ErrorPage<'_>) -> String;

/// Who reads the answer.
pub(super) struct Reader {
    /// If it is a person, in a browser: what makes a page for them.
    pages: Option<ErrorPages>,
    language: Language,
}

impl Reader {
    /// Chosen by `Accept`. A client that states no preference gets a page on the paths of pages, and JSON
    /// elsewhere.
    pub(super) fn of(request: &Request, pages: Option<ErrorPages>) -> Self {
        let headers = request.headers();
        let is_page = Paths::is_page(request.uri().path());
        Self {
            pages: pages.filter(|_| accept::prefers_html(&list(headers, ACCEPT), is_page)),
            language: language(headers),
        }
    }
}

#[derive(Serialize)]
struct Body {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// Seconds. Outages mostly last for a restart; a sooner attempt would only be one more to refuse.
const RETRY_AFTER_SECONDS: HeaderValue = HeaderValue::from_static("2");

impl Problem {
    pub(super) fn into_response(self, reader: &Reader) -> Response {
        let mut retry = None;
        let mut header: Option<(HeaderName, HeaderValue)> = None;
        let mut members = Map::new();
        let (status, detail) = match self {
            Self::BadRequest(detail) => (StatusCode::BAD_REQUEST, detail),
            Self::Incomplete => (
                StatusCode::BAD_REQUEST,
                "The body ended too early. Send it again, whole.".to_owned(),
            ),
            Self::TooSlow { limit } => (
                StatusCode::REQUEST_TIMEOUT,
                format!("The body did not come within {} ms. Send it again.", limit.as_millis()),
            ),
            Self::Encoded => {
                header = Some((ACCEPT_ENCODING, HeaderValue::from_static("identity")));
                (
                    StatusCode::UNSUPPORTED_MEDIA_TYPE,
                    "The body is compressed. Send it as it is, without Content-Encoding.".to_owned(),
                )
            }
            Self::Unauthorized => {
                header = Some((WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")));
                (
                    StatusCode::UNAUTHORIZED,
                    "Only organizers may do this. Send Authorization: Bearer with one of organizer_tokens."
                        .to_owned(),
                )
            }
            Self::Conflict { detail, members: found } => {
                members = found;
                (StatusCode::CONFLICT, detail)
            }
            Self::PreconditionFailed(detail) => (StatusCode::PRECONDITION_FAILED, detail),
            Self::UnknownOrigin => (
                StatusCode::BAD_REQUEST,
                "This origin may not call the API from a browser. Its operator can add it to cors_origins."
                    .to_owned(),
            ),
            Self::ForeignOrigin => (
                StatusCode::FORBIDDEN,
                "Pages of this origin may not send this request. The operator can add it to cors_origins."
                    .to_owned(),
            ),
            Self::NothingHere => (
                StatusCode::NOT_FOUND,
                "There is nothing here. The API is described in /openapi.json.".to_owned(),
            ),
            Self::NotFound(detail) => (StatusCode::NOT_FOUND, detail),
            Self::NotCounted { waited } => {
                header = waited.map(prefer::applied);
                (
                    StatusCode::NOT_FOUND,
                    "No vote with this id is counted: either it is not counted yet, and you can ask again in a \
                     moment, or it was never cast."
                        .to_owned(),
                )
            }
            Self::MethodNotAllowed(methods) => {
                let allow = allow_header(methods);
                let detail = format!("Use one of: {allow}.");
                header = HeaderValue::from_str(&allow).ok().map(|allow| (ALLOW, allow));
                (StatusCode::METHOD_NOT_ALLOWED, detail)
            }
            Self::TooLarge { limit } => (
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("The body may have at most {limit} bytes."),
            ),
            Self::Unprocessable(detail) => (StatusCode::UNPROCESSABLE_ENTITY, detail),
            Self::Unavailable { detail, failure } => {
                failure.log();
                header = Some((RETRY_AFTER, RETRY_AFTER_SECONDS));
                (StatusCode::SERVICE_UNAVAILABLE, detail.to_owned())
            }
            Self::NotRecorded { vote, failure } => {
                failure.log();
                retry = Some(vote);
                header = Some((RETRY_AFTER, RETRY_AFTER_SECONDS));
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "The vote could not be recorded. Send it again in a moment, with the same vote_id so that \
                     it counts once."
                        .to_owned(),
                )
            }
            Self::NotReady(state) => {
                members = state;
                header = Some((RETRY_AFTER, RETRY_AFTER_SECONDS));
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Something that is needed is not there. The members say what.".to_owned(),
                )
            }
            Self::Misconfigured(invalid) => {
                invalid.log();
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The service is not set up properly. Its log says which variable to mend.".to_owned(),
                )
            }
            Self::Internal(error) => {
                log::error("internal_error", json!({ "error": error }));
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "The service is at fault, not the request. Its log says more.".to_owned(),
                )
            }
        };
        let mut response = if let Some(error_page) = reader.pages {
            let retry = retry.as_deref().map(|(poll, option, vote_id)| RetryForm {
                poll,
                option: option.as_str(),
                vote_id: vote_id.as_str(),
            });
            let error = ErrorPage {
                status: status.as_u16(),
                detail: &in_words(detail, members),
                retry,
            };
            page(status, error_page(reader.language, &error))
        } else {
            let body = Body {
                r#type: "about:blank",
                title: status.canonical_reason().unwrap_or_default(),
                status: status.as_u16(),
                detail,
                members,
            };
            let body = serde_json::to_vec(&body).unwrap_or_default();
            respond(status, "application/problem+json", body)
        };
        vary(response.headers_mut(), "Accept");
        if let Some((name, value)) = header {
            response.headers_mut().insert(name, value);
        }
        response
    }
}

/// The detail with its members, for people.
fn in_words(mut detail: String, members: Map<String, Value>) -> String {
    for (name, value) in members {
        detail.push_str(&format!(" {name}: {}.", value.as_str().unwrap_or_default()));
    }
    detail
}

pub(super) fn allow_header(methods: &[Method]) -> String {
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.join(", ")
}

impl From<InvalidSetting> for Problem {
    fn from(invalid: InvalidSetting) -> Self {
        Self::Misconfigured(invalid)
    }
}
