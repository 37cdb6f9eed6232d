//! Why a stream entry cannot be counted.

use std::fmt;

/// The reason for which an entry goes to the dead-letter stream. Its text is stored there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Neither `option` nor `vote` is there.
    MissingOption,
    /// A field's bytes are not UTF-8.
    NotUtf8 {
        /// Its name in the entry; `option` also where the producer wrote `vote`.
        field: &'static str,
    },
    /// A field is empty, too long, or has control characters.
    Malformed {
        /// Its name in the entry; `option` also where the producer wrote `vote`.
        field: &'static str,
    },
    /// PostgreSQL has no such poll, or none can have this name.
    UnknownPoll,
    /// The poll is there, and does not have the option.
    UnknownOption,
}

impl Rejection {
    /// The name of the log event: an option that is not to be had is told from an entry that is broken.
    pub fn event(self) -> &'static str {
        match self {
            Self::UnknownPoll | Self::UnknownOption => "invalid_vote_option",
            Self::MissingOption | Self::NotUtf8 { .. } | Self::Malformed { .. } => "malformed_vote",
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingOption => f.write_str("missing field: option"),
            Self::NotUtf8 { field } => write!(f, "not UTF-8: {field}"),
            Self::Malformed { field } => write!(f, "malformed: {field}"),
            Self::UnknownPoll => f.write_str("unknown poll"),
            Self::UnknownOption => f.write_str("unknown option"),
        }
    }
}
