//! Every route while Redis, PostgreSQL or both hang: connections stay, and nothing is answered. No request may wait for
//! longer than ten seconds; faults.rs holds some to the limit that is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use futures::{StreamExt, future::join_all};
use reqwest::{Method, RequestBuilder};
use spinvote_tests::{Answer, INSIDE, PUBLIC, World, eventually, organizer::Organizer};
use tokio::time::timeout;

const LONGEST: Duration = Duration::from_secs(10);

/// One request for each thing that can be asked, with what it is.
fn everything(world: &World, organizer: &Organizer) -> Vec<(String, RequestBuilder)> {
    let token = &world.stack.secrets().organizer_token;
    let vote = r#"{"option":"cats"}"#;
    let poll = r#"{"poll":"pets","question":"Which?","options":["cats","dogs"]}"#;
    let get = |path: &str| world.request(Method::GET, path);
    let post = |path: &str| world.request(Method::POST, path);
    let with_token = |method: Method, path: &str| world.request(method, path).bearer_auth(token);
    let pets = [
        ("poll", "pets"),
        ("question", "Which?"),
        ("options", "cats\r\ndogs"),
    ];

    let mut all: Vec<_> = PUBLIC.iter().chain(&INSIDE).map(|path| get(path)).collect();
    all.extend([
        get("/results"),
        get("/api/polls/default"),
        get("/api/polls/default/results"),
        get("/api/polls/default/votes/x"),
        get("/api/votes/x").header("Prefer", "wait=2"),
        get("/polls/default/results"),
        get("/ready?needs=redis"),
        get("/ready?needs=database"),
        post("/api/vote").body(vote),
        post("/api/vote")
            .header("Idempotency-Key", "hangs")
            .body(vote),
        post("/api/polls/default/vote").body(vote),
        post("/api/votes").body(format!("[{vote},{vote}]")),
        post("/api/votes")
            .header("Idempotency-Key", "hangs")
            .body(format!("{vote}\n{vote}\n")),
        post("/vote").form(&[("option", "cats")]),
        post("/polls/default/vote").form(&[("option", "cats")]),
        post("/organize/sign-in").form(&[("token", "wrong")]),
        with_token(Method::POST, "/api/polls").body(poll),
        with_token(Method::PATCH, "/api/polls/default").body(r#"{"question":"Cats or dogs?"}"#),
        with_token(Method::DELETE, "/api/polls/pets"),
        with_token(Method::GET, "/api/polls/default/votes"),
        organizer.page("/organize"),
        organizer.page("/organize/polls/default"),
        organizer.page("/organize/polls/default/votes.csv"),
        organizer.form("/organize/polls", &pets),
        organizer.form(
            "/organize/polls/default",
            &[("question", "Cats or dogs?"), ("options", "cats\r\ndogs")],
        ),
        organizer.form("/organize/polls/default/close", &[]),
        organizer.form("/organize/polls/default/open", &[]),
        organizer.form("/organize/sign-out", &[]),
    ]);
    all.into_iter()
        .map(|request| {
            let built = request.try_clone().unwrap().build().unwrap();
            (
                format!("{} {}", built.method(), built.url().path()),
                request,
            )
        })
        .collect()
}

/// Asks for everything at once, and returns what was answered 503.
async fn ask_everything(world: &World, organizer: &Organizer, hangs: &str) -> Vec<String> {
    let answers = everything(world, organizer)
        .into_iter()
        .map(async |(what, request)| {
            let started = Instant::now();
            let answer = timeout(2 * LONGEST, Answer::of(request)).await;
            let answer = answer.unwrap_or_else(|_| panic!("{what} hangs with {hangs}"));
            let took = started.elapsed();
            assert!(
                took < LONGEST,
                "{what} took {took:?} while {hangs} hung: {answer:?}"
            );
            let status = answer.status.as_u16();
            assert!(
                status < 500 || status == 503,
                "{what} while {hangs} hung: {answer:?}"
            );
            if status == 503 && !answer.header("content-type").starts_with("text/html") {
                answer.problem(503);
            }
            (what, status)
        });
    let answers = join_all(answers).await;
    answers
        .into_iter()
        .filter(|(_, status)| *status == 503)
        .map(|(what, _)| what)
        .collect()
}

#[tokio::test]
async fn no_route_waits_for_a_store_that_hangs() {
    let mut world = World::start().await;
    let organizer = Organizer::at(&world).await;
    assert_eq!(
        ask_everything(&world, &organizer, "nothing").await,
        Vec::<String>::new()
    );

    for hangs in ["Redis", "PostgreSQL", "both"] {
        if hangs != "PostgreSQL" {
            world.stack.redis.pause();
        }
        if hangs != "Redis" {
            world.stack.postgres.pause().unwrap();
        }
        let refused = ask_everything(&world, &organizer, hangs).await;
        for what in ["GET /sweep", "GET /ready"] {
            assert!(
                refused.iter().any(|it| it == what),
                "{what} with {hangs}: {refused:?}"
            );
        }
        let votes = refused.iter().any(|it| it == "POST /api/vote");
        assert_eq!(votes, hangs != "PostgreSQL", "{hangs}: {refused:?}");
        world.stack.postgres.resume();
        world.stack.redis.resume();
        eventually("all is well again", async || {
            world.sweep().await.status == 200
        })
        .await;
        eventually("everything is answered", async || {
            ask_everything(&world, &organizer, "nothing")
                .await
                .is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn a_log_whose_database_hangs_in_the_middle_breaks_off() {
    let mut world = World::start().await;
    world
        .sql()
        .await
        .batch_execute(
            "insert into vote_events (poll, vote_id, stream_id, option, cast_at)
             select 'default', 'vote-' || n, n || '-0', 'cats', now() from generate_series(1, 300000) as n",
        )
        .await
        .unwrap();
    let request = world.request(Method::GET, "/api/polls/default/votes");
    let answer = request
        .bearer_auth(&world.stack.secrets().organizer_token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let mut log = answer.bytes_stream();
    log.next().await.unwrap().unwrap();
    world.stack.postgres.pause().unwrap();
    let started = Instant::now();
    let broken = loop {
        match timeout(2 * LONGEST, log.next()).await.expect("an end") {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    assert!(
        matches!(broken, Some(Err(_))),
        "it ends as if that were all"
    );
    assert!(started.elapsed() < LONGEST, "after {:?}", started.elapsed());
    world.stack.postgres.resume();
}
