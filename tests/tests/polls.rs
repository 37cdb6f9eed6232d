//! Polls, as organizers make and change them, and votes in them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use spinvote_tests::{Answer, World, eventually, raw};

/// A request with an organizer's token.
async fn organize(world: &World, method: Method, path: &str, body: Value) -> Answer {
    organize_if(world, method, path, body, None).await
}

async fn organize_if(
    world: &World,
    method: Method,
    path: &str,
    body: Value,
    if_match: Option<&str>,
) -> Answer {
    let mut request = world
        .request(method, path)
        .bearer_auth(&world.stack.secrets().organizer_token);
    if let Some(etag) = if_match {
        request = request.header("If-Match", etag);
    }
    if !body.is_null() {
        request = request.body(body.to_string());
    }
    Answer::of(request).await
}

async fn create(world: &World, body: Value) -> Answer {
    organize(world, Method::POST, "/api/polls", body).await
}

async fn patch(world: &World, poll: &str, body: Value) -> Answer {
    organize(world, Method::PATCH, &format!("/api/polls/{poll}"), body).await
}

async fn vote_in(world: &World, poll: &str, option: &str) -> Answer {
    let body = json!({ "option": option }).to_string();
    world.post(&format!("/api/polls/{poll}/vote"), body).await
}

fn pets() -> Value {
    json!({ "poll": "pets", "question": "Which pet?", "options": ["cats", "dogs"] })
}

/// So many seconds from now, in the past if less than zero, with an offset that is not zero.
async fn from_now(world: &World, seconds: i64) -> String {
    let row = world
        .sql()
        .await
        .query_one(
            "select to_char(date_trunc('second', now() + $1::bigint * interval '1 second') at time zone 'UTC' \
             + interval '2 hours', 'YYYY-MM-DD\"T\"HH24:MI:SS') || '+02:00'",
            &[&seconds],
        )
        .await
        .unwrap();
    row.get(0)
}

#[tokio::test]
async fn a_poll_is_created_voted_in_changed_and_watched() {
    let world = World::start().await;
    let created = create(&world, pets()).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.header("location"), "/api/polls/pets");
    let document = json!({
        "poll": "pets",
        "question": "Which pet?",
        "options": ["cats", "dogs"],
        "opens_at": null,
        "closes_at": null,
        "one_vote_per_voter": false,
    });
    assert_eq!(created.json(), document);
    let read = world.get("/api/polls/pets").await;
    assert_eq!(read.json(), document);
    assert_eq!(read.header("etag"), created.header("etag"));
    assert!(!read.header("etag").is_empty());
    let tag = read.header("etag");
    let again = world
        .request(Method::GET, "/api/polls/pets")
        .header("If-None-Match", tag);
    assert_eq!(Answer::of(again).await.status, 304);

    let vote = vote_in(&world, "pets", "cats").await;
    assert_eq!(vote.status, 201, "{vote:?}");
    assert!(
        vote.header("location")
            .starts_with("/api/polls/pets/votes/")
    );
    let receipt = world.receipt(&vote).await;
    assert_eq!(
        (&receipt["poll"], &receipt["status"]),
        (&json!("pets"), &json!("counted"))
    );
    vote_in(&world, "pets", "birds").await.problem(422);

    let changed = patch(
        &world,
        "pets",
        json!({ "options": ["dogs", "cats", "birds"] }),
    )
    .await;
    assert_eq!(changed.status, 200, "{changed:?}");
    let vote = vote_in(&world, "pets", "birds").await;
    world.receipt(&vote).await;
    let results = world.results("/api/polls/pets/results").await;
    let options = json!([
        { "option": "dogs", "count": 0, "percentage": 0.0 },
        { "option": "cats", "count": 1, "percentage": 50.0 },
        { "option": "birds", "count": 1, "percentage": 50.0 },
    ]);
    assert_eq!(results["options"], options);
    assert_eq!(
        (&results["question"], &results["total"]),
        (&json!("Which pet?"), &json!(2))
    );
    assert_eq!(
        world.tallies().await,
        (0, 0),
        "nothing of it is in the default poll"
    );
    let page = world.get("/polls/pets").await;
    assert!(
        page.status == 200 && page.body.contains("value=\"birds\""),
        "{page:?}"
    );
}

#[tokio::test]
async fn what_votes_do_not_allow_is_refused() {
    let world = World::start().await;
    create(&world, pets()).await;
    // Before the first vote everything may change.
    let changed = patch(&world, "pets", json!({ "options": ["cats", "birds"] })).await;
    assert_eq!(changed.status, 200, "{changed:?}");
    vote_in(&world, "pets", "dogs").await.problem(422);
    let vote = vote_in(&world, "pets", "birds").await;
    world.receipt(&vote).await;
    for change in [
        json!({ "options": ["cats", "dogs"] }),
        json!({ "options": ["cats", "Birds"] }),
        json!({ "one_vote_per_voter": true }),
    ] {
        let detail = patch(&world, "pets", change.clone()).await.problem(409);
        assert!(detail.contains("has votes"), "{change}: {detail}");
    }
    let path = "/api/polls/pets";
    organize(&world, Method::DELETE, path, Value::Null)
        .await
        .problem(409);
    assert_eq!(
        patch(&world, "pets", json!({ "question": "Which one?" }))
            .await
            .status,
        200
    );
    assert_eq!(
        patch(&world, "pets", json!({ "options": ["birds", "cats"] }))
            .await
            .status,
        200
    );
    assert_eq!(vote_in(&world, "pets", "birds").await.status, 201);
}

#[tokio::test]
async fn a_poll_takes_votes_in_its_hours_only() {
    let world = World::start().await;
    let (opens, closes) = (from_now(&world, 3600).await, from_now(&world, 7200).await);
    let mut body = pets();
    body["opens_at"] = json!(opens);
    body["closes_at"] = json!(closes);
    assert_eq!(create(&world, body).await.status, 201);
    let early = vote_in(&world, "pets", "cats").await;
    early.problem(409);
    let opens_at = world.get("/api/polls/pets").await.json()["opens_at"].clone();
    assert_eq!(early.json()["opens_at"], opens_at);
    assert!(opens_at.as_str().unwrap().ends_with('Z'));

    let body =
        json!({ "opens_at": from_now(&world, -60).await, "closes_at": from_now(&world, 2).await });
    assert_eq!(patch(&world, "pets", body).await.status, 200);
    let key = || {
        let request = world.request(Method::POST, "/api/polls/pets/vote");
        request
            .header("Idempotency-Key", "k")
            .body(r#"{"option":"cats"}"#)
    };
    let taken = Answer::of(key()).await;
    assert_eq!(taken.status, 201, "{taken:?}");
    eventually("it closes", async || {
        vote_in(&world, "pets", "cats").await.status == 409
    })
    .await;
    let late = vote_in(&world, "pets", "cats").await;
    assert!(late.problem(409).contains("closed at"));
    assert!(late.json()["closes_at"].is_string());
    let again = Answer::of(key()).await;
    assert_eq!(
        again.body, taken.body,
        "what was recorded in time stays recorded"
    );
    world.receipt(&taken).await;

    // A bare producer asks nobody.
    let id = world
        .append(&[("poll", b"pets"), ("option", b"dogs")])
        .await;
    world.sweep().await;
    eventually("it is put aside", async || {
        world
            .dead_letters()
            .await
            .contains(&("poll_closed".into(), id.clone()))
    })
    .await;
    // Open again.
    assert_eq!(
        patch(&world, "pets", json!({ "closes_at": null }))
            .await
            .status,
        200
    );
    assert_eq!(vote_in(&world, "pets", "dogs").await.status, 201);
}

#[tokio::test]
async fn only_organizers_change_polls() {
    let world = World::start().await;
    for (method, path) in [
        (Method::POST, "/api/polls"),
        (Method::PATCH, "/api/polls/default"),
        (Method::DELETE, "/api/polls/default"),
    ] {
        let ask = |token: &str| {
            let request = world.request(method.clone(), path).body(pets().to_string());
            Answer::of(if token.is_empty() {
                request
            } else {
                request.header("Authorization", token)
            })
        };
        let token = &world.stack.secrets().organizer_token;
        for wrong in [
            "",
            "Bearer",
            "Bearer x",
            &format!("Basic {token}"),
            &format!("Bearer {token}x"),
        ] {
            let answer = ask(wrong).await;
            answer.problem(401);
            assert_eq!(answer.header("www-authenticate"), "Bearer");
        }
    }
    assert_eq!(world.number("select count(*) from polls").await, 1);
    assert!(
        !world
            .stack
            .app_output()
            .contains(&world.stack.secrets().organizer_token)
    );

    let world = World::start_with(|stack| stack.variable("organizer_tokens", "")).await;
    create(&world, pets()).await.problem(404);
    assert_eq!(world.get("/api/polls/default").await.status, 200);
    let rotated = "0123456789abcdef, fedcba9876543210";
    let world = World::start_with(|stack| stack.variable("organizer_tokens", rotated)).await;
    for token in ["0123456789abcdef", "fedcba9876543210"] {
        let request = world
            .request(Method::DELETE, "/api/polls/none")
            .bearer_auth(token);
        Answer::of(request).await.problem(404);
    }
}

#[tokio::test]
async fn two_organizers_do_not_overwrite_each_other() {
    let world = World::start().await;
    let created = create(&world, pets()).await;
    let etag = created.header("etag");
    let path = "/api/polls/pets";
    let change = |question: &str| json!({ "question": question });
    let first = organize_if(&world, Method::PATCH, path, change("One?"), Some(etag)).await;
    assert_eq!(first.status, 200, "{first:?}");
    let second = organize_if(&world, Method::PATCH, path, change("Two?"), Some(etag)).await;
    assert!(second.problem(412).contains("Somebody else"));
    organize_if(&world, Method::DELETE, path, Value::Null, Some(etag))
        .await
        .problem(412);
    assert_eq!(world.get(path).await.json()["question"], "One?");

    // At once, without If-Match: both come to pass, one after the other.
    let changes = (0..8).map(|i| patch(&world, "pets", json!({ "question": format!("{i}?") })));
    let answers = futures::future::join_all(changes).await;
    assert!(answers.iter().any(|answer| answer.status == 200));
    assert!(
        answers
            .iter()
            .all(|answer| [200, 409].contains(&answer.status.as_u16())),
        "{answers:?}"
    );
    // With it, at most one does.
    let etag = world.get(path).await.header("etag").to_owned();
    let changes = (0..8).map(|i| {
        organize_if(
            &world,
            Method::PATCH,
            path,
            json!({ "question": format!("{i}!") }),
            Some(&etag),
        )
    });
    let answers = futures::future::join_all(changes).await;
    let done = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(done, 1, "{answers:?}");
    assert!(
        answers
            .iter()
            .all(|answer| [200, 412].contains(&answer.status.as_u16())),
        "{answers:?}"
    );
    let deleted = organize_if(&world, Method::DELETE, path, Value::Null, Some("*")).await;
    assert_eq!(deleted.status, 204);
}

#[tokio::test]
async fn a_poll_that_is_deleted_is_gone_and_its_name_free() {
    let world = World::start().await;
    create(&world, pets()).await;
    create(&world, pets()).await.problem(409);
    let deleted = organize(&world, Method::DELETE, "/api/polls/pets", Value::Null).await;
    assert_eq!((deleted.status.as_u16(), deleted.body.as_str()), (204, ""));
    vote_in(&world, "pets", "cats").await.problem(404);
    for path in ["/api/polls/pets", "/api/polls/pets/results", "/polls/pets"] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    organize(&world, Method::DELETE, "/api/polls/pets", Value::Null)
        .await
        .problem(404);
    patch(&world, "pets", json!({})).await.problem(404);
    let mut body = pets();
    body["options"] = json!(["rust", "go"]);
    assert_eq!(create(&world, body).await.status, 201);
    vote_in(&world, "pets", "cats").await.problem(422);
    let vote = vote_in(&world, "pets", "go").await;
    world.receipt(&vote).await;
}

#[tokio::test]
async fn polls_are_listed_page_by_page() {
    let world = World::start().await;
    for i in 0..5 {
        let body = json!({ "poll": format!("p-{i}"), "question": "?!", "options": ["a", "b"] });
        assert_eq!(create(&world, body).await.status, 201);
    }
    let (mut names, mut after) = (Vec::new(), String::new());
    loop {
        let page = world
            .get(&format!("/api/polls?limit=2&after={after}"))
            .await
            .json();
        let polls = page["polls"].as_array().unwrap();
        assert!(polls.len() <= 2);
        names.extend(
            polls
                .iter()
                .map(|poll| poll["poll"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => after = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(names, ["default", "p-0", "p-1", "p-2", "p-3", "p-4"]);
    for query in ["limit=0", "limit=101", "limit=x", "after=A"] {
        world.get(&format!("/api/polls?{query}")).await.problem(400);
    }
}

#[tokio::test]
async fn bad_polls_are_refused_with_what_to_do() {
    let world = World::start().await;
    let post = async |body: &str| {
        let request = world
            .request(Method::POST, "/api/polls")
            .body(body.to_owned());
        Answer::of(request.bearer_auth(&world.stack.secrets().organizer_token)).await
    };
    post("{").await.problem(400);
    post("[]").await.problem(422);
    let detail = post(r#"{"poll":"x","question":"?!","options":["a","A"]}"#)
        .await
        .problem(422);
    assert!(detail.starts_with("options[1]:"), "{detail}");
    let token = &world.stack.secrets().organizer_token;
    let large = format!("Authorization: Bearer {token}\r\nContent-Length: 2000000");
    let status = raw::begin(world.url(), "/api/polls", &large, "{").await;
    assert_eq!(status, 413);
    assert_eq!(world.number("select count(*) from polls").await, 1);

    let world = World::start_with(|stack| stack.variable("voter_key", "")).await;
    let mut body = pets();
    body["one_vote_per_voter"] = json!(true);
    let detail = create(&world, body).await.problem(409);
    assert!(detail.contains("SPIN_VARIABLE_VOTER_KEY"), "{detail}");
}

#[tokio::test]
async fn options_are_the_same_in_every_form_of_unicode() {
    let world = World::start().await;
    let body = json!({ "poll": "words", "question": "ما رأيك؟", "options": ["cafe\u{301}", "קפה", "咖啡"] });
    assert_eq!(create(&world, body).await.status, 201);
    for option in ["cafe\u{301}", "caf\u{e9}", "קפה", "咖啡"] {
        let vote = vote_in(&world, "words", option).await;
        assert_eq!(vote.status, 201, "{vote:?}");
        world.receipt(&vote).await;
    }
    let results = world.results("/api/polls/words/results").await;
    assert_eq!(results["options"][0]["count"], 2);
}

#[tokio::test]
async fn definitions_come_back_after_redis_lost_everything() {
    let world = World::start_with(|stack| stack.without_component("tally")).await;
    create(&world, pets()).await;
    assert_eq!(vote_in(&world, "pets", "cats").await.status, 201);
    let _: String = world.command("FLUSHALL").await;
    let lost = vote_in(&world, "pets", "cats").await;
    lost.problem(503);
    assert!(!lost.header("retry-after").is_empty());
    vote_in(&world, "none", "cats").await.problem(503);
    assert_eq!(world.sweep().await.status, 200);
    assert_eq!(vote_in(&world, "pets", "cats").await.status, 201);
    vote_in(&world, "none", "cats").await.problem(404);

    // One alone, and one that is something else.
    let _: i64 = world.command("DEL {votes}:poll:pets").await;
    vote_in(&world, "pets", "cats").await.problem(503);
    let _: String = world.command("SET {votes}:poll:default x").await;
    world.vote("cats").await.problem(503);
    world.sweep().await;
    assert_eq!(vote_in(&world, "pets", "cats").await.status, 201);
    assert_eq!(world.vote("cats").await.status, 201);
}

#[tokio::test]
async fn a_damaged_definition_is_published_again_and_holds_up_no_other_poll() {
    const DEFINITION: &str = "{votes}:poll:default";
    let world = World::start().await;
    create(&world, pets()).await;
    let hours = json!({ "opens_at": "2020-01-01T00:00:00Z", "closes_at": "2100-01-01T00:00:00Z" });
    patch(&world, "default", hours).await;
    let definition = async || -> BTreeMap<String, String> {
        world.command(&format!("HGETALL {DEFINITION}")).await
    };
    let whole = definition().await;
    let mut damages: Vec<_> = whole
        .keys()
        .flat_map(|field| {
            let set = |value| format!("HSET {DEFINITION} {field} {value}");
            [
                format!("HDEL {DEFINITION} {field}"),
                set("x"),
                set("9999999999999999"),
                set("nan"),
            ]
        })
        .collect();
    damages.extend([
        format!("HSET {DEFINITION} option:birds 3"),
        format!("HSET {DEFINITION} deleted 1"),
        format!("HSET {DEFINITION} held_until_ms x"),
        format!("HSET {DEFINITION} held_until_ms -5"),
        format!("HSET {DEFINITION} held_until_ms 1.5"),
        format!("HSET {DEFINITION} held_until_ms 0000000000000001"),
        format!("HSET {DEFINITION} held_until_ms 9999999999999"),
    ]);
    for damage in damages {
        let _: i64 = world.command(&damage).await;
        let vote = world.vote("cats").await;
        assert!(
            [201, 404, 409, 422, 503].contains(&vote.status.as_u16()),
            "{damage}: {vote:?}"
        );
        let _: i64 = world.command("DEL {votes}:poll:pets").await;
        assert_eq!(world.sweep().await.status, 200, "{damage}");
        assert_eq!(vote_in(&world, "pets", "cats").await.status, 201);
        assert_eq!(world.vote("cats").await.status, 201, "{damage}");
        let mut mended = definition().await;
        mended.remove("held_until_ms");
        assert_eq!(mended, whole, "{damage}");
    }

    // What is whole is left as it is.
    let published = world.logged("polls_published").len();
    assert!(published > 20, "{published}");
    world.sweep().await;
    world.sweep().await;
    assert_eq!(world.logged("polls_published").len(), published);
}

#[tokio::test]
async fn a_vote_that_finds_no_definition_asks_for_it_and_waits() {
    let world = World::start().await;
    create(&world, pets()).await;
    let _: String = world.command("FLUSHALL").await;
    let started = std::time::Instant::now();
    let vote = vote_in(&world, "pets", "cats").await;
    assert_eq!(vote.status, 201, "{vote:?}");
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_slow_publisher_brings_nothing_back() {
    let world = World::start().await;
    create(&world, pets()).await;
    let before: Vec<String> = world.command("HGETALL {votes}:poll:pets").await;
    patch(
        &world,
        "pets",
        json!({ "options": ["cats", "dogs", "birds"] }),
    )
    .await;
    let after: Vec<String> = world.command("HGETALL {votes}:poll:pets").await;

    let publish = async |fields: &[String]| {
        let mut redis =
            spinvote_tests::redis_at(&world.stack.redis_url(stack::RedisUser::Organizer))
                .await
                .unwrap();
        let revision = fields
            .chunks(2)
            .find(|field| field[0] == "revision")
            .unwrap();
        let rest = fields
            .chunks(2)
            .filter(|field| field[0] != "revision")
            .flatten();
        let mut command = redis::cmd("EVAL");
        command
            .arg(include_str!("../../crates/platform/src/stream/publish.lua"))
            .arg(2)
            .arg("{votes}:polls")
            .arg("{votes}:poll:pets")
            .arg("pets")
            .arg(0)
            .arg(fields.len())
            .arg(revision);
        rest.for_each(|text| {
            command.arg(text);
        });
        command.query_async::<i64>(&mut redis).await.unwrap()
    };
    assert_eq!(publish(&before).await, 0);
    let now: Vec<String> = world.command("HGETALL {votes}:poll:pets").await;
    assert_eq!(now, after);

    // Nor a poll that was deleted since.
    organize(&world, Method::DELETE, "/api/polls/pets", Value::Null).await;
    assert_eq!(publish(&after).await, 0);
    vote_in(&world, "pets", "cats").await.problem(404);
    create(&world, pets()).await;
    assert_eq!(vote_in(&world, "pets", "cats").await.status, 201);
}

/// `cargo xtask poll …`
fn xtask(world: &World, arguments: &[&str]) -> (bool, String) {
    let ran = world.xtask(&[&["poll"], arguments].concat());
    (ran.done, ran.said)
}

#[tokio::test]
async fn polls_are_organized_from_the_command_line() {
    let world = World::start().await;
    let create = [
        "create",
        "lunch",
        "--question",
        "What is for lunch?",
        "--option",
        "soup",
        "--option",
        "rice",
    ];
    let (done, said) = xtask(&world, &create);
    assert!(done && said.contains("\"poll\":\"lunch\""), "{said}");
    let (done, said) = xtask(&world, &create);
    assert!(!done && said.contains("already"), "{said}");
    let (done, said) = xtask(&world, &["list", "--after", "default"]);
    assert!(
        done && said.contains("lunch") && !said.contains("default"),
        "{said}"
    );
    let vote = vote_in(&world, "lunch", "soup").await;
    world.receipt(&vote).await;
    let (done, said) = xtask(&world, &["close", "lunch"]);
    assert!(done && said.contains("closes_at"), "{said}");
    vote_in(&world, "lunch", "soup").await.problem(409);
    let (done, said) = xtask(&world, &["export", "lunch", "--csv"]);
    assert!(
        done && said.starts_with("vote_id,") && said.contains(",soup,"),
        "{said}"
    );
    let file = world.stack.directory().join("log");
    let (done, _) = xtask(
        &world,
        &["export", "lunch", "--output", file.to_str().unwrap()],
    );
    let row: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    assert!(done && row["option"] == "soup");
    let (done, said) = xtask(
        &world,
        &[
            "export",
            "lunch",
            "--after",
            row["cursor"].as_str().unwrap(),
        ],
    );
    assert!(done && said.trim().is_empty(), "{said}");
    let (done, _) = xtask(&world, &["close", "none"]);
    assert!(!done);
}

#[tokio::test]
async fn the_page_to_vote_on_is_there_as_long_as_redis_or_postgresql_is() {
    let mut world = World::start_with(|stack| stack.without_component("tally")).await;
    create(&world, pets()).await;
    world.stack.postgres.stop();
    for page in ["/", "/polls/pets"] {
        assert_eq!(world.get(page).await.status, 200, "{page}");
    }
    assert_eq!(vote_in(&world, "pets", "cats").await.status, 201);
    world.stack.postgres.start().await.unwrap();
    world.stack.redis.stop();
    for page in ["/", "/polls/pets"] {
        assert_eq!(world.get(page).await.status, 200, "{page}");
    }
    assert_eq!(world.get("/polls/none").await.status, 404);
    vote_in(&world, "pets", "cats").await.problem(503);
    world.stack.postgres.stop();
    assert_eq!(world.get("/polls/pets").await.status, 503);
}

/// Lets votes wait in the stream: the bell is said to have been rung.
async fn muffle_the_bell(world: &World) {
    let _: () = world
        .command("SET {votes}:doorbell muffled PX 600000")
        .await;
}

async fn total(world: &World, poll: &str) -> Value {
    let results = format!("/api/polls/{poll}/results");
    world.results(&results).await["total"].clone()
}

#[tokio::test]
async fn a_vote_that_was_answered_counts_whatever_becomes_of_its_poll() {
    let world = World::start().await;
    assert_eq!(create(&world, pets()).await.status, 201);
    muffle_the_bell(&world).await;
    assert_eq!(vote_in(&world, "pets", "cats").await.status, 201);

    // Nothing of it is in PostgreSQL yet.
    for body in [
        json!({ "options": ["dogs", "birds"] }),
        json!({ "one_vote_per_voter": true }),
    ] {
        let refused = patch(&world, "pets", body).await;
        assert!(refused.problem(409).contains("This poll has votes"));
    }
    let path = "/api/polls/pets";
    let refused = organize(&world, Method::DELETE, path, Value::Null).await;
    assert!(refused.problem(409).contains("This poll has votes"));
    assert_eq!(vote_in(&world, "pets", "cats").await.status, 201);

    let closes_at = from_now(&world, -3600).await;
    let body = json!({ "options": ["cats", "dogs", "birds"], "closes_at": closes_at });
    let closed = patch(&world, "pets", body).await;
    assert_eq!(closed.status, 200, "{closed:?}");
    vote_in(&world, "pets", "cats").await.problem(409);
    assert_eq!(total(&world, "pets").await, 0);
    world.sweep().await;
    assert_eq!(total(&world, "pets").await, 2);
    assert!(world.dead_letters().await.is_empty());
}

#[tokio::test]
async fn a_poll_that_is_closed_while_people_vote_loses_none_of_them() {
    let world = World::start().await;
    assert_eq!(create(&world, pets()).await.status, 201);
    let is_over = AtomicBool::new(false);
    let voter = async || {
        let mut accepted = 0;
        while !is_over.load(Ordering::Relaxed) {
            let answer = vote_in(&world, "pets", "cats").await;
            match answer.status.as_u16() {
                201 => accepted += 1,
                409 => {}
                _ => panic!("{answer:?}"),
            }
        }
        accepted
    };
    let organizer = async {
        for _ in 0..20 {
            tokio::time::sleep(Duration::from_millis(20)).await;
            for closes_at in [json!(from_now(&world, 0).await), Value::Null] {
                let changed = patch(&world, "pets", json!({ "closes_at": closes_at })).await;
                assert_eq!(changed.status, 200, "{changed:?}");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    };
    let (a, b, c, d, ()) = tokio::join!(voter(), voter(), voter(), voter(), organizer);
    let accepted: i64 = a + b + c + d;
    assert!(accepted > 20, "{accepted}");
    world.sweep().await;
    eventually("every vote that was answered counts", async || {
        total(&world, "pets").await == accepted
    })
    .await;
    assert!(world.dead_letters().await.is_empty());
}

#[tokio::test]
async fn a_poll_is_deleted_or_voted_in_but_not_both() {
    let world = World::start().await;
    muffle_the_bell(&world).await;
    let (mut deleted, mut kept) = (0, 0);
    for round in 0..30 {
        let name = format!("pets-{round}");
        let mut body = pets();
        body["poll"] = json!(name);
        assert_eq!(create(&world, body).await.status, 201);
        let path = format!("/api/polls/{name}");
        // One before the other, or at once.
        let (deletes_after, votes_after) = match round % 5 {
            0 => (0, 200),
            1 => (200, 0),
            early => (early, 4),
        };
        let delete = async {
            tokio::time::sleep(Duration::from_millis(deletes_after)).await;
            organize(&world, Method::DELETE, &path, Value::Null).await
        };
        let vote = async {
            tokio::time::sleep(Duration::from_millis(votes_after)).await;
            vote_in(&world, &name, "cats").await
        };
        let (delete, vote) = tokio::join!(delete, vote);
        match (delete.status.as_u16(), vote.status.as_u16()) {
            // 503 if the deletion takes longer than a vote waits.
            (204, 404 | 503) => deleted += 1,
            (409, 201) => kept += 1,
            _ => panic!("{delete:?}, {vote:?}"),
        }
    }
    world.sweep().await;
    assert!(world.dead_letters().await.is_empty());
    assert!(deleted > 0 && kept > 0, "{deleted} deleted, {kept} kept");
    // A hold that nobody ends, ends.
    assert_eq!(create(&world, pets()).await.status, 201);
    let _: i64 = world
        .command("HSET {votes}:poll:pets held_until_ms 4102444800000")
        .await;
    assert_eq!(vote_in(&world, "pets", "cats").await.status, 503);
    let _: i64 = world
        .command("HSET {votes}:poll:pets held_until_ms 1")
        .await;
    assert_eq!(vote_in(&world, "pets", "cats").await.status, 201);
}
