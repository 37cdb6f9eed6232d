//! What the API answers about counted votes.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::{OptionName, PollId, VoteId};

/// How one option stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// As the poll names it.
    pub option: String,
    /// Votes, 0 or more.
    pub count: i64,
    /// Of the poll's total, 0 to 100, rounded to two decimals.
    pub percentage: f64,
}

/// How the poll `default` stands, as `GET /api/results` shows it: for every option its count, the
/// `total`, for every option `<option>_percentage`, and `last_updated` (ISO 8601, UTC).
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// In the order of the poll's options.
    pub tallies: Vec<Tally>,
    /// When the last vote was counted, or the poll opened.
    pub last_updated: String,
}

impl Results {
    /// Votes for all options together.
    pub fn total(&self) -> i64 {
        self.tallies.iter().map(|tally| tally.count).sum()
    }
}

impl Serialize for Results {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for tally in &self.tallies {
            map.serialize_entry(&tally.option, &tally.count)?;
        }
        map.serialize_entry("total", &self.total())?;
        for tally in &self.tallies {
            map.serialize_entry(&format!("{}_percentage", tally.option), &tally.percentage)?;
        }
        map.serialize_entry("last_updated", &self.last_updated)?;
        map.end()
    }
}

/// That a vote is in the tally, as `GET /api/votes/{vote_id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// By which the client asked.
    pub vote_id: VoteId,
    /// In which it counts.
    pub poll: PollId,
    /// For which it counts, which is that of the first vote with this id.
    pub option: OptionName,
    /// ISO 8601, UTC.
    pub counted_at: String,
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("vote_id", self.vote_id.as_str())?;
        map.serialize_entry("poll", self.poll.as_str())?;
        map.serialize_entry("option", self.option.as_str())?;
        map.serialize_entry("status", "counted")?;
        map.serialize_entry("counted_at", &self.counted_at)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_look_as_the_contract_shows_them() {
        let tally = |option: &str, count, percentage| Tally {
            option: option.into(),
            count,
            percentage,
        };
        let results = Results {
            tallies: vec![tally("cats", 3, 50.0), tally("dogs", 3, 50.0)],
            last_updated: "2025-11-16T20:14:48.273326Z".into(),
        };
        assert_eq!(
            serde_json::to_string(&results).unwrap(),
            r#"{"cats":3,"dogs":3,"total":6,"cats_percentage":50.0,"dogs_percentage":50.0,"last_updated":"2025-11-16T20:14:48.273326Z"}"#
        );
    }

    #[test]
    fn a_receipt_looks_as_the_contract_shows_it() {
        let receipt = Receipt {
            vote_id: VoteId::parse("k-1").unwrap(),
            poll: PollId::default(),
            option: OptionName::parse("cats").unwrap(),
            counted_at: "2025-11-16T20:14:48.273326Z".into(),
        };
        assert_eq!(
            serde_json::to_string(&receipt).unwrap(),
            r#"{"vote_id":"k-1","poll":"default","option":"cats","status":"counted","counted_at":"2025-11-16T20:14:48.273326Z"}"#
        );
    }
}
