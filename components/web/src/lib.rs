//! Serves the page and the OpenAPI document, and says 404 for everything else. Reaches nothing.

use http::{Method, StatusCode};
use platform::http::{self as web, Problem, Request};
use spin_sdk::http::IntoResponse;
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::serve("web", request, async |request| {
        let (content_type, body): (_, &'static [u8]) = match request.uri().path() {
            "/" => (
                "text/html; charset=utf-8",
                include_bytes!("../static/index.html"),
            ),
            "/openapi.json" => ("application/json", include_bytes!("../static/openapi.json")),
            _ => {
                let detail = "There is nothing here. The API is described in /openapi.json.";
                return Err(Problem::NotFound(detail.into()));
            }
        };
        web::allow(&request, &[Method::GET])?;
        web::revalidate(
            web::respond(StatusCode::OK, content_type, body),
            request.headers(),
        )
    })
    .await
}
