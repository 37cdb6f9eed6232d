//! The audit log, to take away. It is read page by page while it is sent, so that
//! one of any length takes the memory of a page.

use ballot::{Cursor, LoggedVote, PollId};
use bytes::Bytes;
use conventions::{Problem, accept};
use futures::stream::{self, Stream};
use http::header::ACCEPT;
use http::{Method, StatusCode};
use platform::postgres::Postgres;
use platform::{Failure, Request, Streamed};

use crate::office::{Office, unavailable, unknown};
use crate::queries;

/// Rows that are read at once.
const PAGE: i32 = 2000;

/// How rows are written.
#[derive(Clone, Copy)]
pub enum Format {
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

    /// Of a file.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::Csv => "csv",
        }
    }
}

/// For programs, as `Accept` asks.
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
    let mut response = send(office, poll, format, request, streamed).await?;
    conventions::vary(response.headers_mut(), "Accept");
    Ok(response)
}

/// To whoever may have it.
pub async fn send(
    office: &'static Office,
    poll: PollId,
    format: Format,
    request: &Request,
    streamed: &Streamed,
) -> conventions::Result {
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
    let body = Bytes::new();
    Ok(conventions::respond(
        StatusCode::OK,
        format.content_type(),
        body,
    ))
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
        let mut text = String::new();
        match self.format {
            Format::Ndjson => rows.iter().for_each(|row| text.push_str(&row.ndjson())),
            Format::Csv => {
                if !self.has_begun {
                    text.push_str(&LoggedVote::csv_header());
                }
                rows.iter().for_each(|row| text.push_str(&row.csv()));
            }
        }
        text.into()
    }
}
