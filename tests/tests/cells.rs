//! Several cells: each with a Redis of its own, all of them counted in one PostgreSQL.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use spinvote_tests::{Answer, Client, World, eventually, redis_at};
use stack::RedisUser;
use tokio::time::sleep;

const POLL: &str = "/api/polls/pets";
const VOTE: &str = "/api/polls/pets/vote";

/// One more cell than that of a [`World`]. It goes before its world does.
struct Cell {
    cell: stack::Cell,
    client: Client,
}

impl Cell {
    async fn of(world: &World, name: &str) -> Self {
        let cell = world.stack.another_cell(name).await.unwrap();
        let address = cell.app.address().unwrap();
        Self {
            cell,
            client: Client::of(&format!("http://{address}")),
        }
    }

    async fn command<T: redis::FromRedisValue>(&self, words: &str) -> T {
        let url = self.cell.redis.url(RedisUser::Operator);
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        let mut redis = redis_at(&url).await.unwrap();
        command.query_async(&mut redis).await.unwrap()
    }

    /// Lets votes wait in the stream: the bell is said to have been rung.
    async fn muffle_the_bell(&self) {
        let _: () = self.command("SET {votes}:doorbell muffled PX 600000").await;
    }

    async fn sweep(&self) {
        let swept = self.client.get("/sweep").await;
        assert_eq!(swept.status, 200, "{swept:?}");
    }

    async fn dead_letters(&self) -> i64 {
        self.command("XLEN {votes}:rejected").await
    }
}

/// With an organizer's token, which is good in each cell.
async fn organize(world: &World, request: RequestBuilder, body: Value) -> Answer {
    let request = request.bearer_auth(&world.stack.secrets().organizer_token);
    Answer::of(match body {
        Value::Null => request,
        body => request.body(body.to_string()),
    })
    .await
}

async fn create(world: &World, more: Value) {
    let mut poll = json!({ "poll": "pets", "question": "Which pet?", "options": ["cats", "dogs"] });
    for (name, value) in more.as_object().into_iter().flatten() {
        poll[name] = value.clone();
    }
    let created = organize(world, world.request(Method::POST, "/api/polls"), poll).await;
    assert_eq!(created.status, 201, "{created:?}");
}

async fn vote_in(client: &Client, option: &str) -> Answer {
    client
        .post(VOTE, json!({ "option": option }).to_string())
        .await
}

async fn total(world: &World) -> Value {
    world.results("/api/polls/pets/results").await["total"].clone()
}

#[tokio::test]
async fn the_same_keys_sent_to_both_count_once_while_one_cell_is_killed() {
    const VOTES: usize = 600;
    let world = World::start().await;
    let mut other = Cell::of(&world, "two").await;
    // These wait in the stream when it is killed.
    other.muffle_the_bell().await;
    for vote in 0..20 {
        let key = format!("before-{vote}");
        let answer = other.client.vote_with_key("cats", &key).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    let taken_here = AtomicUsize::new(0);
    let is_down = AtomicBool::new(false);
    let taken_while_down = AtomicUsize::new(0);
    let client = Client::of(other.client.url());
    let send_here = async {
        for vote in 0..VOTES {
            let answer = world.vote_with_key("dogs", &format!("both-{vote}")).await;
            assert_eq!(answer.status, 201, "{answer:?}");
            taken_here.fetch_add(1, Ordering::Relaxed);
            if is_down.load(Ordering::Relaxed) {
                taken_while_down.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let send_there = async {
        for vote in 0..VOTES {
            // As a client does: the same key again until it is recorded.
            eventually("a vote is taken there", async || {
                let request = client
                    .request(Method::POST, "/api/vote")
                    .header("Idempotency-Key", format!("both-{vote}"))
                    .body(r#"{"option":"dogs"}"#);
                request
                    .send()
                    .await
                    .is_ok_and(|answer| answer.status() == 201)
            })
            .await;
        }
    };
    let kill = async {
        while taken_here.load(Ordering::Relaxed) < VOTES / 10 {
            sleep(Duration::from_millis(1)).await;
        }
        other.cell.redis.kill();
        other.cell.app.kill();
        is_down.store(true, Ordering::Relaxed);
        // Longer than it takes to kill it, so that the first cell is seen to go on.
        while taken_while_down.load(Ordering::Relaxed) < 50 {
            sleep(Duration::from_millis(1)).await;
        }
        is_down.store(false, Ordering::Relaxed);
        other.cell.redis.start().await.unwrap();
        other.cell.app.start().await.unwrap();
    };
    tokio::join!(send_here, send_there, kill);

    eventually("both streams are counted", async || {
        world.sweep().await;
        other.sweep().await;
        world.tallies().await == (20, i64::try_from(VOTES).unwrap())
    })
    .await;
    let stored = world.number("select count(*) from vote_events").await;
    assert_eq!(stored, 20 + i64::try_from(VOTES).unwrap());
    let disagreeing = "select count(*) from recount_votes() where not agrees";
    assert_eq!(world.number(disagreeing).await, 0);
    assert_eq!(other.dead_letters().await, 0);
}

#[tokio::test]
async fn a_poll_made_in_one_cell_is_voted_in_and_closed_in_the_other() {
    let world = World::start().await;
    let other = Cell::of(&world, "two").await;
    create(&world, Value::Null).await;
    // Until its sweep has looked it does not know of the poll.
    vote_in(&other.client, "cats").await.problem(404);
    other.sweep().await;
    let vote = vote_in(&other.client, "cats").await;
    assert_eq!(world.receipt(&vote).await["option"], "cats");

    let body = json!({ "options": ["cats", "dogs", "birds"], "closes_at": "2026-01-01T00:00:00Z" });
    let closed = organize(&world, world.request(Method::PATCH, POLL), body).await;
    assert_eq!(closed.status, 200, "{closed:?}");
    vote_in(&world, "cats").await.problem(409);
    // Taken until the cell knows, and whatever is taken counts.
    other.muffle_the_bell().await;
    let late = vote_in(&other.client, "dogs").await;
    other.sweep().await;
    assert_eq!(world.receipt(&late).await["option"], "dogs");
    vote_in(&other.client, "birds").await.problem(409);
    assert_eq!(other.dead_letters().await, 0);
}

#[tokio::test]
async fn what_would_lose_a_vote_that_waits_in_another_cell_is_refused() {
    let world = World::start().await;
    create(&world, Value::Null).await;
    let other = Cell::of(&world, "two").await;
    other.muffle_the_bell().await;
    let vote = vote_in(&other.client, "cats").await;
    assert_eq!(vote.status, 201, "{vote:?}");

    for body in [
        json!({ "options": ["dogs", "birds"] }),
        json!({ "one_vote_per_voter": true }),
    ] {
        let refused = organize(&world, world.request(Method::PATCH, POLL), body).await;
        assert!(refused.problem(409).contains("several cells"));
    }
    let refused = organize(&world, world.request(Method::DELETE, POLL), Value::Null).await;
    assert!(refused.problem(409).contains("several cells"));
    // It is held no longer than that took.
    assert_eq!(vote_in(&world, "dogs").await.status, 201);

    other.sweep().await;
    assert_eq!(world.receipt(&vote).await["option"], "cats");
    eventually("both count", async || total(&world).await == 2).await;
    assert_eq!(other.dead_letters().await, 0);
    let refused = organize(&world, world.request(Method::DELETE, POLL), Value::Null).await;
    assert!(refused.problem(409).contains("This poll has votes"));
}

#[tokio::test]
async fn a_new_cell_waits_for_a_poll_that_is_being_deleted() {
    let world = World::start().await;
    create(&world, Value::Null).await;
    let organizer = world.sql().await;
    let delete = "begin; delete from polls where poll = 'pets'";
    organizer.batch_execute(delete).await.unwrap();
    let (other, ()) = tokio::join!(Cell::of(&world, "two"), async {
        eventually("the cell waits", async || {
            let waiting = "select count(*) from pg_locks \
                           where relation = 'cells'::regclass and not granted";
            world.number(waiting).await == 1
        })
        .await;
        organizer.batch_execute("commit").await.unwrap();
    });
    other.sweep().await;
    vote_in(&other.client, "cats").await.problem(404);
}

#[tokio::test]
async fn bare_entries_with_the_same_stream_id_are_two_votes() {
    let world = World::start().await;
    let other = Cell::of(&world, "two").await;
    for id in ["1763562521088-0", "1763562521088-1"] {
        let append = format!("XADD votes {id} vote cats");
        let _: String = world.command(&append).await;
        let _: String = other.command(&append).await;
    }
    world.sweep().await;
    other.sweep().await;
    world.settles_at(4, 0).await;
    for id in ["1763562521088-0", "1763562521088-0@two"] {
        let receipt = world.get(&format!("/api/votes/{id}")).await;
        assert_eq!(receipt.json()["option"], "cats", "{id}");
        // So no client may take it.
        world.vote_with_key("dogs", id).await.problem(400);
    }
}

#[tokio::test]
async fn of_a_voter_in_two_cells_the_latest_vote_by_stream_id_counts() {
    let world = World::start().await;
    create(&world, json!({ "one_vote_per_voter": true })).await;
    let other = Cell::of(&world, "two").await;
    for (voter, here, there) in [
        ("ada", "1763562521000-0", "1763562521001-0"),
        ("bob", "1763562523000-0", "1763562522999-7"),
        // At the same moment by two clocks.
        ("eve", "1763562525000-0", "1763562525000-0"),
    ] {
        let append =
            |id, option| format!("XADD votes {id} poll pets option {option} voter {voter}");
        let _: String = world.command(&append(here, "cats")).await;
        let _: String = other.command(&append(there, "dogs")).await;
    }
    other.sweep().await;
    world.sweep().await;
    let results = world.results("/api/polls/pets/results").await;
    assert_eq!(
        (&results["voters"], &results["changes"]),
        (&json!(3), &json!(3))
    );
    let disagreeing = "select count(*) from recount_votes() where not agrees";
    assert_eq!(world.number(disagreeing).await, 0);
    let of = async |voter: &str| -> String {
        let query = "select option from voters where poll = 'pets' and voter = $1";
        world
            .sql()
            .await
            .query_one(query, &[&voter])
            .await
            .unwrap()
            .get(0)
    };
    assert_eq!(of("ada").await, "dogs");
    assert_eq!(of("bob").await, "cats");
    // By the greater id of the two: 1763562525000-0@two.
    assert_eq!(of("eve").await, "dogs");
}
