//! The `Idempotency-Key` request header: the client's own name for its vote.

use crate::{InvalidName, StreamId, VoteId};

/// A vote id that the client chose, so that it may send the vote again. It is never one that somebody else
/// may have chosen for another vote: a stream id, or one that we issue ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(VoteId);

/// Why a header value is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// `"a`, or `"a"b`.
    #[error("its closing quotation mark is missing, or something follows it")]
    Unbalanced,
    /// A byte outside 0x20 to 0x7e.
    #[error("only printable ASCII characters may be used")]
    NotAscii,
    /// Bare producers' entries have these.
    #[error(
        "it is a stream id, as votes of other producers have; choose a random one, for example a UUID"
    )]
    StreamId,
    /// [`VoteId::issue`] makes these.
    #[error(
        "it is the id of a vote that was sent without a key; choose a random one, for example a UUID"
    )]
    Issued,
    /// Empty or too long for a [`VoteId`].
    #[error("it {0}")]
    Name(#[from] InvalidName),
}

impl IdempotencyKey {
    /// Takes a header value: a structured-field string (RFC 9651, section 3.3.3), as
    /// draft-ietf-httpapi-idempotency-key-header has it, or the same text without the quotation
    /// marks, as most clients send it. `"a"` and `a` are one key.
    pub fn parse(header: &[u8]) -> Result<Self, InvalidKey> {
        if !header.iter().all(|b| matches!(b, b' '..=b'~')) {
            return Err(InvalidKey::NotAscii);
        }
        let text = str::from_utf8(header)
            .map_err(|_| InvalidKey::NotAscii)?
            .trim();
        let key = match text.strip_prefix('"') {
            Some(rest) => unquote(rest)?,
            None => text.to_owned(),
        };
        Self::of(&key)
    }

    /// Takes the key itself.
    pub fn of(key: &str) -> Result<Self, InvalidKey> {
        let vote_id = VoteId::parse(key)?;
        // In a cell that has a name that follows it: see `Cell::vote_id`.
        let (stream_id, _) = key.split_once('@').unwrap_or((key, ""));
        if StreamId::parse(stream_id).is_some() {
            return Err(InvalidKey::StreamId);
        }
        if vote_id.issued_at().is_some() {
            return Err(InvalidKey::Issued);
        }
        Ok(Self(vote_id))
    }

    /// The id of one of many votes that were sent under this key: `K:n`. None if that is too long.
    pub fn line(&self, number: usize) -> Option<VoteId> {
        VoteId::parse(&format!("{}:{number}", self.0)).ok()
    }

    /// The key is the id of the vote within its poll.
    pub fn into_vote_id(self) -> VoteId {
        self.0
    }
}

/// Reads a structured-field string after its opening quotation mark.
fn unquote(rest: &str) -> Result<String, InvalidKey> {
    let mut key = String::with_capacity(rest.len());
    let mut chars = rest.chars();
    loop {
        match chars.next() {
            Some('"') if chars.as_str().is_empty() => return Ok(key),
            Some('\\') => match chars.next() {
                Some(c @ ('"' | '\\')) => key.push(c),
                _ => return Err(InvalidKey::Unbalanced),
            },
            Some('"') | None => return Err(InvalidKey::Unbalanced),
            Some(c) => key.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(header: &str) -> Result<String, InvalidKey> {
        IdempotencyKey::parse(header.as_bytes()).map(|key| key.into_vote_id().into_string())
    }

    #[test]
    fn quoted_and_bare_are_the_same_key() {
        assert_eq!(key("\"8e03978e-40d5\"").unwrap(), "8e03978e-40d5");
        assert_eq!(key("8e03978e-40d5").unwrap(), "8e03978e-40d5");
        assert_eq!(key(r#""a\"b\\c""#).unwrap(), r#"a"b\c"#);
    }

    #[test]
    fn what_is_not_a_key_says_why() {
        assert_eq!(key(""), Err(InvalidKey::Name(InvalidName::Empty)));
        assert_eq!(key("\"\""), Err(InvalidKey::Name(InvalidName::Empty)));
        assert_eq!(key("\"a"), Err(InvalidKey::Unbalanced));
        assert_eq!(key("\"a\" b"), Err(InvalidKey::Unbalanced));
        assert_eq!(key(r#""a\n""#), Err(InvalidKey::Unbalanced));
        assert_eq!(key("ä"), Err(InvalidKey::NotAscii));
        assert_eq!(key("1763562521088-0"), Err(InvalidKey::StreamId));
        assert_eq!(key("\"0-1\""), Err(InvalidKey::StreamId));
        assert_eq!(key("0-1@two"), Err(InvalidKey::StreamId));
        assert_eq!(key("ada@example.org").unwrap(), "ada@example.org");
        let issued = "vote-01a20e6a-b471-7572-a0c7-55483757e707";
        assert_eq!(key(issued), Err(InvalidKey::Issued));
        assert_eq!(key("1763562521088-x").unwrap(), "1763562521088-x");
        assert_eq!(
            key(&"k".repeat(256)),
            Err(InvalidKey::Name(InvalidName::TooLong(255)))
        );
    }

    proptest! {
        #[test]
        fn never_panics(header in any::<Vec<u8>>()) {
            let _ = IdempotencyKey::parse(&header);
        }

        #[test]
        fn a_quoted_key_round_trips(text in "[ -~]{1,255}") {
            let quoted = format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
            prop_assert_eq!(key(&quoted), Ok(text));
        }
    }
}
