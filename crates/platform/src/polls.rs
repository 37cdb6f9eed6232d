//! What PostgreSQL says of polls, as it is published.

use ballot::{Cell, Change, Definition, OptionName, PollId, Timestamp};
use serde_json::json;

use crate::postgres::{ParameterValue, Postgres, Row, column, unexpected};
use crate::stream::PollRevision;
use crate::{Failure, log};

/// The revisions of polls, gone ones too, by name, beginning after this one; at most so many.
pub async fn revisions(
    postgres: &Postgres,
    after: &str,
    most: usize,
) -> Result<Vec<PollRevision>, Failure> {
    const STATEMENT: &str = "select poll, revision, deleted from poll_revisions($1, $2)";
    let most = i32::try_from(most).unwrap_or(i32::MAX);
    let parameters = [
        ParameterValue::Str(after.to_owned()),
        ParameterValue::Int32(most),
    ];
    let rows = postgres.query(STATEMENT, &parameters).await?;
    rows.iter()
        .map(|row| {
            Ok(PollRevision {
                poll: poll(row)?,
                revision: column(row, "revision")?,
                deleted: column(row, "deleted")?,
            })
        })
        .collect()
}

/// Says that polls are about to be published in this cell.
pub async fn announce(postgres: &Postgres, cell: &Cell) -> Result<(), Failure> {
    let cell = [ParameterValue::Str(cell.as_str().to_owned())];
    // What returns nothing is a column of a type that Spin does not know.
    let statement = "select announce_cell($1) is null as announced";
    postgres.query(statement, &cell).await.map(drop)
}

/// What has become of these polls.
pub async fn changes(postgres: &Postgres, polls: &[&PollId]) -> Result<Vec<Change>, Failure> {
    const STATEMENT: &str = "select poll, revision, question, options, opens_ms, closes_ms, one_vote_per_voter \
                             from poll_definitions($1)";
    let polls = polls.iter().map(|poll| Some(poll.as_str().to_owned()));
    let parameters = [ParameterValue::ArrayStr(polls.collect())];
    let rows = postgres.query(STATEMENT, &parameters).await?;
    let mut changes = Vec::with_capacity(rows.len());
    for row in &rows {
        let poll = poll(row)?;
        match definition(row) {
            Ok(definition) => changes.push(Change {
                poll,
                revision: column(row, "revision")?,
                definition,
            }),
            // Made by hand, past the API. The others are published all the same.
            Err(failure) => log::error(
                "poll_not_published",
                json!({ "poll": poll.as_str(), "error": failure.to_string() }),
            ),
        }
    }
    Ok(changes)
}

/// None of a poll that is gone.
fn definition(row: &Row) -> Result<Option<Definition>, Failure> {
    let Some(options) = column::<Option<Vec<Option<String>>>>(row, "options")? else {
        return Ok(None);
    };
    let options = options
        .into_iter()
        .map(|option| OptionName::parse(&option?).ok())
        .collect::<Option<_>>()
        .ok_or_else(|| unexpected("options"))?;
    let time = |name| {
        let millis: Option<i64> = column(row, name)?;
        Ok(millis.and_then(|millis| Timestamp::from_millis(u64::try_from(millis).ok()?)))
    };
    Ok(Some(Definition {
        question: column(row, "question")?,
        options,
        opens_at: time("opens_ms")?,
        closes_at: time("closes_ms")?,
        one_vote_per_voter: column(row, "one_vote_per_voter")?,
    }))
}

fn poll(row: &Row) -> Result<PollId, Failure> {
    let name: String = column(row, "poll")?;
    PollId::parse(&name).map_err(|_| unexpected("poll"))
}
