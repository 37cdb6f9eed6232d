//! Polls in which each voter has one vote, over HTTP: who a voter is, and what becomes of each vote.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use reqwest::Method;
use serde_json::{Value, json};
use spinvote_tests::{Answer, World, eventually};

const VOTE: &str = "/api/polls/lunch/vote";

async fn open_poll(world: &World) {
    let poll = json!({
        "poll": "lunch", "question": "What is for lunch?", "options": ["soup", "rice", "bread"],
        "one_vote_per_voter": true,
    });
    let request = world
        .request(Method::POST, "/api/polls")
        .body(poll.to_string());
    let created = Answer::of(request.bearer_auth(&world.stack.secrets().organizer_token)).await;
    assert_eq!(created.status, 201, "{created:?}");
}

async fn start() -> World {
    let world = World::start().await;
    open_poll(&world).await;
    world
}

/// A vote, with a cookie and a key where these are not empty.
async fn vote(world: &World, option: &str, cookie: &str, key: &str) -> Answer {
    let mut request = world.request(Method::POST, VOTE);
    if !cookie.is_empty() {
        request = request.header("Cookie", cookie);
    }
    if !key.is_empty() {
        request = request.header("Idempotency-Key", key);
    }
    Answer::of(request.body(json!({ "option": option }).to_string())).await
}

/// A vote that a gateway casts for its voter.
async fn vote_for(world: &World, voter: &str, option: &str, token: &str) -> Answer {
    let body = json!({ "option": option, "voter": voter }).to_string();
    let request = world.request(Method::POST, VOTE).body(body);
    Answer::of(if token.is_empty() {
        request
    } else {
        request.bearer_auth(token)
    })
    .await
}

/// The cookie that an answer sets, as it is sent back.
fn cookie_of(answer: &Answer) -> String {
    answer
        .header("set-cookie")
        .split(';')
        .next()
        .unwrap()
        .to_owned()
}

/// Counts of soup, rice and bread; voters; changes.
async fn standing(world: &World) -> [i64; 5] {
    let results = world.results("/api/polls/lunch/results").await;
    let count = |i: usize| results["options"][i]["count"].as_i64().unwrap();
    let number = |name: &str| results[name].as_i64().unwrap();
    assert_eq!(results["total"], results["voters"]);
    [
        count(0),
        count(1),
        count(2),
        number("voters"),
        number("changes"),
    ]
}

async fn stands_at(world: &World, expected: [i64; 5]) {
    eventually(&format!("it stands at {expected:?}"), async || {
        standing(world).await == expected
    })
    .await;
    let recount = world
        .number("select count(*) from recount_votes() where not agrees")
        .await;
    assert_eq!(recount, 0);
}

#[tokio::test]
async fn a_voter_may_change_their_vote_and_has_one() {
    let world = start().await;
    let first = vote(&world, "soup", "", "first").await;
    assert_eq!(first.status, 201, "{first:?}");
    let set = first.header("set-cookie");
    for attribute in ["voter=", "Path=/", "HttpOnly", "SameSite=Lax", "Max-Age="] {
        assert!(set.contains(attribute), "{set}");
    }
    assert!(!set.contains("Secure"), "only in production: {set}");
    let cookie = cookie_of(&first);
    stands_at(&world, [1, 0, 0, 1, 0]).await;

    let second = vote(&world, "rice", &format!("theme=dark; {cookie}"), "second").await;
    assert_eq!(
        (second.status.as_u16(), second.header("set-cookie")),
        (201, "")
    );
    stands_at(&world, [0, 1, 0, 1, 1]).await;
    let receipt = async |id: &str| {
        world
            .get(&format!("/api/polls/lunch/votes/{id}"))
            .await
            .json()
    };
    assert_eq!(receipt("first").await["status"], "replaced");
    assert_eq!(receipt("second").await["status"], "counted");

    // An old vote that is sent again after a newer one changes nothing.
    let again = vote(&world, "soup", &cookie, "first").await;
    assert_eq!(again.body, first.body);
    // Nor does it when nobody remembers it any more.
    let _: i64 = world.command("DEL {votes}:idempotency:lunch:first").await;
    assert_eq!(vote(&world, "soup", &cookie, "first").await.status, 201);
    let other = vote(&world, "bread", "", "other").await;
    world.receipt(&other).await;
    stands_at(&world, [0, 1, 1, 2, 1]).await;
    assert_eq!(receipt("first").await["status"], "replaced");
}

#[tokio::test]
async fn what_is_stored_of_a_voter_says_nothing() {
    let world = start().await;
    let cookie = cookie_of(&vote(&world, "soup", "", "").await);
    stands_at(&world, [1, 0, 0, 1, 0]).await;
    let sql = world.sql().await;
    let row = sql
        .query_one("select voter from vote_events where poll = 'lunch'", &[])
        .await
        .unwrap();
    let voter: String = row.get(0);
    assert_eq!(voter.len(), 32);
    let id = cookie
        .trim_start_matches("voter=")
        .split('.')
        .next()
        .unwrap()
        .to_owned();
    assert!(!voter.contains(&id));
    let entries: Vec<redis::Value> = world.command("XRANGE votes - +").await;
    assert!(!format!("{entries:?}").contains(&id));
    assert!(!world.stack.app_output().contains(&id) && !world.stack.app_output().contains(&voter));

    // In a poll without voters nobody is written down.
    let request = world
        .request(Method::POST, "/api/vote")
        .header("Cookie", cookie);
    let ordinary = Answer::of(request.body(r#"{"option":"cats"}"#)).await;
    world.receipt(&ordinary).await;
    assert_eq!(ordinary.header("set-cookie"), "");
    let written = "select count(*) from vote_events where poll = 'default' and voter is not null";
    assert_eq!(world.number(written).await, 0);
}

#[tokio::test]
async fn a_cookie_that_is_not_ours_is_no_voter() {
    let world = start().await;
    let cookie = cookie_of(&vote(&world, "soup", "", "").await);
    let last = if cookie.ends_with('0') { '1' } else { '0' };
    let forged = format!("{}{last}", &cookie[..cookie.len() - 1]);
    for wrong in [forged.as_str(), "voter=", "voter=x.y", "voter"] {
        let answer = vote(&world, "rice", wrong, "").await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_ne!(answer.header("set-cookie"), "", "{wrong} is a new voter");
    }
    stands_at(&world, [1, 4, 0, 5, 0]).await;
}

#[tokio::test]
async fn votes_of_one_voter_at_once_leave_one() {
    let world = start().await;
    let page = world.get("/polls/lunch").await;
    let cookie = cookie_of(&page);
    assert!(cookie.starts_with("voter=") && page.header("cache-control") == "no-store");
    let request = world
        .request(Method::GET, "/polls/lunch")
        .header("Cookie", &cookie);
    assert_eq!(
        Answer::of(request).await.header("set-cookie"),
        "",
        "it is known already"
    );
    // Two tabs, double clicks: all of them are taken, the last counts.
    let options = ["soup", "rice", "bread"];
    let votes = (0..30).map(|i| vote(&world, options[i % 3], &cookie, ""));
    let answers = futures::future::join_all(votes).await;
    assert!(answers.iter().all(|answer| answer.status == 201));
    let last = answers
        .iter()
        .map(Answer::json)
        .max_by_key(|vote| {
            let id = vote["stream_id"].as_str().unwrap();
            let (ms, seq) = id.split_once('-').unwrap();
            (ms.parse::<u64>().unwrap(), seq.parse::<u64>().unwrap())
        })
        .unwrap();
    let mut expected = [0, 0, 0, 1, 29];
    expected[options
        .iter()
        .position(|option| last["option"] == *option)
        .unwrap()] = 1;
    stands_at(&world, expected).await;
    let counted = futures::future::join_all(answers.iter().map(|answer| async {
        let receipt = world.get(answer.header("location")).await.json();
        receipt["status"] == "counted"
    }))
    .await;
    assert_eq!(counted.iter().filter(|counted| **counted).count(), 1);
}

#[tokio::test]
async fn a_gateway_names_its_voters_and_nobody_else_does() {
    let world = start().await;
    let token = world.stack.secrets().organizer_token.clone();
    for wrong in ["", "not-the-token-at-all"] {
        vote_for(&world, "ada", "soup", wrong).await.problem(401);
    }
    vote_for(&world, "", "soup", &token).await.problem(422);
    vote_for(&world, "a\nb", "soup", &token).await.problem(422);
    // Two devices of one person.
    assert_eq!(vote_for(&world, "ada", "soup", &token).await.status, 201);
    let answer = vote_for(&world, "ada", "rice", &token).await;
    assert_eq!(
        (answer.status.as_u16(), answer.header("set-cookie")),
        (201, "")
    );
    assert_eq!(vote_for(&world, "grace", "rice", &token).await.status, 201);
    stands_at(&world, [0, 2, 0, 2, 1]).await;

    // A bare producer names them, too; an entry without a voter is put aside.
    world
        .append(&[("poll", b"lunch"), ("option", b"bread"), ("voter", b"lin")])
        .await;
    let id = world
        .append(&[("poll", b"lunch"), ("option", b"bread")])
        .await;
    world.sweep().await;
    stands_at(&world, [0, 2, 1, 3, 1]).await;
    eventually("it is put aside", async || {
        world.dead_letters().await == [("missing field: voter".to_owned(), id.clone())]
    })
    .await;
}

#[tokio::test]
async fn keys_are_rotated_and_voters_stay_the_same() {
    let (old, new) = ("the-old-key-of-voters", "the-new-key-of-voters");
    let mut world = World::start_with(|stack| stack.variable("voter_key", old)).await;
    open_poll(&world).await;
    let cookie = cookie_of(&vote(&world, "soup", "", "").await);
    let rotated = format!("{new},{old}");
    let mut another = world
        .stack
        .another_app(|settings| {
            settings.variables.insert("voter_key".into(), rotated);
        })
        .unwrap();
    another.start().await.unwrap();
    let client = spinvote_tests::Client::of(&format!("http://{}", another.address().unwrap()));
    let cast = async |option: &str, cookie: &str| {
        let request = client.request(Method::POST, VOTE).header("Cookie", cookie);
        Answer::of(request.body(json!({ "option": option }).to_string())).await
    };
    let known = cast("rice", &cookie).await;
    assert_eq!(
        (known.status.as_u16(), known.header("set-cookie")),
        (201, "")
    );
    let newcomer = cookie_of(&cast("bread", "").await);
    assert_eq!(cast("soup", &newcomer).await.header("set-cookie"), "");
    stands_at(&world, [1, 1, 0, 2, 2]).await;
    another.stop();
    world.stack.app.stop();
}

#[tokio::test]
async fn in_production_the_cookie_is_for_https_alone() {
    let world = World::start_with(|stack| stack.variable("environment", "production")).await;
    open_poll(&world).await;
    let answer = vote(&world, "soup", "", "").await;
    assert!(
        answer.header("set-cookie").ends_with("; Secure"),
        "{answer:?}"
    );
}

#[tokio::test]
async fn without_a_key_the_log_says_what_to_set() {
    let world = World::start_with(|stack| stack.variable("voter_key", "")).await;
    // Made past the API, which refuses it.
    world
        .sql()
        .await
        .batch_execute(
            "insert into polls (poll, question, options, one_vote_per_voter) values ('lunch', '?!', '{soup,rice}', true)",
        )
        .await
        .unwrap();
    world.sweep().await;
    vote(&world, "soup", "", "").await.problem(500);
    assert_eq!(world.logged("invalid_setting")[0]["variable"], "voter_key");
    let voter: Option<Value> = world.logged("invalid_setting")[0].get("value").cloned();
    assert_eq!(voter, None);
}
