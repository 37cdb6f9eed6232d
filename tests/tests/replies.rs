//! Whatever Redis replies: something else than it should, or what is no reply at all. Nothing traps, each request is
//! answered, and when the replies are good again all is well.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::{prelude::*, test_runner::TestRunner};
use redis::{Value, parse_redis_value};
use spinvote_tests::{
    World,
    chaos::proxy::{Protocol, Proxy},
    eventually,
    everything::ask_everything,
    generated::{generate, runner},
    organizer::Organizer,
};
use stack::checkout;

const ROUNDS: usize = 15;

fn value() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "",
        "OK",
        "1",
        "-1",
        "appended",
        "unpublished",
        "refused",
        "1-0",
        "cats",
        "default",
        "{}",
    ]);
    let number = prop_oneof![
        any::<i64>(),
        prop::sample::select(vec![i64::MIN, -1, 0, 1, 2, 500, i64::MAX]),
    ];
    let leaf = prop_oneof![
        2 => Just(Value::Nil),
        4 => number.prop_map(Value::Int),
        4 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Value::BulkString),
        4 => word.prop_map(|word| Value::BulkString(word.as_bytes().to_vec())),
        1 => any::<u8>().prop_map(|byte| Value::BulkString(vec![byte; 1 << 20])),
        1 => Just(Value::Okay),
        1 => "[a-z ]{0,9}".prop_map(Value::SimpleString),
    ];
    leaf.prop_recursive(4, 40, 9, |value| {
        prop::collection::vec(value, 0..9).prop_map(Value::Array)
    })
}

/// What is no value, or an error.
fn raw() -> impl Strategy<Value = Vec<u8>> {
    let text = prop::sample::select(vec![
        "-ERR no\r\n",
        "-NOSCRIPT No matching script.\r\n",
        "-NOGROUP No such key\r\n",
        "-BUSY Redis is busy running a script.\r\n",
        "-\r\n",
        ":x\r\n",
        "$5\r\nab\r\n",
        "$-7\r\n",
        "*-1\r\n",
        "*3\r\n:1\r\n",
        "%1\r\n+a\r\n:1\r\n",
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "\r\n",
    ]);
    prop_oneof![
        4 => text.prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..60),
    ]
}

/// RESP2, which is what both runtimes speak.
fn write(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Nil => to.extend(b"$-1\r\n"),
        Value::Int(number) => to.extend(format!(":{number}\r\n").bytes()),
        Value::BulkString(bytes) => {
            to.extend(format!("${}\r\n", bytes.len()).bytes());
            to.extend(bytes);
            to.extend(b"\r\n");
        }
        Value::Array(values) => {
            to.extend(format!("*{}\r\n", values.len()).bytes());
            for value in values {
                write(value, to);
            }
        }
        Value::SimpleString(text) => to.extend(format!("+{text}\r\n").bytes()),
        _ => to.extend(b"+OK\r\n"),
    }
}

/// Changes something in what was replied.
fn change(value: &mut Value, runner: &mut TestRunner) {
    let number = |runner: &mut TestRunner, below: usize| generate(runner, &(0..below));
    match value {
        Value::Array(values) if !values.is_empty() && number(runner, 4) > 0 => {
            let at = number(runner, values.len());
            match number(runner, 4) {
                0 => drop(values.remove(at)),
                1 => values.insert(at, values[at].clone()),
                _ => change(&mut values[at], runner),
            }
        }
        Value::BulkString(bytes) if !bytes.is_empty() && number(runner, 4) > 0 => {
            let at = number(runner, bytes.len());
            if number(runner, 2) == 0 {
                bytes.truncate(at);
            } else {
                bytes[at] = generate(runner, &any::<u8>());
            }
        }
        other => *other = generate(runner, &self::value()),
    }
}

/// Half of the replies stay, so that those to later commands are reached, too.
fn garble(reply: &[u8], runner: &mut TestRunner) -> Vec<u8> {
    let mut garbled = Vec::new();
    match generate(runner, &(0..8)) {
        0 => write(&generate(runner, &value()), &mut garbled),
        1 => garbled = generate(runner, &raw()),
        2 | 3 => match parse_redis_value(reply) {
            Ok(mut value) => {
                change(&mut value, runner);
                write(&value, &mut garbled);
            }
            Err(_) => return reply.to_vec(),
        },
        _ => return reply.to_vec(),
    }
    garbled
}

#[tokio::test]
async fn whatever_redis_replies_each_request_is_answered_and_nothing_traps() {
    let mut world = World::start_with(|stack| {
        stack
            // It refuses votes for dogs.
            .policy(checkout::root().join("target/wasm32-wasip2/release/unruly.wasm"))
            .variable("upstream_timeout_ms", 300)
            .variable("claim_idle_ms", 1000)
    })
    .await;
    let to_redis = Proxy::start(Protocol::Redis).await.unwrap();
    to_redis.lead_to(world.stack.redis.port());
    world.stack.set_variable("redis_port", to_redis.port());
    world.stack.start_app().await.unwrap();
    let organizer = Organizer::at(&world).await;

    let mut runner = runner();
    to_redis.garble(Box::new(move |reply| garble(reply, &mut runner)));
    let mut refused = 0;
    for _ in 0..ROUNDS {
        refused += ask_everything(&world, &organizer, "Redis replies anything")
            .await
            .len();
        let dogs = world.vote_with_key("dogs", "some dogs").await;
        assert!([403, 503].contains(&dogs.status.as_u16()), "{dogs:?}");
        // Each instance has a connection of its own, which it gives up when it has to.
        assert!(world.stack.app.exited().unwrap().is_none());
    }
    assert!(
        refused > ROUNDS && to_redis.bitten() > 100 * ROUNDS,
        "{refused}"
    );
    to_redis.heal();

    eventually("everything is answered", async || {
        ask_everything(&world, &organizer, "Redis replies what it should")
            .await
            .is_empty()
    })
    .await;
    let opened = organizer.post("/organize/polls/default/open", &[]).await;
    assert_eq!(opened.status, 303, "{opened:?}");
    let vote = world.vote("cats").await;
    assert_eq!(vote.status, 201, "{vote:?}");
    eventually("the vote is counted", async || {
        world.receipt(&vote).await["status"] == "counted"
    })
    .await;
    world.sweeps_until_nothing_is_pending().await;
    world.has_not_trapped();
}
