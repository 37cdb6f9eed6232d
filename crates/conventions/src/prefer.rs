//! The request header `Prefer` (RFC 7240).

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::list;

/// The longest that a client is waited with. A gateway would end a much longer wait.
const LONGEST: Duration = Duration::from_secs(10);

/// How long the client would rather wait for what it asks than be told that it is not there yet:
/// `wait=N`, in seconds, of which at most ten are granted. None if it does not say, or cannot be
/// understood, as RFC 7240 has it.
pub fn wait(request: &HeaderMap) -> Option<Duration> {
    let preferences = list(request, HeaderName::from_static("prefer"));
    let first = preferences.split(',').find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("wait")
            .then(|| value.trim().to_owned())
    })?;
    let seconds: u64 = first.trim_matches('"').parse().ok()?;
    Some(Duration::from_secs(seconds).min(LONGEST))
}

/// Tells the client how long was granted.
pub fn applied(wait: Duration) -> (HeaderName, HeaderValue) {
    let value = HeaderValue::from_str(&format!("wait={}", wait.as_secs()));
    (
        HeaderName::from_static("preference-applied"),
        value.unwrap_or(HeaderValue::from_static("wait=0")),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wait_of(prefer: &str) -> Option<u64> {
        let value = HeaderValue::from_str(prefer).ok()?;
        let headers = HeaderMap::from_iter([(HeaderName::from_static("prefer"), value)]);
        wait(&headers).map(|wait| wait.as_secs())
    }

    #[test]
    fn a_client_may_wait_for_ten_seconds() {
        assert_eq!(wait_of("wait=3"), Some(3));
        assert_eq!(wait_of("respond-async, WAIT = \"3\"; x=y"), Some(3));
        assert_eq!(wait_of("wait=3, wait=4"), Some(3));
        assert_eq!(wait_of("wait=18446744073709551615"), Some(10));
        for other in ["", "wait", "wait=", "wait=-1", "wait=soon", "await=3"] {
            assert_eq!(wait_of(other), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(value in "\\PC*") {
            let _ = wait_of(&value);
        }
    }
}
