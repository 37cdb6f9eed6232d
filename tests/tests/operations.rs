//! What docs/operations.md tells an operator to do, done: the commands are those of the page, the servers are real, and in
//! the end every vote that was answered is counted exactly once.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    path::PathBuf,
    process::{Command, Output},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::future::join_all;
use serde_json::{Value, json};
use spinvote_tests::{Answer, Client, World, eventually, read};
use stack::{RedisUser, Role};
use tokio::time::sleep;

/// The commands of a section of the page, one string for each block.
fn blocks(section: &str) -> Vec<String> {
    let page = read("docs/operations.md");
    let (_, section) = page
        .split_once(&format!("\n### {section}\n"))
        .expect(section);
    let section = section.split("\n##").next().unwrap();
    let blocks = section.split("```sh\n").skip(1);
    blocks
        .map(|block| {
            let block = block.split("```").next().unwrap();
            let xtask = stack::checkout::target().join("debug/xtask");
            block.replace("cargo xtask", &xtask.display().to_string())
        })
        .collect()
}

/// Runs a block of the page, with what it takes from the environment, and returns what it prints.
fn shell(world: &World, mut command: Command, block: &str) -> String {
    let output = command
        .args(["-ec", block])
        .env("REDIS_URL", world.stack.redis_url(RedisUser::Operator))
        .env("DATABASE_URL", world.stack.database_url(Role::Operator))
        .env("REDIS_DATA", world.stack.redis.data())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{block}\n{output:?}");
    said
}

/// With the rights of whoever runs PostgreSQL.
fn as_postgres(world: &World) -> Command {
    world.stack.postgres.steward("sh", Role::Operator)
}

/// Who voted what, as the audit log has it.
async fn recorded(world: &World) -> BTreeMap<String, String> {
    let rows = world
        .sql()
        .await
        .query(
            "select poll || '/' || vote_id, option from vote_events",
            &[],
        )
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// All of these are counted, and nothing else is; the tallies follow from the log.
async fn are_counted(world: &World, expected: &BTreeMap<String, String>) {
    let mut seen = BTreeMap::new();
    eventually("all is counted", async || {
        world.get("/sweep").await;
        seen = recorded(world).await;
        seen.len() >= expected.len()
    })
    .await;
    agree(&seen, expected);
    let recount = world.xtask(&["recount"]);
    assert!(recount.done, "{recount:?}");
}

/// Says only what differs: there may be thousands.
#[track_caller]
fn agree(seen: &BTreeMap<String, String>, expected: &BTreeMap<String, String>) {
    let lost: Vec<_> = expected
        .iter()
        .filter(|(vote, option)| seen.get(*vote) != Some(option))
        .collect();
    let more: Vec<_> = seen
        .keys()
        .filter(|vote| !expected.contains_key(*vote))
        .collect();
    assert!(
        lost.is_empty() && more.is_empty(),
        "lost or other: {lost:?}; too many: {more:?}"
    );
}

async fn vote(world: &World, cast: &mut BTreeMap<String, String>, option: &str, key: &str) {
    let answer = world.vote_with_key(option, key).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    cast.insert(format!("default/{key}"), option.to_owned());
}

async fn organize(world: &World, method: &str, path: &str, body: &Value) {
    let request = world
        .request(method.parse().unwrap(), path)
        .bearer_auth(&world.stack.secrets().organizer_token);
    let answer = Answer::of(request.body(body.to_string())).await;
    assert!(answer.status.is_success(), "{answer:?}");
}

/// As a gateway does that knows its voters.
async fn vote_as(
    world: &World,
    cast: &mut BTreeMap<String, String>,
    poll: &str,
    voter: &str,
    option: &str,
    key: &str,
) {
    let line = json!({ "poll": poll, "option": option, "vote_id": key, "voter": voter });
    let request = world
        .request(reqwest::Method::POST, "/api/votes")
        .bearer_auth(&world.stack.secrets().organizer_token);
    let mut answer = None;
    // Until the poll is published it is 503, or a rejected line.
    eventually(&format!("{key} is accepted"), async || {
        let request = request.try_clone().unwrap();
        let said = Answer::of(request.body(json!([line]).to_string())).await;
        let accepted = said.status == 200 && said.json()["accepted"] == 1;
        answer = Some(said);
        accepted
    })
    .await;
    cast.insert(format!("{poll}/{key}"), option.to_owned());
}

// ── Dead letters ────────────────────────────────────────────────────────────────────────────────────────

/// A Spinvote that is counted in by sweeps alone, with some dead letters.
async fn with_dead_letters(entries: &[&[(&str, &[u8])]]) -> (World, Vec<String>) {
    let world = World::start_with(|stack| stack.without_component("tally")).await;
    let mut ids = Vec::new();
    for entry in entries {
        ids.push(world.append(entry).await);
    }
    world.sweep().await;
    assert_eq!(world.dead_letters().await.len(), entries.len());
    (world, ids)
}

fn listed(world: &World) -> Vec<Value> {
    let list = world.xtask(&["dead-letters", "list", "--json"]);
    assert!(list.done, "{list:?}");
    let lines = list.said.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

const LUNCH: &str =
    "insert into polls (poll, question, options) values ('lunch', 'What?', '{soup,rice}')";

#[tokio::test]
async fn dead_letters_are_listed_put_back_and_dropped() {
    let wide: Vec<_> = (0..70).map(|_| ("f", b"x".as_slice())).collect();
    let (world, ids) = with_dead_letters(&[
        &[
            ("option", b"soup"),
            ("poll", b"lunch"),
            ("vote_id", b"mine"),
        ],
        &[
            ("vote", b"rice"),
            ("poll", b"lunch"),
            ("colour", b"\xff\x1b[2J"),
        ],
        &[("option", b"birds")],
        &wide,
    ])
    .await;

    let letters = listed(&world);
    assert_eq!(letters.len(), 4);
    let rice = letters
        .iter()
        .find(|letter| letter["stream_id"] == ids[1].as_str())
        .unwrap();
    assert_eq!(rice["reason"], "unknown poll");
    assert_eq!(rice["entry"][0], json!(["vote", "rice"]));
    let table = world.xtask(&["dead-letters", "list"]);
    assert!(table.said.contains("unknown option") && table.said.contains("option=birds"));
    assert!(table.said.ends_with("4 dead letters\n"), "{table:?}");
    assert!(!table.said.contains('\x1b'), "{table:?}");
    let table = world.xtask(&["dead-letters", "list", "--reason", "unknown option"]);
    assert!(table.said.ends_with("1 dead letters\n"), "{table:?}");

    // Nothing is replayed or dropped unless it is said what.
    assert!(!world.xtask(&["dead-letters", "replay"]).done);
    assert!(!world.xtask(&["dead-letters", "drop"]).done);
    assert!(!world.xtask(&["dead-letters", "drop", "all"]).done);

    // What was wrong is still wrong: it comes back.
    let replay = world.xtask(&["dead-letters", "replay", "--reason", "unknown poll"]);
    assert!(
        replay.done && replay.said.starts_with("2 are in the stream again"),
        "{replay:?}"
    );
    assert_eq!(listed(&world).len(), 2);
    world.sweep().await;
    assert_eq!(listed(&world).len(), 4);

    // Now the poll is there. Both count, under the ids that they had.
    world.sql().await.batch_execute(LUNCH).await.unwrap();
    let replay = world.xtask(&["dead-letters", "replay", "--reason", "unknown poll"]);
    assert!(replay.done, "{replay:?}");
    let expected = BTreeMap::from([
        ("lunch/mine".to_owned(), "soup".to_owned()),
        (format!("lunch/{}", ids[1]), "rice".to_owned()),
    ]);
    are_counted(&world, &expected).await;
    let since = "select count(*) from vote_events where stream_id in ($1, $2) and \
                 cast_at = timestamptz 'epoch' + split_part(stream_id, '-', 1)::bigint * interval '1 ms'";
    let row = world
        .sql()
        .await
        .query_one(since, &[&ids[0], &ids[1]])
        .await
        .unwrap();
    assert_eq!(
        row.get::<_, i64>(0),
        2,
        "cast when they were first appended"
    );

    // All of an entry, or nothing.
    let letters = listed(&world);
    let with = |reason: &str| {
        let letter = letters
            .iter()
            .find(|letter| letter["reason"].as_str().unwrap().starts_with(reason));
        letter.unwrap()["id"].as_str().unwrap().to_owned()
    };
    let (birds, wide) = (with("unknown option"), with("too many fields"));
    let replay = world.xtask(&["dead-letters", "replay", &wide, &birds]);
    assert!(!replay.done && replay.errors.contains(&wide), "{replay:?}");
    assert!(
        replay.said.starts_with("1 are in the stream again"),
        "{replay:?}"
    );
    world.sweep().await;
    assert_eq!(listed(&world).len(), 2, "birds are no option yet");

    let drop = world.xtask(&["dead-letters", "drop", &wide, "1-1"]);
    assert!(drop.done && drop.said == "1 are dropped\n", "{drop:?}");
    let drop = world.xtask(&["dead-letters", "drop", "--all"]);
    assert!(drop.done && drop.said == "1 are dropped\n", "{drop:?}");
    assert_eq!(
        world.xtask(&["dead-letters", "list"]).said.lines().last(),
        Some("0 dead letters")
    );
    assert_eq!(recorded(&world).await, expected);
}

/// Killed at any moment, run twice, run twice at once: each dead letter counts once, and none is lost.
#[tokio::test]
async fn a_replay_that_is_killed_or_repeated_counts_nothing_twice_and_loses_nothing() {
    const VOTES: usize = 3000;
    let world = World::start_with(|stack| stack.without_component("tally")).await;
    let mut redis = world.redis().await;
    let mut pipe = redis::pipe();
    for number in 0..VOTES {
        let entry = pipe
            .cmd("XADD")
            .arg(&["votes", "*", "poll", "lunch", "option", "soup"]);
        if number % 2 == 0 {
            entry.arg("vote_id").arg(number);
        }
    }
    let ids: Vec<String> = pipe.query_async(&mut redis).await.unwrap();
    eventually("all are dead letters", async || {
        world.sweep().await;
        world.command::<usize>("XLEN {votes}:rejected").await == VOTES
    })
    .await;
    world.sql().await.batch_execute(LUNCH).await.unwrap();

    let start = || {
        Command::new(stack::checkout::target().join("debug/xtask"))
            .args(["dead-letters", "replay", "--all"])
            .env("REDIS_URL", world.stack.redis_url(RedisUser::Operator))
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    let left = async || world.command::<usize>("XLEN {votes}:rejected").await;
    for quota in [VOTES - 1, VOTES / 2] {
        let mut replay = start();
        eventually("some are put back", async || left().await <= quota).await;
        replay.kill().unwrap();
        replay.wait().unwrap();
        // Neither more nor fewer than there were, whatever it was doing.
        let (letters, again) = (
            left().await,
            world.command::<usize>("XLEN votes").await - VOTES,
        );
        assert_eq!(letters + again, VOTES);
    }
    let (mut one, mut other) = (start(), start());
    assert!(one.wait().unwrap().success() && other.wait().unwrap().success());
    assert_eq!(left().await, 0);
    assert_eq!(world.command::<usize>("XLEN votes").await, 2 * VOTES);

    // And if the entries themselves are read again, they are the same votes.
    let recover = world.xtask(&["recover"]);
    assert!(recover.done, "{recover:?}");
    let expected = ids.iter().enumerate().map(|(number, id)| {
        let vote_id = if number % 2 == 0 {
            number.to_string()
        } else {
            id.clone()
        };
        (format!("lunch/{vote_id}"), "soup".to_owned())
    });
    are_counted(&world, &expected.collect()).await;
    assert_eq!(left().await, 0);
}

#[tokio::test]
async fn a_vote_that_is_put_back_takes_the_place_of_no_later_one() {
    let world = World::start_with(|stack| stack.without_component("tally")).await;
    let entry = |option: &'static [u8]| {
        [
            ("poll", b"once".as_slice()),
            ("option", option),
            ("voter", b"ada"),
            ("accepted", b"1"),
        ]
    };
    let early = world.append(&entry(b"rice")).await;
    world.sweep().await;
    assert_eq!(world.dead_letters().await.len(), 1);
    let poll = "insert into polls (poll, question, options, one_vote_per_voter) values ('once', 'What?', '{soup,rice}', true)";
    world.sql().await.batch_execute(poll).await.unwrap();
    world.append(&entry(b"soup")).await;
    world.sweep().await;
    assert!(world.xtask(&["dead-letters", "replay", "--all"]).done);
    world.sweep().await;

    let results = world.results("/api/polls/once/results").await;
    assert_eq!(results["options"][0]["count"], 1, "{results}");
    assert_eq!(results["options"][1]["count"], 0, "{results}");
    let receipt = world.get(&format!("/api/polls/once/votes/{early}")).await;
    assert_eq!(receipt.json()["status"], "replaced");
    assert!(world.xtask(&["recount"]).done);
}

#[tokio::test]
async fn in_a_cell_a_vote_without_an_id_keeps_the_one_that_names_the_cell() {
    let world = World::start().await;
    let cell = world.stack.another_cell("two").await.unwrap();
    let url = cell.redis.url(RedisUser::Operator);
    let mut redis = spinvote_tests::redis_at(&url).await.unwrap();
    let mut append = redis::cmd("XADD");
    append.arg(&["votes", "*", "vote", "soup", "poll", "lunch"]);
    let id: String = append.query_async(&mut redis).await.unwrap();
    let swept = client_of(&cell.app);
    eventually("it is a dead letter", async || {
        swept.get("/sweep").await;
        let letters: i64 = redis::cmd("XLEN")
            .arg("{votes}:rejected")
            .query_async(&mut redis)
            .await
            .unwrap();
        letters == 1
    })
    .await;
    world.sql().await.batch_execute(LUNCH).await.unwrap();
    let replay = Command::new(stack::checkout::target().join("debug/xtask"))
        .args(["dead-letters", "--cell", "two", "replay", "--all"])
        .env("REDIS_URL", &url)
        .output()
        .unwrap();
    assert!(replay.status.success(), "{replay:?}");
    swept.get("/sweep").await;
    let expected = BTreeMap::from([(format!("lunch/{id}@two"), "soup".to_owned())]);
    are_counted(&world, &expected).await;
}

#[tokio::test]
async fn what_to_look_at_is_shown_by_the_commands_of_the_page() {
    let world = World::start_with(|stack| stack.without_component("tally")).await;
    world.sweep().await;
    world.vote("cats").await;
    world.append(&[("colour", b"red")]).await;
    // A consumer that took an entry, and is gone.
    let _: redis::Value = world
        .command("XREADGROUP GROUP vote-processors gone COUNT 1 STREAMS votes >")
        .await;
    let said: Vec<_> = blocks("What waits, and with whom")
        .iter()
        .map(|block| shell(&world, Command::new("sh"), block))
        .collect();
    let [lag, pending, consumers] = &said[..] else {
        panic!("{said:?}");
    };
    let fields: Vec<_> = lag.lines().collect();
    let of = |name: &str| fields[fields.iter().position(|field| *field == name).unwrap() + 1];
    assert_eq!((of("lag"), of("pending")), ("1", "1"), "{lag}");
    assert!(pending.lines().any(|line| line == "gone"), "{pending}");
    assert!(consumers.lines().any(|line| line == "gone"), "{consumers}");
}

// ── Back up, restore, rebuild ───────────────────────────────────────────────────────────────────────────

/// Votes in three polls, all counted: cats against dogs, one of an organizer's, and one with one vote per voter.
async fn with_votes(world: &World) -> BTreeMap<String, String> {
    let lunch = json!({ "poll": "lunch", "question": "It's what?", "options": ["soup", "rice"] });
    organize(world, "POST", "/api/polls", &lunch).await;
    let once = json!({
        "poll": "once", "question": "\"Who\"?", "options": ["ada", "grace"], "one_vote_per_voter": true,
        "opens_at": "2025-01-01T00:00:00Z", "closes_at": "2099-12-31T23:59:59.5Z",
    });
    organize(world, "POST", "/api/polls", &once).await;
    let mut cast = BTreeMap::new();
    for number in 0..20 {
        let option = ["cats", "dogs"][number % 2];
        vote(world, &mut cast, option, &format!("early-{number}")).await;
    }
    vote_as(world, &mut cast, "once", "v1", "ada", "v1-first").await;
    vote_as(world, &mut cast, "once", "v1", "grace", "v1-second").await;
    vote_as(world, &mut cast, "lunch", "v1", "soup", "lunch-1").await;
    let id = world.append(&[("vote", b"cats")]).await;
    cast.insert(format!("default/{id}"), "cats".to_owned());
    are_counted(world, &cast).await;
    cast
}

async fn documents(world: &World) -> Vec<Value> {
    let list = world.get("/api/polls").await;
    assert_eq!(list.status, 200, "{list:?}");
    list.json()["polls"].as_array().unwrap().clone()
}

async fn once_is_for_grace(world: &World) {
    let results = world.results("/api/polls/once/results").await;
    assert_eq!(results["options"][0]["count"], 0, "{results}");
    assert_eq!(results["options"][1]["count"], 1, "{results}");
}

/// All that was cast is counted, the polls are as they were, and where each voter has one vote the latest counts.
async fn is_as_it_was(world: &World, cast: &BTreeMap<String, String>, polls: &[Value]) {
    are_counted(world, cast).await;
    eventually("the polls are as they were", async || {
        documents(world).await == polls
    })
    .await;
    once_is_for_grace(world).await;
}

#[tokio::test]
async fn an_empty_database_is_filled_from_the_stream() {
    let mut world = World::start().await;
    let mut cast = with_votes(&world).await;
    let before = documents(&world).await;
    assert_eq!(before.len(), 3);

    world.stack.postgres.stop();
    std::fs::remove_dir_all(world.stack.postgres.data()).unwrap();
    vote(&world, &mut cast, "dogs", "meanwhile").await;
    world.stack.postgres.start().await.unwrap();
    let said = stack::migrate::run(&world.stack.postgres, world.stack.secrets()).unwrap();
    assert!(said.contains("schema version"), "{said}");
    // The consumers go on at once, and count what they can.
    eventually("a sweep works again", async || {
        world.sweep().await.status == 200
    })
    .await;

    let [rebuild] = &blocks("PostgreSQL from the stream alone")[..] else {
        panic!("the section has one block")
    };
    let said = shell(&world, Command::new("sh"), rebuild);
    assert!(said.contains(r#"The poll "once" was made"#), "{said}");
    is_as_it_was(&world, &cast, &before).await;

    // What is changed from now on is published, and deleted polls stay so.
    let options = json!({ "options": ["soup", "rice", "bread"] });
    organize(&world, "PATCH", "/api/polls/lunch", &options).await;
    vote_as(&world, &mut cast, "lunch", "v2", "bread", "lunch-2").await;
    // Once more changes nothing.
    shell(&world, Command::new("sh"), rebuild);
    are_counted(&world, &cast).await;
    assert_eq!(world.dead_letters().await.len(), 0);
}

#[tokio::test]
async fn after_a_restore_to_a_point_in_time_every_vote_is_counted_once() {
    let mut world = World::start().await;
    let postgres = &world.stack.postgres;
    let archive = postgres.make_directory("archive").unwrap();
    let backup = postgres.make_directory("backup").unwrap();
    let [archiving, base] = &blocks("Back up PostgreSQL")[..] else {
        panic!("the section has two blocks")
    };
    let with = |mut command: Command| {
        command.env("ARCHIVE", &archive).env("BACKUP", &backup);
        command
    };
    shell(&world, with(as_postgres(&world)), archiving);
    world.stack.postgres.stop();
    world.stack.postgres.start().await.unwrap();
    eventually("a sweep works again", async || {
        world.sweep().await.status == 200
    })
    .await;
    shell(&world, with(as_postgres(&world)), base);

    let mut cast = with_votes(&world).await;
    let now = "select to_char(clock_timestamp(), 'YYYY-MM-DD HH24:MI:SS.US OF')";
    let row = world.sql().await.query_one(now, &[]).await.unwrap();
    let restore_to: String = row.get(0);

    // After that time: votes, a poll that is new, one that has an option more, one that is gone.
    vote(&world, &mut cast, "dogs", "after").await;
    let dinner = json!({ "poll": "dinner", "question": "When?", "options": ["six", "eight"] });
    organize(&world, "POST", "/api/polls", &dinner).await;
    vote_as(&world, &mut cast, "dinner", "v1", "six", "dinner-1").await;
    let options = json!({ "options": ["soup", "rice", "bread"] });
    organize(&world, "PATCH", "/api/polls/lunch", &options).await;
    vote_as(&world, &mut cast, "lunch", "v2", "bread", "lunch-2").await;
    are_counted(&world, &cast).await;
    let before = documents(&world).await;

    // The accident, and what comes in until it is noticed.
    let accident = "truncate vote_events; update votes set count = 0";
    world.sql().await.batch_execute(accident).await.unwrap();
    vote(&world, &mut cast, "cats", "unnoticed").await;
    world.stack.postgres.stop();
    vote(&world, &mut cast, "cats", "while-it-is-away").await;

    let [restore, recover] = &blocks("Restore PostgreSQL")[..] else {
        panic!("the section has two blocks")
    };
    let mut command = with(Command::new("sh"));
    command
        .env("PGDATA", world.stack.postgres.data())
        .env("RESTORE_TO", &restore_to);
    shell(&world, command, restore);
    world.stack.postgres.start().await.unwrap();
    // It answers who only reads before it takes writes.
    eventually("PostgreSQL has come to that time", async || {
        let recovering = "select pg_is_in_recovery()::int::bigint";
        world.number(recovering).await == 0
    })
    .await;
    let restored = recorded(&world).await;
    assert!(restored.contains_key("default/early-0"), "{restored:?}");
    assert!(!restored.contains_key("default/after"), "{restored:?}");
    let said = shell(&world, Command::new("sh"), recover);
    assert!(said.contains(r#"The poll "dinner" was made"#), "{said}");
    assert!(said.contains(r#"The poll "lunch" was changed"#), "{said}");

    is_as_it_was(&world, &cast, &before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_restored_from_a_copy_that_was_made_while_votes_came_in() {
    let mut world = World::start().await;
    let mut cast = with_votes(&world).await;
    let backup = world.stack.directory().join("redis-backup");
    std::fs::create_dir(&backup).unwrap();
    // Nothing is counted from here on: what waits is in Redis alone.
    world.stack.postgres.pause().unwrap();
    for number in 0..50 {
        vote(&world, &mut cast, "cats", &format!("waits-{number}")).await;
    }
    let with_backup = || {
        let mut command = Command::new("sh");
        command.env("BACKUP", &backup);
        command
    };
    let [copy] = &blocks("Back up Redis")[..] else {
        panic!("the section has one block")
    };
    let done = AtomicBool::new(false);
    let meanwhile = async {
        let mut number = 0;
        while !done.load(Ordering::Relaxed) {
            world
                .vote_with_key("dogs", &format!("meanwhile-{number}"))
                .await;
            number += 1;
        }
        number
    };
    let copying = async {
        tokio::task::block_in_place(|| shell(&world, with_backup(), copy));
        done.store(true, Ordering::Relaxed);
    };
    let (voted, ()) = tokio::join!(meanwhile, copying);
    println!("{voted} votes while it was copied");

    // The volume is gone, with whatever came after the copy.
    world.stack.redis.kill();
    let [restore] = &blocks("Restore Redis")[..] else {
        panic!("the section has one block")
    };
    std::fs::remove_dir_all(world.stack.redis.data().join("appendonlydir")).unwrap();
    shell(&world, with_backup(), restore);
    world.stack.redis.start().await.unwrap();
    world.stack.postgres.resume();
    world.stack.app.stop();
    world.stack.start_app().await.unwrap();
    vote(&world, &mut cast, "dogs", "afterwards").await;

    let mut seen = BTreeMap::new();
    eventually("all that was in the copy is counted", async || {
        world.sweep().await;
        seen = recorded(&world).await;
        cast.keys().all(|vote| seen.contains_key(vote))
    })
    .await;
    let others: Vec<_> = seen
        .keys()
        .filter(|vote| !cast.contains_key(*vote))
        .collect();
    assert!(
        others
            .iter()
            .all(|vote| vote.starts_with("default/meanwhile-")),
        "{others:?}"
    );
    assert!(world.xtask(&["recount"]).done);
    once_is_for_grace(&world).await;
}

// ── Upgrade and roll back ───────────────────────────────────────────────────────────────────────────────

/// Where an earlier version is checked out and built; without it, both are this one, which makes a rolling restart.
const OLDER: &str = "SPINVOTE_OLDER";

/// Votes that must be accepted between two steps.
const EACH_STEP: usize = 1000;

/// A version of Spinvote: a checkout in which the components are built.
struct Version(PathBuf);

impl Version {
    /// As the Job does.
    fn migrate(&self, world: &World) -> Output {
        let secrets = world.stack.secrets();
        let mut migrate = world.stack.postgres.client("sh", Role::Operator);
        migrate
            .arg(self.0.join("migrations/migrate.sh"))
            .env("SPINVOTE_READER_PASSWORD", &secrets.postgres_reader)
            .env("SPINVOTE_CONSUMER_PASSWORD", &secrets.postgres_consumer)
            .env("SPINVOTE_ORGANIZER_PASSWORD", &secrets.postgres_organizer)
            .output()
            .unwrap()
    }

    /// Gives Redis the users of this version, as the page says.
    fn give_users(&self, world: &World) {
        let [users] = &blocks("Upgrade and roll back")[..] else {
            panic!("the section has one block")
        };
        let secrets = world.stack.secrets();
        let mut command = Command::new("sh");
        command
            .current_dir(&self.0)
            .env("SPINVOTE_API_PASSWORD", &secrets.redis_api)
            .env("SPINVOTE_CONSUMER_PASSWORD", &secrets.redis_consumer)
            .env("SPINVOTE_ORGANIZER_PASSWORD", &secrets.redis_organizer)
            .env("SPINVOTE_OPERATOR_PASSWORD", &secrets.redis_operator);
        shell(world, command, users);
    }

    fn app(&self, world: &World) -> stack::App {
        let manifest = Some(self.0.join("spin.toml"));
        let app = world
            .stack
            .another_app(|settings| settings.manifest = manifest);
        app.unwrap()
    }
}

fn client_of(app: &stack::App) -> Client {
    Client::of(&format!("http://{}", app.address().unwrap()))
}

/// What clients know: where Spinvote is now. And what they were told.
struct Gateway {
    client: Mutex<Arc<Client>>,
    accepted: Mutex<BTreeMap<String, String>>,
    tried_again: AtomicUsize,
    closed: AtomicBool,
}

impl Gateway {
    fn to(app: &stack::App) -> Self {
        Self {
            client: Mutex::new(Arc::new(client_of(app))),
            accepted: Mutex::default(),
            tried_again: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
        }
    }

    fn leads_to(&self, app: &stack::App) {
        *self.client.lock().unwrap() = Arc::new(client_of(app));
    }

    fn client(&self) -> Arc<Client> {
        self.client.lock().unwrap().clone()
    }

    fn is_open(&self) -> bool {
        !self.closed.load(Ordering::Relaxed)
    }

    /// Votes until the gateway is closed; each vote until it is answered, as a good client does.
    async fn vote_on(&self, client: usize) {
        for number in 0.. {
            if !self.is_open() {
                return;
            }
            let (poll, options) =
                [("default", ["cats", "dogs"]), ("lunch", ["soup", "rice"])][number % 2];
            let option = options[number / 2 % 2];
            let key = format!("client-{client}-{number}");
            let body = json!({ "option": option }).to_string();
            loop {
                let request = self
                    .client()
                    .request(reqwest::Method::POST, &format!("/api/polls/{poll}/vote"))
                    .header("Idempotency-Key", &key)
                    .body(body.clone());
                match request
                    .send()
                    .await
                    .map(|response| response.status().as_u16())
                {
                    Ok(201) => break,
                    Ok(status) => assert!(status >= 500, "{poll}/{key}: {status}"),
                    Err(_) => {}
                }
                self.tried_again.fetch_add(1, Ordering::Relaxed);
                sleep(Duration::from_millis(20)).await;
            }
            self.accepted
                .lock()
                .unwrap()
                .insert(format!("{poll}/{key}"), option.to_owned());
        }
    }

    async fn sweep(&self) {
        while self.is_open() {
            self.client().try_get("/sweep").await;
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Until so many more were accepted.
    async fn goes_on(&self) {
        let accepted = || self.accepted.lock().unwrap().len();
        let enough = accepted() + EACH_STEP;
        eventually("votes are accepted", async || accepted() >= enough).await;
    }
}

#[tokio::test]
async fn an_upgrade_and_a_rollback_under_load_lose_nothing() {
    let newer = Version(stack::checkout::root().to_owned());
    let named = std::env::var_os(OLDER).map(PathBuf::from);
    let older = Version(named.unwrap_or_else(|| newer.0.clone()));
    let mut world = World::start().await;

    // From nothing, as the older version makes it.
    world.stack.app.stop();
    world.stack.postgres.stop();
    std::fs::remove_dir_all(world.stack.postgres.data()).unwrap();
    world.stack.postgres.start().await.unwrap();
    let _: () = world.command("FLUSHALL").await;
    let migrated = older.migrate(&world);
    assert!(migrated.status.success(), "{migrated:?}");
    older.give_users(&world);
    world.sql().await.batch_execute(LUNCH).await.unwrap();
    let mut before = older.app(&world);
    before.start().await.unwrap();

    let gateway = Gateway::to(&before);
    let steps = async {
        gateway.goes_on().await;
        // The upgrade: what Redis and PostgreSQL must know, then the apps.
        newer.give_users(&world);
        let migrated = newer.migrate(&world);
        assert!(migrated.status.success(), "{migrated:?}");
        // The older apps work on, on what is the newer's.
        gateway.goes_on().await;
        let mut after = newer.app(&world);
        after.start().await.unwrap();
        gateway.leads_to(&after);
        gateway.goes_on().await;
        before.stop();
        gateway.goes_on().await;
        // Back.
        before.start().await.unwrap();
        gateway.leads_to(&before);
        after.stop();
        gateway.goes_on().await;
        // And forth again, with both at once.
        after.start().await.unwrap();
        gateway.leads_to(&after);
        gateway.goes_on().await;
        gateway.closed.store(true, Ordering::Relaxed);
        after
    };
    let clients = join_all((0..8).map(|client| gateway.vote_on(client)));
    let (after, ..) = tokio::join!(steps, clients, gateway.sweep());

    let accepted = gateway.accepted.into_inner().unwrap();
    let mut seen = BTreeMap::new();
    let client = client_of(&after);
    eventually("all is counted", async || {
        client.get("/sweep").await;
        seen = recorded(&world).await;
        seen.len() >= accepted.len()
    })
    .await;
    agree(&seen, &accepted);
    assert_eq!(world.dead_letters().await, []);
    let recount = world.xtask(&["recount"]);
    assert!(recount.done, "{recount:?}");
    println!(
        "{} votes accepted, each counted once; {} tries were not answered, or with 5xx",
        accepted.len(),
        gateway.tried_again.into_inner()
    );
}

/// What the components of earlier versions ask, and may still ask after an upgrade, or a rollback: a migration only adds.
/// A statement goes from this list when no version is left that asks it.
#[tokio::test]
async fn what_earlier_versions_ask_the_database_still_answers() {
    const CONSUMER: &[&str] = &[
        // Before votes said that they were accepted.
        "select outcome, positions from record_votes('{default}'::text[], '{a}'::text[], '{1-0}'::text[], '{cats}'::text[],
            '{null}'::text[], '{0}'::bigint[])",
        "select outcome, positions from record_votes('{default}'::text[], '{b}'::text[], '{1-0}'::text[], '{cats}'::text[],
            '{null}'::text[], '{0}'::bigint[], '{1}'::int[]::boolean[])",
        "select poll, revision, deleted from poll_revisions('', 100)",
        "select poll, revision, question, options, opens_ms, closes_ms, one_vote_per_voter from poll_definitions('{default}')",
        "select announce_cell('') is null as announced",
        "select poll, option, count, updated_at from votes",
        "select poll, created_at from polls",
        "select max(version)::bigint from schema_migrations",
    ];
    const READER: &[&str] = &[
        "select count from votes limit 1",
        "select p.question, p.one_vote_per_voter, r.option, r.count, r.percentage::float8, v.replaced, r.updated_at
         from polls p
         cross join get_vote_results('default') with ordinality as r (option, count, percentage, updated_at, place)
         join votes v on v.poll = p.poll and v.option = r.option",
        "select option, recorded_at, replaced from get_receipt('default', 'a')",
        // Before receipts said what is replaced.
        "select option, recorded_at from vote_events where poll = 'default' and vote_id = 'a'",
    ];
    const ORGANIZER: &[&str] = &[
        "insert into polls (poll, question, options, opens_at, closes_at, one_vote_per_voter)
         values ('older', 'What?', '{a,b}', null, now(), false) on conflict (poll) do nothing
         returning poll, question, options, one_vote_per_voter, revision, opens_at, closes_at",
        "update polls set question = 'Which?', options = '{a,b,c}', opens_at = null, closes_at = null, one_vote_per_voter = true
         where poll = 'older' returning revision",
        "delete from polls where poll = 'older' returning poll",
        "select poll, revision, question, options, opens_ms, closes_ms, one_vote_per_voter from poll_definitions('{default}')",
        "select audit_log_ends() as batch",
        "select batch, vote_id, stream_id, option, voter, cast_at, recorded_at from audit_log('default', 0, '', 9, 100)",
    ];
    let world = World::start_with(|stack| stack.components(["health"])).await;
    for (role, statements) in [
        (Role::Consumer, CONSUMER),
        (Role::Reader, READER),
        (Role::Organizer, ORGANIZER),
    ] {
        let url = world.stack.database_url(role);
        let sql = spinvote_tests::sql_at(&url).await.unwrap();
        for statement in statements {
            let rows = sql.query(*statement, &[]).await;
            let rows = rows.unwrap_or_else(|error| panic!("{role:?}: {statement}: {error:?}"));
            assert!(!rows.is_empty(), "{role:?}: {statement}");
        }
    }
    assert_eq!(
        world.number("select sum(count)::bigint from votes").await,
        2
    );
}
