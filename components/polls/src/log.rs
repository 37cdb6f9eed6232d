//! `GET /api/polls/{poll}/votes`: the audit log, to take away. It is read page by page while it is sent, so that
//! one of any length takes the memory of a page.

use std::collections::VecDeque;

use ballot::PollId;
use bytes::Bytes;
use conventions::{Problem, Response, accept};
use futures::stream::{self, Stream};
use http::header::ACCEPT;
use http::{Method, StatusCode};
use platform::postgres::Postgres;
use platform::{Failure, Request, Streamed};
use serde::Serialize;

use crate::office::{Office, unavailable, unknown};
use crate::queries;

/// Rows that are read at once.
const PAGE: i32 = 2000;

/// A row of the log.
#[derive(Debug, Clone, Serialize)]
pub struct LoggedVote {
    pub vote_id: String,
    /// Null if the vote did not come through the stream.
    pub stream_id: Option<String>,
    pub option: String,
    /// Null where voters are not told apart.
    pub voter: Option<String>,
    /// ISO 8601, UTC.
    pub cast_at: String,
    pub recorded_at: String,
    /// What `?after=` goes on from.
    pub cursor: String,
}

/// A place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    pub batch: i64,
    pub vote_id: String,
}

impl Cursor {
    const START: Self = Self {
        batch: 0,
        vote_id: String::new(),
    };

    pub fn render(batch: i64, vote_id: &str) -> String {
        format!("{batch}.{vote_id}")
    }

    fn parse(text: &str) -> Option<Self> {
        let (batch, vote_id) = text.split_once('.')?;
        let batch = batch.parse().ok().filter(|batch| *batch >= 0)?;
        Some(Self {
            batch,
            vote_id: vote_id.to_owned(),
        })
    }
}

/// How rows are written.
#[derive(Clone, Copy)]
enum Format {
    Ndjson,
    Csv,
}

impl Format {
    fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }
}

pub async fn votes(
    office: &'static Office,
    poll: PollId,
    request: &Request,
    streamed: &Streamed,
) -> conventions::Result {
    conventions::allow(request, &[Method::GET])?;
    office.organizers.admit(request.headers())?;
    let accepted = conventions::list(request.headers(), ACCEPT);
    let format = match accept::preferred_of(&accepted, &["application/x-ndjson", "text/csv"]) {
        Some(1) => Format::Csv,
        _ => Format::Ndjson,
    };
    let after = cursor(request.uri().query().unwrap_or_default())?;
    queries::find(&office.postgres, &poll)
        .await
        .map_err(unavailable)?
        .ok_or_else(|| unknown(&poll))?;
    let until = queries::log_ends(&office.postgres)
        .await
        .map_err(unavailable)?;
    if request.method() == Method::GET {
        let reading = Reading {
            postgres: &office.postgres,
            poll,
            after,
            until,
            format,
            has_begun: false,
        };
        streamed.set(reading.pages());
    }
    let mut response: Response =
        conventions::respond(StatusCode::OK, format.content_type(), Bytes::new());
    conventions::vary(response.headers_mut(), "Accept");
    Ok(response)
}

fn cursor(query: &str) -> conventions::Result<Cursor> {
    let after = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find(|(name, _)| *name == "after");
    let Some((_, text)) = after else {
        return Ok(Cursor::START);
    };
    conventions::decode(text)
        .and_then(|text| Cursor::parse(&text))
        .ok_or_else(|| {
            Problem::BadRequest(
                "after: must be the cursor of a row of this log, percent-encoded.".into(),
            )
        })
}

/// How far the log was read.
struct Reading {
    postgres: &'static Postgres,
    poll: PollId,
    after: Cursor,
    until: i64,
    format: Format,
    has_begun: bool,
}

impl Reading {
    /// The pages of the log. One that cannot be read ends the answer in its middle, so that the client knows: it
    /// may go on after the last row that it has.
    fn pages(self) -> impl Stream<Item = Result<Bytes, Failure>> {
        stream::try_unfold(Some(self), async |reading| {
            let Some(mut reading) = reading else {
                return Ok(None);
            };
            let page = queries::log(
                reading.postgres,
                &reading.poll,
                &reading.after,
                reading.until,
                PAGE,
            );
            let rows = page.await.inspect_err(Failure::log)?;
            let text = reading.render(&rows);
            let last = rows.last().and_then(|row| Cursor::parse(&row.cursor));
            let next = last.map(|last| {
                reading.after = last;
                reading.has_begun = true;
                reading
            });
            Ok((!text.is_empty()).then_some((text, next)))
        })
    }

    fn render(&self, rows: &[LoggedVote]) -> Bytes {
        let mut text = Vec::new();
        match self.format {
            Format::Ndjson => {
                for row in rows {
                    // Cannot fail: all of it is text.
                    if serde_json::to_writer(&mut text, row).is_ok() {
                        text.push(b'\n');
                    }
                }
            }
            Format::Csv => {
                let mut rows: VecDeque<_> = rows.iter().map(cells).collect();
                if !self.has_begun {
                    rows.push_front(COLUMNS.map(str::to_owned));
                }
                for row in rows {
                    let row = row.map(|cell| quoted(&cell)).join(",");
                    text.extend_from_slice(row.as_bytes());
                    text.extend_from_slice(b"\r\n");
                }
            }
        }
        text.into()
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

fn cells(row: &LoggedVote) -> [String; 7] {
    let LoggedVote {
        vote_id,
        stream_id,
        option,
        voter,
        cast_at,
        recorded_at,
        cursor,
    } = row.clone();
    [
        vote_id,
        stream_id.unwrap_or_default(),
        option,
        voter.unwrap_or_default(),
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
