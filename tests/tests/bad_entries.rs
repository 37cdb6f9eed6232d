//! Whatever is in the stream or in the definition of a poll: good votes are counted, bad ones become dead letters, and
//! nothing stops. The inputs are generated; what the parsers make of them is fuzzed in `crates/fuzzing`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use spinvote_tests::{
    World, eventually,
    generated::{generate, runner},
};

/// Names and values, in any order, names more than once too.
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// What must become of an entry.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fate {
    Counted,
    Rejected,
    /// One of these.
    Either,
}

fn bytes(longest: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=longest)
}

fn megabyte() -> impl Strategy<Value = Vec<u8>> {
    any::<u8>().prop_map(|byte| vec![byte; 1 << 20])
}

fn text(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn good() -> impl Strategy<Value = Fields> {
    let name = prop::sample::select(vec!["option", "vote"]);
    let option = prop::sample::select(vec!["cats", "dogs"]);
    // What we do not know of, however much it is, is no reason to reject a vote.
    let unknown = prop_oneof![20 => bytes(40), 1 => megabyte()];
    (name, option, unknown).prop_map(|(name, option, unknown)| {
        vec![(text("colour"), unknown), (text(name), text(option))]
    })
}

fn bad() -> impl Strategy<Value = Fields> {
    let no_option = bytes(40).prop_map(|value| vec![(text("colour"), value)]);
    let option = prop_oneof![4 => bytes(40), 1 => bytes(2000), 1 => megabyte()]
        .prop_map(|option| vec![(text("option"), [b"no ".as_slice(), &option].concat())]);
    let with = |name: &'static str| {
        prop_oneof![10 => bytes(40), 1 => megabyte()].prop_map(move |value| {
            let value = [b"\xff".as_slice(), &value].concat();
            vec![(text("option"), text("cats")), (text(name), value)]
        })
    };
    let many = (65_usize..5_000).prop_map(|number| {
        let field = |at: usize| (text(&format!("f{at}")), text("cats"));
        let mut fields: Fields = (0..number).map(field).collect();
        fields.push((text("option"), text("cats")));
        fields
    });
    prop_oneof![
        4 => no_option,
        8 => option,
        4 => with("poll"),
        4 => with("vote_id"),
        4 => with("voter"),
        4 => with("first_id"),
        1 => many,
    ]
}

fn any_fields() -> impl Strategy<Value = Fields> {
    let name = prop_oneof![
        6 => prop::sample::select(vec!["option", "vote", "poll", "voter", "timestamp", "accepted"]).prop_map(text),
        1 => bytes(20).prop_map(|name| [b"x".as_slice(), &name].concat()),
    ];
    let value = prop_oneof![
        6 => prop::sample::select(vec!["cats", "dogs", "default", "1", ""]).prop_map(text),
        4 => bytes(40),
        1 => bytes(1100),
    ];
    prop::collection::vec((name, value), 1..9)
}

#[tokio::test]
async fn whatever_is_appended_is_counted_or_a_dead_letter() {
    let mut runner = runner();
    let world = World::start().await;
    let mut pipe = redis::pipe();
    let mut fates = Vec::new();
    let entries = prop_oneof![
        good().prop_map(|fields| (Fate::Counted, fields)),
        bad().prop_map(|fields| (Fate::Rejected, fields)),
        any_fields().prop_map(|fields| (Fate::Either, fields)),
    ];
    for _ in 0..600 {
        let (fate, fields) = generate(&mut runner, &entries);
        let append = pipe.cmd("XADD").arg("votes").arg("*");
        for (name, value) in fields {
            append.arg(name).arg(value);
        }
        fates.push(fate);
    }
    let ids: Vec<String> = pipe.query_async(&mut world.redis().await).await.unwrap();
    let fates: BTreeMap<_, _> = ids.into_iter().zip(fates).collect();

    // A vote rings, and the consumer is not stopped by what lies before it.
    let vote = world.vote("cats").await;
    assert_eq!(vote.status, 201, "{}", vote.body);
    let vote_id = vote.json()["vote_id"].as_str().unwrap().to_owned();
    let mine = format!("select count(*) from vote_events where vote_id = '{vote_id}'");
    eventually("a vote behind them is counted", async || {
        world.number(&mine).await == 1
    })
    .await;
    world.sweeps_until_nothing_is_pending().await;

    let letters = world.dead_letters().await;
    let rejected: BTreeMap<_, _> = letters
        .into_iter()
        .map(|(reason, id)| (id, reason))
        .collect();
    let query = "select stream_id from vote_events where vote_id <> $1";
    let counted: BTreeSet<String> = world
        .sql()
        .await
        .query(query, &[&vote_id])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    for (id, fate) in &fates {
        let counted = counted.contains(id);
        let reason = rejected.get(id);
        assert_ne!(counted, reason.is_some(), "{id}: {reason:?}");
        assert_ne!(reason.map(String::as_str), Some(""), "{id}");
        match fate {
            Fate::Counted => assert!(counted, "{id}: {reason:?}"),
            Fate::Rejected => assert!(!counted, "{id}"),
            Fate::Either => {}
        }
    }
    assert_eq!(counted.len() + rejected.len(), fates.len());
    let (cats, dogs) = world.tallies().await;
    assert_eq!(usize::try_from(cats + dogs).unwrap(), counted.len() + 1);
    world.has_not_trapped();
}

#[tokio::test]
async fn a_damaged_definition_stops_only_votes_in_its_poll() {
    const DEFINITION: &str = "{votes}:poll:default";
    let mut runner = runner();
    let world = World::start().await;
    world.vote("cats").await;
    let mut redis = world.redis().await;
    let name = prop_oneof![
        6 => prop::sample::select(vec![
            "revision", "question", "opens_ms", "closes_ms", "one_vote_per_voter", "option:cats", "option:dogs",
            "option:", "deleted", "held_until_ms",
        ]).prop_map(text),
        1 => bytes(20),
    ];
    let value = prop_oneof![
        4 => prop::sample::select(vec![
            "", "-1", "0", "2", "1e300", "nan", "inf", "0x10", "999999999999999999999",
        ]).prop_map(text),
        4 => bytes(20),
        1 => megabyte(),
    ];
    let damage = prop::collection::vec((name, value), 1..4);
    for round in 0..10 {
        for (name, value) in generate(&mut runner, &damage) {
            let () = redis::cmd("HSET")
                .arg(DEFINITION)
                .arg(&name)
                .arg(value)
                .query_async(&mut redis)
                .await
                .unwrap();
            // Some fields go instead.
            if round % 4 == 0 {
                let gone = redis::cmd("HDEL").arg(DEFINITION).arg(&name).to_owned();
                let _: i64 = gone.query_async(&mut redis).await.unwrap();
            }
        }
        for option in ["cats", "birds"] {
            let answer = world.vote(option).await;
            if answer.status != 201 {
                let status = answer.status.as_u16();
                assert!(
                    [403, 404, 409, 422, 503].contains(&status),
                    "{status}: {}",
                    answer.body
                );
                answer.problem(status);
            }
        }
        let page = world.get("/").await.status.as_u16();
        assert!([200, 303, 404, 503].contains(&page), "{page}");
        // It goes on with all others.
        assert_eq!(world.sweep().await.status, 200);
        let _: i64 = world.command(&format!("DEL {DEFINITION}")).await;
        assert_eq!(world.sweep().await.status, 200);
        // It is published again from PostgreSQL, whatever it was.
        let answer = world.vote("dogs").await;
        assert_eq!(answer.status, 201, "{}", answer.body);
    }
    world.has_not_trapped();
}
