//! The audit log as organizers take it away.

use serde::Serialize;

/// A row of the log.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedVote {
    /// Its id.
    pub vote_id: String,
    /// Null if the vote did not come through the stream.
    pub stream_id: Option<String>,
    /// For what it was cast.
    pub option: String,
    /// Null where voters are not told apart.
    pub voter: Option<String>,
    /// ISO 8601, UTC.
    pub cast_at: String,
    /// Likewise.
    pub recorded_at: String,
    /// What `?after=` goes on from.
    pub cursor: String,
}

/// A place in the log: a batch, and a vote in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// 0 before all others.
    pub batch: i64,
    /// Empty before all others.
    pub vote_id: String,
}

impl Cursor {
    /// Before the first row.
    pub const START: Self = Self {
        batch: 0,
        vote_id: String::new(),
    };

    /// As it stands in a row.
    pub fn render(batch: i64, vote_id: &str) -> String {
        format!("{batch}.{vote_id}")
    }

    /// Reads what [`Self::render`] wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (batch, vote_id) = text.split_once('.')?;
        let batch = batch.parse().ok().filter(|batch| *batch >= 0)?;
        Some(Self {
            batch,
            vote_id: vote_id.to_owned(),
        })
    }
}

impl LoggedVote {
    /// The row as a line of JSON.
    pub fn ndjson(&self) -> String {
        // Cannot fail: all of it is text.
        let mut line = serde_json::to_string(self).unwrap_or_default();
        line.push('\n');
        line
    }

    /// The row as a line of CSV (RFC 4180).
    pub fn csv(&self) -> String {
        let mut line = cells(self).map(quoted).join(",");
        line.push_str("\r\n");
        line
    }

    /// The first line of CSV.
    pub fn csv_header() -> String {
        format!("{}\r\n", COLUMNS.join(","))
    }
}

const COLUMNS: [&str; 7] = [
    "vote_id",
    "stream_id",
    "option",
    "voter",
    "cast_at",
    "recorded_at",
    "cursor",
];

fn cells(row: &LoggedVote) -> [&str; 7] {
    let LoggedVote {
        vote_id,
        stream_id,
        option,
        voter,
        cast_at,
        recorded_at,
        cursor,
    } = row;
    [
        vote_id,
        stream_id.as_deref().unwrap_or_default(),
        option,
        voter.as_deref().unwrap_or_default(),
        cast_at,
        recorded_at,
        cursor,
    ]
}

/// A field as RFC 4180 has it. What a spreadsheet would take for a formula begins with an apostrophe, as OWASP
/// advises: an option may be anything, and so may the id that a client gives its vote.
fn quoted(cell: &str) -> String {
    let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        "'"
    } else {
        ""
    };
    if guard.is_empty() && !cell.contains(['"', ',', '\r', '\n']) {
        return cell.to_owned();
    }
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(vote_id: &str) -> LoggedVote {
        LoggedVote {
            vote_id: vote_id.into(),
            stream_id: None,
            option: "cats".into(),
            voter: None,
            cast_at: "2025-11-16T20:14:48.273326Z".into(),
            recorded_at: "2025-11-16T20:14:49.000000Z".into(),
            cursor: Cursor::render(7, vote_id),
        }
    }

    #[test]
    fn a_row_is_a_line_of_json_or_of_csv() {
        assert_eq!(
            row("k").ndjson(),
            "{\"vote_id\":\"k\",\"stream_id\":null,\"option\":\"cats\",\"voter\":null,\
             \"cast_at\":\"2025-11-16T20:14:48.273326Z\",\"recorded_at\":\"2025-11-16T20:14:49.000000Z\",\
             \"cursor\":\"7.k\"}\n"
        );
        assert_eq!(
            row("k").csv(),
            "k,,cats,,2025-11-16T20:14:48.273326Z,2025-11-16T20:14:49.000000Z,7.k\r\n"
        );
        assert_eq!(LoggedVote::csv_header().split(',').count(), 7);
    }

    #[test]
    fn a_spreadsheet_finds_no_formula() {
        for text in ["=1+1", "+1", "-1", "@x", "\tx", "\rx"] {
            assert!(
                row(text).csv().starts_with(&format!("\"'{text}\",")),
                "{text:?}"
            );
        }
        assert!(row("a,\"b\"").csv().starts_with("\"a,\"\"b\"\"\","));
    }

    proptest! {
        #[test]
        fn a_cursor_round_trips(batch in 0..i64::MAX, vote_id in "\\PC*") {
            let cursor = Cursor { batch, vote_id: vote_id.clone() };
            prop_assert_eq!(Cursor::parse(&Cursor::render(batch, &vote_id)), Some(cursor));
        }

        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = Cursor::parse(&text);
            let _ = row(&text).csv();
        }
    }
}
