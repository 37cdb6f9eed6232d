//! The names in a vote. All are text without control characters (PostgreSQL cannot store NUL, and
//! a line break would forge a log line), and all have a length that an index and a log can bear.

use std::fmt;

/// Why a text is not the name it was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// No character at all.
    #[error("must not be empty")]
    Empty,
    /// More characters than this.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// One of Unicode's category Cc, NUL and line breaks among them.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// Asked of a poll's name only, since it stands in URLs.
    #[error(
        "must consist of lower-case letters, digits and hyphens, and begin with a letter or digit"
    )]
    NotASlug,
}

fn check(text: &str, max_chars: usize) -> Result<(), InvalidName> {
    if text.is_empty() {
        Err(InvalidName::Empty)
    } else if text.chars().nth(max_chars).is_some() {
        Err(InvalidName::TooLong(max_chars))
    } else if text.chars().any(char::is_control) {
        Err(InvalidName::ControlCharacter)
    } else {
        Ok(())
    }
}

/// Likewise, of what stands in URLs and in other names.
pub(crate) fn check_slug(text: &str, max_chars: usize) -> Result<(), InvalidName> {
    check(text, max_chars)?;
    let slug = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.starts_with('-') || !text.chars().all(slug) {
        return Err(InvalidName::NotASlug);
    }
    Ok(())
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, at most $max:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash)]
        pub struct $name(pub(crate) String);

        impl $name {
            /// The greatest length, in characters.
            pub const MAX_CHARS: usize = $max;

            /// Takes 1 to [`Self::MAX_CHARS`] characters, none of them a control character.
            pub fn parse(text: &str) -> Result<Self, InvalidName> {
                check(text, Self::MAX_CHARS)?;
                Ok(Self(text.to_owned()))
            }

            /// Just as it was parsed.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Just as it was parsed, without a copy.
            pub fn into_string(self) -> String {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// What is voted for, for example `cats`. Whether a poll has the option, the poll knows.
    OptionName, at most 100
}

name! {
    /// The identity of a vote within its poll, by which it counts once.
    VoteId, at most 255
}

name! {
    /// Who voted, as far as the producer says. Never logged.
    Voter, at most 255
}

/// The name of a poll, as it stands in URLs: for example `default`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PollId(String);

impl PollId {
    /// The greatest length, in characters.
    pub const MAX_CHARS: usize = 63;

    /// Takes what the table `polls` takes: lower-case letters, digits and inner hyphens.
    pub fn parse(text: &str) -> Result<Self, InvalidName> {
        check_slug(text, Self::MAX_CHARS)?;
        Ok(Self(text.to_owned()))
    }

    /// Just as it was parsed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Just as it was parsed, without a copy.
    pub fn into_string(self) -> String {
        self.0
    }
}

/// The poll of `/api/vote` and `/api/results`: cats against dogs.
impl Default for PollId {
    fn default() -> Self {
        Self("default".to_owned())
    }
}

impl fmt::Display for PollId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_counted_in_characters() {
        let longest = "ß".repeat(OptionName::MAX_CHARS);
        assert_eq!(OptionName::parse(&longest).unwrap().as_str(), longest);
        assert_eq!(
            OptionName::parse(&format!("{longest}x")),
            Err(InvalidName::TooLong(100))
        );
        assert_eq!(OptionName::parse(""), Err(InvalidName::Empty));
    }

    #[test]
    fn control_characters_are_refused() {
        for text in ["cats\0", "ca\nts", "\u{7f}", "\u{85}"] {
            assert_eq!(Voter::parse(text), Err(InvalidName::ControlCharacter));
        }
    }

    #[test]
    fn a_poll_is_a_slug() {
        for text in ["default", "best-pet-2026", "7", &"a".repeat(63)] {
            assert_eq!(PollId::parse(text).unwrap().as_str(), text);
        }
        for text in ["-a", "A", "a b", "a/b", "ä", "a_b"] {
            assert_eq!(PollId::parse(text), Err(InvalidName::NotASlug), "{text}");
        }
        assert_eq!(
            PollId::parse(&"a".repeat(64)),
            Err(InvalidName::TooLong(63))
        );
        assert_eq!(
            PollId::parse(PollId::default().as_str()),
            Ok(PollId::default())
        );
    }

    proptest! {
        #[test]
        fn what_is_accepted_comes_out_as_it_went_in(text in any::<String>()) {
            if let Ok(id) = VoteId::parse(&text) {
                prop_assert_eq!(id.as_str(), text.as_str());
                prop_assert!(!text.is_empty() && text.chars().count() <= VoteId::MAX_CHARS);
                prop_assert!(!text.chars().any(char::is_control));
            }
            if let Ok(poll) = PollId::parse(&text) {
                prop_assert_eq!(poll.into_string(), text);
            }
        }
    }
}
