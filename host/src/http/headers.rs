//! What Spin tells a component in headers of the request.

use std::net::SocketAddr;

use anyhow::{Context, Result};
use http::{
    HeaderName, HeaderValue, Request,
    header::{CONNECTION, HOST},
};

use super::routes::Match;

/// Adds Spin's headers. Like Spin it refuses a request with a header that is not text.
pub fn prepare<B>(request: &mut Request<B>, route: &Match, client: SocketAddr) -> Result<()> {
    let headers = request.headers();
    for (name, value) in headers {
        std::str::from_utf8(value.as_bytes()).with_context(|| format!("header {name}"))?;
    }
    let host = headers
        .get(HOST)
        .map_or(Ok("localhost"), |host| std::str::from_utf8(host.as_bytes()))?;
    let target = request.uri().path_and_query().map_or("/", |it| it.as_str());
    let added = [
        ("spin-full-url", format!("http://{host}{target}")),
        ("spin-path-info", route.rest.clone()),
        ("spin-matched-route", route.route().to_owned()),
        ("spin-raw-component-route", route.route().to_owned()),
        ("spin-component-route", route.prefix().to_owned()),
        ("spin-base-path", "/".to_owned()),
        ("spin-client-addr", client.to_string()),
    ];
    let headers = request.headers_mut();
    headers.remove(CONNECTION);
    for (name, value) in added {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_str(&value)?,
        );
    }
    Ok(())
}
