//! Each credential is tried: what it is for it can do, and what it must not do it is refused. SECURITY.md has the table.
//! rights.rs lists every right as the servers do; here somebody who has the password uses it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use redis::{RedisResult, Value, aio::MultiplexedConnection};
use reqwest::Method;
use serde_json::json;
use spinvote_tests::{Answer, Client, World, ask_redis, redis_at, sql_at};
use stack::{RedisUser, Role};
use tokio::net::TcpListener;

/// Runs commands that must not be refused, and commands that must, for want of a right and nothing else, with those that
/// are for none of the components' users.
async fn can_and_cannot(redis: &mut MultiplexedConnection, can: &[&str], cannot: &[&str]) {
    for words in can {
        let replied: RedisResult<Value> = ask_redis(redis, words).await;
        replied.unwrap_or_else(|error| panic!("{words}: {error}"));
    }
    for words in cannot.iter().chain(&NOT_FOR_COMPONENTS) {
        let replied: RedisResult<Value> = ask_redis(redis, words).await;
        let error = replied.expect_err(words);
        // Within a script it has no code.
        let said = error.to_string();
        let refused = error.code() == Some("NOPERM")
            || ["user executing the script can't", "ACL failure in script"]
                .iter()
                .any(|saying| said.contains(saying));
        assert!(refused, "{words}: {said}");
    }
}

/// What none of the components' users may do.
const NOT_FOR_COMPONENTS: [&str; 15] = [
    "KEYS *",
    "SCAN 0",
    "FLUSHALL",
    "CONFIG GET maxmemory",
    "ACL LIST",
    "CLIENT LIST",
    "MONITOR",
    "SHUTDOWN NOSAVE",
    "REPLICAOF NO ONE",
    "SCRIPT FLUSH",
    "FUNCTION LIST",
    "DEL votes",
    "XDEL votes 1-0",
    "RENAME votes elsewhere",
    "SET elsewhere 1",
];

/// A script is held to what its caller may do.
const READS_THE_STREAM: &str = "EVAL return(redis.call('XRANGE',KEYS[1],'-','+')) 1 votes";
const TAKES_THE_STREAM_AWAY: &str = "EVAL return(redis.call('DEL',KEYS[1])) 1 votes";

#[tokio::test]
async fn who_has_the_apis_password_of_redis_can_cast_votes_and_neither_read_nor_change_any() {
    let world = World::start().await;
    assert_eq!(world.vote("cats").await.status, 201);
    let mut redis = redis_at(&world.stack.redis_url(RedisUser::Api))
        .await
        .unwrap();
    can_and_cannot(
        &mut redis,
        &[
            "XADD votes * option cats",
            "SET {votes}:idempotency:default:a 1",
            "PUBLISH votes:doorbell ring",
            "HGETALL {votes}:poll:default",
            "HINCRBY {votes}:refused members_only 1",
            "INFO server",
        ],
        &[
            "XRANGE votes - +",
            "XREAD STREAMS votes 0",
            "XREADGROUP GROUP vote-processors me STREAMS votes >",
            "XACK votes vote-processors 1-0",
            "XTRIM votes MAXLEN 0",
            "XGROUP DESTROY votes vote-processors",
            "SET votes 1",
            "HSET {votes}:poll:default option:mine 9",
            "DEL {votes}:poll:default",
            "SET {votes}:published 1",
            "XADD {votes}:rejected * a b",
            "SUBSCRIBE votes:doorbell",
            "PUBLISH elsewhere ring",
            READS_THE_STREAM,
            TAKES_THE_STREAM_AWAY,
        ],
    )
    .await;
}

#[tokio::test]
async fn who_has_the_consumers_password_of_redis_can_count_votes_and_cast_none() {
    let world = World::start().await;
    assert_eq!(world.vote("cats").await.status, 201);
    let mut redis = redis_at(&world.stack.redis_url(RedisUser::Consumer))
        .await
        .unwrap();
    can_and_cannot(
        &mut redis,
        &[
            "XREADGROUP GROUP vote-processors me COUNT 1 STREAMS votes >",
            "XACK votes vote-processors 1-0",
            "XTRIM votes MINID 1",
            "XADD {votes}:rejected * reason none",
            "HSET {votes}:poll:other revision 1",
            "INFO memory",
        ],
        &[
            "XADD votes * option cats",
            "SET votes 1",
            "GET {votes}:idempotency:default:a",
            "SET {votes}:idempotency:default:a 1",
            "XGROUP DESTROY votes vote-processors",
            "DEL {votes}:rejected",
            "XRANGE {votes}:rejected - +",
            "PUBLISH elsewhere ring",
            "EVAL return(redis.call('XADD',KEYS[1],'*','option','cats')) 1 votes",
            TAKES_THE_STREAM_AWAY,
        ],
    )
    .await;
}

#[tokio::test]
async fn who_has_the_organizers_password_of_redis_can_publish_polls_and_see_no_vote() {
    let world = World::start().await;
    let mut redis = redis_at(&world.stack.redis_url(RedisUser::Organizer))
        .await
        .unwrap();
    can_and_cannot(
        &mut redis,
        &[
            "HSET {votes}:poll:other revision 1",
            "HGETALL {votes}:poll:default",
            "HSET {votes}:polls other 1",
            "HEXISTS {votes}:voted default",
            "TIME",
        ],
        &[
            "XADD votes * option cats",
            "XRANGE votes - +",
            "XLEN votes",
            "GET {votes}:idempotency:default:a",
            "PUBLISH votes:doorbell ring",
            "HSET {votes}:voted default 1",
            "INFO server",
            READS_THE_STREAM,
            TAKES_THE_STREAM_AWAY,
        ],
    )
    .await;
}

#[tokio::test]
async fn who_has_the_scalers_password_of_redis_sees_how_long_the_stream_is_and_not_what_is_in_it() {
    let world = World::start().await;
    assert_eq!(world.vote("cats").await.status, 201);
    // It is made where something scales; here by the same script.
    let users = Command::new("sh")
        .arg(stack::checkout::root().join("redis/users.sh"))
        .env("SPINVOTE_SCALER_PASSWORD", "a-password")
        .output()
        .unwrap();
    let file = world.stack.redis.data().join("users.acl");
    let users = String::from_utf8(users.stdout).unwrap();
    let scaler = users
        .lines()
        .find(|line| line.starts_with("user spinvote-scaler "))
        .unwrap();
    let others = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{others}{scaler}\n")).unwrap();
    let _: () = world.command("ACL LOAD").await;
    let url = format!(
        "redis://spinvote-scaler:a-password@127.0.0.1:{}",
        world.stack.redis.port()
    );
    let mut redis = redis_at(&url).await.unwrap();
    can_and_cannot(
        &mut redis,
        &[
            "XLEN votes",
            "XINFO GROUPS votes",
            "XPENDING votes vote-processors",
        ],
        &[
            "XADD votes * option cats",
            "XRANGE votes - +",
            "XREADGROUP GROUP vote-processors me STREAMS votes >",
            "XACK votes vote-processors 1-0",
            "HGETALL {votes}:poll:default",
            "XLEN {votes}:rejected",
            "PUBLISH votes:doorbell ring",
            READS_THE_STREAM,
        ],
    )
    .await;
}

#[tokio::test]
async fn without_a_password_redis_and_postgresql_say_nothing() {
    let world = World::start().await;
    let port = world.stack.redis.port();
    for user in ["", "default:@", "spinvote-api:wrong@"] {
        let refused = redis_at(&format!("redis://{user}127.0.0.1:{port}")).await;
        let refused = match refused {
            Ok(mut redis) => ask_redis::<Value>(&mut redis, "PING").await.err(),
            Err(error) => Some(error),
        };
        assert!(refused.is_some(), "{user}");
    }
    let port = world.stack.postgres.port();
    for user in [
        "spinvote_reader",
        "spinvote_reader:wrong",
        "operator:wrong",
        "postgres",
    ] {
        let url = format!("postgres://{user}@127.0.0.1:{port}/spinvote");
        assert!(sql_at(&url).await.is_err(), "{user}");
    }
}

/// As [`can_and_cannot`], in SQL, with what is for none of the components' roles: without the right it is SQLSTATE 42501.
async fn may_and_may_not(world: &World, role: Role, may: &[&str], may_not: &[&str]) {
    let sql = sql_at(&world.stack.database_url(role)).await.unwrap();
    for statement in may {
        sql.batch_execute(statement)
            .await
            .unwrap_or_else(|error| panic!("{statement}: {error:?}"));
    }
    for statement in may_not.iter().chain(&NOT_FOR_ROLES) {
        let error = sql.batch_execute(statement).await.expect_err(statement);
        let code = error.code().map(|code| code.code());
        assert_eq!(code, Some("42501"), "{statement}: {error:?}");
    }
}

/// What none of the components' roles may do.
const NOT_FOR_ROLES: [&str; 14] = [
    "delete from vote_events",
    "update vote_events set option = 'dogs'",
    "insert into vote_events (poll, vote_id, option, cast_at) values ('default', 'x', 'cats', now())",
    "truncate vote_events",
    "update votes set count = 1000000",
    "delete from votes",
    "select voter from vote_events",
    "select * from voters",
    "create table mine (a int)",
    "drop table votes",
    "alter role spinvote_reader superuser",
    "copy votes to program 'true'",
    "select pg_read_file('postgresql.conf')",
    "set role operator",
];

const RECORDS: &str = "select * from record_votes(array['default'], array['by-hand'], array['1-0'], array['cats'], \
                       array[null::text], array[1::bigint])";
const READS_THE_LOG: &str = "select * from audit_log('default', 0, '', 9, 9)";

#[tokio::test]
async fn who_has_the_readers_password_of_postgresql_sees_results_and_no_voters() {
    let world = World::start().await;
    may_and_may_not(
        &world,
        Role::Reader,
        &[
            "select * from get_vote_results('default')",
            "select * from get_receipt('default', 'a')",
            "select * from polls",
        ],
        &[
            RECORDS,
            READS_THE_LOG,
            "select stream_id from vote_events",
            "update polls set question = 'Mine?'",
            "select announce_cell('mine')",
        ],
    )
    .await;
}

#[tokio::test]
async fn who_has_the_consumers_password_of_postgresql_records_votes_and_changes_none() {
    let world = World::start().await;
    may_and_may_not(
        &world,
        Role::Consumer,
        &[RECORDS, "select * from votes"],
        &[
            READS_THE_LOG,
            "select option from vote_events",
            "update polls set question = 'Mine?'",
            "insert into polls (poll, question) values ('mine', 'Mine?')",
        ],
    )
    .await;
}

#[tokio::test]
async fn who_has_the_organizers_password_of_postgresql_changes_polls_and_no_vote() {
    let world = World::start().await;
    let accepted = world.vote("cats").await;
    world.receipt(&accepted).await;
    may_and_may_not(
        &world,
        Role::Organizer,
        &[
            "update polls set question = 'Which animal?' where poll = 'default'",
            READS_THE_LOG,
        ],
        &[RECORDS, "select option from vote_events"],
    )
    .await;
    // What has votes stays, whoever asks: that is no question of rights.
    let sql = sql_at(&world.stack.database_url(Role::Organizer))
        .await
        .unwrap();
    assert!(
        sql.batch_execute("delete from polls where poll = 'default'")
            .await
            .is_err()
    );
    assert_eq!(world.number("select count(*) from vote_events").await, 1);
}

/// What needs an organizer's token: each with what it is answered to one who shows it.
const FOR_ORGANIZERS: [(&str, &str, u16); 4] = [
    ("POST", "/api/polls", 400),
    ("PATCH", "/api/polls/default", 400),
    ("DELETE", "/api/polls/nowhere", 404),
    ("GET", "/api/polls/default/votes", 200),
];

#[tokio::test]
async fn an_organizers_token_opens_the_organizers_routes_and_nothing_else_does() {
    let world = World::start().await;
    let token = &world.stack.secrets().organizer_token;
    let shorter = &token[..token.len() - 1];
    for (method, path, status) in FOR_ORGANIZERS {
        let request = || world.request(Method::from_bytes(method.as_bytes()).unwrap(), path);
        for shown in [
            None,
            Some("Bearer "),
            Some("Bearer wrong"),
            Some(&*format!("Bearer {shorter}")),
            Some(&*format!("Basic {token}")),
            Some(&*format!("Bearer {}", world.stack.secrets().redis_operator)),
        ] {
            let request = match shown {
                Some(shown) => request().header("Authorization", shown),
                None => request(),
            };
            let answer = Answer::of(request).await;
            assert_eq!(
                answer.status, 401,
                "{method} {path} with {shown:?}: {answer:?}"
            );
        }
        let answer = Answer::of(request().bearer_auth(token)).await;
        assert_eq!(answer.status, status, "{method} {path}: {answer:?}");
    }
    // Another may not say who votes.
    let body = json!({ "option": "cats", "voter": "ada" }).to_string();
    let answer = world.post("/api/vote", body).await;
    assert_eq!(answer.status, 401, "{answer:?}");
}

/// Whether anybody comes to a server to which `vote` and `results` are led, by what they are configured with.
async fn come_where_they_are_led(world: &World, and_may_go_there: bool) -> bool {
    let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = elsewhere.local_addr().unwrap().port();
    let visitor = tokio::spawn(async move { elsewhere.accept().await });

    let policy = stack::checkout::root().join("target/wasm32-wasip2/release/policy.wasm");
    let manifest = stack::checkout::manifest_with_policy(&policy).unwrap();
    let mut manifest: toml::Table = manifest.parse().unwrap();
    let components = manifest["component"].as_table_mut().unwrap();
    for name in ["vote", "results"] {
        let component = components[name].as_table_mut().unwrap();
        let variables = component["variables"].as_table_mut().unwrap();
        variables.insert(
            "redis_url".into(),
            format!("redis://127.0.0.1:{port}").into(),
        );
        variables.insert("postgres_port".into(), port.to_string().into());
        if and_may_go_there {
            let hosts = component["allowed_outbound_hosts"].as_array_mut().unwrap();
            for scheme in ["redis", "postgres"] {
                hosts.push(format!("{scheme}://127.0.0.1:{port}").into());
            }
        }
    }
    let stack = &world.stack;
    let file = stack
        .directory()
        .join(format!("led-{and_may_go_there}.toml"));
    std::fs::write(&file, manifest.to_string()).unwrap();
    let mut app = stack
        .another_app(|settings| {
            settings.manifest = Some(file);
            settings.components = ["vote", "eligibility", "results"].map(str::to_owned).into();
        })
        .unwrap();
    app.start().await.unwrap();
    let client = Client::of(&format!("http://{}", app.address().unwrap()));
    for answer in [client.vote("cats").await, client.get("/api/results").await] {
        assert_eq!(answer.status, 503, "{answer:?}");
    }
    visitor.is_finished()
}

#[tokio::test]
async fn a_component_that_is_led_elsewhere_reaches_nobody() {
    let world = World::start().await;
    assert!(
        !come_where_they_are_led(&world, false).await,
        "somebody came"
    );
    assert!(
        come_where_they_are_led(&world, true).await,
        "nobody comes, whatever is allowed"
    );
}
