//! From a request of Spin's to its answer.

use std::cell::RefCell;

use bytes::Bytes;
use conventions::{Conventions, ErrorPages, InvalidOrigins, Origins, Problem, Response};
use futures::stream::{LocalBoxStream, Stream, StreamExt, TryStreamExt};
use http::header::CONTENT_LENGTH;
use http_body::Frame;
use http_body_util::StreamBody;
use serde_json::json;
use spin_sdk::http::IntoResponse;
use spin_sdk::wasip3::http::types::{ErrorCode, Request as WasiRequest, Response as WasiResponse};

use crate::settings::{self, InvalidSetting};
use crate::{Failure, PerInstance, log, wasi};

/// With a body that has not been read.
pub type Request = http::Request<wasi::Body>;

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
    request: WasiRequest,
    handle: impl AsyncFnOnce(Request) -> conventions::Result,
) -> Result<WasiResponse, ErrorCode> {
    let request = wasi::request(request)?;
    wasi::response(answer(component, pages, request, handle).await).await
}

/// Likewise, for a component that has answers too long to be held: `handle` puts the body of such a one into
/// the [`Streamed`].
pub async fn serve_streamed(
    component: &'static str,
    pages: Option<&ErrorPages>,
    request: WasiRequest,
    handle: impl AsyncFnOnce(Request, &Streamed) -> conventions::Result,
) -> Result<WasiResponse, ErrorCode> {
    let streamed = Streamed(RefCell::new(None));
    let request = wasi::request(request)?;
    let response = answer(component, pages, request, async |request| {
        handle(request, &streamed).await
    })
    .await;
    let Some(pieces) = streamed.0.into_inner() else {
        return wasi::response(response).await;
    };
    let mut response = response.map(|_| StreamBody::new(pieces));
    response.headers_mut().remove(CONTENT_LENGTH);
    response.into_response()
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

/// Makes a component one that answers requests, by [`serve`] or [`serve_streamed`]:
/// `http_service!(|request| platform::serve("name", None, request, handle))`.
#[macro_export]
macro_rules! http_service {
    (|$request:ident| $answer:expr) => {
        #[allow(unsafe_code, reason = "generated from the WIT of WASI")]
        const _: () = {
            use $crate::spin_sdk::wasip3::exports::http::handler::Guest;
            use $crate::spin_sdk::wasip3::http::types;

            struct HttpService;
            $crate::spin_sdk::wasip3::http::service::export!(HttpService);

            impl Guest for HttpService {
                async fn handle(
                    $request: types::Request,
                ) -> Result<types::Response, types::ErrorCode> {
                    $answer.await
                }
            }
        };
    };
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
