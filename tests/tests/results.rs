//! `GET /api/results`: what is told of counted votes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::Method;
use spinvote_tests::{Answer, World, eventually};

#[tokio::test]
async fn without_votes_everything_is_zero() {
    let world = World::start().await;
    let answer = world.get("/api/results").await;
    assert_eq!(answer.status, 200);
    assert!(
        answer.body.starts_with(
            r#"{"cats":0,"dogs":0,"total":0,"cats_percentage":0.0,"dogs_percentage":0.0,"last_updated":""#
        ),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn results_have_counts_percentages_with_two_decimals_and_the_time() {
    let world = World::start().await;
    for option in ["cats", "dogs", "dogs"] {
        world.vote(option).await;
    }
    world.settles_at(1, 2).await;
    let answer = world.get("/api/results").await;
    assert_eq!(answer.header("cache-control"), "public, max-age=2");
    let results = answer.json();
    assert_eq!(results["total"], 3);
    assert_eq!(results["cats_percentage"], 33.33);
    assert_eq!(results["dogs_percentage"], 66.67);
    assert_eq!(results.as_object().unwrap().len(), 6);

    let updated = results["last_updated"].as_str().unwrap();
    let age = world
        .sql()
        .await
        .query_one(
            "select extract(epoch from now() - ($1::text)::timestamptz)::float8",
            &[&updated],
        )
        .await
        .unwrap()
        .get::<_, f64>(0);
    assert!((0.0..60.0).contains(&age), "{updated} is {age} s ago");
    assert!(
        updated.ends_with('Z') && updated.len() == "2025-11-16T20:14:48.273326Z".len(),
        "{updated}"
    );
}

#[tokio::test]
async fn results_that_have_not_changed_are_304() {
    let world = World::start().await;
    let etag = world.get("/api/results").await.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.len() > 4, "{etag}");
    let ask = async |tags: &str| {
        Answer::of(
            world
                .request(Method::GET, "/api/results")
                .header("If-None-Match", tags),
        )
        .await
    };
    for tags in [
        etag.clone(),
        format!("W/{etag}"),
        format!("\"other\", {etag}"),
        "*".to_owned(),
    ] {
        let answer = ask(&tags).await;
        assert_eq!(answer.status, 304, "{tags}");
        assert_eq!(answer.body, "");
        assert_eq!(answer.header("etag"), etag);
        assert_eq!(answer.header("cache-control"), "public, max-age=2");
    }
    assert_eq!(ask("\"other\"").await.status, 200);

    world.vote("cats").await;
    world.settles_at(1, 0).await;
    let changed = ask(&etag).await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.header("etag"), etag);
}

#[tokio::test]
async fn a_client_may_wait_for_its_receipt() {
    let world = World::start_with(|stack| stack.without_component("tally")).await;
    let vote = world.vote_with_key("cats", "awaited").await;
    let ask = async |prefer: &str| {
        let request = world.request(Method::GET, vote.header("location"));
        Answer::of(request.header("Prefer", prefer)).await
    };
    let started = Instant::now();
    for ignored in ["wait=soon", "wait", "respond-async", "wait=-1", ""] {
        let answer = ask(ignored).await;
        answer.problem(404);
        assert_eq!(answer.header("preference-applied"), "", "{ignored}");
    }
    assert!(started.elapsed() < Duration::from_secs(1), "{started:?}");

    let started = Instant::now();
    let answer = ask("wait=1").await;
    answer.problem(404);
    assert_eq!(answer.header("preference-applied"), "wait=1");
    assert!((1000..3000).contains(&started.elapsed().as_millis()));

    // Counted meanwhile: the answer comes at once, and no more than ten seconds are ever granted.
    let started = Instant::now();
    let (answer, _) = tokio::join!(ask("respond-async, Wait = 3600; x=1"), async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        world.sweep().await;
    });
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["status"], "counted");
    assert_eq!(answer.header("preference-applied"), "wait=10");
    assert!((700..4000).contains(&started.elapsed().as_millis()));
}

/// PostgreSQL's answer is held up, so that all who ask come while it is being asked.
#[tokio::test]
async fn those_who_ask_at_the_same_time_share_a_query() {
    let world = World::start().await;
    let mut sql = world.sql().await;
    world.get("/api/results").await;
    // Older than the cache allows.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let lock = sql.transaction().await.unwrap();
    lock.batch_execute("lock table votes in access exclusive mode")
        .await
        .unwrap();
    let watcher = world.sql().await;
    let waiting = async || -> i64 {
        let statement = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and usename = 'spinvote_reader'";
        watcher.query_one(statement, &[]).await.unwrap().get(0)
    };
    let asking = join_all((0..48).map(|_| world.get("/api/results")));
    let watching = async {
        eventually("somebody waits for PostgreSQL", async || {
            waiting().await > 0
        })
        .await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        let queries = waiting().await;
        lock.commit().await.unwrap();
        queries
    };
    let (answers, queries) = tokio::join!(asking, watching);
    assert!(answers.iter().all(|answer| answer.status == 200));
    // One for each instance, of which the runtime makes more than it must when many come at once.
    assert!(
        (1..48).contains(&queries),
        "{queries} queries for 48 requests"
    );
}

#[tokio::test]
async fn results_are_as_old_as_they_may_be_and_no_older() {
    let world = World::start_with(|it| it.variable("results_cache_ms", 400)).await;
    assert_eq!(world.tallies().await, (0, 0));
    let read = Instant::now();
    let accepted = world.vote("cats").await;
    world.receipt(&accepted).await;
    eventually("the vote shows", async || world.tallies().await == (1, 0)).await;
    assert!(
        read.elapsed() < Duration::from_secs(2),
        "{:?}",
        read.elapsed()
    );
}

/// However old results may be: who has just voted by the form sees them with the vote.
#[tokio::test]
async fn a_voter_is_shown_results_with_the_vote() {
    let world = World::start_with(|it| it.variable("results_cache_ms", 60_000)).await;
    let page = world.get("/results").await.body;
    assert!(page.contains("0 votes"), "{page}");
    let accepted = world.vote("cats").await;
    let receipt = world.receipt(&accepted).await;
    let voted = format!("/results?vote={}", receipt["vote_id"].as_str().unwrap());
    let page = world.get(&voted).await.body;
    assert!(page.contains("1 vote"), "{page}");
}

#[tokio::test]
async fn while_postgresql_is_gone_all_who_ask_are_told_soon() {
    let mut world = World::start().await;
    world.get("/api/results").await;
    world.stack.postgres.pause().unwrap();
    let before = Instant::now();
    let answers = join_all((0..8).map(|_| world.get("/api/results"))).await;
    world.stack.postgres.resume();
    for answer in answers {
        assert!([200, 503].contains(&answer.status.as_u16()), "{answer:?}");
    }
    assert!(
        before.elapsed() < Duration::from_secs(8),
        "{:?}",
        before.elapsed()
    );
    eventually("results are back", async || {
        world.get("/api/results").await.status == 200
    })
    .await;
}
