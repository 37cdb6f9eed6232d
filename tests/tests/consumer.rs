//! Never lost, never twice: how entries of the stream become tallies, whoever appended them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use spinvote_tests::{World, eventually};

/// All components but the doorbell's subscriber.
fn without_tally(stack: stack::StackBuilder) -> stack::StackBuilder {
    stack.without_component("tally")
}

#[tokio::test]
async fn a_bare_entry_that_nobody_announced_is_counted_by_the_sweep() {
    let world = World::start_with(without_tally).await;
    let id = world.append(&[("vote", b"cats")]).await;
    world.append(&[("option", b"dogs")]).await;
    let swept = world.sweep().await;
    assert_eq!(swept.body, r#"{"counted":2,"left":0,"status":"swept"}"#);
    world.settles_at(1, 1).await;
    // Its id is that of the entry, and it was cast when it was appended.
    assert_eq!(
        world.get(&format!("/api/votes/{id}")).await.json()["option"],
        "cats"
    );
    let cast_at = "select (extract(epoch from cast_at) * 1000)::bigint from vote_events where option = 'cats'";
    assert_eq!(
        world.number(cast_at).await.to_string(),
        id.split('-').next().unwrap()
    );
}

#[tokio::test]
async fn a_bare_entry_is_counted_with_the_next_vote_that_rings() {
    let world = World::start().await;
    world.append(&[("vote", b"cats")]).await;
    world.vote("dogs").await;
    world.settles_at(1, 1).await;
}

#[tokio::test]
async fn what_a_producer_says_of_a_vote_is_kept() {
    let world = World::start_with(without_tally).await;
    let entry: [(&str, &[u8]); 5] = [
        ("option", b"cats"),
        ("poll", b"default"),
        ("vote_id", b"kiosk-7"),
        ("voter", b"ada"),
        ("timestamp", b"2025-11-16T20:14:48.273326Z"),
    ];
    world.append(&entry).await;
    world
        .append(&[
            ("vote", b"cats"),
            ("vote_id", b"unix"),
            ("timestamp", b"1763324088.5"),
        ])
        .await;
    world
        .append(&[
            ("vote", b"cats"),
            ("vote_id", b"odd"),
            ("timestamp", b"yesterday"),
        ])
        .await;
    world.sweep().await;
    world.settles_at(3, 0).await;
    let rows = world
        .sql()
        .await
        .query("select vote_id, voter, cast_at at time zone 'UTC' = '2025-11-16 20:14:48.273326' from vote_events order by vote_id", &[])
        .await
        .unwrap();
    let kept: Vec<(String, Option<String>, bool)> = rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2)))
        .collect();
    assert_eq!(
        kept,
        [
            ("kiosk-7".into(), Some("ada".into()), true),
            ("odd".into(), None, false),
            ("unix".into(), None, false),
        ]
    );
}

#[tokio::test]
async fn a_vote_id_counts_once_however_often_it_is_in_the_stream() {
    let world = World::start_with(without_tally).await;
    for _ in 0..3 {
        world
            .append(&[("option", b"cats"), ("vote_id", b"same")])
            .await;
    }
    world
        .append(&[("option", b"dogs"), ("vote_id", b"same")])
        .await;
    assert_eq!(world.sweep().await.json()["counted"], 1);
    world
        .append(&[("option", b"cats"), ("vote_id", b"same")])
        .await;
    assert_eq!(world.sweep().await.json()["counted"], 0);
    world.settles_at(1, 0).await;
}

#[tokio::test]
async fn bad_entries_go_to_the_dead_letters_with_a_reason_and_hold_nobody_up() {
    let world = World::start_with(without_tally).await;
    type Fields<'a> = &'a [(&'a str, &'a [u8])];
    let bad: [(Fields, &str); 8] = [
        (&[("option", b"birds")], "unknown option"),
        (&[("option", b"cats"), ("poll", b"nowhere")], "unknown poll"),
        (&[("option", b"cats"), ("poll", b"No Poll")], "unknown poll"),
        (&[("colour", b"red")], "missing field: option"),
        (&[("option", b"\xff\xfe")], "not UTF-8: option"),
        (
            &[("option", b"cats"), ("vote_id", b"\xc3")],
            "not UTF-8: vote_id",
        ),
        (
            &[("option", b"cats"), ("vote_id", b"nul\0")],
            "malformed: vote_id",
        ),
        (&[("option", b"")], "malformed: option"),
    ];
    let mut expected = Vec::new();
    for (fields, reason) in bad {
        expected.push((reason.to_owned(), world.append(fields).await));
        world.append(&[("option", b"cats")]).await;
    }
    assert_eq!(world.sweep().await.json()["counted"], 8);
    let mut dead = world.dead_letters().await;
    dead.sort();
    expected.sort();
    assert_eq!(dead, expected);
    let pending: redis::streams::StreamPendingReply =
        world.command("XPENDING votes vote-processors").await;
    assert_eq!(pending.count(), 0, "they are acknowledged");
    assert_eq!(world.logged("invalid_vote_option").len(), 3);
    assert_eq!(world.logged("malformed_vote").len(), 5);
    assert!(
        world
            .logged("malformed_vote")
            .iter()
            .all(|line| line["level"] == "warning")
    );

    // All that the entry said is kept.
    let kept: redis::streams::StreamRangeReply = world.command("XRANGE {votes}:rejected - +").await;
    assert!(
        kept.ids
            .iter()
            .any(|entry| entry.get::<String>("colour").as_deref() == Some("red"))
    );
    world.settles_at(8, 0).await;
}

#[tokio::test]
async fn a_lost_consumer_group_is_created_again_and_nothing_counts_twice() {
    let world = World::start().await;
    world.vote("cats").await;
    world.settles_at(1, 0).await;
    assert_eq!(world.logged("consumer_group_created").len(), 1);
    let _: i64 = world.command("XGROUP DESTROY votes vote-processors").await;
    world.append(&[("vote", b"dogs")]).await;
    assert_eq!(world.sweep().await.json()["counted"], 1);
    world.settles_at(1, 1).await;
    // Even if Redis has lost everything.
    let _: () = world.command("FLUSHALL").await;
    world.vote("dogs").await;
    world.settles_at(1, 2).await;
}

#[tokio::test]
async fn entries_that_another_consumer_took_and_left_are_claimed_when_they_are_stale() {
    let stale_after = "700";
    let world =
        World::start_with(|stack| without_tally(stack).variable("claim_idle_ms", stale_after))
            .await;
    world.sweep().await;
    for _ in 0..5 {
        world.append(&[("vote", b"cats")]).await;
    }
    let _: redis::Value = world
        .command("XREADGROUP GROUP vote-processors crashed COUNT 5 STREAMS votes >")
        .await;
    let swept = world.sweep().await.json();
    assert_eq!(
        (&swept["counted"], &swept["left"]),
        (&0.into(), &5.into()),
        "they may still be at it"
    );
    tokio::time::sleep(Duration::from_millis(900)).await;
    let swept = world.sweep().await.json();
    assert_eq!((&swept["counted"], &swept["left"]), (&5.into(), &0.into()));
    world.settles_at(5, 0).await;
}

#[tokio::test]
async fn a_sweep_works_batch_by_batch_and_rings_when_more_is_left() {
    let world = World::start_with(|stack| without_tally(stack).variable("batch_size", "10")).await;
    let mut pipe = redis::pipe();
    let total: usize = 30_000;
    for _ in 0..total {
        pipe.cmd("XADD")
            .arg("votes")
            .arg("*")
            .arg("vote")
            .arg("dogs")
            .ignore();
    }
    let () = pipe.query_async(&mut world.redis().await).await.unwrap();

    let mut bell = redis::Client::open(world.stack.redis_url(stack::RedisUser::Operator))
        .unwrap()
        .get_async_pubsub()
        .await
        .unwrap();
    bell.subscribe("votes:doorbell").await.unwrap();
    let started = std::time::Instant::now();
    let swept = world.sweep().await.json();
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "about a second: {:?}",
        started.elapsed()
    );
    let (counted, left) = (
        swept["counted"].as_u64().unwrap(),
        swept["left"].as_u64().unwrap(),
    );
    assert!(counted > 0 && left > 0, "{swept}");
    assert_eq!(counted + left, total as u64);
    use futures::StreamExt;
    let rung = tokio::time::timeout(Duration::from_secs(5), bell.on_message().next()).await;
    rung.expect("the bell rings").unwrap();
}

#[tokio::test]
async fn the_doorbell_rings_once_until_it_is_answered_or_a_second_has_passed() {
    let world = World::start_with(without_tally).await;
    let mut bell = redis::Client::open(world.stack.redis_url(stack::RedisUser::Operator))
        .unwrap()
        .get_async_pubsub()
        .await
        .unwrap();
    bell.subscribe("votes:doorbell").await.unwrap();
    let mut rings = bell.into_on_message();
    use futures::StreamExt;
    let mut rang = async || {
        let ring = tokio::time::timeout(Duration::from_millis(300), rings.next()).await;
        ring.is_ok_and(|message| message.is_some())
    };
    for _ in 0..20 {
        world.vote("cats").await;
    }
    assert!(rang().await);
    assert!(!rang().await, "one wake-up is on its way already");
    let lives: i64 = world.command("PTTL {votes}:doorbell").await;
    assert!(
        (1..=1000).contains(&lives) || lives == -2,
        "the flag expires: {lives}"
    );
    let _: i64 = world.command("DEL {votes}:doorbell").await;
    world.vote("cats").await;
    assert!(
        rang().await,
        "the next vote after the flag was cleared rings again"
    );
}

#[tokio::test]
async fn acknowledged_entries_are_trimmed_by_age_and_others_never() {
    let world =
        World::start_with(|stack| without_tally(stack).variable("stream_retention", "1")).await;
    let mut pipe = redis::pipe();
    for _ in 0..1000 {
        pipe.cmd("XADD")
            .arg("votes")
            .arg("*")
            .arg("vote")
            .arg("cats")
            .ignore();
    }
    let mut redis = world.redis().await;
    let () = pipe.query_async(&mut redis).await.unwrap();
    world.sweep().await;
    world.settles_at(1000, 0).await;
    let length = async || world.command::<i64>("XLEN votes").await;
    assert_eq!(length().await, 1000, "too young");

    // Another reader of the stream has not seen the last of them.
    let _: String = world.command("XGROUP CREATE votes archive 0").await;
    let _: redis::Value = world
        .command("XREADGROUP GROUP archive a COUNT 500 STREAMS votes >")
        .await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    world.sweep().await;
    assert_eq!(length().await, 1000, "its pending entries stay");
    let _: i64 = world.command("XGROUP DESTROY votes archive").await;
    world.append(&[("vote", b"dogs")]).await;
    world.sweep().await;
    assert!(
        length().await <= 200,
        "trimmed: {} are left",
        length().await
    );
    world.settles_at(1000, 1).await;
}

#[tokio::test]
async fn consumers_that_are_gone_are_forgotten() {
    let world =
        World::start_with(|stack| without_tally(stack).variable("consumer_retention", "1")).await;
    world.sweep().await;
    let _: i64 = world
        .command("XGROUP CREATECONSUMER votes vote-processors pod-1")
        .await;
    world.sweep().await;
    assert!(
        consumers(&world).await.contains(&"pod-1".to_owned()),
        "it may only be slow"
    );
    eventually("pod-1 is forgotten", async || {
        world.sweep().await;
        !consumers(&world).await.contains(&"pod-1".to_owned())
    })
    .await;
}

async fn consumers(world: &World) -> Vec<String> {
    let reply: redis::streams::StreamInfoConsumersReply =
        world.command("XINFO CONSUMERS votes vote-processors").await;
    let names = reply.consumers.into_iter().map(|consumer| consumer.name);
    names.collect()
}

#[tokio::test]
async fn logs_are_json_lines_that_say_what_happened_and_not_who_voted() {
    let world = World::start_with(|stack| stack.variable("log_level", "debug")).await;
    world
        .append(&[("vote", b"cats"), ("voter", b"ada-lovelace")])
        .await;
    world.append(&[("vote", b"secret-birds")]).await;
    world.vote("dogs").await;
    world.settles_at(1, 1).await;
    eventually("the lines", async || {
        world.logged("vote_processed").len() == 2
    })
    .await;
    for line in [
        &world.logged("vote_processed")[0],
        &world.logged("batch_recorded")[0],
    ] {
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert_eq!(line["component"], "tally");
    }
    assert_eq!(world.logged("vote_processed")[0]["level"], "debug");
    assert_eq!(world.logged("batch_recorded")[0]["level"], "info");
    let output = world.stack.app_output();
    assert!(
        !output.contains("ada-lovelace") && !output.contains("secret-birds"),
        "{output}"
    );
}

async fn append_large(world: &World, entries: usize, bytes: usize) {
    let value = vec![b'x'; bytes];
    let mut redis = world.redis().await;
    for _ in 0..entries {
        let mut command = redis::cmd("XADD");
        command.arg("votes").arg("*").arg("option").arg(&value);
        let _: String = command.query_async(&mut redis).await.unwrap();
    }
}

async fn append_wide(world: &World, fields: usize) {
    let mut command = redis::cmd("XADD");
    command.arg("votes").arg("*").arg("option").arg("cats");
    for field in 1..fields {
        command.arg(field).arg(b"\xff\0".as_slice());
    }
    let _: String = command.query_async(&mut world.redis().await).await.unwrap();
}

async fn nothing_is_pending(world: &World) {
    let pending: redis::streams::StreamPendingReply =
        world.command("XPENDING votes vote-processors").await;
    assert_eq!(pending.count(), 0);
}

#[tokio::test]
async fn entries_larger_than_any_reply_hold_nobody_up() {
    let world =
        World::start_with(|stack| without_tally(stack).variable("claim_idle_ms", "500")).await;
    // Together more than Spin passes on in one reply.
    append_large(&world, 70, 1_000_000).await;
    world.append(&[("option", b"cats")]).await;
    append_large(&world, 70, 1_000_000).await;
    append_large(&world, 1, 20_000_000).await;
    for fields in [65, 4_000, 100_000] {
        append_wide(&world, fields).await;
    }
    world.append(&[("option", b"dogs")]).await;
    eventually("all is swept", async || {
        world.sweep().await.json()["left"] == 0
    })
    .await;
    world.settles_at(1, 1).await;
    nothing_is_pending(&world).await;

    let reasons = world.dead_letters().await;
    let with = |reason: &str| reasons.iter().filter(|(said, _)| said == reason).count();
    assert_eq!(with("too long: option has 1000000 bytes"), 140);
    assert_eq!(with("too long: option has 20000000 bytes"), 1);
    for fields in [65, 4_000, 100_000] {
        assert_eq!(with(&format!("too many fields: {fields}")), 1);
    }
    assert_eq!(reasons.len(), 144);
    // Copies are cut, and say what they are of.
    let letters: redis::streams::StreamRangeReply =
        world.command("XRANGE {votes}:rejected - + COUNT 1").await;
    let letter = &letters.ids[0];
    assert_eq!(letter.get::<String>("option").unwrap().len(), 1020);
    assert_eq!(letter.get::<i64>("entry_bytes"), Some(1_000_006));
    assert_eq!(letter.get::<i64>("entry_fields"), Some(1));
}

#[tokio::test]
async fn a_dead_letter_that_cannot_be_written_is_not_acknowledged_and_stops_no_vote() {
    let world =
        World::start_with(|stack| without_tally(stack).variable("claim_idle_ms", "300")).await;
    let _: () = world.command("SET {votes}:rejected occupied").await;
    for _ in 0..3 {
        world.append(&[("option", b"birds")]).await;
        world.append(&[("option", b"cats")]).await;
    }
    assert_eq!(world.sweep().await.json()["counted"], 3);
    world.settles_at(3, 0).await;
    let pending: redis::streams::StreamPendingReply =
        world.command("XPENDING votes vote-processors").await;
    assert_eq!(pending.count(), 3, "nobody has seen them yet");
    assert_eq!(world.logged("dead_letters_not_written")[0]["entries"], 3);

    let _: i64 = world.command("DEL {votes}:rejected").await;
    eventually("they are put aside", async || {
        world.sweep().await.json()["left"] == 0
    })
    .await;
    assert_eq!(world.dead_letters().await.len(), 3);
    nothing_is_pending(&world).await;
}

#[tokio::test]
async fn a_row_that_the_database_refuses_costs_no_other_its_place() {
    let world = World::start_with(without_tally).await;
    let picky = "alter table vote_events add check (vote_id not like 'bad%')";
    world.sql().await.batch_execute(picky).await.unwrap();
    // More than are refused of one batch, and one alone.
    for number in 0..40 {
        let id = format!("bad{number}");
        world
            .append(&[("option", b"dogs"), ("vote_id", id.as_bytes())])
            .await;
        world.append(&[("option", b"cats")]).await;
    }
    eventually("all is swept", async || {
        world.sweep().await.json()["left"] == 0
    })
    .await;
    world.settles_at(40, 0).await;
    let letters = world.dead_letters().await;
    assert!(
        letters
            .iter()
            .all(|(reason, _)| reason == "refused by the database"),
        "{letters:?}"
    );
    assert_eq!(letters.len(), 40);
    nothing_is_pending(&world).await;
    world
        .append(&[("option", b"dogs"), ("vote_id", b"bad")])
        .await;
    world.sweep().await;
    assert_eq!(world.dead_letters().await.len(), 41);
    assert!(!world.logged("vote_refused_by_database").is_empty());
}
