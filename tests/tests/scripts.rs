//! The scripts that run at every sweep, on streams as bad as anybody can make them: what each does in one
//! call has a bound, and nothing that is not counted is ever trimmed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use spinvote_tests::{World, redis_at};
use stack::RedisUser;

const TIDY: &str = include_str!("../../crates/platform/src/stream/tidy.lua");
const STANDING: &str = include_str!("../../crates/platform/src/stream/standing.lua");

const DAY: &str = "86400000";

/// Long for Redis, which serves nobody else meanwhile; short for all that has no bound.
const A_MOMENT: Duration = Duration::from_millis(30);

async fn start() -> (World, MultiplexedConnection) {
    let world = World::start_with(|stack| stack.without_component("tally")).await;
    // The first sweep has made it, with the group.
    let _: i64 = world.command("DEL votes").await;
    let url = world.stack.redis_url(RedisUser::Consumer);
    let consumer = redis_at(&url).await.unwrap();
    (world, consumer)
}

/// Runs a script with the rights of the consumer.
async fn run(
    redis: &mut MultiplexedConnection,
    script: &str,
    keys: &[&str],
    arguments: &[&str],
) -> Vec<i64> {
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    command.query_async(redis).await.unwrap()
}

/// Old entries trimmed, entries trimmed early, consumers forgotten, whether there is more.
async fn tidy(redis: &mut MultiplexedConnection, retention: &str) -> [i64; 4] {
    let keys = ["votes", "{votes}:tidied", "{votes}:trimmed-early"];
    let arguments = [
        "vote-processors",
        retention,
        "300000",
        "0",
        "75",
        "{votes}:idempotency:",
    ];
    let reply = run(redis, TIDY, &keys, &arguments).await;
    reply.try_into().unwrap()
}

async fn standing(redis: &mut MultiplexedConnection) -> [i64; 13] {
    let keys = ["votes", "{votes}:rejected", "{votes}:trimmed-early"];
    let reply = run(redis, STANDING, &keys, &["vote-processors"]).await;
    reply.try_into().unwrap()
}

/// The quickest of five times: on a busy machine any one of them may have waited for others.
async fn quickest<T>(mut act: impl AsyncFnMut() -> T) -> (Duration, T) {
    let mut quickest = None;
    for _ in 0..5 {
        let started = Instant::now();
        let outcome = act().await;
        let took = started.elapsed();
        if quickest.as_ref().is_none_or(|(least, _)| took < *least) {
            quickest = Some((took, outcome));
        }
    }
    quickest.unwrap()
}

/// Appends votes, as fast as Redis can, each with its remembered key.
async fn fill(world: &World, votes: usize) {
    const SCRIPT: &str = r"
        for n = 1, ARGV[1] do
            local id = 'vote-' .. redis.call('INCR', 'filled')
            redis.call('XADD', 'votes', '*', 'option', 'cats', 'poll', 'default', 'vote_id', id)
            redis.call('SET', '{votes}:idempotency:default:' .. id, 'x', 'EX', 86400)
        end";
    let mut redis = world.redis().await;
    let mut left = votes;
    while left > 0 {
        let now = left.min(20_000);
        let mut command = redis::cmd("EVAL");
        command.arg(SCRIPT).arg(0).arg(now);
        let () = command.query_async(&mut redis).await.unwrap();
        left -= now;
    }
}

/// Makes a group that has read, and acknowledged, all that is in the stream.
async fn settle(world: &World, group: &str) {
    let added: i64 = world.command("XLEN votes").await;
    let create = format!("XGROUP CREATE votes {group} $ ENTRIESREAD {added}");
    let _: String = world.command(&create).await;
}

#[tokio::test]
async fn without_the_group_nothing_is_trimmed_whatever_others_have_read() {
    let (world, mut consumer) = start().await;
    fill(&world, 1000).await;
    settle(&world, "archive").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    assert_eq!(tidy(&mut consumer, "1").await, [0; 4]);
    assert_eq!(world.command::<i64>("XLEN votes").await, 1000);

    // The same when it is there and has read nothing.
    let _: () = world.command("CONFIG SET maxmemory 0").await;
    let _: String = world.command("XGROUP CREATE votes vote-processors 0").await;
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    assert_eq!(tidy(&mut consumer, "1").await, [0; 4]);
    assert_eq!(world.command::<i64>("XLEN votes").await, 1000);
    assert_eq!(world.sweep().await.json()["counted"], 1000);
    world.settles_at(1000, 0).await;
}

#[tokio::test]
async fn without_a_stream_there_is_nothing_to_tidy() {
    let (_world, mut consumer) = start().await;
    assert_eq!(tidy(&mut consumer, "1").await, [0; 4]);
}

#[tokio::test]
async fn what_is_settled_goes_early_with_its_key_and_the_rest_stays() {
    let (world, mut consumer) = start().await;
    fill(&world, 5000).await;
    settle(&world, "vote-processors").await;
    fill(&world, 500).await;
    // Redis is not short of memory yet.
    let _: () = world.command("CONFIG SET maxmemory 1gb").await;
    assert_eq!(tidy(&mut consumer, DAY).await, [0; 4]);

    // It is, whatever is trimmed.
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    let mut early = 0;
    loop {
        let [old, trimmed, _, more] = tidy(&mut consumer, DAY).await;
        assert_eq!(old, 0);
        assert!(trimmed <= 2000, "{trimmed}");
        early += trimmed;
        if more == 0 {
            break;
        }
    }
    // The last one that was read stays: it is where the group stands.
    let left: i64 = world.command("XLEN votes").await;
    assert_eq!((early, left), (4998, 502));
    assert_eq!(standing(&mut consumer).await[12], early);
    for (vote, remembered) in [(1, 0), (4998, 0), (5000, 1), (5001, 1), (5500, 1)] {
        let key = format!("EXISTS {{votes}}:idempotency:default:vote-{vote}");
        assert_eq!(world.command::<i64>(&key).await, remembered, "{key}");
    }
    // What is read and not acknowledged stays, too.
    let _: redis::Value = world
        .command("XREADGROUP GROUP vote-processors pod COUNT 10 STREAMS votes >")
        .await;
    let [_, trimmed, ..] = tidy(&mut consumer, DAY).await;
    assert!(trimmed <= 2, "{trimmed}");
    let left: i64 = world.command("XLEN votes").await;
    assert!(left >= 500, "{left}");
}

#[tokio::test]
async fn a_million_entries_are_no_more_work_than_one() {
    let (world, mut consumer) = start().await;
    fill(&world, 1_000_000).await;
    let _: String = world.command("XGROUP CREATE votes vote-processors 0").await;

    // Redis does not know the lag any more.
    let newest: redis::streams::StreamRangeReply =
        world.command("XREVRANGE votes + - COUNT 2").await;
    let deleted: i64 = world
        .command(&format!("XDEL votes {}", newest.ids[1].id))
        .await;
    assert_eq!(deleted, 1);
    let _: redis::Value = world
        .command("XREADGROUP GROUP vote-processors pod COUNT 10 STREAMS votes >")
        .await;
    let (took, told) = quickest(async || standing(&mut consumer).await).await;
    let [length, lag, exact, pending, _, deliveries, ..] = told;
    assert_eq!(
        [length, lag, exact, pending, deliveries],
        [999_999, 999_999, 0, 10, 1],
        "the lag is the most that it can be, and said to be so"
    );
    assert!(took < A_MOMENT, "{took:?}");

    // All of it is settled, and old.
    let _: i64 = world.command("XGROUP DESTROY votes vote-processors").await;
    settle(&world, "vote-processors").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (took, [old, early, ..]) = quickest(async || tidy(&mut consumer, "1").await).await;
    assert!(
        (9_000..=10_000).contains(&old) && early == 0,
        "{old} {early}"
    );
    assert!(took < A_MOMENT, "{took:?}");

    // All of it is settled, and memory is short.
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    let (took, [old, early, ..]) = quickest(async || tidy(&mut consumer, DAY).await).await;
    assert_eq!((old, early), (0, 1999));
    assert!(took < A_MOMENT * 2, "{took:?}");
}

/// An entry may be as large as Redis allows: what is read again at every sweep would hold everybody up.
#[tokio::test]
async fn a_huge_entry_at_either_end_is_not_read_again() {
    let (world, mut consumer) = start().await;
    let huge = vec![b'x'; 64 * 1024 * 1024];
    world.append(&[("option", &huge)]).await;
    fill(&world, 1000).await;
    world.append(&[("option", &huge)]).await;
    settle(&world, "vote-processors").await;
    let (took, told) = quickest(async || standing(&mut consumer).await).await;
    assert_eq!(told[..3], [1002, 0, 1]);
    assert!(took < A_MOMENT, "{took:?}");
    let (took, _) = quickest(async || tidy(&mut consumer, DAY).await).await;
    assert!(took < A_MOMENT, "{took:?}");
}

#[tokio::test]
async fn ids_are_compared_as_numbers_however_large() {
    const IDS: [&str; 4] = [
        "9-1",
        "10-0",
        "18446744073709551614-5",
        "18446744073709551614-10",
    ];
    let (world, mut consumer) = start().await;
    for id in IDS {
        let _: String = world.command(&format!("XADD votes {id} vote cats")).await;
    }
    let _: String = world.command("XGROUP CREATE votes vote-processors 0").await;
    let _: redis::Value = world
        .command("XREADGROUP GROUP vote-processors pod STREAMS votes >")
        .await;
    let acknowledged: i64 = world.command("XACK votes vote-processors 9-1 10-0").await;
    assert_eq!(acknowledged, 2);
    let lead = standing(&mut consumer).await[9];
    assert!(lead > 18_000_000_000_000_000, "{lead}");

    let left = async || {
        let left: redis::streams::StreamRangeReply = world.command("XRANGE votes - +").await;
        let ids = left.ids.into_iter().map(|entry| entry.id);
        ids.collect::<Vec<_>>()
    };
    // Another group has read the first alone.
    let _: String = world.command("XGROUP CREATE votes archive 9-1").await;
    let _: () = world.command("CONFIG SET maxmemory 1").await;
    tidy(&mut consumer, "1").await;
    assert_eq!(left().await, IDS);
    let _: i64 = world.command("XGROUP DESTROY votes archive").await;
    tidy(&mut consumer, "1").await;
    assert_eq!(left().await, IDS[1..], "the last two are pending");
}

/// An autoscaler takes a lag that Redis does not know for none.
#[tokio::test]
async fn after_a_restart_of_redis_the_lag_is_known_again() {
    let (mut world, _) = start().await;
    world.vote("cats").await;
    world.sweep().await;
    world.stack.redis.stop();
    world.stack.redis.start().await.unwrap();
    let url = world.stack.redis_url(RedisUser::Consumer);
    let mut consumer = redis_at(&url).await.unwrap();
    tidy(&mut consumer, DAY).await;
    world.vote("cats").await;
    world.vote("dogs").await;
    let groups: redis::streams::StreamInfoGroupsReply = world.command("XINFO GROUPS votes").await;
    assert_eq!(groups.groups[0].lag, Some(2), "{groups:?}");
    let told = standing(&mut consumer).await;
    assert_eq!((told[1], told[2], told[8]), (2, 1, 3));
    world.sweep().await;
    world.settles_at(2, 1).await;
}
