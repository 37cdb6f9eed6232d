//! Points in time, as entries state them.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};

/// Microseconds since the Unix epoch, from 1970 to 9999.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(i64);

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    const YEAR_10000: i64 = 253_402_300_800 * 1_000_000;

    /// Reads ISO 8601 (`2025-11-16T20:14:48.273326Z`; without an offset it is UTC) or Unix seconds
    /// (`1763562521` or `1763562521.088`). `None` if it is neither, or lies outside the years above.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        unix_seconds(text).or_else(|| iso_8601(text))
    }

    /// Reads ISO 8601 with an offset, to the millisecond; `None` if it is anything else.
    pub fn parse_with_offset(text: &str) -> Option<Self> {
        let time = DateTime::parse_from_rfc3339(text).ok()?;
        Self::from_millis(u64::try_from(time.timestamp_millis()).ok()?)
    }

    /// What the system's clock says.
    pub fn now() -> Self {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        i64::try_from(since.as_micros())
            .ok()
            .and_then(Self::from_micros)
            .unwrap_or(Self::EPOCH)
    }

    /// Milliseconds since the Unix epoch, as stream ids begin with.
    pub fn from_millis(millis: u64) -> Option<Self> {
        Self::from_micros(i64::try_from(millis).ok()?.checked_mul(1000)?)
    }

    fn from_micros(micros: i64) -> Option<Self> {
        (0..Self::YEAR_10000)
            .contains(&micros)
            .then_some(Self(micros))
    }

    /// Microseconds since the Unix epoch.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// Milliseconds since the Unix epoch, rounded down.
    pub fn as_millis(self) -> i64 {
        self.0 / 1000
    }
}

/// ISO 8601 in UTC, with as many decimals as it takes: `2025-11-16T20:14:48Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = DateTime::from_timestamp_micros(self.0).unwrap_or_default();
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// By digits rather than as a float, so that every microsecond survives.
fn unix_seconds(text: &str) -> Option<Timestamp> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) {
        return None;
    }
    let micros: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let seconds: i64 = whole.parse().ok()?;
    Timestamp::from_micros(
        seconds
            .checked_mul(1_000_000)?
            .checked_add(micros.parse().ok()?)?,
    )
}

/// What RFC 3339 asks for is made good first: an offset, and a colon in it.
fn iso_8601(text: &str) -> Option<Timestamp> {
    let (date, time) = text.split_at_checked(10)?;
    let time = match time.rfind(['+', '-']) {
        None if time.ends_with(['Z', 'z']) => time.to_owned(),
        None => format!("{time}Z"),
        Some(sign) => {
            let (time, offset) = time.split_at(sign);
            match offset.len() {
                3 => format!("{time}{offset}:00"),
                5 => format!("{time}{}:{}", offset.get(..3)?, offset.get(3..)?),
                _ => format!("{time}{offset}"),
            }
        }
    };
    let time = DateTime::parse_from_rfc3339(&format!("{date}{time}")).ok()?;
    Timestamp::from_micros(time.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn micros(text: &str) -> Option<i64> {
        Timestamp::parse(text).map(Timestamp::as_micros)
    }

    #[test]
    fn iso_8601_in_its_usual_forms() {
        let expected = Some(1_763_324_088_273_326);
        for text in [
            "2025-11-16T20:14:48.273326Z",
            "2025-11-16T20:14:48.273326+00:00",
            "2025-11-16T22:14:48.273326+02:00",
            "2025-11-16T22:14:48.273326+0200",
            "2025-11-16T22:14:48.273326+02",
            "2025-11-16T15:14:48.273326-05:00",
            "2025-11-16T20:14:48.273326",
            "2025-11-16 20:14:48.273326",
        ] {
            assert_eq!(micros(text), expected, "{text}");
        }
        assert_eq!(micros("2025-11-16T20:14:48Z"), Some(1_763_324_088_000_000));
    }

    #[test]
    fn unix_seconds_with_and_without_a_fraction() {
        assert_eq!(micros("1763562521"), Some(1_763_562_521_000_000));
        assert_eq!(micros("1763562521.088"), Some(1_763_562_521_088_000));
        assert_eq!(micros("1763562521.0882734"), Some(1_763_562_521_088_273));
        assert_eq!(micros("0"), Some(0));
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "now",
            "-1",
            "1.2.3",
            "1e9",
            ".5",
            "2025-13-01T00:00:00Z",
            "2025-11-16T20:14Z",
            "2025-11-16T20:14:48+2",
            "2025-11-16T20:14:48+02é",
            "253402300800",
            "99999999999999999999",
            "+262000-01-01T00:00:00Z",
            "1969-12-31T23:59:59Z",
        ] {
            assert_eq!(micros(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = Timestamp::parse(&text);
        }

        #[test]
        fn every_microsecond_round_trips(expected in 0..Timestamp::YEAR_10000) {
            let seconds = format!("{}.{:06}", expected / 1_000_000, expected % 1_000_000);
            prop_assert_eq!(micros(&seconds), Some(expected));
            let iso = DateTime::from_timestamp_micros(expected).unwrap().to_rfc3339();
            prop_assert_eq!(micros(&iso), Some(expected));
            prop_assert_eq!(micros(&Timestamp(expected).to_string()), Some(expected));
        }
    }
}
