//! Names in paths.

use percent_encoding::percent_decode_str;

/// The name that a segment stands for; `None` if that is not UTF-8.
pub fn decode(segment: &str) -> Option<String> {
    percent_decode_str(segment)
        .decode_utf8()
        .ok()
        .map(Into::into)
}
