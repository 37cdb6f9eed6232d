//! From a request of Spin's to its answer.

use std::cell::RefCell;

use bytes::Bytes;
use conventions::{Conventions, ErrorPages, InvalidOrigins, Origins, Problem, Response};
use futures::stream::{LocalBoxStream, Stream, StreamExt, TryStreamExt};
use http::header::CONTENT_LENGTH;
use http_body::Frame;
use http_body_util::{Either, StreamBody};
use serde_json::json;
use spin_sdk::http::{FullBody, IntoResponse};

use crate::settings::{self, InvalidSetting};
use crate::{Failure, PerInstance, log};

/// With a body that has not been read.
pub type Request = spin_sdk::http::Request;

static CONVENTIONS: PerInstance<Conventions> = PerInstance::new();

/// By the variables `cors_origins` and `environment`.
async fn conventions(component: &'static str) -> Result<&'static Conventions, InvalidSetting> {
    CONVENTIONS
        .get(async || {
            log::open(component).await?;
            let origins = Origins::parse(&settings::text("cors_origins").await?);
            Ok(Conventions {
                origins: origins.map_err(|InvalidOrigins| InvalidSetting {
                    name: "cors_origins",
                    problem: "must list origins such as https://example.org, separated by commas, \
                              without paths and wildcards",
                })?,
                production: settings::text("environment").await? == "production",
            })
        })
        .await
}

/// Answers a request of a component: `handle` says what, and [`Conventions::answer`] sees to what all
/// answers share. `pages` makes an error a page for people, where a component answers them at all.
pub async fn serve(
    component: &'static str,
    pages: Option<&ErrorPages>,
    request: Request,
    handle: impl AsyncFnOnce(Request) -> conventions::Result,
) -> impl IntoResponse {
    answer(component, pages, request, handle)
        .await
        .map(FullBody::new)
}

/// Likewise, for a component that has answers too long to be held: `handle` puts the body of such a one into
/// the [`Streamed`].
pub async fn serve_streamed(
    component: &'static str,
    pages: Option<&ErrorPages>,
    request: Request,
    handle: impl AsyncFnOnce(Request, &Streamed) -> conventions::Result,
) -> impl IntoResponse {
    let streamed = Streamed(RefCell::new(None));
    let response = answer(component, pages, request, async |request| {
        handle(request, &streamed).await
    })
    .await;
    let (mut parts, whole) = response.into_parts();
    let body = match streamed.0.into_inner() {
        Some(body) => {
            parts.headers.remove(CONTENT_LENGTH);
            Either::Right(StreamBody::new(body))
        }
        None => Either::Left(FullBody::new(whole)),
    };
    http::Response::from_parts(parts, body)
}

/// The body of an answer that is sent while it is made.
pub struct Streamed(RefCell<Option<Pieces>>);

type Pieces = LocalBoxStream<'static, Result<Frame<Bytes>, Failure>>;

impl Streamed {
    /// Sends these pieces in place of the body. A failure breaks the answer off, so that the client knows.
    pub fn set(&self, pieces: impl Stream<Item = Result<Bytes, Failure>> + 'static) {
        self.0
            .replace(Some(pieces.map_ok(Frame::data).boxed_local()));
    }
}

async fn answer(
    component: &'static str,
    pages: Option<&ErrorPages>,
    request: Request,
    handle: impl AsyncFnOnce(Request) -> conventions::Result,
) -> Response {
    match conventions(component).await {
        Ok(conventions) => {
            conventions
                .answer(pages, request, async |request| {
                    handle(request).await.inspect_err(|problem| {
                        if let Problem::Internal(error) = problem {
                            log::error("internal_error", json!({ "error": error }));
                        }
                    })
                })
                .await
        }
        Err(invalid) => {
            invalid.log();
            Conventions::misconfigured(pages, &request)
        }
    }
}

/// Logged here, for the client is not told which.
impl From<InvalidSetting> for Problem {
    fn from(invalid: InvalidSetting) -> Self {
        invalid.log();
        Self::Misconfigured
    }
}
