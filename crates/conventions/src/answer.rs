//! The way of every request, whatever component it is for.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, ORIGIN};
use http::{HeaderValue, Method, Request, StatusCode};

use crate::origins::{self, Origins};
use crate::problem::{ErrorPages, Problem, Reader, allow_header};
use crate::{Response, Result, header_value, security, with_length};

/// What the operator says about HTTP.
#[derive(Debug)]
pub struct Conventions {
    /// Whose pages may ask, besides our own.
    pub origins: Origins,
    /// Adds Strict-Transport-Security.
    pub production: bool,
}

impl Conventions {
    /// Answers a request: `handle` says what, and this sees to what all answers share.
    ///
    /// `pages` makes an error a page for people, where a component answers them at all.
    ///
    /// Requests that another site's page makes a browser send never reach `handle`. `OPTIONS` does, so that
    /// [`allow`](crate::allow) says which methods there are.
    pub async fn answer<B>(
        &self,
        pages: Option<&ErrorPages>,
        request: Request<B>,
        handle: impl AsyncFnOnce(Request<B>) -> Result,
    ) -> Response {
        let reader = Reader::of(&request, pages);
        let method = request.method().clone();
        let origin = request.headers().get(ORIGIN).cloned();
        let relation = self.origins.relation(origin.as_ref(), authority(&request));

        let mut response = match &origin {
            Some(_) if method == Method::OPTIONS && !relation.is_welcome() => {
                Err(Problem::UnknownOrigin)
            }
            Some(origin) if method == Method::OPTIONS => match handle(request).await {
                Err(Problem::MethodNotAllowed(methods)) => origins::preflight(origin, methods),
                // Granted all the same, so that the script that asks can read what is wrong.
                _ => origins::preflight(origin, &[]),
            },
            Some(_) if !method.is_safe() && !relation.is_welcome() => Err(Problem::ForeignOrigin),
            _ => match handle(request).await {
                // Asked by no browser: what can be done here, then.
                Err(Problem::MethodNotAllowed(methods)) if method == Method::OPTIONS => {
                    options(methods)
                }
                answer => answer,
            },
        }
        .unwrap_or_else(|problem| problem.into_response(&reader));

        let headers = response.headers_mut();
        security::add_headers(headers, self.production);
        relation.add_headers(origin, headers);
        headers
            .entry(CACHE_CONTROL)
            .or_insert(HeaderValue::from_static("no-store"));
        with_length(response)
    }

    /// The answer to a request that cannot be handled, because what the operator says makes no sense.
    pub fn misconfigured<B>(pages: Option<&ErrorPages>, request: &Request<B>) -> Response {
        let mut response = Problem::Misconfigured.into_response(&Reader::of(request, pages));
        security::add_headers(response.headers_mut(), false);
        with_length(response)
    }
}

fn options(methods: &[Method]) -> Result {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(ALLOW, header_value(&allow_header(methods))?);
    Ok(response)
}

/// The authority that the client asked for, of whichever version of HTTP. Spin takes it from `Host` or
/// `:authority`, and lets no request through that has neither, or two that differ. Its header
/// `spin-full-url` will not do: over HTTP/2, which has no `Host`, it always says `localhost`.
fn authority<B>(request: &Request<B>) -> &str {
    let authority = request.uri().authority();
    authority.map(|it| it.as_str()).unwrap_or_default()
}
