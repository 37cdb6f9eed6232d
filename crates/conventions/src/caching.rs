//! What a client has already.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher;

use http::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};

use crate::{Response, Result, header_value};

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
