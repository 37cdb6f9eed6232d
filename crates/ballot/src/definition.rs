//! What of a poll must be known to take votes in it.

use crate::{OptionName, PollId, Timestamp};

/// A poll as it is published to where votes are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// What is asked. It is not needed to take a vote; the page to vote on shows it.
    pub question: String,
    /// In the order in which they are shown; 2 to 50.
    pub options: Vec<OptionName>,
    /// Votes that are appended from then on count.
    pub opens_at: Option<Timestamp>,
    /// Votes that are appended before then count.
    pub closes_at: Option<Timestamp>,
    /// Whether, of all votes of one voter, only the latest counts.
    pub one_vote_per_voter: bool,
}

impl Definition {
    /// Whether votes that were cast in `before` can be counted in this one, but for its hours.
    pub fn keeps_votes_of(&self, before: &Self) -> bool {
        self.one_vote_per_voter == before.one_vote_per_voter
            && before
                .options
                .iter()
                .all(|option| self.options.contains(option))
    }
}

/// What became of a poll. Of two changes of one poll, the one with the greater revision holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name.
    pub poll: PollId,
    /// Given by PostgreSQL; a poll that is deleted and made anew goes on from a greater one.
    pub revision: i64,
    /// None if the poll is gone.
    pub definition: Option<Definition>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_may_be_added_and_hours_changed_for_votes_to_keep() {
        let option = |name: &&str| OptionName::parse(name).unwrap();
        let poll = |options: &[&str], one_vote_per_voter| Definition {
            question: "?".into(),
            options: options.iter().map(option).collect(),
            opens_at: None,
            closes_at: None,
            one_vote_per_voter,
        };
        let before = poll(&["a", "b"], false);
        let closed = Definition {
            question: "!".into(),
            closes_at: Some(Timestamp::EPOCH),
            ..before.clone()
        };
        for after in [poll(&["b", "c", "a"], false), closed] {
            assert!(after.keeps_votes_of(&before), "{after:?}");
        }
        for after in [poll(&["a", "c"], false), poll(&["a", "b"], true)] {
            assert!(!after.keeps_votes_of(&before), "{after:?}");
        }
    }
}
