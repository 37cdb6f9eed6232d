//! What an operator sees: `GET /metrics` of the component `sweep`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use spinvote_tests::{World, eventually};
use stack::process::{Farewell, Process};

/// The samples of an answer, by name and labels.
async fn samples(world: &World) -> BTreeMap<String, f64> {
    let answer = world.get("/metrics").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(
        answer
            .header("content-type")
            .starts_with("application/openmetrics-text; version=1.0.0"),
        "{answer:?}"
    );
    answer
        .body
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.rsplit_once(' ').expect("a name and a value");
            (name.to_owned(), value.parse().expect("a number"))
        })
        .collect()
}

fn without_tally(stack: stack::StackBuilder) -> stack::StackBuilder {
    stack.without_component("tally")
}

#[tokio::test]
async fn before_the_first_vote_everything_is_zero() {
    let world = World::start_with(without_tally).await;
    let samples = samples(&world).await;
    for name in [
        "spinvote_stream_length",
        "spinvote_stream_lag",
        "spinvote_pending_entries",
        "spinvote_oldest_pending_seconds",
        "spinvote_oldest_pending_deliveries",
        "spinvote_dead_letters",
        "spinvote_stream_added_total",
        "spinvote_doorbell_listeners",
        "spinvote_stream_clock_lead_seconds",
        "spinvote_stream_trimmed_early_total",
        "spinvote_redis_maxmemory_bytes",
        "spinvote_votes_counted_total{poll=\"default\",option=\"cats\"}",
        "spinvote_votes_counted_total{poll=\"default\",option=\"dogs\"}",
        "spinvote_last_recorded_timestamp_seconds",
    ] {
        assert_eq!(samples.get(name), Some(&0.0), "{name} in {samples:?}");
    }
    // Since Redis 7.2 whoever asks is a consumer, before that whoever got something.
    assert!(samples["spinvote_consumers"] <= 1.0, "{samples:?}");
    assert!(samples["spinvote_migrations_version"] >= 1.0);
    assert_eq!(samples["spinvote_upstream_up{upstream=\"redis\"}"], 1.0);
    assert_eq!(samples["spinvote_upstream_up{upstream=\"postgres\"}"], 1.0);
}

#[tokio::test]
async fn whoever_listens_to_the_doorbell_is_seen_to() {
    let world = World::start().await;
    let listeners = async || samples(&world).await["spinvote_doorbell_listeners"];
    assert_eq!(listeners().await, 1.0);
    let mut redis = redis::Client::open(world.stack.redis_url(stack::RedisUser::Operator))
        .unwrap()
        .get_async_pubsub()
        .await
        .unwrap();
    redis.subscribe("votes:doorbell").await.unwrap();
    assert_eq!(listeners().await, 2.0);
}

#[tokio::test]
async fn the_stream_is_seen_as_it_fills_and_is_counted() {
    let world = World::start_with(without_tally).await;
    world.vote("cats").await;
    world.vote("cats").await;
    world.command::<String>("XADD votes * option parrots").await;

    let waiting = samples(&world).await;
    assert_eq!(waiting["spinvote_stream_length"], 3.0);
    assert_eq!(waiting["spinvote_stream_lag"], 3.0);

    world.sweep().await;
    let counted = samples(&world).await;
    assert_eq!(counted["spinvote_stream_lag"], 0.0);
    assert_eq!(counted["spinvote_pending_entries"], 0.0);
    assert_eq!(counted["spinvote_dead_letters"], 1.0);
    assert_eq!(counted["spinvote_consumers"], 1.0);
    assert_eq!(
        counted["spinvote_votes_counted_total{poll=\"default\",option=\"cats\"}"],
        2.0
    );
    let now = world
        .number("select extract(epoch from now())::bigint")
        .await;
    let age = now as f64 - counted["spinvote_last_recorded_timestamp_seconds"];
    assert!((-2.0..60.0).contains(&age), "{age}");
}

#[tokio::test]
async fn an_entry_that_a_consumer_holds_ages_from_when_it_was_handed_out() {
    let world = World::start_with(without_tally).await;
    world.sweep().await;
    // Appended long ago, as a backlog is.
    let _: String = world.command("XADD votes 1700000000000-0 vote dogs").await;
    let _: redis::Value = world
        .command("XREADGROUP GROUP vote-processors pod-1 STREAMS votes >")
        .await;
    let seen = samples(&world).await;
    assert_eq!(seen["spinvote_pending_entries"], 1.0);
    assert!(seen["spinvote_oldest_pending_seconds"] < 5.0, "{seen:?}");
    assert_eq!(seen["spinvote_oldest_pending_deliveries"], 1.0);
    eventually("it was handed out more than a second ago", async || {
        samples(&world).await["spinvote_oldest_pending_seconds"] > 1.0
    })
    .await;

    // Another one takes it over, and fails as well.
    let claimed: redis::Value = world
        .command("XAUTOCLAIM votes vote-processors pod-2 0 0")
        .await;
    assert!(matches!(claimed, redis::Value::Array(_)), "{claimed:?}");
    let seen = samples(&world).await;
    assert!(seen["spinvote_oldest_pending_seconds"] < 1.0, "{seen:?}");
    assert_eq!(seen["spinvote_oldest_pending_deliveries"], 2.0);
}

/// What the alert for votes that nobody can record is about: each attempt hands them out again.
#[tokio::test]
async fn entries_that_nobody_can_record_are_handed_out_again_and_again() {
    let world = World::start_with(without_tally).await;
    world.vote("cats").await;
    let sql = world.sql().await;
    sql.batch_execute("alter table vote_events rename to gone")
        .await
        .unwrap();
    for _ in 0..7 {
        world.sweep().await.problem(503);
    }
    let seen = samples(&world).await;
    assert!(seen["spinvote_oldest_pending_deliveries"] > 5.0, "{seen:?}");
}

#[tokio::test]
async fn what_was_appended_is_counted_on_although_entries_are_trimmed() {
    let world = World::start_with(without_tally).await;
    for _ in 0..300 {
        world.append(&[("vote", b"cats")]).await;
    }
    world.sweep().await;
    assert_eq!(samples(&world).await["spinvote_stream_added_total"], 300.0);
    assert_eq!(
        samples(&world).await["spinvote_stream_trimmed_early_total"],
        0.0
    );

    let _: () = world.command("CONFIG SET maxmemory 1").await;
    world.sweep().await;
    let _: () = world.command("CONFIG SET maxmemory 100mb").await;
    world.append(&[("vote", b"cats")]).await;
    let seen = samples(&world).await;
    // The new one, and the last two of the others: they say where the group, and tidying, stand.
    assert_eq!(seen["spinvote_stream_length"], 3.0, "{seen:?}");
    assert_eq!(seen["spinvote_stream_added_total"], 301.0);
    assert_eq!(seen["spinvote_stream_lag"], 1.0);
    assert_eq!(seen["spinvote_stream_lag_exact"], 1.0);
    assert_eq!(seen["spinvote_stream_trimmed_early_total"], 298.0);
    assert_eq!(seen["spinvote_redis_maxmemory_bytes"], 104_857_600.0);
    let used = seen["spinvote_redis_used_memory_bytes"];
    assert!((500_000.0..50_000_000.0).contains(&used), "{used}");
}

#[tokio::test]
async fn a_hundred_polls_have_their_own_series_and_the_rest_is_summed() {
    let world = World::start_with(without_tally).await;
    world
        .sql()
        .await
        .batch_execute(
            "insert into polls (poll, question, options, created_at)
             select 'poll-' || n, 'Which?', '{a,b}', now() + n * interval '1 second'
             from generate_series(1, 150) n;
             update votes set count = 2 where poll like 'poll-%'",
        )
        .await
        .unwrap();
    let samples = samples(&world).await;
    let series = |poll: &str| {
        let label = format!("poll=\"{poll}\"");
        samples.keys().filter(|name| name.contains(&label)).count()
    };
    assert_eq!(series("poll-150"), 2);
    assert_eq!(series("poll-51"), 2);
    assert_eq!(series("poll-50"), 0, "older than the newest hundred");
    assert_eq!(
        samples["spinvote_votes_counted_total{poll=\"_other\",option=\"_other\"}"], 200.0,
        "50 polls of two options with two votes each, and the default poll without any"
    );
}

#[tokio::test]
async fn without_any_poll_the_rest_is_still_told() {
    let world = World::start_with(without_tally).await;
    let emptied = "truncate votes, polls";
    world.sql().await.batch_execute(emptied).await.unwrap();
    let samples = samples(&world).await;
    assert!(samples["spinvote_migrations_version"] >= 1.0);
    assert_eq!(samples["spinvote_last_recorded_timestamp_seconds"], 0.0);
    let counted = |name: &&String| name.starts_with("spinvote_votes_counted");
    assert_eq!(samples.keys().find(counted), None);
}

#[tokio::test]
async fn with_one_server_down_the_other_half_is_still_seen() {
    let mut world =
        World::start_with(|stack| without_tally(stack).variable("upstream_timeout_ms", "500"))
            .await;
    world.vote("cats").await;
    world.stack.postgres.stop();
    let seen = samples(&world).await;
    assert_eq!(seen["spinvote_upstream_up{upstream=\"postgres\"}"], 0.0);
    assert_eq!(seen["spinvote_stream_lag"], 1.0);
    assert!(!seen.contains_key("spinvote_migrations_version"));

    world.stack.postgres.start().await.unwrap();
    world.stack.redis.stop();
    let seen = samples(&world).await;
    assert_eq!(seen["spinvote_upstream_up{upstream=\"redis\"}"], 0.0);
    assert!(seen["spinvote_migrations_version"] >= 1.0);
    assert!(!seen.contains_key("spinvote_stream_lag"));
}

#[tokio::test]
async fn metrics_are_only_to_be_read() {
    let world = World::start_with(without_tally).await;
    let answer = world.post("/metrics", json!({}).to_string()).await;
    answer.problem(405);
    assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS");
}

/// A Prometheus that scrapes `target` every second, and ends with this.
struct Prometheus {
    address: String,
    data: PathBuf,
    process: Process,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.stop();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

impl Prometheus {
    fn scraping(target: &str) -> Self {
        let port = stack::ports::free().unwrap();
        let data = std::env::temp_dir().join(format!("spinvote-prometheus-{port}"));
        std::fs::create_dir_all(&data).unwrap();
        let config = json!({
            "global": { "scrape_interval": "1s" },
            "scrape_configs": [
                { "job_name": "sweep", "static_configs": [{ "targets": [target] }] },
            ],
        });
        // JSON is YAML.
        let file = data.join("prometheus.yml");
        std::fs::write(&file, config.to_string()).unwrap();
        let address = format!("127.0.0.1:{port}");
        let mut command = Command::new("prometheus");
        command
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self {
            address,
            data,
            process: Process::spawn(&mut command, Farewell::Terminate).unwrap(),
        }
    }

    /// The value of a query that gives one series.
    async fn value(&self, query: &str) -> Option<String> {
        let answer = reqwest::Client::new()
            .get(format!("http://{}/api/v1/query", self.address))
            .query(&[("query", query)])
            .send()
            .await
            .ok()?;
        let answer: Value = serde_json::from_str(&answer.text().await.ok()?).ok()?;
        Some(answer["data"]["result"][0]["value"][1].as_str()?.to_owned())
    }
}

#[tokio::test]
async fn a_real_prometheus_reads_them() {
    let world = World::start_with(without_tally).await;
    let odd = r#"insert into polls (poll, question, options)
        values ('odd', 'Which?', array[E'say "hi"\n\\', 'b'])"#;
    world.sql().await.batch_execute(odd).await.unwrap();
    world.vote("cats").await;
    world.sweep().await;
    world.vote("dogs").await;
    let target = world.stack.url().replace("http://", "");
    let prometheus = Prometheus::scraping(&target);
    for (query, expected) in [
        ("up{job=\"sweep\"}", "1"),
        ("spinvote_stream_lag", "1"),
        (
            "spinvote_votes_counted_total{poll=\"default\",option=\"cats\"}",
            "1",
        ),
        (
            r#"spinvote_votes_counted_total{poll="odd",option="say \"hi\"\n\\"}"#,
            "0",
        ),
        ("spinvote_upstream_up{upstream=\"postgres\"}", "1"),
    ] {
        eventually(query, async || {
            prometheus.value(query).await.as_deref() == Some(expected)
        })
        .await;
    }
}
