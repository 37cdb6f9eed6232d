//! What a client is told of a limit on how much it may do: the fields `RateLimit-Policy` and `RateLimit` of
//! draft-ietf-httpapi-ratelimit-headers.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// What everybody may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaPolicy {
    /// A name: letters and hyphens.
    pub name: &'static str,
    /// So much.
    pub quota: u32,
    /// In this time.
    pub window: Duration,
}

/// What is left to one client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Of which this is what is left.
    pub policy: QuotaPolicy,
    /// So much, at once.
    pub remaining: u32,
    /// When all of it is there again.
    pub full_in: Duration,
}

impl Quota {
    /// Adds the two fields to an answer.
    pub fn add_headers(&self, headers: &mut HeaderMap) {
        let QuotaPolicy {
            name,
            quota,
            window,
        } = self.policy;
        let policy = format!("\"{name}\";q={quota};w={}", window.as_secs());
        let reset = seconds(self.full_in);
        let limit = format!("\"{name}\";r={};t={reset}", self.remaining);
        for (field, value) in [(POLICY, policy), (LIMIT, limit)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(field, value);
            }
        }
    }
}

/// Rounded up: who waits so long has waited long enough.
pub(crate) fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_lists_of_one_item() {
        let policy = QuotaPolicy {
            name: "votes",
            quota: 5,
            window: Duration::from_secs(60),
        };
        let quota = Quota {
            policy,
            remaining: 4,
            full_in: Duration::from_millis(11_001),
        };
        let mut headers = HeaderMap::new();
        quota.add_headers(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"votes\";q=5;w=60");
        assert_eq!(headers["ratelimit"], "\"votes\";r=4;t=12");
    }
}
