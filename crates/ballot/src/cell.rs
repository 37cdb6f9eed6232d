//! Where a vote was taken, if there are several places.

use crate::names::check_slug;
use crate::{InvalidName, StreamId, VoteId};

/// The name of a cell: of one of several Redis servers, each with its own stream, whose votes are counted in one
/// PostgreSQL. The first cell, which may be the only one, has none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cell(String);

impl Cell {
    /// The greatest length of a name, in characters.
    pub const MAX_CHARS: usize = 63;

    /// Takes what the table `cells` takes: nothing, or lower-case letters, digits and inner hyphens.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        if !text.is_empty() {
            check_slug(text, Self::MAX_CHARS)?;
        }
        Ok(Self(text.to_owned()))
    }

    /// Just as it was parsed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id of a vote that came without one. Two streams may give the same stream id to two votes, so in
    /// a cell that has a name it is part of the id: `1763562521088-0@two`.
    pub fn vote_id(&self, stream_id: &StreamId) -> VoteId {
        match self.as_str() {
            "" => VoteId(stream_id.to_string()),
            name => VoteId(format!("{stream_id}@{name}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::IdempotencyKey;
    use proptest::prelude::*;

    fn vote_id(cell: &str) -> VoteId {
        let stream_id = StreamId::parse("1763562521088-0").unwrap();
        Cell::parse(cell).unwrap().vote_id(&stream_id)
    }

    #[test]
    fn the_same_stream_id_is_another_vote_in_another_cell() {
        assert_eq!(vote_id("").as_str(), "1763562521088-0");
        assert_eq!(vote_id("two").as_str(), "1763562521088-0@two");
    }

    #[test]
    fn a_name_is_none_or_a_slug() {
        assert_eq!(Cell::parse(""), Ok(Cell::default()));
        for text in ["-a", "A", "a@b", " "] {
            assert_eq!(Cell::parse(text), Err(InvalidName::NotASlug), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_client_can_choose_such_an_id(name in "([a-z0-9][a-z0-9-]{0,62})?", millis: u64, sequence: u64) {
            let stream_id = StreamId::parse(&format!("{millis}-{sequence}")).unwrap();
            let vote_id = Cell::parse(&name).unwrap().vote_id(&stream_id);
            prop_assert!(VoteId::parse(vote_id.as_str()).is_ok());
            prop_assert!(IdempotencyKey::of(vote_id.as_str()).is_err());
        }
    }
}
