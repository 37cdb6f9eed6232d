//! Serves what pages load, the OpenAPI document and the page made of it, and says 404 for everything else.
//! Reaches nothing: all of it is made when this is built.

mod resources;

use conventions::Problem;
use conventions::accept;
use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, HeaderValue};
use http::{Method, StatusCode};
use pages::Language;
use platform::Request;
use resources::{Kind, Resource};

platform::http_service!(|request| platform::serve(
    "web",
    Some(&pages::ERROR_PAGES),
    request,
    handle
));

async fn handle(request: Request) -> conventions::Result {
    let language = Language::of(request.headers());
    let Some(resource) = resources::find(request.uri().path(), language) else {
        return Err(Problem::NothingHere);
    };
    conventions::allow(&request, &[Method::GET])?;
    answer(resource, &request)
}

fn answer(resource: &'static Resource, request: &Request) -> conventions::Result {
    let accepted = conventions::list(request.headers(), ACCEPT_ENCODING);
    let (encoding, version) = resource.version(accept::encoding(&accepted));
    let (mut response, cache) = match resource.kind {
        // Kept, but asked for again each time: it names the files of its own version.
        Kind::Page(_) => (pages::respond(StatusCode::OK, version.body), "no-cache"),
        Kind::Document => (
            conventions::respond(StatusCode::OK, resource.content_type, version.body),
            "no-cache",
        ),
        Kind::Immutable => (
            conventions::respond(StatusCode::OK, resource.content_type, version.body),
            "public, max-age=31536000, immutable",
        ),
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cache));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    conventions::vary(headers, "Accept-Encoding");
    conventions::revalidate_by(version.etag, response, request.headers())
}
