//! Why a stream entry cannot be counted.

use std::fmt;

/// The reason for which an entry goes to the dead-letter stream. Its text is stored there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// A field is not there that the vote cannot do without.
    Missing {
        /// `option`, which `vote` stands for, too; `voter` where each voter has one vote.
        field: &'static str,
    },
    /// A field's bytes are not UTF-8.
    NotUtf8 {
        /// Its name in the entry; `option` also where the producer wrote `vote`.
        field: &'static str,
    },
    /// A field is empty, has too many characters, or has control characters.
    Malformed {
        /// Its name in the entry; `option` also where the producer wrote `vote`.
        field: &'static str,
    },
    /// A field has more bytes than any valid value of it could.
    TooLong {
        /// Its name in the entry; `option` also where the producer wrote `vote`.
        field: &'static str,
        /// The length of its value.
        bytes: u64,
    },
    /// Nothing of the entry was looked at.
    TooManyFields {
        /// How many it has.
        fields: u64,
    },
    /// PostgreSQL takes the vote neither with others nor alone, for what is in it.
    Unstorable,
    /// PostgreSQL has no such poll, or none can have this name.
    UnknownPoll,
    /// The poll is there, and does not have the option.
    UnknownOption,
    /// It was appended before the poll opened.
    PollNotOpen,
    /// It was appended when the poll was closed.
    PollClosed,
}

impl Rejection {
    /// The name of the log event: an option that is not on offer is told from an entry that is broken.
    pub fn event(self) -> &'static str {
        match self {
            Self::UnknownPoll | Self::UnknownOption => "invalid_vote_option",
            Self::PollNotOpen | Self::PollClosed => "vote_out_of_hours",
            Self::Missing { .. }
            | Self::NotUtf8 { .. }
            | Self::Malformed { .. }
            | Self::TooLong { .. }
            | Self::TooManyFields { .. }
            | Self::Unstorable => "malformed_vote",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { field } => write!(f, "missing field: {field}"),
            Self::NotUtf8 { field } => write!(f, "not UTF-8: {field}"),
            Self::Malformed { field } => write!(f, "malformed: {field}"),
            Self::TooLong { field, bytes } => write!(f, "too long: {field} has {bytes} bytes"),
            Self::TooManyFields { fields } => write!(f, "too many fields: {fields}"),
            Self::Unstorable => f.write_str("refused by the database"),
            Self::UnknownPoll => f.write_str("unknown poll"),
            Self::UnknownOption => f.write_str("unknown option"),
            Self::PollNotOpen => f.write_str("poll_not_open"),
            Self::PollClosed => f.write_str("poll_closed"),
        }
    }
}
