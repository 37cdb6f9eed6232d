//! `GET /metrics`: what the stream and the tables say at this moment, for Prometheus.

use futures::join;
use http::StatusCode;
use platform::http::{self as web, Problem};
use platform::postgres::{Postgres, column};
use platform::stream::{Consumer, Standing};
use platform::{Failure, http::Response};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

/// Polls that have a series an option of their own; what older ones counted is summed.
const POLLS: i64 = 100;

/// The `poll` and `option` of that sum. No poll can be named so.
const OTHER: &str = "_other";

/// OpenMetrics, which Prometheus made of its own text format.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What one query of the database says.
struct Tables {
    /// poll, option, votes
    tallies: Vec<(String, String, i64)>,
    /// Unix seconds; zero before the first vote.
    last_recorded: i64,
    migrations_version: i64,
}

/// Answers with what can be had. A server that does not answer is a metric, too: the half that
/// depends on it is left out.
pub async fn metrics(consumer: &Consumer, postgres: &Postgres) -> Result<Response, Problem> {
    let (standing, tables) = join!(consumer.standing(), tables(postgres));
    let text = encode(&standing, &tables).map_err(|error| Problem::Internal(error.to_string()))?;
    standing.as_ref().err().into_iter().for_each(Failure::log);
    tables.as_ref().err().into_iter().for_each(Failure::log);
    Ok(web::respond(StatusCode::OK, CONTENT_TYPE, text))
}

async fn tables(postgres: &Postgres) -> Result<Tables, Failure> {
    const STATEMENT: &str = r#"
        with ranked as (
            select poll, row_number() over (order by created_at desc, poll) <= $1 as shown
            from polls
        ), tallies as (
            select case when shown then poll else $2 end as poll,
                   case when shown then option else $2 end as option,
                   sum(count)::bigint as count
            from votes join ranked using (poll)
            group by 1, 2
        )
        select poll, option, count,
               (select coalesce(extract(epoch from max(updated_at) filter (where count > 0)), 0)::bigint
                from votes) as last_recorded,
               (select max(version)::bigint from schema_migrations) as migrations_version
        from tallies
        order by poll, option
    "#;
    let parameters = [POLLS.into(), OTHER.to_owned().into()];
    let rows = postgres.query(STATEMENT, &parameters).await?;
    let mut tables = Tables {
        tallies: Vec::new(),
        last_recorded: 0,
        migrations_version: 0,
    };
    for row in &rows {
        let tally = (
            column(row, "poll")?,
            column(row, "option")?,
            column(row, "count")?,
        );
        tables.tallies.push(tally);
        tables.last_recorded = column(row, "last_recorded")?;
        tables.migrations_version = column(row, "migrations_version")?;
    }
    Ok(tables)
}

fn encode(
    standing: &Result<Standing, Failure>,
    tables: &Result<Tables, Failure>,
) -> Result<String, std::fmt::Error> {
    let mut registry = Registry::with_prefix("spinvote");

    let up = Family::<Upstream, Gauge>::default();
    for (upstream, answered) in [("redis", standing.is_ok()), ("postgres", tables.is_ok())] {
        up.get_or_create(&Upstream { upstream })
            .set(answered.into());
    }
    registry.register("upstream_up", "Whether the server answered just now", up);

    if let Ok(standing) = standing {
        for (name, help, value) in [
            (
                "stream_length",
                "Entries in the stream, acknowledged ones included",
                standing.length,
            ),
            (
                "stream_lag",
                "Entries that the consumer group has not read",
                standing.lag,
            ),
            (
                "pending_entries",
                "Entries that were read and are not acknowledged",
                standing.pending,
            ),
            (
                "consumers",
                "Consumers that the group knows",
                standing.consumers,
            ),
            (
                "dead_letters",
                "Entries in the dead-letter stream",
                standing.rejected,
            ),
            (
                "oldest_pending_seconds",
                "Since the oldest pending entry was appended; 0 without one",
                i64::try_from(standing.oldest_pending.as_secs()).unwrap_or(i64::MAX),
            ),
        ] {
            registry.register(name, help, ConstGauge::new(value));
        }
    }

    if let Ok(tables) = tables {
        let counted = Family::<Tally, Counter>::default();
        for (poll, option, count) in &tables.tallies {
            let tally = Tally {
                poll: poll.clone(),
                option: option.clone(),
            };
            counted
                .get_or_create(&tally)
                .inc_by(u64::try_from(*count).unwrap_or_default());
        }
        registry.register("votes_counted", "Votes in the tally", counted);
        registry.register(
            "last_recorded_timestamp_seconds",
            "When a vote was last recorded, in Unix time; 0 before the first",
            ConstGauge::new(tables.last_recorded),
        );
        registry.register(
            "migrations_version",
            "The version of the database's schema",
            ConstGauge::new(tables.migrations_version),
        );
    }

    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Upstream {
    upstream: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Tally {
    poll: String,
    option: String,
}
