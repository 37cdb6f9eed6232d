//! Clients that begin a request and do not go on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use futures::future::join_all;
use spinvote_tests::{World, raw::Connection};
use tokio::time::sleep;

const LIMIT: Duration = Duration::from_secs(2);

async fn world() -> World {
    World::start_with(|stack| stack.variable("request_timeout_ms", LIMIT.as_millis())).await
}

/// Sends a request of which only this much comes, then a byte every now and then, and returns the text
/// of the 408 that must come in time.
async fn stall(world: &World, path: &str, headers: &str, body: &str, then: &str) -> String {
    let mut connection = Connection::to(world.url()).await;
    let started = Instant::now();
    connection.post(path, headers, body).await;
    for byte in then.bytes() {
        if started.elapsed() > LIMIT - Duration::from_millis(300) {
            break;
        }
        sleep(Duration::from_millis(200)).await;
        connection.send([byte]).await;
    }
    let answer = connection.answer().await.expect("an answer");
    let waited = started.elapsed();
    assert_eq!(answer.status, 408, "{headers} {body}: {answer:?}");
    assert!(
        (LIMIT..3 * LIMIT).contains(&waited),
        "{headers} {body}: after {waited:?}"
    );
    connection.ends().await;
    answer.text
}

#[tokio::test]
async fn a_body_that_does_not_come_in_time_is_408() {
    let world = world().await;
    let length = "Content-Length: 17";
    let vote = r#"{"option":"cats"}"#;
    let chunk = "9\r\n{\"option\"\r\n";
    let slowly = " ".repeat(100);
    let answers = tokio::join!(
        stall(&world, "/api/vote", length, "", ""),
        stall(&world, "/api/vote", length, &vote[..8], ""),
        stall(&world, "/api/vote", "Transfer-Encoding: chunked", chunk, ""),
        // The limit is for all of it.
        stall(&world, "/api/vote", "Content-Length: 200", "", &slowly),
        stall(&world, "/vote", length, "option=", ""),
    );
    assert!(
        answers.0.contains("application/problem+json"),
        "{answers:?}"
    );
    assert!(answers.0.contains("within 2000 ms"), "{answers:?}");
    assert!(answers.4.contains("text/html"), "{answers:?}");
    let entries: i64 = world.command("XLEN votes").await;
    assert_eq!(entries, 0);
}

#[tokio::test]
async fn a_body_that_comes_in_pieces_counts_and_its_connection_stays() {
    let world = world().await;
    let mut connection = Connection::to(world.url()).await;
    for _ in 0..3 {
        connection.post("/api/vote", "Content-Length: 17", "").await;
        for piece in [r#"{"opt"#, r#"ion":"#, r#""cats"}"#] {
            sleep(Duration::from_millis(100)).await;
            connection.send(piece).await;
        }
        assert_eq!(connection.answer().await.unwrap().status, 201);
    }
    world.settles_at(3, 0).await;
}

#[tokio::test]
async fn clients_that_stop_do_not_keep_others_from_voting() {
    let world = world().await;
    let started = Instant::now();
    let mut stalled = join_all((0..256).map(|_| async {
        let mut connection = Connection::to(world.url()).await;
        connection
            .post("/api/vote", "Content-Length: 17", "{")
            .await;
        connection
    }))
    .await;
    let mut votes = 0;
    while votes < 20 || started.elapsed() < LIMIT / 2 {
        let before = Instant::now();
        assert_eq!(world.vote("cats").await.status, 201);
        assert!(before.elapsed() < LIMIT / 2, "{:?}", before.elapsed());
        votes += 1;
    }
    assert!(
        started.elapsed() < LIMIT,
        "so slow that the stalled may have gone"
    );
    // All are let go. Spin cuts a few of so many answers short.
    let mut told = 0;
    for connection in &mut stalled {
        if let Some(answer) = connection.answer().await {
            assert_eq!(answer.status, 408, "{answer:?}");
            told += 1;
        }
    }
    assert!(told > 200, "{told} of 256 were told why");
    assert_eq!(world.vote("cats").await.status, 201);
    world.settles_at(votes + 1, 0).await;
}
