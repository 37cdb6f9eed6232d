//! What is asked of PostgreSQL.

use ballot::{OptionName, PollId, Receipt, Results, Tally, VoteId};
use platform::Failure;
use platform::postgres::{ParameterValue, Postgres, Row, column, unexpected};

/// How a poll stands; none if there is no such poll.
pub async fn results(postgres: &Postgres, poll: PollId) -> Result<Option<Results>, Failure> {
    // Spin knows neither timestamptz nor, without another library, numeric.
    const STATEMENT: &str = r#"
        select p.question, p.one_vote_per_voter, r.option, r.count, r.percentage::float8 as percentage,
               (sum(v.replaced) over ())::bigint as replaced,
               to_char(max(r.updated_at) over () at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as last_updated
        from polls p
        cross join get_vote_results($1) with ordinality as r (option, count, percentage, updated_at, place)
        join votes v on v.poll = p.poll and v.option = r.option
        where p.poll = $1
        order by r.place
    "#;
    let rows = postgres.query(STATEMENT, &[text(poll.as_str())]).await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let once: bool = column(first, "one_vote_per_voter")?;
    Ok(Some(Results {
        poll,
        question: column(first, "question")?,
        tallies: rows.iter().map(tally).collect::<Result<_, Failure>>()?,
        replaced: if once {
            Some(column(first, "replaced")?)
        } else {
            None
        },
        last_updated: column(first, "last_updated")?,
    }))
}

fn tally(row: &Row) -> Result<Tally, Failure> {
    Ok(Tally {
        option: option(row)?,
        count: column(row, "count")?,
        percentage: column(row, "percentage")?,
    })
}

/// The receipt of a vote; none if it is not counted.
pub async fn receipt(
    postgres: &Postgres,
    poll: PollId,
    vote_id: VoteId,
) -> Result<Option<Receipt>, Failure> {
    const STATEMENT: &str = r#"
        select option, to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as counted_at,
               replaced
        from get_receipt($1, $2)
    "#;
    let rows = postgres
        .query(STATEMENT, &[text(poll.as_str()), text(vote_id.as_str())])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    Ok(Some(Receipt {
        vote_id,
        poll,
        option: option(row)?,
        replaced: column(row, "replaced")?,
        counted_at: column(row, "counted_at")?,
    }))
}

fn option(row: &Row) -> Result<OptionName, Failure> {
    let option: String = column(row, "option")?;
    OptionName::parse(&option).map_err(|_| unexpected("option"))
}

fn text(value: &str) -> ParameterValue {
    ParameterValue::Str(value.to_owned())
}
