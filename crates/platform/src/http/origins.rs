//! Whose pages may call the API (CORS), and whose may not even try.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
};
use http::{HeaderMap, HeaderValue, Uri};

use super::{Problem, Response, Result, vary};
use crate::settings::InvalidSetting;

/// The origins in the variable `cors_origins`.
pub(super) struct Origins(Vec<String>);

/// How the origin of a request stands to us.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It is our own page, or no page at all.
    Own,
    Allowed,
    Foreign,
}

impl Origins {
    pub(super) fn parse(list: &str) -> Result<Self, InvalidSetting> {
        list.split(',')
            .map(|origin| origin.trim().trim_end_matches('/'))
            .filter(|origin| !origin.is_empty())
            .map(|origin| match origin.parse::<Uri>() {
                Ok(uri) if uri.scheme().is_some() && origin.ends_with(authority(origin)) => {
                    Ok(origin.to_ascii_lowercase())
                }
                _ => Err(InvalidSetting {
                    name: "cors_origins",
                    problem: "must list origins such as https://example.org, comma-separated",
                }),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Our own is the one under whose name the request reached us. Its scheme may differ: TLS often
    /// ends before us.
    pub(super) fn standing(&self, origin: Option<&HeaderValue>, host: &str) -> Standing {
        let Some(origin) = origin else {
            return Standing::Own;
        };
        let origin = origin.to_str().unwrap_or_default().to_ascii_lowercase();
        if self.0.contains(&origin) {
            Standing::Allowed
        } else if !host.is_empty() && authority(&origin).eq_ignore_ascii_case(host) {
            Standing::Own
        } else {
            Standing::Foreign
        }
    }
}

/// What follows `://`; empty for `null` and whatever else is no origin.
fn authority(origin: &str) -> &str {
    origin
        .split_once("://")
        .map_or("", |(_, authority)| authority)
}

impl Standing {
    pub(super) fn is_welcome(self) -> bool {
        self != Self::Foreign
    }

    /// Answers `OPTIONS` with an `Origin`: a browser asks before it sends the request itself.
    pub(super) fn preflight(self, origin: &HeaderValue) -> Result {
        if !self.is_welcome() {
            return Err(Problem::UnknownOrigin);
        }
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST, OPTIONS"),
            (
                ACCESS_CONTROL_ALLOW_HEADERS,
                "Content-Type, Authorization, Accept, Idempotency-Key",
            ),
            (ACCESS_CONTROL_MAX_AGE, "600"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Ok(response)
    }

    pub(super) fn add_headers(self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        // On every answer: a cache must not give one origin what another was told.
        vary(headers, "Origin");
        if let (Self::Allowed, Some(origin)) = (self, origin) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            let exposed = HeaderValue::from_static("Location, Retry-After, ETag");
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}
