//! Many votes at once: `POST /api/votes`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write;

use reqwest::Method;
use serde_json::{Value, json};
use spinvote_tests::{Answer, Ran, World, eventually, raw};

const PATH: &str = "/api/votes";

async fn send(world: &World, body: impl Into<String>, headers: &[(&str, &str)]) -> Answer {
    let mut request = world.request(Method::POST, PATH).body(body.into());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

#[track_caller]
fn outcome(answer: &Answer) -> (i64, Vec<(i64, String)>) {
    assert_eq!(answer.status, 200, "{answer:?}");
    let body = answer.json();
    let rejected = body["rejected"].as_array().unwrap().iter().map(|rejected| {
        let detail = rejected["detail"].as_str().unwrap().to_owned();
        assert!(detail.len() > 20, "it says what to do: {detail}");
        (rejected["line"].as_i64().unwrap(), detail)
    });
    (body["accepted"].as_i64().unwrap(), rejected.collect())
}

async fn open(world: &World, body: Value) {
    let request = world
        .request(Method::POST, "/api/polls")
        .bearer_auth(&world.stack.secrets().organizer_token);
    let created = Answer::of(request.body(body.to_string())).await;
    assert_eq!(created.status, 201, "{created:?}");
}

#[tokio::test]
async fn each_line_is_recorded_or_says_why_it_is_not() {
    let world = World::start().await;
    open(
        &world,
        json!({ "poll": "pets", "question": "?", "options": ["cats", "dogs"] }),
    )
    .await;
    open(
        &world,
        json!({ "poll": "over", "question": "?", "options": ["a", "b"], "closes_at": "2020-01-01T00:00:00Z" }),
    )
    .await;
    let lines = [
        (r#"{"option":"cats"}"#, ""),
        (r#"{"option":"fish"}"#, "Choose one of: cats, dogs"),
        (r#"{"option":"dogs","poll":"pets"}"#, ""),
        (
            r#"{"option":"dogs","poll":"none"}"#,
            "There is no poll \"none\"",
        ),
        (
            r#"{"option":"a","poll":"over"}"#,
            "closed at 2020-01-01T00:00:00Z",
        ),
        ("cats", "It is not JSON"),
        (r#"{"vote":"cats"}"#, "\"option\""),
        (r#"{"option":"dogs","vote_id":"1-0"}"#, "stream id"),
        (r#"{"option":"dogs","voter":"ada"}"#, "Only a gateway"),
        (r#"{"option":"dogs","vote_id":"k"}"#, ""),
        (r#"{"option":"dogs","vote_id":"k"}"#, ""),
        (r#"{"option":"cats","vote_id":"k"}"#, "another option"),
    ];
    let rejected: Vec<_> = (1..)
        .zip(lines)
        .filter(|(_, (_, why))| !why.is_empty())
        .collect();
    let texts = lines.map(|(line, _)| line);
    let array = json!(texts.map(|line| serde_json::from_str(line).unwrap_or(json!(line))));
    for (body, separator) in [(texts.join("\r\n"), "lines"), (array.to_string(), "array")] {
        let (accepted, found) = outcome(&send(&world, body, &[]).await);
        assert_eq!(accepted, 4, "{separator}");
        assert_eq!(found.len(), rejected.len(), "{separator}: {found:?}");
        for ((line, detail), (number, (_, why))) in found.iter().zip(&rejected) {
            assert_eq!(line, number, "{separator}");
            let is_string = separator == "array" && *why == "It is not JSON";
            assert!(
                is_string || detail.contains(why),
                "{separator}: {detail}, not {why}"
            );
        }
    }
    // Of `k` one vote, however often it was sent.
    world.settles_at(2, 1).await;
    eventually("the other poll has its votes", async || {
        world.get("/api/polls/pets/results").await.json()["total"] == 2
    })
    .await;
    assert!(world.dead_letters().await.is_empty());
}

#[tokio::test]
async fn a_batch_may_be_sent_again_under_its_key() {
    let world = World::start().await;
    let body: String = (0..1200).fold(String::new(), |mut body, number| {
        let option = if number % 3 == 0 { "cats" } else { "dogs" };
        writeln!(body, "{{\"option\":\"{option}\"}}").unwrap();
        body
    });
    let key = [("Idempotency-Key", "kiosk-7")];
    for _ in 0..3 {
        assert_eq!(
            outcome(&send(&world, body.as_str(), &key).await),
            (1200, vec![])
        );
    }
    world.settles_at(400, 800).await;
    let receipt = world.get("/api/votes/kiosk-7:1").await;
    assert_eq!(receipt.json()["option"], "cats", "{receipt:?}");
    // Longer now, as a kiosk's file is that went on: only what is new counts.
    let longer = format!("{body}{{\"option\":\"cats\"}}\n");
    assert_eq!(outcome(&send(&world, longer, &key).await).0, 1201);
    world.settles_at(401, 800).await;

    let long = "k".repeat(255);
    let (accepted, rejected) = outcome(
        &send(
            &world,
            "{\"option\":\"cats\"}",
            &[("Idempotency-Key", &long)],
        )
        .await,
    );
    assert_eq!(accepted, 0);
    assert!(rejected[0].1.contains("too long"), "{rejected:?}");
}

#[tokio::test]
async fn a_gateway_names_its_voters() {
    let world = World::start_with(|stack| stack.variable("rate_limit", "1")).await;
    let once = json!({
        "poll": "lunch", "question": "?", "options": ["soup", "rice"], "one_vote_per_voter": true
    });
    open(&world, once).await;
    let token = format!("Bearer {}", world.stack.secrets().organizer_token);
    let body = r#"{"poll":"lunch","option":"soup","voter":"ada"}
        {"poll":"lunch","option":"soup","voter":"eve"}
        {"poll":"lunch","option":"rice","voter":"ada"}
        {"poll":"lunch","option":"rice"}"#;
    // It passes on the votes of many, so that it is not limited.
    let answer = send(&world, body, &[("Authorization", &token)]).await;
    let (accepted, rejected) = outcome(&answer);
    assert_eq!(accepted, 3);
    assert_eq!(rejected.len(), 1);
    assert!(rejected[0].1.contains("Say who votes"), "{rejected:?}");
    eventually("the latest of each voter counts", async || {
        let results = world.results("/api/polls/lunch/results").await;
        results["total"] == 2 && results["changes"] == 1
    })
    .await;
    let results = world.results("/api/polls/lunch/results").await;
    assert_eq!(results["options"][0]["count"], 1);
    assert_eq!(results["options"][1]["count"], 1);
}

#[tokio::test]
async fn each_vote_counts_against_the_limit() {
    let world = World::start_with(|stack| stack.variable("rate_limit", "7")).await;
    let body = "{\"option\":\"cats\"}\n".repeat(10);
    let answer = send(&world, body, &[]).await;
    let (accepted, rejected) = outcome(&answer);
    assert_eq!(accepted, 7);
    let lines: Vec<_> = rejected.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [8, 9, 10]);
    assert!(rejected[0].1.contains("7 votes in 60 seconds"));
    assert!(answer.header("ratelimit").starts_with("\"votes\";r=0;"));
    assert_eq!(world.vote("cats").await.status, 429);
    world.settles_at(7, 0).await;
}

#[tokio::test]
async fn what_is_no_list_of_votes_is_refused_and_nothing_recorded() {
    let world = World::start().await;
    let line = "{\"option\":\"cats\"}\n";
    let many = line.repeat(10_001);
    for (body, status) in [
        ("", 400),
        ("\n \n", 400),
        ("[{\"option\":\"cats\"}", 400),
        (&*many, 422),
    ] {
        send(&world, body, &[]).await.problem(status);
    }
    send(&world, line, &[("Idempotency-Key", "1-0")])
        .await
        .problem(400);
    send(&world, line, &[("Content-Encoding", "gzip")])
        .await
        .problem(415);
    let large = "Content-Length: 2000000";
    assert_eq!(raw::begin(world.url(), PATH, large, line).await, 413);
    let got = world.get(PATH).await;
    got.problem(405);
    assert_eq!(got.header("allow"), "POST, OPTIONS");
    send(&world, line, &[("Origin", "https://evil.example")])
        .await
        .problem(403);
    assert_eq!(outcome(&send(&world, "[]", &[]).await), (0, vec![]));
    world.settles_at(0, 0).await;
}

#[tokio::test]
async fn ten_thousand_votes_take_a_few_round_trips() {
    let world = World::start().await;
    let calls = async || {
        let said: String = world.command("INFO commandstats").await;
        let line = said
            .lines()
            .find(|line| line.starts_with("cmdstat_evalsha:"));
        let calls = line.and_then(|line| line.split(['=', ',']).nth(1));
        calls.map_or(0, |calls| calls.parse::<i64>().unwrap())
    };
    let body = "{\"option\":\"dogs\"}\n".repeat(10_000);
    // So that nobody reads meanwhile.
    let _: () = world
        .command("SET {votes}:doorbell muffled PX 600000")
        .await;
    send(&world, "{\"option\":\"cats\"}", &[]).await;
    let before = calls().await;
    assert_eq!(outcome(&send(&world, body, &[]).await), (10_000, vec![]));
    assert_eq!(calls().await - before, 20);
    while world.sweep().await.json()["left"] != 0 {}
    world.settles_at(1, 10_000).await;
}

#[tokio::test]
async fn a_batch_that_redis_does_not_take_is_sent_again_and_counts_once() {
    let world = World::start().await;
    let body = "{\"option\":\"cats\"}\n".repeat(2000);
    let key = [("Idempotency-Key", "k")];
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    let refused = send(&world, body.as_str(), &key).await;
    assert!(refused.problem(503).contains("Send them all again"));
    assert_ne!(refused.header("retry-after"), "");
    let _: () = world.command("CONFIG SET maxmemory 0").await;
    // Half of it was recorded, as when the answer to the rest was lost.
    let half = "{\"option\":\"cats\"}\n".repeat(1000);
    assert_eq!(outcome(&send(&world, half, &key).await).0, 1000);
    assert_eq!(outcome(&send(&world, body, &key).await).0, 2000);
    world.settles_at(2000, 0).await;
}

#[tokio::test]
async fn a_file_is_cast_from_the_command_line_and_once_however_often() {
    let world = World::start().await;
    let file = world.stack.directory().join("votes.ndjson");
    let path = file.to_str().unwrap();
    let mut votes = "{\"option\":\"cats\"}\n".repeat(6001);
    votes.push_str("\n{\"option\":\"fish\"}\n{\"option\":\"dogs\",\"vote_id\":\"mine\"}\nfish\n");
    std::fs::write(&file, &votes).unwrap();
    for _ in 0..2 {
        let Ran { done, said, errors } = world.xtask(&["cast", "--file", path]);
        assert!(!done, "some lines are no votes");
        assert_eq!(
            said, "6002 votes are recorded, 2 lines rejected\n",
            "{errors}"
        );
        let fish = format!("{path}:6003: The poll \"default\" has no such option.");
        assert!(errors.contains(&fish), "{errors}");
        assert!(
            errors.contains(&format!("{path}:6005: It is not JSON.")),
            "{errors}"
        );
    }
    world.settles_at(6001, 1).await;

    // One that grows is cast under a key of its own.
    for lines in [3, 5] {
        std::fs::write(&file, "{\"option\":\"dogs\"}\n".repeat(lines)).unwrap();
        let Ran { done, said, errors } = world.xtask(&["cast", "--file", path, "--key", "door-7"]);
        assert!(done, "{errors}");
        assert_eq!(
            said,
            format!("{lines} votes are recorded, 0 lines rejected\n")
        );
    }
    world.settles_at(6001, 6).await;
    let Ran { done, errors, .. } = world.xtask(&["cast", "--file", "/nothing/here"]);
    assert!(
        !done && errors.contains("could not read /nothing/here"),
        "{errors}"
    );
}
