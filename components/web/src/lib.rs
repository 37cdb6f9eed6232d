//! Serves the page, what it loads, the OpenAPI document and the page made of it, and says 404 for everything else.
//! Reaches nothing: all of it is made when this is built.

mod resources;

use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, HeaderValue};
use http::{Method, StatusCode};
use pages::accept;
use platform::http::{self as web, Problem, Request};
use resources::{Kind, Resource};
use spin_sdk::http::IntoResponse;
use spin_sdk::http_service;

#[http_service]
async fn handle(request: Request) -> impl IntoResponse {
    web::serve("web", Some(pages::error_page), request, async |request| {
        let language = web::language(request.headers());
        let Some(resource) = resources::find(request.uri().path(), language) else {
            return Err(Problem::NothingHere);
        };
        web::allow(&request, &[Method::GET])?;
        answer(resource, &request)
    })
    .await
}

fn answer(resource: &'static Resource, request: &Request) -> web::Result {
    let accepted = web::list(request.headers(), ACCEPT_ENCODING);
    let (encoding, version) = resource.version(accept::encoding(&accepted));
    let (mut response, cache) = match resource.kind {
        // Kept, but asked for again each time: it names the files of its own version.
        Kind::Page(_) => (web::page(StatusCode::OK, version.body), "no-cache"),
        Kind::Document => (
            web::respond(StatusCode::OK, resource.content_type, version.body),
            "no-cache",
        ),
        Kind::Immutable => (
            web::respond(StatusCode::OK, resource.content_type, version.body),
            "public, max-age=31536000, immutable",
        ),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    web::vary(headers, "Accept-Encoding");
    web::revalidate_by(version.etag, response, request.headers())
}
