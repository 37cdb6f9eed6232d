//! Everything that can go wrong with a request, and what the client is told: a program by RFC 9457,
//! a person by a page.

use std::time::Duration;

use http::header::{
    ACCEPT, ACCEPT_ENCODING, ALLOW, CONTENT_LANGUAGE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::quota::seconds;
use crate::{Quota, Response, accept, list, prefer, respond, vary};

/// The one place that says which status a failure becomes. Every `detail` says what to do; none
/// repeats what a library, Redis or PostgreSQL said: that goes to the log, where it is met.
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
    /// The request is understood, and this client may not do it: 403.
    Forbidden(String),
    /// The organizer's rules do not allow it: 403.
    Ineligible {
        /// For the client.
        detail: String,
        /// For programs.
        code: String,
        /// Of the detail (BCP 47).
        language: String,
    },
    /// This client has done it too often: 429.
    TooMany {
        /// For the client.
        detail: String,
        /// When it may try again.
        retry_after: Duration,
        /// What is left to it.
        quota: Quota,
    },
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
    /// Redis or PostgreSQL did not do its part: 503, with what became of the request.
    Unavailable(&'static str),
    /// What came by a form could not be recorded: 503. The page offers to send it again.
    NotRecorded(Box<Resend>),
    /// Not ready: 503, with how each thing that was asked for stands.
    NotReady(Map<String, Value>),
    /// The operator has set something up wrongly: 500. The log says what.
    Misconfigured,
    /// Our own fault: 500. The text is for the log.
    Internal(String),
}

/// A form to be sent again as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resend {
    /// The path of the page that has the form.
    pub page: String,
    /// The path to which the form is sent.
    pub action: String,
    /// Names and values of its fields.
    pub fields: Vec<(&'static str, String)>,
}

/// An error as a page shows it.
#[derive(Debug)]
pub struct ErrorPage<'a> {
    /// The HTTP status.
    pub status: u16,
    /// What the API says about it.
    pub detail: &'a str,
    /// In which language (BCP 47).
    pub language: &'a str,
    /// What could not be recorded.
    pub resend: Option<&'a Resend>,
}

/// How errors are shown to people.
#[derive(Debug)]
pub struct ErrorPages {
    /// Whether people ask for this path, rather than programs, if the client states no preference.
    pub is_page: fn(path: &str) -> bool,
    /// Makes the page.
    pub render: Render,
}

/// Makes a page of an error, for a request with these headers.
type Render = fn(&HeaderMap, &ErrorPage<'_>) -> Response;

/// Who reads the answer.
pub(crate) struct Reader {
    /// If it is a person, in a browser: what makes a page for them, and the headers of the request.
    page: Option<(Render, HeaderMap)>,
}

impl Reader {
    /// Chosen by `Accept`. A client that states no preference gets a page on the paths of pages, and JSON
    /// elsewhere.
    pub(crate) fn of<B>(request: &Request<B>, pages: Option<&ErrorPages>) -> Self {
        let headers = request.headers();
        let page = pages
            .filter(|pages| {
                let is_page = (pages.is_page)(request.uri().path());
                accept::prefers_html(&list(headers, ACCEPT), is_page)
            })
            .map(|pages| (pages.render, headers.clone()));
        Self { page }
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
    pub(crate) fn into_response(self, reader: &Reader) -> Response {
        let mut resend = None;
        let mut quota = None;
        let mut language = "en".to_owned();
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
            Self::Forbidden(detail) => (StatusCode::FORBIDDEN, detail),
            Self::Ineligible { detail, code, language: of_detail } => {
                header = HeaderValue::from_str(&of_detail)
                    .ok()
                    .map(|tag| (CONTENT_LANGUAGE, tag));
                language = of_detail;
                // A person reads the detail.
                if reader.page.is_none() {
                    members.insert("code".to_owned(), code.into());
                }
                (StatusCode::FORBIDDEN, detail)
            }
            Self::TooMany { detail, retry_after, quota: left } => {
                quota = Some(left);
                header = Some((RETRY_AFTER, seconds(retry_after).into()));
                (StatusCode::TOO_MANY_REQUESTS, detail)
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
            Self::Unavailable(detail) => {
                header = Some((RETRY_AFTER, RETRY_AFTER_SECONDS));
                (StatusCode::SERVICE_UNAVAILABLE, detail.to_owned())
            }
            Self::NotRecorded(form) => {
                resend = Some(form);
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
            Self::Misconfigured => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The service is not set up properly. Its log says which variable to mend.".to_owned(),
            ),
            Self::Internal(_) => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "The service is at fault, not the request. Its log says more.".to_owned(),
            ),
        };
        let mut response = if let Some((render, headers)) = &reader.page {
            let error = ErrorPage {
                status: status.as_u16(),
                detail: &in_words(detail, members),
                language: &language,
                resend: resend.as_deref(),
            };
            let mut response = render(headers, &error);
            *response.status_mut() = status;
            response
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
        if let Some(quota) = quota {
            quota.add_headers(response.headers_mut());
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

pub(crate) fn allow_header(methods: &[Method]) -> String {
    let mut names: Vec<_> = methods.iter().map(Method::as_str).collect();
    if methods.contains(&Method::GET) {
        names.push("HEAD");
    }
    names.push("OPTIONS");
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Conventions, Origins, QuotaPolicy};
    use bytes::Bytes;
    use futures::executor::block_on;

    const PAGES: ErrorPages = ErrorPages {
        is_page: |path| path == "/",
        render: |_, error| {
            let body = format!("<p>{}: {}", error.status, error.detail);
            respond(StatusCode::OK, "text/html", body)
        },
    };

    fn answer(problem: Problem, accept: &str, path: &str) -> Response {
        let request = Request::get(path).header(ACCEPT, accept).body(()).unwrap();
        let conventions = Conventions {
            origins: Origins::parse("").unwrap(),
            production: false,
        };
        block_on(conventions.answer(Some(&PAGES), request, async |_| Err(problem)))
    }

    fn all() -> Vec<(Problem, u16, &'static str, &'static str)> {
        let text = || "What to do is said here.".to_owned();
        let form = Resend {
            page: "/".into(),
            action: "/vote".into(),
            fields: vec![("option", "cats".into())],
        };
        let members = Map::from_iter([("redis".to_owned(), "disconnected".into())]);
        let limit = Duration::from_secs(1);
        vec![
            (Problem::BadRequest(text()), 400, "", ""),
            (Problem::Incomplete, 400, "", ""),
            (Problem::TooSlow { limit }, 408, "", ""),
            (Problem::Encoded, 415, "accept-encoding", "identity"),
            (Problem::Unauthorized, 401, "www-authenticate", "Bearer"),
            (Problem::Forbidden(text()), 403, "", ""),
            (
                Problem::Ineligible {
                    detail: text(),
                    code: "too-young".into(),
                    language: "de".into(),
                },
                403,
                "content-language",
                "de",
            ),
            (
                Problem::TooMany {
                    detail: text(),
                    retry_after: Duration::from_millis(1001),
                    quota: Quota {
                        policy: QuotaPolicy {
                            name: "votes",
                            quota: 5,
                            window: limit,
                        },
                        remaining: 0,
                        full_in: limit,
                    },
                },
                429,
                "retry-after",
                "2",
            ),
            (
                Problem::Conflict {
                    detail: text(),
                    members: members.clone(),
                },
                409,
                "",
                "",
            ),
            (Problem::PreconditionFailed(text()), 412, "", ""),
            (Problem::UnknownOrigin, 400, "", ""),
            (Problem::ForeignOrigin, 403, "", ""),
            (Problem::NothingHere, 404, "", ""),
            (Problem::NotFound(text()), 404, "", ""),
            (Problem::NotCounted { waited: None }, 404, "", ""),
            (
                Problem::NotCounted {
                    waited: Some(limit),
                },
                404,
                "preference-applied",
                "wait=1",
            ),
            (
                Problem::MethodNotAllowed(&[Method::GET]),
                405,
                "allow",
                "GET, HEAD, OPTIONS",
            ),
            (Problem::TooLarge { limit: 7 }, 413, "", ""),
            (Problem::Unprocessable(text()), 422, "", ""),
            (
                Problem::Unavailable("Ask again in a moment, please."),
                503,
                "retry-after",
                "2",
            ),
            (
                Problem::NotRecorded(Box::new(form)),
                503,
                "retry-after",
                "2",
            ),
            (Problem::NotReady(members), 503, "retry-after", "2"),
            (Problem::Misconfigured, 500, "", ""),
            (Problem::Internal("a library's secret".into()), 500, "", ""),
        ]
    }

    #[test]
    fn every_problem_says_what_to_do_and_nothing_of_what_is_inside() {
        for (problem, status, header, value) in all() {
            let about = format!("{problem:?}");
            let response = answer(problem, "*/*", "/api");
            assert_eq!(response.status(), status, "{about}");
            assert_eq!(
                response.headers()["content-type"],
                "application/problem+json"
            );
            assert_eq!(response.headers()["cache-control"], "no-store");
            assert!(response.headers().contains_key("content-length"), "{about}");
            if !header.is_empty() {
                assert_eq!(response.headers()[header], value, "{about}");
            }
            let body: Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["status"], status);
            assert!(
                body["title"]
                    .as_str()
                    .is_some_and(|title| !title.is_empty()),
                "{about}"
            );
            assert!(
                body["detail"]
                    .as_str()
                    .is_some_and(|detail| detail.len() > 20),
                "{about}"
            );
            assert!(!body.to_string().contains("secret"), "{about}");
        }
    }

    #[test]
    fn people_get_a_page_and_programs_do_not() {
        let html = |accept, path| {
            let response = answer(Problem::NothingHere, accept, path);
            assert_eq!(response.status(), 404);
            response.headers()["content-type"] == "text/html"
        };
        assert!(html("*/*", "/") && html("text/html", "/api"));
        assert!(!html("*/*", "/api") && !html("application/json", "/"));
        let state = Map::from_iter([("redis".to_owned(), "disconnected".into())]);
        let body = answer(Problem::NotReady(state), "text/html", "/").into_body();
        assert!(body.ends_with(b" redis: disconnected."), "{body:?}");
        assert_ne!(body, Bytes::new());
    }
}
