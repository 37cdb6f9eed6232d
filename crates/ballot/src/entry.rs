//! A vote as it travels in the stream.

use crate::{Cell, OptionName, PollId, Rejection, StreamId, Timestamp, VoteId, Voter};

/// A stream entry as Redis holds it. Anything may append to the stream, so nothing is known of it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawEntry {
    /// Few enough to be looked at.
    Fields(RawFields),
    /// So many fields that none of them was looked at.
    TooManyFields(u64),
}

/// The fields that a vote is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawFields {
    /// `option`, or `vote` as older producers call it.
    pub option: Option<RawField>,
    /// A [`PollId`]; absent for the poll `default`.
    pub poll: Option<RawField>,
    /// A [`VoteId`]; absent where the stream id serves as one: see [`Cell::vote_id`].
    pub vote_id: Option<RawField>,
    /// A [`Voter`].
    pub voter: Option<RawField>,
    /// What [`Timestamp::parse`] reads.
    pub timestamp: Option<RawField>,
    /// There if the poll was open when the vote was appended, as whoever appended it has made sure.
    pub accepted: Option<RawField>,
    /// A [`StreamId`]: of a vote that is appended again, such as a dead letter, the one that it had at first.
    pub first_id: Option<RawField>,
}

/// The value of a field, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RawField {
    /// All of it.
    Bytes(Vec<u8>),
    /// More bytes than a valid value can have: so many.
    TooLong(u64),
}

/// A vote that can be recorded, if its poll has its option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Given by Redis, or chosen by the producer. By it the entry is acknowledged.
    pub stream_id: StreamId,
    /// The stream id under which the vote was appended at first: what its hours, its order among the votes of its
    /// voter, and what it does not say itself follow from.
    pub first_id: StreamId,
    /// May be a poll that is not there: PostgreSQL knows.
    pub poll: PollId,
    /// May be one that the poll does not have: PostgreSQL knows.
    pub option: OptionName,
    /// By which it counts once.
    pub vote_id: VoteId,
    /// As the producer says; over HTTP nobody does.
    pub voter: Option<Voter>,
    /// By the producer's clock, else by that of Redis.
    pub cast_at: Timestamp,
    /// Whether it counts whatever the poll's hours are by now. Else they are held against its first id.
    pub accepted: bool,
}

impl Entry {
    /// Reads the fields of an entry in a cell's stream, with the defaults of those that may be absent: the poll
    /// `default`, the cell's name for the stream id as vote id, the time of appending as `timestamp`.
    ///
    /// A `timestamp` that is no time counts as absent: when a vote was cast is good to know, that it
    /// counts matters more.
    pub fn parse(cell: &Cell, stream_id: StreamId, raw: RawEntry) -> Result<Self, Rejection> {
        let raw = match raw {
            RawEntry::Fields(fields) => fields,
            RawEntry::TooManyFields(fields) => return Err(Rejection::TooManyFields { fields }),
        };
        let first_id = match text("first_id", &raw.first_id)? {
            Some(id) => StreamId::parse(id).ok_or(Rejection::Malformed { field: "first_id" })?,
            None => stream_id.clone(),
        };
        let option = text("option", &raw.option)?.ok_or(Rejection::Missing { field: "option" })?;
        let option =
            OptionName::parse(option).map_err(|_| Rejection::Malformed { field: "option" })?;
        let poll = match text("poll", &raw.poll)? {
            // A name that no poll can have is that of a poll that is not there.
            Some(poll) => PollId::parse(poll).map_err(|_| Rejection::UnknownPoll)?,
            None => PollId::default(),
        };
        let vote_id = match text("vote_id", &raw.vote_id)? {
            Some(vote_id) => {
                VoteId::parse(vote_id).map_err(|_| Rejection::Malformed { field: "vote_id" })?
            }
            None => cell.vote_id(&first_id),
        };
        let voter = text("voter", &raw.voter)?
            .map(Voter::parse)
            .transpose()
            .map_err(|_| Rejection::Malformed { field: "voter" })?;
        let cast_at = text("timestamp", &raw.timestamp)?
            .and_then(Timestamp::parse)
            .or_else(|| first_id.appended_at())
            // An id that some producer made up may lie after the year 9999.
            .unwrap_or(Timestamp::EPOCH);
        Ok(Self {
            stream_id,
            first_id,
            poll,
            option,
            vote_id,
            voter,
            cast_at,
            accepted: raw.accepted.is_some(),
        })
    }
}

fn text<'a>(
    field: &'static str,
    value: &'a Option<RawField>,
) -> Result<Option<&'a str>, Rejection> {
    match value {
        None => Ok(None),
        Some(RawField::Bytes(bytes)) => match str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Rejection::NotUtf8 { field }),
        },
        Some(RawField::TooLong(bytes)) => Err(Rejection::TooLong {
            field,
            bytes: *bytes,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn id() -> StreamId {
        StreamId::parse("1763562521088-0").unwrap()
    }

    fn parse(id: StreamId, fields: RawFields) -> Result<Entry, Rejection> {
        Entry::parse(&Cell::default(), id, RawEntry::Fields(fields))
    }

    fn some(text: &str) -> Option<RawField> {
        Some(RawField::Bytes(text.as_bytes().to_vec()))
    }

    fn cats() -> RawFields {
        RawFields {
            option: some("cats"),
            ..RawFields::default()
        }
    }

    #[test]
    fn a_bare_entry_gets_the_defaults() {
        let entry = parse(id(), cats()).unwrap();
        assert_eq!(entry.poll, PollId::default());
        assert_eq!(entry.option.as_str(), "cats");
        assert_eq!(entry.vote_id.as_str(), "1763562521088-0");
        assert_eq!(entry.first_id, id());
        assert_eq!(entry.voter, None);
        assert!(!entry.accepted);
        assert_eq!(entry.cast_at.as_micros(), 1_763_562_521_088_000);
    }

    #[test]
    fn what_the_producer_says_is_kept() {
        let raw = RawFields {
            option: some("rust"),
            poll: some("languages"),
            vote_id: some("k-1"),
            voter: some("ada"),
            timestamp: some("2025-11-16T20:14:48Z"),
            accepted: some("1"),
            first_id: some("1763562500000-4"),
        };
        let entry = parse(id(), raw).unwrap();
        assert!(entry.accepted);
        assert_eq!(entry.poll.as_str(), "languages");
        assert_eq!(entry.vote_id.as_str(), "k-1");
        assert_eq!(entry.first_id.as_str(), "1763562500000-4");
        assert_eq!(entry.stream_id, id());
        assert_eq!(entry.voter.unwrap().as_str(), "ada");
        assert_eq!(entry.cast_at.as_micros(), 1_763_324_088_000_000);
    }

    #[test]
    fn a_vote_that_is_appended_again_is_what_it_was() {
        let first = "1763562500000-4";
        let raw = || RawFields {
            first_id: some(first),
            ..cats()
        };
        let entry = parse(id(), raw()).unwrap();
        assert_eq!(entry.vote_id.as_str(), first);
        assert_eq!(entry.cast_at.as_micros(), 1_763_562_500_000_000);
        let cell = Cell::parse("two").unwrap();
        let entry = Entry::parse(&cell, id(), RawEntry::Fields(raw())).unwrap();
        assert_eq!(entry.vote_id.as_str(), "1763562500000-4@two");
    }

    #[test]
    fn an_unreadable_time_does_not_cost_the_vote() {
        let entry = parse(
            id(),
            RawFields {
                timestamp: some("soon"),
                ..cats()
            },
        )
        .unwrap();
        assert_eq!(entry.cast_at.as_micros(), 1_763_562_521_088_000);
        let id = StreamId::parse("18446744073709551615-0").unwrap();
        assert_eq!(parse(id, cats()).unwrap().cast_at, Timestamp::EPOCH);
    }

    #[test]
    fn an_entry_with_too_many_fields_is_none() {
        let rejection =
            Entry::parse(&Cell::default(), id(), RawEntry::TooManyFields(4000)).unwrap_err();
        assert_eq!(rejection.to_string(), "too many fields: 4000");
    }

    #[test]
    fn bad_entries_say_which_field_is_bad() {
        let rejection = |raw| parse(id(), raw).unwrap_err();
        assert_eq!(
            rejection(RawFields::default()),
            Rejection::Missing { field: "option" }
        );
        assert_eq!(
            rejection(RawFields {
                option: Some(RawField::Bytes(vec![0xff])),
                ..RawFields::default()
            }),
            Rejection::NotUtf8 { field: "option" }
        );
        assert_eq!(
            rejection(RawFields {
                voter: Some(RawField::TooLong(2_000_000)),
                ..cats()
            })
            .to_string(),
            "too long: voter has 2000000 bytes"
        );
        assert_eq!(
            rejection(RawFields {
                option: some(""),
                ..cats()
            }),
            Rejection::Malformed { field: "option" }
        );
        assert_eq!(
            rejection(RawFields {
                poll: some("No Poll"),
                ..cats()
            }),
            Rejection::UnknownPoll
        );
        assert_eq!(
            rejection(RawFields {
                vote_id: some(""),
                ..cats()
            }),
            Rejection::Malformed { field: "vote_id" }
        );
        assert_eq!(
            rejection(RawFields {
                first_id: some("yesterday"),
                ..cats()
            }),
            Rejection::Malformed { field: "first_id" }
        );
        assert_eq!(
            rejection(RawFields {
                voter: some("a\0b"),
                ..cats()
            }),
            Rejection::Malformed { field: "voter" }
        );
        assert_eq!(
            rejection(RawFields {
                timestamp: Some(RawField::Bytes(vec![0xff])),
                ..cats()
            }),
            Rejection::NotUtf8 { field: "timestamp" }
        );
    }

    fn field() -> impl Strategy<Value = Option<RawField>> {
        proptest::option::of(prop_oneof![
            any::<Vec<u8>>().prop_map(RawField::Bytes),
            any::<String>().prop_map(|text| RawField::Bytes(text.into_bytes())),
            any::<u64>().prop_map(RawField::TooLong),
        ])
    }

    proptest! {
        // PostgreSQL takes neither NUL nor other than UTF-8: what is parsed must never fail there.
        #[test]
        fn whatever_is_accepted_can_be_stored(
            option in field(), poll in field(), vote_id in field(), voter in field(), timestamp in field(),
            accepted in field(), first_id in field(),
        ) {
            if let Ok(entry) = parse(id(), RawFields { option, poll, vote_id, voter, timestamp, accepted, first_id }) {
                let texts = [entry.poll.as_str(), entry.option.as_str(), entry.vote_id.as_str(),
                    entry.voter.as_ref().map_or("-", Voter::as_str)];
                prop_assert!(texts.iter().all(|text| !text.is_empty() && !text.contains('\0')));
            }
        }
    }
}
