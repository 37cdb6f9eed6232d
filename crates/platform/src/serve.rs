//! From a request of Spin's to its answer.

use conventions::{Conventions, ErrorPages, InvalidOrigins, Origins, Problem, Response};
use serde_json::json;
use spin_sdk::http::{FullBody, IntoResponse};

use crate::settings::{self, InvalidSetting};
use crate::{PerInstance, log};

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
    let response: Response = match conventions(component).await {
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
    };
    response.map(FullBody::new)
}

/// Logged here, for the client is not told which.
impl From<InvalidSetting> for Problem {
    fn from(invalid: InvalidSetting) -> Self {
        invalid.log();
        Self::Misconfigured
    }
}
