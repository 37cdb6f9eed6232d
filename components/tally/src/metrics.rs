//! `GET /metrics`: what the stream and the tables say at this moment, for Prometheus.

use std::fmt;
use std::time::Duration;

use conventions::Problem;
use conventions::Response;
use futures::join;
use http::StatusCode;
use platform::Failure;
use platform::postgres::{Postgres, column, unexpected};
use platform::stream::{Consumer, Refusals, Standing};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

/// Polls that have a series an option of their own; what older ones counted is summed.
const POLLS: i64 = 100;

/// The `poll` and `option` of that sum. No poll can be named so.
const OTHER: &str = "_other";

/// OpenMetrics, which Prometheus made of its own text format.
const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What the servers say, as far as they answer. Nothing of it is kept until the next time, hence a
/// collector.
#[derive(Debug)]
struct Snapshot {
    standing: Result<Standing, Failure>,
    listeners: Result<i64, Failure>,
    refusals: Result<Refusals, Failure>,
    tables: Result<Tables, Failure>,
}

/// What one query of the database says.
#[derive(Debug)]
struct Tables {
    tallies: Vec<Tally>,
    /// Unix seconds; zero before the first vote.
    last_recorded: i64,
    migrations_version: i64,
}

#[derive(Debug)]
struct Tally {
    poll: String,
    option: String,
    count: i64,
}

/// Answers with what can be had. A server that does not answer is a metric, too: the half that
/// depends on it is left out.
pub async fn metrics(consumer: &Consumer, postgres: &Postgres) -> Result<Response, Problem> {
    let (standing, listeners, refusals, tables) = join!(
        consumer.standing(),
        consumer.listeners(),
        consumer.refusals(),
        tables(postgres)
    );
    listeners.as_ref().err().into_iter().for_each(Failure::log);
    standing.as_ref().err().into_iter().for_each(Failure::log);
    refusals.as_ref().err().into_iter().for_each(Failure::log);
    tables.as_ref().err().into_iter().for_each(Failure::log);

    let mut registry = Registry::with_prefix("spinvote");
    registry.register_collector(Box::new(Snapshot {
        standing,
        listeners,
        refusals,
        tables,
    }));
    let mut text = String::new();
    text::encode(&mut text, &registry).map_err(|error| Problem::Internal(error.to_string()))?;
    Ok(conventions::respond(StatusCode::OK, CONTENT_TYPE, text))
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
        select last_recorded, migrations_version, poll, option, count
        from (select coalesce(extract(epoch from max(updated_at) filter (where count > 0)), 0)::bigint
                     as last_recorded
              from votes) recorded
        cross join (select max(version)::bigint as migrations_version from schema_migrations) migrations
        -- Where there is no poll there is no tally, but the rest is still to be told.
        left join tallies on true
        order by poll, option
    "#;
    let parameters = [POLLS.into(), OTHER.to_owned().into()];
    let rows = postgres.query(STATEMENT, &parameters).await?;
    let first = rows.first().ok_or_else(|| unexpected("last_recorded"))?;
    let mut tallies = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(poll) = column(row, "poll")? {
            tallies.push(Tally {
                poll,
                option: column(row, "option")?,
                count: column(row, "count")?,
            });
        }
    }
    Ok(Tables {
        tallies,
        last_recorded: column(first, "last_recorded")?,
        migrations_version: column(first, "migrations_version")?,
    })
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder) -> fmt::Result {
        let mut up = encoder.encode_descriptor(
            "upstream_up",
            "Whether the server answered just now",
            None,
            MetricType::Gauge,
        )?;
        for (upstream, answered) in [
            ("redis", self.standing.is_ok()),
            ("postgres", self.tables.is_ok()),
        ] {
            up.encode_family(&[("upstream", upstream)])?
                .encode_gauge(&i64::from(answered))?;
        }
        if let Ok(standing) = &self.standing {
            standing_metrics(standing, &mut encoder)?;
        }
        if let Ok(listeners) = self.listeners {
            let help =
                "Consumers that a vote wakes; without one, votes are counted by sweeps alone";
            gauge(&mut encoder, "doorbell_listeners", help, listeners)?;
        }
        if let Ok(refusals) = &self.refusals {
            refusals_metrics(refusals, &mut encoder)?;
        }
        if let Ok(tables) = &self.tables {
            tables_metrics(tables, &mut encoder)?;
        }
        Ok(())
    }
}

fn standing_metrics(standing: &Standing, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let seconds = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
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
            "stream_lag_exact",
            "Whether the lag is exact; 0 if Redis does not know, and it is the length of the stream",
            standing.lag_is_exact.into(),
        ),
        (
            "pending_entries",
            "Entries that were read and are not acknowledged",
            standing.pending,
        ),
        (
            "oldest_pending_seconds",
            "Since the oldest pending entry was last handed to a consumer; 0 without one",
            seconds(standing.oldest_pending),
        ),
        (
            "oldest_pending_deliveries",
            "How often the oldest pending entry was handed to a consumer; 0 without one",
            standing.oldest_pending_deliveries,
        ),
        (
            "consumers",
            "Consumers that the group knows",
            standing.consumers,
        ),
        (
            "stream_clock_lead_seconds",
            "How far the newest id of the stream lies ahead of the clock of Redis",
            seconds(standing.clock_lead),
        ),
        (
            "redis_used_memory_bytes",
            "Memory that Redis uses",
            standing.used_memory,
        ),
        (
            "redis_maxmemory_bytes",
            "Memory that Redis may use before it refuses votes; 0 without a limit",
            standing.max_memory,
        ),
    ] {
        gauge(encoder, name, help, value)?;
    }
    if let Some(rejected) = standing.rejected {
        let help = "Entries in the dead-letter stream";
        gauge(encoder, "dead_letters", help, rejected)?;
    }
    if let Some(added) = standing.added {
        let help = "Entries that were ever appended to the stream";
        counter(encoder, "stream_added", help, added)?;
    }
    counter(
        encoder,
        "stream_trimmed_early",
        "Entries that were trimmed before their time because memory was short",
        standing.trimmed_early,
    )
}

fn refusals_metrics(refusals: &Refusals, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let help =
        "Votes that the policy refused, by its code; `other` are the codes after the fiftieth";
    let mut refused =
        encoder.encode_descriptor("votes_refused", help, None, MetricType::Counter)?;
    for (code, count) in &refusals.by_code {
        refused
            .encode_family(&[("code", code.as_str())])?
            .encode_counter::<NoLabelSet, _, u64>(count, None)?;
    }
    encoder
        .encode_descriptor(
            "policy_failures",
            "Votes that the policy did not decide about: it trapped, or took too long",
            None,
            MetricType::Counter,
        )?
        .encode_counter::<NoLabelSet, _, u64>(&refusals.undecided, None)
}

fn tables_metrics(tables: &Tables, encoder: &mut DescriptorEncoder) -> fmt::Result {
    let mut counted = encoder.encode_descriptor(
        "votes_counted",
        "Votes in the tally",
        None,
        MetricType::Counter,
    )?;
    for Tally {
        poll,
        option,
        count,
    } in &tables.tallies
    {
        let labels = [("poll", poll.as_str()), ("option", option.as_str())];
        let count = u64::try_from(*count).unwrap_or_default();
        counted
            .encode_family(&labels)?
            .encode_counter::<NoLabelSet, _, u64>(&count, None)?;
    }
    gauge(
        encoder,
        "last_recorded_timestamp_seconds",
        "When a vote was last recorded, in Unix time; 0 before the first",
        tables.last_recorded,
    )?;
    gauge(
        encoder,
        "migrations_version",
        "The version of the database's schema",
        tables.migrations_version,
    )
}

fn gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: i64) -> fmt::Result {
    encoder
        .encode_descriptor(name, help, None, MetricType::Gauge)?
        .encode_gauge(&value)
}

fn counter(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: i64) -> fmt::Result {
    encoder
        .encode_descriptor(name, help, None, MetricType::Counter)?
        .encode_counter::<NoLabelSet, _, u64>(&u64::try_from(value).unwrap_or_default(), None)
}
