//! What becomes of votes when something fails.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use futures::{StreamExt, stream};
use spinvote_tests::{PATIENCE, World, eventually};

#[tokio::test]
async fn no_request_waits_longer_than_its_limit_for_a_redis_that_hangs() {
    let world = World::start_with(|stack| stack.variable("upstream_timeout_ms", "800")).await;
    assert_eq!(world.vote("cats").await.status, 201);
    world.settles_at(1, 0).await;
    world.stack.redis.pause();
    for path in ["/sweep", "/ready?needs=redis"] {
        let started = Instant::now();
        world.get(path).await.problem(503);
        let took = started.elapsed();
        assert!(
            (Duration::from_millis(700)..Duration::from_secs(3)).contains(&took),
            "{path}: {took:?}"
        );
    }
    let started = Instant::now();
    let votes = futures::future::join_all((0..20).map(|_| world.vote("cats"))).await;
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "{:?}",
        started.elapsed()
    );
    for vote in &votes {
        vote.problem(503);
        assert_eq!(vote.header("retry-after"), "2");
    }
    assert_eq!(
        world.get("/api/results").await.status,
        200,
        "results do not need Redis"
    );
    world.stack.redis.resume();
    eventually("a vote again", async || {
        world.vote("dogs").await.status == 201
    })
    .await;
}

#[tokio::test]
async fn no_request_waits_longer_than_its_limit_for_a_database_that_hangs() {
    let mut world = World::start_with(|stack| stack.variable("upstream_timeout_ms", "800")).await;
    assert_eq!(world.get("/api/results").await.status, 200);
    world.stack.postgres.pause().unwrap();
    assert_eq!(
        world.vote("cats").await.status,
        201,
        "votes are taken without it"
    );
    // Results from before are too old by now.
    tokio::time::sleep(Duration::from_millis(300)).await;
    for path in [
        "/api/results",
        "/api/votes/x",
        "/ready?needs=database",
        "/sweep",
    ] {
        let started = Instant::now();
        world.get(path).await.problem(503);
        let took = started.elapsed();
        assert!(
            (Duration::from_millis(700)..Duration::from_secs(4)).contains(&took),
            "{path}: {took:?}"
        );
    }
    world.stack.postgres.resume();
    eventually("results again", async || {
        world.get("/api/results").await.status == 200
    })
    .await;
    eventually("counted", async || {
        world.sweep().await;
        world.tallies().await == (1, 0)
    })
    .await;
}

#[tokio::test]
async fn a_vote_that_redis_has_no_room_for_is_503_and_not_recorded() {
    let world = World::start().await;
    world.vote("cats").await;
    world.settles_at(1, 0).await;
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    let refused = world.vote("cats").await;
    let detail = refused.problem(503);
    assert!(
        !detail.contains("OOM") && !detail.contains("maxmemory"),
        "{detail}"
    );
    assert_eq!(refused.header("retry-after"), "2");
    let _: () = world.command("CONFIG SET maxmemory 0").await;
    assert_eq!(world.vote("dogs").await.status, 201);
    world.settles_at(1, 1).await;
}

#[tokio::test]
async fn counting_goes_on_while_redis_has_no_room() {
    // From Redis 8.6 on nobody can begin to listen to the doorbell then, either: docs/operations.md.
    let mut world = World::start_with(|stack| stack.without_component("tally")).await;
    world.stack.app.kill();
    for _ in 0..10 {
        world.append(&[("vote", b"cats")]).await;
    }
    world.append(&[("vote", b"birds")]).await;
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    world.stack.start_app().await.unwrap();
    world.sweep().await;
    world.settles_at(10, 0).await;
    assert_eq!(world.dead_letters().await.len(), 1);
}

/// What is settled makes room: twice as many votes as fit, each with a key that is remembered for
/// a day.
#[tokio::test]
async fn a_small_redis_takes_votes_for_ever_as_long_as_they_are_counted() {
    const VOTES: i64 = 24_000;
    let world = World::start().await;
    let _: () = world.command("CONFIG SET maxmemory 12mb").await;
    // Keys as long as they may be, so that fewer votes fill it.
    let key = |vote: i64| format!("{vote:0>255}");
    let world = &world;
    let mut votes = stream::iter(0..VOTES)
        .map(async |vote| world.vote_with_key("cats", &key(vote)).await)
        .buffer_unordered(16);
    let mut swept = Instant::now();
    while let Some(answer) = votes.next().await {
        assert_eq!(answer.status, 201, "{answer:?}");
        // As the supervisor does, and a probe in the cluster.
        if swept.elapsed() > Duration::from_secs(5) {
            assert_eq!(world.sweep().await.status, 200);
            swept = Instant::now();
        }
    }
    world.settles_at(VOTES, 0).await;

    // It is told, and the oldest keys went.
    let early: i64 = world.command("GET {votes}:trimmed-early").await;
    assert!(early > VOTES / 3, "{early}");
    let first = format!("EXISTS {{votes}}:idempotency:default:{}", key(0));
    assert_eq!(world.command::<i64>(&first).await, 0);
    let again = world.vote_with_key("cats", &key(0)).await;
    assert_eq!(again.status, 201);
    world.settles_at(VOTES, 0).await;
}

#[tokio::test]
async fn what_is_not_counted_is_not_trimmed_to_make_room() {
    let world = World::start_with(|stack| stack.without_component("tally")).await;
    // Nothing counts, and all of it has been read.
    for _ in 0..100 {
        assert_eq!(world.vote("cats").await.status, 201);
    }
    let _: redis::Value = world
        .command("XREADGROUP GROUP vote-processors crashed COUNT 50 STREAMS votes >")
        .await;
    let sql = world.sql().await;
    sql.batch_execute("alter table vote_events rename to gone")
        .await
        .unwrap();
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    world.sweep().await.problem(503);
    world.vote("cats").await.problem(503);
    assert_eq!(world.command::<i64>("XLEN votes").await, 100);
    sql.batch_execute("alter table gone rename to vote_events")
        .await
        .unwrap();
    eventually("all are counted", async || {
        world.sweep().await;
        world.tallies().await == (100, 0)
    })
    .await;
}

/// The commands that a section of docs/operations.md gives to `redis-cli`.
fn commands_of(section: &str) -> Vec<String> {
    let file = stack::checkout::root().join("docs/operations.md");
    let page = std::fs::read_to_string(file).unwrap();
    let (_, section) = page.split_once(&format!("\n### {section}\n")).unwrap();
    let section = section.split("\n##").next().unwrap();
    section
        .lines()
        .filter_map(|line| line.split_once("redis-cli --user operator --askpass "))
        .map(|(_, command)| command.to_owned())
        .collect()
}

#[tokio::test]
async fn a_stream_that_a_producer_has_put_ahead_of_time_begins_again_and_nothing_is_lost() {
    // A time that has not come; and the greatest id of all, after which there is none.
    for (id, status) in [
        ("4102444800000-0", 201),
        ("18446744073709551615-18446744073709551615", 503),
    ] {
        // The end of its connection ends the doorbell's subscriber, and a runtime that has one.
        let world = World::start_with(|stack| stack.without_component("tally")).await;
        let first = world.vote_with_key("cats", "first").await;
        world.append(&[("vote", b"dogs")]).await;
        // It says nothing of a vote, so that it is put aside.
        let _: String = world.command(&format!("XADD votes {id} colour red")).await;
        let vote = world.vote_with_key("dogs", "second").await;
        assert_eq!(vote.status, status, "{vote:?}");
        let lead = async || {
            let metrics = world.get("/metrics").await.body;
            let lead = metrics
                .lines()
                .find_map(|line| line.strip_prefix("spinvote_stream_clock_lead_seconds "));
            lead.unwrap().parse::<f64>().unwrap()
        };
        assert!(lead().await > 60.0, "the alert fires");

        let commands = commands_of("SpinvoteStreamAhead");
        assert_eq!(commands.len(), 5, "{commands:?}");
        for command in commands {
            if command.starts_with("XINFO GROUPS") {
                world.vote_with_key("dogs", "second").await.problem(503);
                eventually("all is counted", async || {
                    world.sweep().await;
                    let told: redis::streams::StreamInfoGroupsReply = world.command(&command).await;
                    told.groups[0].lag == Some(0) && told.groups[0].pending == 0
                })
                .await;
            } else {
                let _: redis::Value = world.command(&command).await;
            }
        }

        assert_eq!(world.vote_with_key("dogs", "second").await.status, 201);
        let again = world.vote_with_key("cats", "first").await;
        assert_eq!(again.body, first.body, "it is remembered");
        world.append(&[("vote", b"cats")]).await;
        world.sweep().await;
        world.settles_at(2, 2).await;
        assert_eq!(lead().await, 0.0);
        assert_eq!(world.dead_letters().await.len(), 1);
    }
}

#[tokio::test]
async fn votes_are_taken_and_counted_again_after_redis_was_away() {
    let mut world = World::start().await;
    assert_eq!(world.vote_with_key("cats", "before").await.status, 201);
    world.settles_at(1, 0).await;
    world.stack.redis.stop();
    // The Redis trigger ends the runtime; without it, votes are refused.
    eventually("the runtime exits", async || {
        world.stack.app.exited().unwrap().is_some()
    })
    .await;
    world.stack.redis.start().await.unwrap();
    world.stack.start_app().await.unwrap();
    assert_eq!(
        world.vote_with_key("cats", "before").await.status,
        201,
        "Redis kept it on disk"
    );
    assert_eq!(world.vote("dogs").await.status, 201);
    world.settles_at(1, 1).await;
}

#[tokio::test]
async fn a_runtime_without_the_redis_trigger_outlives_redis() {
    let mut world = World::start_with(|stack| stack.without_component("tally")).await;
    assert_eq!(world.vote("cats").await.status, 201);
    world.stack.redis.stop();
    world.vote("cats").await.problem(503);
    world.sweep().await.problem(503);
    assert_eq!(world.get("/health").await.status, 200);
    world.stack.redis.start().await.unwrap();
    assert_eq!(
        world.vote("dogs").await.status,
        201,
        "the connection that broke is opened again"
    );
    assert_eq!(world.sweep().await.status, 200);
    world.settles_at(1, 1).await;
}

#[tokio::test]
async fn a_database_failure_neither_loses_nor_rejects_a_vote() {
    // So that several batches are on their way.
    let world = World::start_with(|stack| stack.variable("batch_size", "5")).await;
    world.vote("cats").await;
    world.settles_at(1, 0).await;
    let sql = world.sql().await;
    // It answers, and says no.
    sql.batch_execute("alter table vote_events rename to gone")
        .await
        .unwrap();
    for _ in 0..20 {
        assert_eq!(world.vote("dogs").await.status, 201);
    }
    // While tally holds the votes there is nothing for the sweep to fail at.
    eventually("the sweep fails, too", async || {
        world.sweep().await.status == 503
    })
    .await;
    eventually("the failure is logged", async || {
        !world.logged("upstream_failed").is_empty()
    })
    .await;
    sql.batch_execute("alter table gone rename to vote_events")
        .await
        .unwrap();
    // At once, not after claim_idle_ms: what could not be recorded was given back.
    let started = Instant::now();
    eventually("counted", async || {
        world.sweep().await;
        world.tallies().await == (1, 20)
    })
    .await;
    assert!(
        started.elapsed() < Duration::from_secs(8),
        "{:?}",
        started.elapsed()
    );
    assert!(world.dead_letters().await.is_empty());
}

#[tokio::test]
async fn after_kill_9_in_the_middle_every_accepted_vote_is_counted_exactly_once() {
    const VOTES: usize = 20_000;
    let mut world = World::start_with(|stack| stack.variable("claim_idle_ms", "1000")).await;
    let (http, url) = (
        reqwest::Client::new(),
        format!("{}/api/vote", world.stack.url()),
    );
    // Each voter keeps its key until it is answered, as the contract tells it to.
    let (mut cats, mut dogs) = (0, 0);
    let voters = stream::iter(0..VOTES)
        .map(|i| {
            let (http, url) = (http.clone(), url.clone());
            async move {
                let option = if i % 3 == 0 { "cats" } else { "dogs" };
                let body = format!(r#"{{"option":"{option}"}}"#);
                let deadline = Instant::now() + PATIENCE * 4;
                loop {
                    let request = http.post(&url).header("Idempotency-Key", format!("k{i}"));
                    match request.body(body.clone()).send().await {
                        Ok(answer) if answer.status() == 201 => return option,
                        _ => assert!(Instant::now() < deadline, "vote {i} is never accepted"),
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        })
        .buffer_unordered(32);
    tokio::pin!(voters);
    let mut accepted = 0;
    while let Some(option) = voters.next().await {
        if option == "cats" {
            cats += 1
        } else {
            dogs += 1
        }
        accepted += 1;
        if [VOTES / 4, VOTES / 2, VOTES * 3 / 4].contains(&accepted) {
            world.stack.app.kill();
            world.stack.start_app().await.unwrap();
        }
    }
    eventually("all are counted", async || {
        world.sweep().await;
        world.tallies().await == (cats, dogs)
    })
    .await;
    world.settles_at(cats, dogs).await;
    assert_eq!(
        world.number("select count(*) from vote_events").await,
        VOTES as i64
    );
    let differ = "select count(*) from recount_votes() where count <> recorded";
    assert_eq!(world.number(differ).await, 0);
}
