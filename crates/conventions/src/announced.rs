//! What the headers of a request say of its body.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH};

use crate::{Problem, Result, list};

/// A body that may be read, as far as its headers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announced {
    /// Bytes; none where the client does not say.
    pub length: Option<u64>,
}

impl Announced {
    /// [`Problem::Encoded`] for a body that would have to be decoded first, and [`Problem::TooLarge`] for one
    /// that has more bytes than `limit` by its own account.
    pub fn of(headers: &HeaderMap, limit: usize) -> Result<Self> {
        let encoded = list(headers, CONTENT_ENCODING)
            .split(',')
            .map(str::trim)
            .any(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"));
        if encoded {
            return Err(Problem::Encoded);
        }
        let length = headers
            .get(CONTENT_LENGTH)
            .and_then(|length| length.to_str().ok())
            .and_then(|length| length.parse::<u64>().ok());
        if length.is_some_and(|length| length > limit as u64) {
            return Err(Problem::TooLarge { limit });
        }
        Ok(Self { length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn announced(name: http::HeaderName, value: &'static str) -> Result<Option<u64>> {
        let headers = HeaderMap::from_iter([(name, HeaderValue::from_static(value))]);
        Announced::of(&headers, 1000).map(|announced| announced.length)
    }

    #[test]
    fn a_body_is_as_long_as_its_headers_say() {
        assert_eq!(announced(CONTENT_LENGTH, "1000").unwrap(), Some(1000));
        assert_eq!(announced(CONTENT_LENGTH, "many").unwrap(), None);
        for length in ["1001", "18446744073709551615"] {
            let refused = announced(CONTENT_LENGTH, length);
            assert!(
                matches!(refused, Err(Problem::TooLarge { limit: 1000 })),
                "{length}"
            );
        }
    }

    #[test]
    fn an_encoded_body_is_refused() {
        for coding in ["gzip", "identity, br", "x"] {
            assert!(
                matches!(announced(CONTENT_ENCODING, coding), Err(Problem::Encoded)),
                "{coding}"
            );
        }
        for coding in ["", "identity", " Identity , "] {
            assert!(announced(CONTENT_ENCODING, coding).is_ok(), "{coding}");
        }
    }
}
