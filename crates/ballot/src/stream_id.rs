//! The id of a stream entry.

use std::fmt;

use crate::Timestamp;

/// A Redis stream id, `<milliseconds>-<sequence>`: for example `1763562521088-0`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamId(String);

impl StreamId {
    /// Takes both numbers in decimal, as Redis gives them. `None` if it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (millis, sequence) = text.split_once('-')?;
        let number =
            |part: &str| part.bytes().all(|b| b.is_ascii_digit()) && part.parse::<u64>().is_ok();
        (number(millis) && number(sequence)).then(|| Self(text.to_owned()))
    }

    /// When Redis appended the entry. `None` if the producer chose an id that is no time.
    pub fn appended_at(&self) -> Option<Timestamp> {
        let (millis, _) = self.0.split_once('-')?;
        Timestamp::from_millis(millis.parse().ok()?)
    }

    /// `<milliseconds>-<sequence>`, as Redis writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Likewise, without a copy.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn begins_with_the_time_of_appending() {
        let id = StreamId::parse("1763562521088-7").unwrap();
        assert_eq!(
            id.appended_at().map(Timestamp::as_micros),
            Some(1_763_562_521_088_000)
        );
        assert_eq!(
            StreamId::parse("18446744073709551615-1")
                .unwrap()
                .appended_at(),
            None
        );
    }

    proptest! {
        #[test]
        fn ids_round_trip(millis in any::<u64>(), sequence in any::<u64>()) {
            let text = format!("{millis}-{sequence}");
            prop_assert_eq!(StreamId::parse(&text).map(StreamId::into_string), Some(text));
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            if let Some(id) = StreamId::parse(&text) {
                let _ = id.appended_at();
            }
        }
    }
}
