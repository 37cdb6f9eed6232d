//! Each thing that Spinvote can be asked, all at once: for when something is wrong with a store.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::{Method, RequestBuilder};
use tokio::time::timeout;

use crate::{Answer, INSIDE, PUBLIC, World, organizer::Organizer};

/// No request may wait for longer.
pub const LONGEST: Duration = Duration::from_secs(10);

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
            .header("Idempotency-Key", "everything")
            .body(vote),
        post("/api/polls/default/vote").body(vote),
        post("/api/votes").body(format!("[{vote},{vote}]")),
        post("/api/votes")
            .header("Idempotency-Key", "everything")
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

/// Asks for everything at once, and returns what was answered 503. Nothing else is an error, and nothing takes longer than
/// [`LONGEST`].
pub async fn ask_everything(world: &World, organizer: &Organizer, meanwhile: &str) -> Vec<String> {
    let answers = everything(world, organizer)
        .into_iter()
        .map(async |(what, request)| {
            let started = Instant::now();
            let answer = timeout(2 * LONGEST, Answer::of(request)).await;
            let answer =
                answer.unwrap_or_else(|_| panic!("{what} is not answered while {meanwhile}"));
            let took = started.elapsed();
            assert!(
                took < LONGEST,
                "{what} took {took:?} while {meanwhile}: {answer:?}"
            );
            let status = answer.status.as_u16();
            assert!(
                status < 500 || status == 503,
                "{what} while {meanwhile}: {answer:?}"
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
