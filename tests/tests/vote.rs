//! `POST /api/vote`: what is taken, what is refused, and what is told.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use futures::stream;
use reqwest::Method;
use serde_json::json;
use spinvote_tests::{Answer, World};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[tokio::test]
async fn a_vote_is_recorded_and_counted() {
    let world = World::start().await;
    let answer = world.vote("cats").await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    assert_eq!(body["message"], "Vote recorded successfully");
    assert_eq!(body["option"], "cats");
    let vote_id = body["vote_id"].as_str().unwrap();
    assert_eq!(answer.header("location"), format!("/api/votes/{vote_id}"));

    // The id of the entry is the one that Redis gave.
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
async fn a_json_body_counts_whatever_its_content_type() {
    let world = World::start().await;
    for content_type in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json",
    ] {
        let request = world
            .request(Method::POST, "/api/vote")
            .header("Content-Type", content_type);
        let answer = Answer::of(request.body(r#"{"option":"cats"}"#)).await;
        assert_eq!(answer.status, 201, "{content_type}");
    }
    assert_eq!(
        world
            .post("/api/vote", r#" { "option" : "d\u006fgs" } "#)
            .await
            .status,
        201
    );
    world.settles_at(3, 1).await;
}

#[tokio::test]
async fn what_is_no_json_is_400_and_what_is_no_vote_is_422() {
    let world = World::start().await;
    for body in [
        "",
        "cats",
        "option=cats",
        "{",
        r#"{"option":"cats"}}"#,
        "\u{feff}{}",
    ] {
        world.post("/api/vote", body).await.problem(400);
    }
    world
        .post("/api/vote", b"{\"option\":\"\xff\"}".as_slice())
        .await
        .problem(400);
    for body in [
        json!({}),
        json!([]),
        json!(["cats"]),
        json!(null),
        json!({ "option": 1 }),
        json!({ "option": null }),
        json!({ "option": "" }),
        json!({ "option": "birds" }),
        json!({ "option": "Cats" }),
        json!({ "option": "cats " }),
        json!({ "option": "cats\u{0}" }),
        json!({ "option": "cats", "colour": "red" }),
        json!({ "vote": "cats" }),
    ] {
        world.post("/api/vote", body.to_string()).await.problem(422);
    }
    let detail = world.vote("birds").await.problem(422);
    assert!(
        detail.contains("cats") && detail.contains("dogs"),
        "says what there is: {detail}"
    );

    let entries: i64 = world.command("XLEN votes").await;
    assert_eq!(entries, 0, "nothing of this was recorded");
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

/// Sends a request of which only the beginning ever arrives, and returns the status of the answer.
async fn begin(world: &World, head: &str, body: &[u8]) -> u16 {
    let address = world.stack.url().replace("http://", "");
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!("POST /api/vote HTTP/1.1\r\nHost: {address}\r\n{head}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut status = [0; 12];
    let answer = tokio::time::timeout(
        std::time::Duration::from_secs(10),
        stream.read_exact(&mut status),
    );
    answer
        .await
        .expect("an answer before the body is whole")
        .unwrap();
    str::from_utf8(&status[9..]).unwrap().parse().unwrap()
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
async fn the_same_idempotency_key_gives_the_very_same_answer_and_counts_once() {
    let world = World::start().await;
    let first = world.vote_with_key("cats", "k-1").await;
    assert_eq!(first.status, 201);
    assert_eq!(first.json()["vote_id"], "k-1");
    for key in ["k-1", "\"k-1\""] {
        let again = world.vote_with_key("cats", key).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("location"), first.header("location"));
    }
    assert_eq!(world.vote_with_key("cats", "k-2").await.status, 201);
    world.settles_at(2, 0).await;
}

#[tokio::test]
async fn an_idempotency_key_used_for_another_option_is_422() {
    let world = World::start().await;
    assert_eq!(world.vote_with_key("cats", "k").await.status, 201);
    let detail = world.vote_with_key("dogs", "k").await.problem(422);
    assert!(detail.contains("Idempotency-Key"), "{detail}");
    assert_eq!(
        world.vote_with_key("cats", "k").await.status,
        201,
        "the first still stands"
    );
    world.settles_at(1, 0).await;
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
async fn a_key_that_cannot_be_one_is_400() {
    let world = World::start().await;
    for key in ["", "\"\"", "\"open", &"k".repeat(256)] {
        world.vote_with_key("cats", key).await.problem(400);
    }
    let twice = world
        .request(Method::POST, "/api/vote")
        .header("Idempotency-Key", "a");
    Answer::of(
        twice
            .header("Idempotency-Key", "b")
            .body(r#"{"option":"cats"}"#),
    )
    .await
    .problem(400);
    // Whatever is printable is a key, and its receipt is found under it.
    let odd = r#"a/b?c%20"d\#;"#;
    let answer = world.vote_with_key("cats", odd).await;
    assert_eq!(answer.json()["vote_id"], odd);
    let location = answer.header("location").to_owned();
    spinvote_tests::eventually("the receipt", async || {
        world.get(&location).await.status == 200
    })
    .await;
    assert_eq!(world.get(&location).await.json()["vote_id"], odd);
}
