//! What is asked of PostgreSQL.

use ballot::{Cursor, Definition, LoggedVote, PollId, Timestamp};
use pages::ListedPoll;
use platform::postgres::{ParameterValue, Postgres, Row, column, unexpected};
use platform::{Failure, polls};
use serde::Serialize;

/// A poll as the API shows it.
#[derive(Debug, Serialize)]
pub struct Document {
    pub poll: String,
    question: String,
    options: Vec<String>,
    /// ISO 8601, UTC.
    opens_at: Option<String>,
    closes_at: Option<String>,
    one_vote_per_voter: bool,
    #[serde(skip)]
    pub revision: i64,
}

/// As every statement below gives a poll. Spin does not know timestamptz.
const COLUMNS: &str = r"poll, question, options, one_vote_per_voter, revision,
    (extract(epoch from opens_at) * 1000)::bigint as opens_ms,
    (extract(epoch from closes_at) * 1000)::bigint as closes_ms";

/// Polls by name, beginning after this one; at most so many.
pub async fn list(postgres: &Postgres, after: &str, most: i64) -> Result<Vec<Document>, Failure> {
    let statement = format!("select {COLUMNS} from polls where poll > $1 order by poll limit $2");
    let parameters = [text(after), ParameterValue::Int64(most)];
    let rows = postgres.query(&statement, &parameters).await?;
    rows.iter().map(document).collect()
}

/// The polls that people want to see first: open ones, then those that open soonest, then those that were closed
/// last.
pub async fn listed(postgres: &Postgres, most: i64) -> Result<Vec<ListedPoll>, Failure> {
    const STATEMENT: &str = r"
        select poll, question, (extract(epoch from opens_at) * 1000)::bigint as opens_ms,
               (extract(epoch from closes_at) * 1000)::bigint as closes_ms
        from polls
        order by closes_at <= now() is true, opens_at > now() is true,
                 case when opens_at > now() then opens_at end, case when closes_at <= now() then closes_at end desc,
                 created_at desc, poll
        limit $1
    ";
    let rows = postgres
        .query(STATEMENT, &[ParameterValue::Int64(most)])
        .await?;
    rows.iter()
        .map(|row| {
            let name: String = column(row, "poll")?;
            Ok(ListedPoll {
                id: PollId::parse(&name).map_err(|_| unexpected("poll"))?,
                question: column(row, "question")?,
                opens_at: time(row, "opens_ms")?,
                closes_at: time(row, "closes_ms")?,
            })
        })
        .collect()
}

/// None if there is no such poll.
pub async fn find(postgres: &Postgres, poll: &PollId) -> Result<Option<Document>, Failure> {
    let statement = format!("select {COLUMNS} from polls where poll = $1");
    let rows = postgres.query(&statement, &[text(poll.as_str())]).await?;
    rows.first().map(document).transpose()
}

/// The poll to be changed, with its revision.
pub async fn definition(
    postgres: &Postgres,
    poll: &PollId,
) -> Result<Option<(i64, Definition)>, Failure> {
    let changes = polls::changes(postgres, &[poll]).await?;
    let change = changes.into_iter().next();
    Ok(change.and_then(|change| Some((change.revision, change.definition?))))
}

/// None if the name is taken.
pub async fn create(
    postgres: &Postgres,
    poll: &PollId,
    definition: &Definition,
) -> Result<Option<Document>, Failure> {
    let statement = format!(
        "insert into polls (poll, question, options, opens_at, closes_at, one_vote_per_voter)
         values ($1, $2, $3, {}, {}, $6)
         on conflict (poll) do nothing
         returning {COLUMNS}",
        timestamptz("$4"),
        timestamptz("$5"),
    );
    let rows = postgres
        .query(&statement, &parameters(poll, definition))
        .await?;
    rows.first().map(document).transpose()
}

/// None if the poll is gone, or no longer in this revision.
pub async fn change(
    postgres: &Postgres,
    poll: &PollId,
    definition: &Definition,
    revision: i64,
) -> Result<Option<Document>, Failure> {
    let statement = format!(
        "update polls
         set question = $2, options = $3, opens_at = {}, closes_at = {}, one_vote_per_voter = $6
         where poll = $1 and revision = $7
         returning {COLUMNS}",
        timestamptz("$4"),
        timestamptz("$5"),
    );
    let mut parameters = parameters(poll, definition);
    parameters.push(ParameterValue::Int64(revision));
    let rows = postgres.query(&statement, &parameters).await?;
    rows.first().map(document).transpose()
}

/// Whether the poll was there, in this revision.
pub async fn delete(postgres: &Postgres, poll: &PollId, revision: i64) -> Result<bool, Failure> {
    let statement = "delete from polls where poll = $1 and revision = $2 returning poll";
    let parameters = [text(poll.as_str()), ParameterValue::Int64(revision)];
    let rows = postgres.query(statement, &parameters).await?;
    Ok(!rows.is_empty())
}

/// Up to which batch the audit log is complete.
pub async fn log_ends(postgres: &Postgres) -> Result<i64, Failure> {
    let rows = postgres
        .query("select audit_log_ends() as batch", &[])
        .await?;
    rows.first()
        .map_or_else(|| Err(unexpected("batch")), |row| column(row, "batch"))
}

/// The audit log of a poll after a place, up to a batch; at most so many rows.
pub async fn log(
    postgres: &Postgres,
    poll: &PollId,
    after: &Cursor,
    until: i64,
    most: i32,
) -> Result<Vec<LoggedVote>, Failure> {
    const STATEMENT: &str = r#"
        select batch, vote_id, stream_id, option, voter,
               to_char(cast_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as cast_at,
               to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as recorded_at
        from audit_log($1, $2, $3, $4, $5)
    "#;
    let parameters = [
        text(poll.as_str()),
        ParameterValue::Int64(after.batch),
        text(&after.vote_id),
        ParameterValue::Int64(until),
        ParameterValue::Int32(most),
    ];
    let rows = postgres.query(STATEMENT, &parameters).await?;
    rows.iter()
        .map(|row| {
            let vote_id: String = column(row, "vote_id")?;
            Ok(LoggedVote {
                cursor: Cursor::render(column(row, "batch")?, &vote_id),
                stream_id: column(row, "stream_id")?,
                option: column(row, "option")?,
                voter: column(row, "voter")?,
                cast_at: column(row, "cast_at")?,
                recorded_at: column(row, "recorded_at")?,
                vote_id,
            })
        })
        .collect()
}

fn parameters(poll: &PollId, definition: &Definition) -> Vec<ParameterValue> {
    let millis = |time: Option<Timestamp>| {
        time.map_or(ParameterValue::DbNull, |time| {
            ParameterValue::Int64(time.as_millis())
        })
    };
    let options = definition
        .options
        .iter()
        .map(|option| Some(option.as_str().to_owned()));
    vec![
        text(poll.as_str()),
        text(&definition.question),
        ParameterValue::ArrayStr(options.collect()),
        millis(definition.opens_at),
        millis(definition.closes_at),
        ParameterValue::Boolean(definition.one_vote_per_voter),
    ]
}

/// A point in time from a column in milliseconds.
fn time(row: &Row, name: &str) -> Result<Option<Timestamp>, Failure> {
    let millis: Option<i64> = column(row, name)?;
    Ok(millis.and_then(|millis| Timestamp::from_millis(u64::try_from(millis).ok()?)))
}

fn timestamptz(millis: &str) -> String {
    format!("timestamptz 'epoch' + {millis}::bigint * interval '1 millisecond'")
}

fn document(row: &Row) -> Result<Document, Failure> {
    let options: Vec<Option<String>> = column(row, "options")?;
    let text = |name| Ok(time(row, name)?.map(|time| time.to_string()));
    Ok(Document {
        poll: column(row, "poll")?,
        question: column(row, "question")?,
        options: options
            .into_iter()
            .collect::<Option<_>>()
            .ok_or_else(|| unexpected("options"))?,
        opens_at: text("opens_ms")?,
        closes_at: text("closes_ms")?,
        one_vote_per_voter: column(row, "one_vote_per_voter")?,
        revision: column(row, "revision")?,
    })
}

fn text(value: &str) -> ParameterValue {
    ParameterValue::Str(value.to_owned())
}
