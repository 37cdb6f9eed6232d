//! What the API answers about counted votes.

use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::{OptionName, PollId, VoteId};

/// How one option stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// As the poll names it.
    pub option: OptionName,
    /// Votes, 0 or more.
    pub count: i64,
    /// Of the poll's total, 0 to 100, rounded to two decimals.
    pub percentage: f64,
}

/// How a poll stands, as `GET /api/polls/{poll}/results` shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    /// Its name.
    pub poll: PollId,
    /// What was asked.
    pub question: String,
    /// In the order of the poll's options.
    pub tallies: Vec<Tally>,
    /// Where each voter has one vote: how many votes do not count, because their voter has cast a later one.
    pub replaced: Option<i64>,
    /// When the last vote was counted, or the poll opened; ISO 8601, UTC.
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
        map.serialize_entry("poll", self.poll.as_str())?;
        map.serialize_entry("question", &self.question)?;
        map.serialize_entry("options", &self.tallies)?;
        map.serialize_entry("total", &self.total())?;
        if let Some(replaced) = self.replaced {
            // Each voter has exactly one vote that counts.
            map.serialize_entry("voters", &self.total())?;
            map.serialize_entry("changes", &replaced)?;
        }
        map.serialize_entry("last_updated", &self.last_updated)?;
        map.end()
    }
}

impl Serialize for Tally {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("option", self.option.as_str())?;
        map.serialize_entry("count", &self.count)?;
        map.serialize_entry("percentage", &self.percentage)?;
        map.end()
    }
}

/// The same, as `GET /api/results` shows it: for every option its count, the `total`, for every option
/// `<option>_percentage`, and `last_updated`.
#[derive(Debug)]
pub struct FlatResults<'a>(pub &'a Results);

impl Serialize for FlatResults<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(results) = self;
        let mut map = serializer.serialize_map(None)?;
        for tally in &results.tallies {
            map.serialize_entry(tally.option.as_str(), &tally.count)?;
        }
        map.serialize_entry("total", &results.total())?;
        for tally in &results.tallies {
            map.serialize_entry(&format!("{}_percentage", tally.option), &tally.percentage)?;
        }
        map.serialize_entry("last_updated", &results.last_updated)?;
        map.end()
    }
}

/// That a vote was counted, as `GET /api/votes/{vote_id}` shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// By which the client asked.
    pub vote_id: VoteId,
    /// In which it was cast.
    pub poll: PollId,
    /// For which it was cast, which is that of the first vote with this id.
    pub option: OptionName,
    /// Whether its voter has cast a later one, which counts in its place.
    pub replaced: bool,
    /// ISO 8601, UTC.
    pub counted_at: String,
}

impl Serialize for Receipt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let status = if self.replaced { "replaced" } else { "counted" };
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("vote_id", self.vote_id.as_str())?;
        map.serialize_entry("poll", self.poll.as_str())?;
        map.serialize_entry("option", self.option.as_str())?;
        map.serialize_entry("status", status)?;
        map.serialize_entry("counted_at", &self.counted_at)?;
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results(replaced: Option<i64>) -> Results {
        let tally = |option: &str| Tally {
            option: OptionName::parse(option).unwrap(),
            count: 3,
            percentage: 50.0,
        };
        Results {
            poll: PollId::default(),
            question: "Cats or dogs?".into(),
            tallies: vec![tally("cats"), tally("dogs")],
            replaced,
            last_updated: "2025-11-16T20:14:48.273326Z".into(),
        }
    }

    #[test]
    fn results_look_as_the_contract_shows_them() {
        assert_eq!(
            serde_json::to_string(&FlatResults(&results(None))).unwrap(),
            r#"{"cats":3,"dogs":3,"total":6,"cats_percentage":50.0,"dogs_percentage":50.0,"last_updated":"2025-11-16T20:14:48.273326Z"}"#
        );
        assert_eq!(
            serde_json::to_string(&results(None)).unwrap(),
            r#"{"poll":"default","question":"Cats or dogs?","options":[{"option":"cats","count":3,"percentage":50.0},{"option":"dogs","count":3,"percentage":50.0}],"total":6,"last_updated":"2025-11-16T20:14:48.273326Z"}"#
        );
        let of_voters = serde_json::to_value(results(Some(2))).unwrap();
        assert_eq!(
            (&of_voters["voters"], &of_voters["changes"]),
            (&6.into(), &2.into())
        );
    }

    #[test]
    fn a_receipt_looks_as_the_contract_shows_it() {
        let receipt = |replaced| Receipt {
            vote_id: VoteId::parse("k-1").unwrap(),
            poll: PollId::default(),
            option: OptionName::parse("cats").unwrap(),
            replaced,
            counted_at: "2025-11-16T20:14:48.273326Z".into(),
        };
        assert_eq!(
            serde_json::to_string(&receipt(false)).unwrap(),
            r#"{"vote_id":"k-1","poll":"default","option":"cats","status":"counted","counted_at":"2025-11-16T20:14:48.273326Z"}"#
        );
        assert_eq!(
            serde_json::to_value(receipt(true)).unwrap()["status"],
            "replaced"
        );
    }
}
