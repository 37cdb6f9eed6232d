//! The request header `Idempotency-Key`.

use ballot::IdempotencyKey;
use conventions::{Problem, Result};
use http::HeaderMap;

/// The key of a request, if it has one. Several are refused, and what cannot be one.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(Problem::BadRequest(
            "Send one Idempotency-Key, not several.".into(),
        ));
    }
    IdempotencyKey::parse(value.as_bytes())
        .map(Some)
        .map_err(|invalid| {
            Problem::BadRequest(format!("The Idempotency-Key cannot be used: {invalid}."))
        })
}
