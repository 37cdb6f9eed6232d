//! What is asked of PostgreSQL.

use ballot::{OptionName, PollId, Receipt, Results, Tally, VoteId};
use platform::Failure;
use platform::postgres::{ParameterValue, Postgres, column, unexpected};

/// How a poll stands; none if there is no such poll.
pub async fn results(postgres: &Postgres, poll: &PollId) -> Result<Option<Results>, Failure> {
    // Spin knows neither timestamptz nor, without another library, numeric.
    const STATEMENT: &str = r#"
        select option, count, percentage::float8 as percentage,
               to_char(max(updated_at) over () at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as last_updated
        from get_vote_results($1)
    "#;
    let rows = postgres.query(STATEMENT, &[text(poll.as_str())]).await?;
    let Some(first) = rows.first() else {
        return Ok(None);
    };
    let last_updated = column(first, "last_updated")?;
    let tallies = rows
        .iter()
        .map(|row| {
            Ok(Tally {
                option: column(row, "option")?,
                count: column(row, "count")?,
                percentage: column(row, "percentage")?,
            })
        })
        .collect::<Result<_, Failure>>()?;
    Ok(Some(Results {
        tallies,
        last_updated,
    }))
}

/// The receipt of a vote; none if it is not in the tally.
pub async fn receipt(
    postgres: &Postgres,
    poll: PollId,
    vote_id: VoteId,
) -> Result<Option<Receipt>, Failure> {
    const STATEMENT: &str = r#"
        select option, to_char(recorded_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') as counted_at
        from vote_events
        where poll = $1 and vote_id = $2
    "#;
    let rows = postgres
        .query(STATEMENT, &[text(poll.as_str()), text(vote_id.as_str())])
        .await?;
    let Some(row) = rows.first() else {
        return Ok(None);
    };
    let option: String = column(row, "option")?;
    let option = OptionName::parse(&option).map_err(|_| unexpected("option"))?;
    Ok(Some(Receipt {
        vote_id,
        poll,
        option,
        counted_at: column(row, "counted_at")?,
    }))
}

fn text(value: &str) -> ParameterValue {
    ParameterValue::Str(value.to_owned())
}
