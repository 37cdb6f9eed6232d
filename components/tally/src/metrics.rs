//! `GET /metrics`: what the stream and the tables say at this moment, for Prometheus.

use futures::join;
use http::StatusCode;
use platform::http::{self as web, Problem};
use platform::postgres::{Postgres, column};
use platform::stream::{Consumer, Standing};
use platform::{Failure, http::Response};
use prometheus::{Gauge, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder};

/// Polls that have a series an option of their own; what older ones counted is summed.
const POLLS: i64 = 100;

/// The `poll` and `option` of that sum. No poll can be named so.
const OTHER: &str = "_other";

/// What one query of the database says.
struct Tables {
    /// poll, option, votes
    tallies: Vec<(String, String, i64)>,
    /// Unix seconds; zero before the first vote.
    last_recorded: f64,
    migrations_version: i64,
}

/// Answers with what can be had. A server that does not answer is a metric, too: the half that
/// depends on it is left out.
pub async fn metrics(consumer: &Consumer, postgres: &Postgres) -> Result<Response, Problem> {
    let (standing, tables) = join!(consumer.standing(), tables(postgres));
    let text = encode(&standing, &tables).map_err(|error| Problem::Internal(error.to_string()))?;
    standing.as_ref().err().into_iter().for_each(Failure::log);
    tables.as_ref().err().into_iter().for_each(Failure::log);
    Ok(web::respond(StatusCode::OK, prometheus::TEXT_FORMAT, text))
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
               (select coalesce(extract(epoch from max(updated_at) filter (where count > 0)), 0)::float8
                from votes) as last_recorded,
               (select max(version)::bigint from schema_migrations) as migrations_version
        from tallies
        order by poll, option
    "#;
    let parameters = [POLLS.into(), OTHER.to_owned().into()];
    let rows = postgres.query(STATEMENT, &parameters).await?;
    let mut tables = Tables {
        tallies: Vec::new(),
        last_recorded: 0.0,
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
) -> prometheus::Result<String> {
    let registry = Registry::new();

    let up = IntGaugeVec::new(
        Opts::new(
            "spinvote_upstream_up",
            "Whether the server answered just now.",
        ),
        &["upstream"],
    )?;
    up.with_label_values(&["redis"])
        .set(standing.is_ok().into());
    up.with_label_values(&["postgres"])
        .set(tables.is_ok().into());
    registry.register(Box::new(up))?;

    if let Ok(standing) = standing {
        for (name, help, value) in [
            (
                "spinvote_stream_length",
                "Entries in the stream, acknowledged ones included.",
                standing.length,
            ),
            (
                "spinvote_stream_lag",
                "Entries that the consumer group has not read.",
                standing.lag,
            ),
            (
                "spinvote_pending_entries",
                "Entries that were read and are not acknowledged.",
                standing.pending,
            ),
            (
                "spinvote_consumers",
                "Consumers that the group knows.",
                standing.consumers,
            ),
            (
                "spinvote_dead_letters",
                "Entries in the dead-letter stream.",
                standing.rejected,
            ),
        ] {
            gauge(&registry, name, help, value)?;
        }
        seconds(
            &registry,
            "spinvote_oldest_pending_seconds",
            "Since the oldest pending entry was appended; 0 without one.",
            standing.oldest_pending.as_secs_f64(),
        )?;
    }

    if let Ok(tables) = tables {
        let counted = IntCounterVec::new(
            Opts::new("spinvote_votes_counted_total", "Votes in the tally."),
            &["poll", "option"],
        )?;
        for (poll, option, count) in &tables.tallies {
            let series = counted.with_label_values(&[poll, option]);
            series.inc_by(u64::try_from(*count).unwrap_or_default());
        }
        registry.register(Box::new(counted))?;
        seconds(
            &registry,
            "spinvote_last_recorded_timestamp_seconds",
            "When a vote was last recorded, in Unix time; 0 before the first.",
            tables.last_recorded,
        )?;
        gauge(
            &registry,
            "spinvote_migrations_version",
            "The version of the database's schema.",
            tables.migrations_version,
        )?;
    }

    TextEncoder::new().encode_to_string(&registry.gather())
}

fn gauge(registry: &Registry, name: &str, help: &str, value: i64) -> prometheus::Result<()> {
    let gauge = IntGauge::new(name, help)?;
    gauge.set(value);
    registry.register(Box::new(gauge))
}

fn seconds(registry: &Registry, name: &str, help: &str, value: f64) -> prometheus::Result<()> {
    let gauge = Gauge::new(name, help)?;
    gauge.set(value);
    registry.register(Box::new(gauge))
}
