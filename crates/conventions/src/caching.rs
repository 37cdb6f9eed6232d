//! What a client has already.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

use http::header::{CONTENT_TYPE, ETAG, IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};

use crate::{Response, Result, header_value, list};

/// Gives an answer an `ETag` made from its body. A client that has this body already gets 304 instead.
pub fn revalidate(response: Response, request: &HeaderMap) -> Result {
    let mut hasher = DefaultHasher::new();
    hasher.write(response.body());
    let etag = format!("\"{:016x}\"", hasher.finish());
    revalidate_by(&etag, response, request)
}

/// Likewise with an `ETag` that is known already.
pub fn revalidate_by(etag: &str, mut response: Response, request: &HeaderMap) -> Result {
    response.headers_mut().insert(ETAG, header_value(etag)?);
    if has(request, etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response.headers_mut().remove(CONTENT_TYPE);
        response.body_mut().clear();
    }
    Ok(response)
}

/// Whether `If-None-Match` names the entity tag, by the weak comparison that RFC 9110 asks for.
fn has(request: &HeaderMap, etag: &str) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// In which state something must be for a request to change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IfMatch(Option<String>);

impl IfMatch {
    /// Any state, where a request does not say.
    pub fn of(request: &HeaderMap) -> Self {
        Self(
            request
                .contains_key(IF_MATCH)
                .then(|| list(request, IF_MATCH)),
        )
    }

    /// Whether this entity tag is named, by the strong comparison that RFC 9110 asks for.
    pub fn allows(&self, etag: &str) -> bool {
        self.0.as_deref().is_none_or(|tags| {
            tags.split(',')
                .map(str::trim)
                .any(|tag| tag == "*" || tag == etag)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::respond;
    use http::HeaderValue;
    use proptest::prelude::*;

    fn status(if_none_match: &str) -> StatusCode {
        let headers =
            HeaderMap::from_iter([(IF_NONE_MATCH, HeaderValue::from_str(if_none_match).unwrap())]);
        let response = respond(StatusCode::OK, "text/plain", "x");
        revalidate_by("\"a\"", response, &headers).unwrap().status()
    }

    #[test]
    fn who_has_the_body_is_not_sent_it_again() {
        for tags in ["\"a\"", "W/\"a\"", "\"b\", \"a\"", "*"] {
            assert_eq!(status(tags), StatusCode::NOT_MODIFIED, "{tags}");
        }
        for tags in ["\"b\"", "a", "\"a", "", "w/\"a\""] {
            assert_eq!(status(tags), StatusCode::OK, "{tags}");
        }
    }

    #[test]
    fn a_change_is_for_the_state_that_was_read() {
        let allows = |if_match: &'static str| {
            let headers = HeaderMap::from_iter([(IF_MATCH, HeaderValue::from_static(if_match))]);
            IfMatch::of(&headers).allows("\"7\"")
        };
        assert!(IfMatch::of(&HeaderMap::new()).allows("\"7\""));
        assert!(allows("\"7\"") && allows("*") && allows("\"6\", \"7\""));
        assert!(!allows("\"6\"") && !allows("W/\"7\"") && !allows("") && !allows("7"));
    }

    #[test]
    fn a_tag_is_that_of_the_body() {
        let etag = |body: &'static str| {
            let response = respond(StatusCode::OK, "text/plain", body);
            revalidate(response, &HeaderMap::new()).unwrap().headers()[ETAG].clone()
        };
        assert_eq!(etag("x"), etag("x"));
        assert_ne!(etag("x"), etag("y"));
    }

    proptest! {
        #[test]
        fn never_panics(value in any::<Vec<u8>>()) {
            if let Ok(value) = HeaderValue::from_bytes(&value) {
                let headers = HeaderMap::from_iter([(IF_NONE_MATCH, value)]);
                let _ = revalidate(respond(StatusCode::OK, "text/plain", "x"), &headers);
            }
        }
    }
}
