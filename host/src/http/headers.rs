//! What Spin tells a component of where a request was sent and how it came: in the URI, and in headers
//! of its own.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use anyhow::{Context, Result, bail, ensure};
use http::{
    HeaderName, HeaderValue, Request, Uri,
    header::{CONNECTION, HOST},
    uri::{Authority, Scheme},
};

use manifest::SERVICE_CHAINING;

use super::routes::Match;

/// The address from which Spin says that a component was called by another.
const CHAINED: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Takes away what Spin keeps to itself.
pub fn strip<B>(request: &mut Request<B>) {
    let headers = request.headers_mut();
    headers.remove(CONNECTION);
    let names_component = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .map(|host| host.rsplit_once(':').map_or(host, |(host, _)| host))
        .and_then(|host| host.strip_suffix(SERVICE_CHAINING))
        // Of one label, and nothing else.
        .is_some_and(|id| !id.contains('.'));
    if names_component {
        headers.remove(HOST);
    }
}

/// Puts the authority that the client asked for into the URI: from `Host`, or from the request line of
/// HTTP/1 or `:authority` of HTTP/2. There must be one, and no two that differ.
pub fn set_authority<B>(request: &mut Request<B>) -> Result<()> {
    let host = request
        .headers()
        .get(HOST)
        .map(|host| -> Result<Authority> { Ok(host.to_str()?.parse()?) })
        .transpose()
        .context("the Host cannot be understood")?;
    let mut parts = request.uri().clone().into_parts();
    parts.authority = match (host, parts.authority) {
        (None, None) => bail!("the request has no Host"),
        (Some(host), Some(authority)) => {
            ensure!(host == authority, "the Host is not that of the URI");
            Some(host)
        }
        (host, authority) => host.or(authority),
    };
    parts.scheme = Some(Scheme::HTTP);
    *request.uri_mut() = Uri::from_parts(parts)?;
    Ok(())
}

/// Adds Spin's headers to a request from outside.
pub fn prepare<B>(request: &mut Request<B>, route: &Match, client: SocketAddr) -> Result<()> {
    let Match { rest, named, .. } = route;
    add(request, client, route.route(), route.prefix(), rest, named)
}

/// Adds Spin's headers to a request of another component.
pub fn prepare_chained<B>(request: &mut Request<B>) -> Result<()> {
    let path = request.uri().path().to_owned();
    add(request, CHAINED, "/...", "", &path, &[])
}

/// Like Spin it refuses a request with a header that is not text.
fn add<B>(
    request: &mut Request<B>,
    client: SocketAddr,
    route: &str,
    prefix: &str,
    rest: &str,
    named: &[(String, String)],
) -> Result<()> {
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
        ("spin-path-info", rest.to_owned()),
        ("spin-matched-route", route.to_owned()),
        ("spin-raw-component-route", route.to_owned()),
        ("spin-component-route", prefix.to_owned()),
        ("spin-base-path", "/".to_owned()),
        ("spin-client-addr", client.to_string()),
    ];
    let headers = request.headers_mut();
    for (name, value) in added {
        headers.append(
            HeaderName::from_static(name),
            HeaderValue::from_str(&value)?,
        );
    }
    for (name, value) in named {
        headers.append(
            HeaderName::try_from(format!("spin-path-match-{name}"))?,
            HeaderValue::from_str(value)?,
        );
    }
    Ok(())
}
