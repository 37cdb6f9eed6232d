//! `POST /api/vote`: what is taken and counted, and what is not even recorded.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use futures::stream;
use reqwest::Method;
use spinvote_tests::{Answer, World, raw};

#[tokio::test]
async fn a_vote_is_recorded_and_counted() {
    let world = World::start().await;
    let answer = world.vote("cats").await;
    assert_eq!(answer.status, 201);

    // The id of the entry is the one that Redis gave.
    let body = answer.json();
    let stream_id = body["stream_id"].as_str().unwrap();
    let entries: usize = world
        .command::<Vec<redis::Value>>(&format!("XRANGE votes {stream_id} {stream_id}"))
        .await
        .len();
    assert_eq!(entries, 1);
    world.settles_at(1, 0).await;

    world.vote("dogs").await;
    world.vote("dogs").await;
    world.settles_at(1, 2).await;
}

#[tokio::test]
async fn what_is_refused_is_not_recorded() {
    let world = World::start_with(|stack| stack.variable("max_request_size", "1000")).await;
    world.post("/api/vote", "cats").await.problem(400);
    world.vote("birds").await.problem(422);
    world.vote_with_key("cats", "").await.problem(400);
    world.post("/api/vote", " ".repeat(1001)).await.problem(413);
    world
        .from_origin("https://evil.example", Method::POST, "/api/vote")
        .await
        .problem(403);
    let entries: i64 = world.command("XLEN votes").await;
    assert_eq!(entries, 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_with_and_without_content_length() {
    let world = World::start_with(|stack| stack.variable("max_request_size", "1000")).await;
    let padded = |length: usize| {
        let body = r#"{"option":"cats"}"#;
        format!("{}{body}", " ".repeat(length - body.len()))
    };
    assert_eq!(world.post("/api/vote", padded(1000)).await.status, 201);
    world.post("/api/vote", padded(1001)).await.problem(413);

    let chunks = |length: usize| {
        let pieces = padded(length)
            .into_bytes()
            .chunks(300)
            .map(<[u8]>::to_vec)
            .collect::<Vec<_>>();
        reqwest::Body::wrap_stream(stream::iter(
            pieces.into_iter().map(Ok::<_, std::io::Error>),
        ))
    };
    assert_eq!(world.post("/api/vote", chunks(1000)).await.status, 201);
    world.post("/api/vote", chunks(1001)).await.problem(413);
}

/// The status of what a vote is answered of which only the beginning ever arrives.
async fn begin(world: &World, headers: &str, body: &[u8]) -> u16 {
    raw::begin(world.url(), "/api/vote", headers, body).await
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_without_reading_the_rest() {
    let world = World::start_with(|stack| stack.variable("max_request_size", "1000")).await;
    assert_eq!(begin(&world, "Content-Length: 1000000000", b"{").await, 413);
    let chunk = format!("7d0\r\n{}\r\n", " ".repeat(2000));
    assert_eq!(
        begin(&world, "Transfer-Encoding: chunked", chunk.as_bytes()).await,
        413
    );
}

#[tokio::test]
async fn one_key_counts_once_whatever_is_sent_under_it() {
    let world = World::start().await;
    for (key, option, status) in [
        ("k-1", "cats", 201),
        ("k-1", "cats", 201),
        ("\"k-1\"", "cats", 201),
        ("k-1", "dogs", 422),
        ("k-2", "cats", 201),
    ] {
        assert_eq!(world.vote_with_key(option, key).await.status, status);
    }
    world.settles_at(2, 0).await;
}

#[tokio::test]
async fn votes_with_one_key_sent_at_once_count_once() {
    let world = World::start().await;
    let answers =
        futures::future::join_all((0..40).map(|_| world.vote_with_key("dogs", "race"))).await;
    let first = &answers[0];
    assert!(
        answers
            .iter()
            .all(|answer| answer.status == 201 && answer.body == first.body)
    );
    let entries: i64 = world.command("XLEN votes").await;
    assert_eq!(entries, 1);
    world.settles_at(0, 1).await;
}

#[tokio::test]
async fn a_key_sent_again_after_its_time_is_still_counted_once() {
    let world = World::start_with(|stack| stack.variable("idempotency_ttl", "1")).await;
    let first = world.vote_with_key("cats", "late").await.json();
    tokio::time::sleep(std::time::Duration::from_millis(1300)).await;
    let second = world.vote_with_key("cats", "late").await.json();
    assert_ne!(
        first["stream_id"], second["stream_id"],
        "Redis has forgotten the key"
    );
    world.settles_at(1, 0).await;
}

#[tokio::test]
async fn no_key_takes_the_id_of_a_vote_that_came_another_way() {
    let world = World::start().await;
    let without_key = world.vote("cats").await;
    let issued = without_key.json()["vote_id"].as_str().unwrap().to_owned();
    let bare = world.append(&[("vote", b"cats")]).await;
    for taken in [&issued, &bare, "1-1"] {
        let refused = world.vote_with_key("dogs", taken).await;
        let detail = refused.problem(400);
        assert!(detail.contains("choose a random one"), "{detail}");
    }
    world.sweep().await;
    world.settles_at(2, 0).await;
    // What a producer calls its vote is its own affair: then the receipt tells which of the two counts.
    world
        .append(&[("vote", b"cats"), ("vote_id", b"shared")])
        .await;
    world.sweep().await;
    let answered = world.vote_with_key("dogs", "shared").await;
    assert_eq!(world.receipt(&answered).await["option"], "cats");
    world.settles_at(3, 0).await;
}

#[tokio::test]
async fn a_body_may_begin_with_a_byte_order_mark_and_may_not_be_compressed() {
    let world = World::start().await;
    let marked = world
        .post("/api/vote", "\u{feff}{\"option\":\"cats\"}")
        .await;
    assert_eq!(marked.status, 201, "{marked:?}");
    for (path, body) in [
        ("/api/vote", r#"{"option":"cats"}"#),
        ("/vote", "option=cats"),
    ] {
        for (coding, status) in [("gzip", 415), ("identity, br", 415)] {
            let request = world.request(Method::POST, path);
            let answer = Answer::of(request.header("Content-Encoding", coding).body(body)).await;
            assert_eq!(answer.status, status, "{path} {coding}");
        }
        let request = world.request(Method::POST, path);
        let plain = Answer::of(request.header("Content-Encoding", "identity").body(body)).await;
        assert!(plain.status == 201 || plain.status == 303, "{plain:?}");
    }
    world.settles_at(3, 0).await;
}

#[tokio::test]
async fn the_form_answers_other_methods_as_every_route_does() {
    let world = World::start().await;
    let options = Answer::of(world.request(Method::OPTIONS, "/vote")).await;
    assert_eq!(options.status, 204);
    assert_eq!(options.header("allow"), "GET, POST, HEAD, OPTIONS");
    for method in [Method::TRACE, Method::PUT] {
        let answer = Answer::of(world.request(method, "/vote")).await;
        assert_eq!(answer.status, 405, "{answer:?}");
        assert_eq!(answer.header("allow"), "GET, POST, HEAD, OPTIONS");
    }
}

/// An instance has a small stack: see .cargo/config.toml.
#[tokio::test]
async fn json_may_be_nested_as_deep_as_it_likes() {
    let world = World::start().await;
    let token = &world.stack.secrets().organizer_token;
    for depth in [120, 128, 4000] {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            for (path, body) in [
                ("/api/vote", nested.clone()),
                ("/api/vote", format!(r#"{{"option":{nested}}}"#)),
                (
                    "/api/vote",
                    format!(r#"{{"option":"cats","colour":{nested}}}"#),
                ),
                ("/api/polls", nested.clone()),
                (
                    "/api/polls",
                    format!(r#"{{"poll":"x","question":"?","options":{nested}}}"#),
                ),
            ] {
                let request = world.request(Method::POST, path).bearer_auth(token);
                let answer = Answer::of(request.body(body)).await;
                answer.problem(422);
            }
            for body in [
                format!("[{nested}]"),
                format!("{nested}\n"),
                format!("{{\"option\":{nested}}}\n"),
            ] {
                let answer = world.post("/api/votes", body).await;
                assert!([200, 422].contains(&answer.status.as_u16()), "{answer:?}");
            }
        }
    }
    world.has_not_trapped();
    assert_eq!(world.vote("cats").await.status, 201);
    world.settles_at(1, 0).await;
}
