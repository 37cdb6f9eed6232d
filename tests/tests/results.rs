//! `GET /api/results`: what is told of counted votes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use reqwest::Method;
use spinvote_tests::{Answer, World};

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
