//! Whose pages may call the API (CORS), and whose may not even try.

use std::net::Ipv6Addr;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, HeaderValue, Method};

use crate::problem::allow_header;
use crate::{Response, Result, header_value, vary};

/// All request headers that any component reads from a script.
const READ: HeaderValue = HeaderValue::from_static(
    "Content-Type, Authorization, Accept, Idempotency-Key, If-None-Match, If-Match, Prefer",
);

/// All response headers that a script may want, besides those that every script may read.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Location, Retry-After, ETag, Preference-Applied, RateLimit, RateLimit-Policy",
);

/// Seconds for which a browser need not ask again.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Origins whose pages may call the API.
#[derive(Debug)]
pub struct Origins(Vec<Origin>);

/// A list is not one of origins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidOrigins;

/// Where a page comes from: a scheme, a host and a port, and nothing more (RFC 6454).
#[derive(Debug, PartialEq, Eq)]
struct Origin {
    scheme: Scheme,
    host: String,
    /// Absent if it is the scheme's own, so that `https://a` and `https://a:443` are the same.
    port: Option<u16>,
}

/// How the origin of a request stands to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Relation {
    /// It is our own page, or no page at all.
    Own,
    Allowed,
    Foreign,
}

impl Origins {
    /// Takes a list with commas, in which an origin may end in a slash, as browsers show it.
    pub fn parse(list: &str) -> Result<Self, InvalidOrigins> {
        list.split(',')
            .map(str::trim)
            .filter(|origin| !origin.is_empty())
            .map(|origin| Origin::parse(origin.strip_suffix('/').unwrap_or(origin)))
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(InvalidOrigins)
    }

    /// Our own origin is the one at whose authority the client asked.
    pub(crate) fn relation(&self, origin: Option<&HeaderValue>, asked: &str) -> Relation {
        let Some(origin) = origin else {
            return Relation::Own;
        };
        match origin.to_str().ok().and_then(Origin::parse) {
            Some(origin) if self.0.contains(&origin) => Relation::Allowed,
            Some(origin) if origin.is_at(asked) => Relation::Own,
            _ => Relation::Foreign,
        }
    }
}

impl Origin {
    /// `None` for `null` and for everything else that is no origin.
    fn parse(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.parse().ok()?;
        let (host, port) = host_and_port(authority)?;
        let port = port.filter(|port| Some(*port) != default_port(&scheme));
        Some(Self { scheme, host, port })
    }

    /// Whether a page that was loaded from this authority has this origin. The scheme is the page's
    /// to say: TLS often ends before us. Only what speaks HTTP can have been loaded from us.
    fn is_at(&self, authority: &str) -> bool {
        let default = default_port(&self.scheme);
        default.is_some()
            && host_and_port(authority).is_some_and(|(host, port)| {
                host.eq_ignore_ascii_case(&self.host) && port.or(default) == self.port.or(default)
            })
    }
}

fn default_port(scheme: &Scheme) -> Option<u16> {
    match scheme.as_str() {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

/// The two parts of an authority; `None` if there is anything else in it, such as a user or a wildcard.
fn host_and_port(authority: &str) -> Option<(String, Option<u16>)> {
    let parsed: Authority = authority.parse().ok()?;
    let host = parsed.host();
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_host = match host.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(is_name),
    };
    if !is_host {
        return None;
    }
    let port = match authority.strip_prefix(host)? {
        "" => None,
        rest => Some(rest.strip_prefix(':')?.parse().ok()?),
    };
    Some((host.to_owned(), port))
}

impl Relation {
    pub(crate) fn is_welcome(self) -> bool {
        self != Self::Foreign
    }

    pub(crate) fn add_headers(self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        // On every answer: a cache must not give one origin what another was told.
        vary(headers, "Origin");
        if let (Self::Allowed, Some(origin)) = (self, origin) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        }
    }
}

/// Answers `OPTIONS` with an `Origin` that is welcome: by it a browser asks before it sends a request
/// of one of these methods.
pub(crate) fn preflight(origin: &HeaderValue, methods: &[Method]) -> Result {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
    let methods = header_value(&allow_header(methods))?;
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, READ);
    headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn relation(allowed: &str, origin: &str, asked: &str) -> Relation {
        let origin = HeaderValue::from_str(origin).unwrap();
        Origins::parse(allowed)
            .unwrap()
            .relation(Some(&origin), asked)
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        for list in [
            "",
            " , ",
            "https://example.org",
            "HTTPS://Example.org:443/, http://[::1]:3000",
            "capacitor://localhost",
        ] {
            assert!(Origins::parse(list).is_ok(), "{list}");
        }
        for list in [
            "*",
            "null",
            "example.org",
            "//example.org",
            "https://",
            "https:///",
            "https://example.org/path",
            "https://example.org//",
            "https://example.org?query",
            "https://example.org#fragment",
            "https://user@example.org",
            "https://*.example.org",
            "https://example.org:",
            "https://example.org:port",
            "https://example.org:65536",
            "https://example.org https://example.com",
            "https://example.org, example.com",
        ] {
            assert!(Origins::parse(list).is_err(), "{list}");
        }
    }

    #[test]
    fn an_allowed_origin_is_known_however_it_is_written() {
        let allowed = "https://Example.org:443/, http://localhost:80";
        for origin in [
            "https://example.org",
            "HTTPS://EXAMPLE.ORG:443",
            "http://localhost",
        ] {
            assert_eq!(
                relation(allowed, origin, "x"),
                Relation::Allowed,
                "{origin}"
            );
        }
        for origin in [
            "http://example.org",
            "https://example.org:80",
            "https://example.org.evil.example",
            "https://localhost",
            "null",
            "*",
        ] {
            assert_eq!(
                relation(allowed, origin, "x"),
                Relation::Foreign,
                "{origin}"
            );
        }
    }

    #[test]
    fn our_own_is_at_the_authority_that_was_asked_for() {
        for (origin, asked) in [
            ("https://example.org", "example.org"),
            ("https://example.org", "example.org:443"),
            ("https://example.org:443", "Example.org"),
            ("http://example.org", "example.org:80"),
            ("http://127.0.0.1:3000", "127.0.0.1:3000"),
            ("http://[::1]:3000", "[::1]:3000"),
        ] {
            assert_eq!(
                relation("", origin, asked),
                Relation::Own,
                "{origin} {asked}"
            );
        }
        for (origin, asked) in [
            ("https://example.org", "example.org:80"),
            ("http://example.org", "example.org:443"),
            ("http://example.org", "example.org:3000"),
            ("http://localhost", "127.0.0.1"),
            ("http://example.org", "example.org@evil.example"),
            ("http://example.org", ""),
            ("capacitor://localhost", "localhost"),
            ("null", "null"),
        ] {
            assert_eq!(
                relation("", origin, asked),
                Relation::Foreign,
                "{origin} {asked}"
            );
        }
    }
}
