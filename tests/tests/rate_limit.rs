//! How many votes one client may cast.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use spinvote_tests::{Answer, World};

async fn limited(settings: &[(&'static str, &'static str)]) -> World {
    World::start_with(|stack| {
        settings
            .iter()
            .fold(stack, |stack, (name, value)| stack.variable(name, *value))
    })
    .await
}

async fn vote_from(world: &World, path: &str, headers: &[(&str, &str)]) -> Answer {
    let body = json!({ "option": "cats" }).to_string();
    let mut request = world.request(Method::POST, path).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

#[tokio::test]
async fn a_client_may_cast_so_many_votes_and_is_told_how_many_are_left() {
    let world = limited(&[("rate_limit", "3")]).await;
    let policy = "\"votes\";q=3;w=60";
    for (left, full_in) in [(2, 20), (1, 40), (0, 60)] {
        let answer = world.vote("cats").await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.header("ratelimit-policy"), policy);
        let limit = answer.header("ratelimit");
        let slow = |late: i64| limit == format!("\"votes\";r={left};t={}", full_in - late);
        assert!((0..15).any(slow), "{limit}");
    }
    let refused = world.vote("cats").await;
    let detail = refused.problem(429);
    assert!(detail.contains("3 votes in 60 seconds"), "{detail}");
    assert_eq!(refused.header("ratelimit-policy"), policy);
    assert!(refused.header("ratelimit").starts_with("\"votes\";r=0;t="));
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((5..=20).contains(&wait), "{wait}");
    // What is not a vote takes nothing, and is told what is wrong with it.
    world.vote("fish").await.problem(422);

    let page = world
        .request(Method::POST, "/vote")
        .header("Accept", "text/html")
        .body("option=cats");
    let page = Answer::of(page).await;
    assert_eq!(page.status, 429, "{page:?}");
    assert!(page.body.contains("That was too much at once"));
    world.settles_at(3, 0).await;
}

#[tokio::test]
async fn time_gives_votes_back_one_by_one() {
    let world = limited(&[("rate_limit", "3"), ("rate_limit_window", "15")]).await;
    for _ in 0..3 {
        assert_eq!(world.vote("cats").await.status, 201);
    }
    let refused = world.vote("cats").await;
    assert_eq!(refused.status, 429);
    let wait: u64 = refused.header("retry-after").parse().unwrap();
    assert!((1..=5).contains(&wait), "{wait}");
    tokio::time::sleep(Duration::from_secs(wait)).await;
    assert_eq!(
        world.vote("cats").await.status,
        201,
        "who waits so long is let in"
    );
    assert_eq!(world.vote("cats").await.status, 429, "with one vote");
    // Nothing is kept of who owes nothing.
    let keys: Vec<String> = world.command("KEYS {votes}:cast-by:*").await;
    assert_eq!(keys.len(), 1);
    let millis: i64 = world.command(&format!("PTTL {}", keys[0])).await;
    assert!((1..=15_000).contains(&millis), "{millis}");
}

#[tokio::test]
async fn a_vote_that_is_sent_again_takes_nothing() {
    let world = limited(&[("rate_limit", "2")]).await;
    let first = world.vote_with_key("cats", "k").await;
    assert_eq!(first.status, 201);
    for _ in 0..3 {
        let again = world.vote_with_key("cats", "k").await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
    }
    assert_eq!(world.vote("dogs").await.status, 201);
    assert_eq!(world.vote("dogs").await.status, 429);
    // Also when nothing is left.
    assert_eq!(world.vote_with_key("cats", "k").await.status, 201);
    world.settles_at(1, 1).await;
}

#[tokio::test]
async fn of_many_at_once_so_many_pass() {
    let world = limited(&[("rate_limit", "10"), ("rate_limit_window", "3600")]).await;
    let votes = (0..60).map(|_| world.vote("cats"));
    let answers = futures::future::join_all(votes).await;
    let passed = answers.iter().filter(|it| it.status == 201).count();
    assert_eq!(passed, 10);
    assert!(
        answers
            .iter()
            .all(|it| [201, 429].contains(&it.status.as_u16()))
    );
    world.settles_at(10, 0).await;
}

#[tokio::test]
async fn nobody_gets_more_by_saying_to_be_somebody_else() {
    let world = limited(&[("rate_limit", "2")]).await;
    for (number, passes) in [(1, true), (2, true), (3, false), (4, false)] {
        let elsewhere = format!("192.0.2.{number}");
        let caller = format!("{elsewhere}:80");
        let headers = [
            ("X-Forwarded-For", elsewhere.as_str()),
            ("Forwarded", "for=192.0.2.60"),
            ("X-Real-IP", &elsewhere),
            ("spin-client-addr", &caller),
        ];
        let answer = vote_from(&world, "/api/vote", &headers).await;
        assert_eq!(answer.status == 201, passes, "{answer:?}");
    }
}

#[tokio::test]
async fn behind_proxies_a_client_is_who_the_last_of_ours_saw() {
    let world = limited(&[("rate_limit", "2"), ("trusted_proxies", "2")]).await;
    let from = async |forwarded| {
        let headers = [("X-Forwarded-For", forwarded)];
        vote_from(&world, "/api/vote", &headers).await.status
    };
    // The balancer adds the client, the gateway adds the balancer; what is before these anybody may have sent.
    assert_eq!(from("192.0.2.1, 10.0.0.1").await, 201);
    assert_eq!(from("192.0.2.9, 192.0.2.1, 10.0.0.1").await, 201);
    assert_eq!(from("192.0.2.8, 192.0.2.1, 10.0.0.1").await, 429);
    assert_eq!(from("192.0.2.1, 192.0.2.2, 10.0.0.1").await, 201);
    // A customer of IPv6 has a network, not an address.
    assert_eq!(from("2001:db8::1, 10.0.0.1").await, 201);
    assert_eq!(from("2001:db8::2, 10.0.0.1").await, 201);
    assert_eq!(from("2001:db8::ffff:3, 10.0.0.1").await, 429);
    assert_eq!(from("2001:db8:0:1::3, 10.0.0.1").await, 201);
}

#[tokio::test]
async fn a_limit_holds_over_all_polls_or_in_each() {
    for (scope, elsewhere) in [("all", 429), ("poll", 201)] {
        let world = limited(&[("rate_limit", "1"), ("rate_limit_scope", scope)]).await;
        let poll = json!({ "poll": "pets", "question": "?", "options": ["cats", "dogs"] });
        let request = world
            .request(Method::POST, "/api/polls")
            .bearer_auth(&world.stack.secrets().organizer_token);
        let created = Answer::of(request.body(poll.to_string())).await;
        assert_eq!(created.status, 201);
        assert_eq!(world.vote("cats").await.status, 201);
        assert_eq!(world.vote("cats").await.status, 429);
        let answer = vote_from(&world, "/api/polls/pets/vote", &[]).await;
        assert_eq!(answer.status.as_u16(), elsewhere, "{scope}: {answer:?}");
    }
}

#[tokio::test]
async fn a_limit_that_nobody_reaches_is_one_all_the_same() {
    let most = u32::MAX.to_string();
    let world = World::start_with(|stack| {
        stack
            .variable("rate_limit", &most)
            .variable("rate_limit_window", "1")
    })
    .await;
    for _ in 0..3 {
        let answer = world.vote("cats").await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let policy = format!("\"votes\";q={most};w=1");
        assert_eq!(answer.header("ratelimit-policy"), policy);
    }
}

#[tokio::test]
async fn without_a_limit_nothing_is_counted_and_nothing_said() {
    let world = World::start().await;
    let answer = world.vote("cats").await;
    assert_eq!(answer.header("ratelimit-policy"), "");
    assert_eq!(answer.header("ratelimit"), "");
    let keys: Vec<String> = world.command("KEYS {votes}:cast-by:*").await;
    assert!(keys.is_empty(), "{keys:?}");
}
