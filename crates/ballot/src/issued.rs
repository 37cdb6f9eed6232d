//! Vote ids that the service makes itself.
//!
//! Three parties choose vote ids without knowing of each other, so each has a shape that the others may
//! not use: producers that append bare entries get stream ids, we issue the ids below, and clients choose
//! anything else as an [`IdempotencyKey`](crate::IdempotencyKey). Otherwise the id of one vote could be
//! taken by another one, which would be answered and never counted.

use uuid::Uuid;

use crate::VoteId;

/// Where a vote came in without an id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// `POST /api/vote`
    Api,
    /// The form of a page, which sends the id again if the vote was not recorded.
    Form,
}

impl Door {
    fn prefix(self) -> &'static str {
        match self {
            Self::Api => "vote-",
            Self::Form => "form-",
        }
    }
}

impl VoteId {
    /// An id of ours: for example `vote-01a20e6a-b471-7572-a0c7-55483757e707`.
    pub fn issue(door: Door, uuid: Uuid) -> Self {
        Self(format!("{}{}", door.prefix(), uuid.hyphenated()))
    }

    /// The door at which we issued it; none if it is not of our making.
    pub fn issued_at(&self) -> Option<Door> {
        [Door::Api, Door::Form].into_iter().find(|door| {
            let rest = self.as_str().strip_prefix(door.prefix());
            rest.is_some_and(|rest| Uuid::try_parse(rest).is_ok())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issued_id_knows_its_door() {
        for door in [Door::Api, Door::Form] {
            let id = VoteId::issue(door, Uuid::from_u128(7));
            assert_eq!(VoteId::parse(id.as_str()), Ok(id.clone()));
            assert_eq!(id.issued_at(), Some(door));
        }
        for other in ["vote-1", "00000000-0000-0000-0000-000000000007", "form-"] {
            assert_eq!(VoteId::parse(other).unwrap().issued_at(), None, "{other}");
        }
    }
}
