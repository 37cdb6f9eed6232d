//! The schema: functions, rights, migrations, recounting.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use proptest::test_runner::{Config, TestRunner};
use spinvote_tests::{PATIENCE, World, redis_at, sql_at};
use stack::{RedisUser, Role};

#[tokio::test]
async fn a_vote_can_be_cast_by_hand() {
    let world = World::start().await;
    let sql = world.sql().await;
    for expected in 1..=3_i64 {
        let count: i64 = sql
            .query_one("select increment_vote('cats')", &[])
            .await
            .unwrap()
            .get(0);
        assert_eq!(count, expected);
    }
    let refused = sql
        .query_one("select increment_vote('birds')", &[])
        .await
        .unwrap_err();
    assert!(
        refused
            .as_db_error()
            .unwrap()
            .hint()
            .unwrap()
            .contains("cats, dogs")
    );
    world.settles_at(3, 0).await;
    assert_eq!(
        world.number("select count(*) from vote_events").await,
        3,
        "it is in the audit log"
    );
}

#[tokio::test]
async fn results_of_a_poll_come_in_the_order_of_its_options() {
    let world = World::start().await;
    let sql = world.sql().await;
    sql.batch_execute(
        "insert into polls (poll, question, options) values ('l', 'Which?', '{rust,go,c}')",
    )
    .await
    .unwrap();
    let query = "select option, count, percentage::text, pg_typeof(percentage)::text from get_vote_results('l')";
    let options: Vec<String> = sql
        .query(query, &[])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert_eq!(options, ["rust", "go", "c"]);
    let row = sql.query_one(
        "select option, count, percentage::text from get_vote_results() limit 1",
        &[],
    );
    let row = row.await.unwrap();
    assert_eq!(
        (row.get(0), row.get(1), row.get(2)),
        ("cats", 0_i64, "0.00")
    );
    assert!(
        sql.query("select * from get_vote_results('none')", &[])
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn entries_of_other_polls_are_counted_there() {
    let world = World::start().await;
    let open = "insert into polls (poll, question, options) values ('l', 'Which?', '{rust,go}')";
    world.sql().await.batch_execute(open).await.unwrap();
    world
        .append(&[("option", b"rust"), ("poll", b"l"), ("vote_id", b"same")])
        .await;
    world
        .append(&[("option", b"cats"), ("vote_id", b"same")])
        .await;
    world.append(&[("option", b"cats"), ("poll", b"l")]).await;
    world.sweep().await;
    world.settles_at(1, 0).await;
    assert_eq!(
        world
            .number("select count from votes where poll = 'l' and option = 'rust'")
            .await,
        1
    );
    assert_eq!(world.dead_letters().await.len(), 1);
}

#[tokio::test]
async fn batches_that_overlap_may_be_recorded_at_once() {
    let world = World::start().await;
    let record = "select * from record_votes(
        (select array_agg('default'::text) from generate_series(1, 2000)),
        (select array_agg('v' || i order by random()) from generate_series(1, 2000) i),
        null::text[],
        (select array_agg('cats'::text) from generate_series(1, 2000)),
        null::text[],
        (select array_agg(0::bigint) from generate_series(1, 2000)))";
    let clients = futures::future::join_all((0..6).map(|_| world.sql())).await;
    let recorded =
        futures::future::join_all(clients.iter().map(|sql| sql.query(record, &[]))).await;
    for rows in recorded {
        rows.expect("no deadlock");
    }
    world.settles_at(2000, 0).await;
}

/// Whether PostgreSQL refuses a statement because the role lacks a right.
async fn is_denied(client: &tokio_postgres::Client, statement: &str) -> bool {
    match client.batch_execute(statement).await {
        Ok(()) => false,
        Err(error) => {
            let code = error.code().expect("an answer").code().to_owned();
            assert_eq!(code, "42501", "{statement}: {error:?}");
            true
        }
    }
}

#[tokio::test]
async fn the_database_roles_may_do_what_they_must_and_nothing_else() {
    let world = World::start().await;
    let reader = sql_at(&world.stack.database_url(Role::Reader))
        .await
        .unwrap();
    let consumer = sql_at(&world.stack.database_url(Role::Consumer))
        .await
        .unwrap();
    let record = "select record_votes('{default}', '{a}', '{1-1}', '{cats}', '{null}', '{0}')";
    assert!(!is_denied(&reader, "select * from get_vote_results()").await);
    for both in [&reader, &consumer] {
        assert!(!is_denied(both, "select * from votes, polls").await);
        for forbidden in [
            "select voter from vote_events",
            "create temporary table t ()",
            "update votes set count = 100",
            "insert into votes (poll, option) values ('default', 'birds')",
            "delete from vote_events",
            "truncate vote_events",
            "update polls set question = '?'",
            "insert into vote_events (poll, vote_id, option, cast_at) values ('default', 'x', 'cats', now())",
            "select increment_vote('cats')",
            "select * from recount_votes(true)",
            "create table t ()",
            "create schema s",
            "select pg_read_file('/etc/passwd')",
        ] {
            assert!(is_denied(both, forbidden).await, "{forbidden}");
        }
    }
    assert!(is_denied(&reader, record).await, "the reader cannot vote");
    assert!(!is_denied(&consumer, record).await);
}

/// Whether Redis refuses a command because the user lacks a right.
async fn is_refused(connection: &mut redis::aio::MultiplexedConnection, words: &str) -> bool {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        command.arg(word);
    });
    match command.query_async::<redis::Value>(connection).await {
        Ok(_) => false,
        Err(error) => error.code() == Some("NOPERM"),
    }
}

#[tokio::test]
async fn the_redis_users_may_do_what_they_must_and_nothing_else() {
    let world = World::start().await;
    world.vote("cats").await;
    world.settles_at(1, 0).await;
    let mut api = redis_at(&world.stack.redis_url(RedisUser::Api))
        .await
        .unwrap();
    let mut consumer = redis_at(&world.stack.redis_url(RedisUser::Consumer))
        .await
        .unwrap();
    for forbidden in [
        "FLUSHALL",
        "CONFIG GET *",
        "KEYS *",
        "ACL LIST",
        "SHUTDOWN",
        "DEL votes",
        "XDEL votes 1-1",
        "SET elsewhere 1",
        "XADD elsewhere * vote cats",
        "PUBLISH elsewhere x",
        "SCRIPT FLUSH",
        "MONITOR",
    ] {
        assert!(is_refused(&mut api, forbidden).await, "api: {forbidden}");
        assert!(
            is_refused(&mut consumer, forbidden).await,
            "consumer: {forbidden}"
        );
    }
    for forbidden in [
        "XRANGE votes - +",
        "XREADGROUP GROUP vote-processors me STREAMS votes >",
        "XTRIM votes MAXLEN 0",
        "XACK votes vote-processors 1-1",
        "XGROUP DESTROY votes vote-processors",
        "XRANGE {votes}:rejected - +",
        "DEL {votes}:doorbell",
        "HSET {votes}:poll:default option:birds 3",
        "DEL {votes}:poll:default",
        "SET {votes}:published x",
    ] {
        assert!(is_refused(&mut api, forbidden).await, "api: {forbidden}");
    }
    for forbidden in [
        "XADD votes * vote cats",
        "DEL {votes}:rejected",
        "SET {votes}:idempotency:default:k x",
        "GET {votes}:idempotency:default:k",
        "UNLINK votes",
        "UNLINK {votes}:rejected",
        "SET {votes}:trimmed-early 0",
    ] {
        assert!(
            is_refused(&mut consumer, forbidden).await,
            "consumer: {forbidden}"
        );
    }
    let nobody = world
        .stack
        .redis_url(RedisUser::Api)
        .replace("spinvote-api:", "default:");
    assert!(redis_at(&nobody).await.is_err(), "there is no default user");
}

#[tokio::test]
async fn a_recount_finds_and_repairs_a_tally_that_is_wrong() {
    let world = World::start().await;
    for option in ["cats", "dogs", "dogs"] {
        world.vote(option).await;
    }
    world.settles_at(1, 2).await;
    let recount = async |arguments: &[&str]| {
        let xtask = stack::checkout::target().join("debug/xtask");
        let mut command = tokio::process::Command::new(xtask);
        command.arg("recount").args(arguments);
        command.env("DATABASE_URL", world.stack.database_url(Role::Operator));
        command.output().await.unwrap()
    };
    let agrees = recount(&[]).await;
    assert!(agrees.status.success(), "{agrees:?}");
    world
        .sql()
        .await
        .batch_execute("update votes set count = 7 where option = 'cats'")
        .await
        .unwrap();
    let differs = recount(&[]).await;
    assert_eq!(differs.status.code(), Some(1), "{differs:?}");
    assert_eq!(world.tallies().await, (7, 2), "it only looked");
    assert!(recount(&["--repair"]).await.status.success());
    world.settles_at(1, 2).await;
    assert!(recount(&[]).await.status.success());

    let sql = world.sql().await;
    sql.batch_execute("delete from votes where option = 'dogs'")
        .await
        .unwrap();
    let missing = recount(&[]).await;
    assert_eq!(missing.status.code(), Some(1), "{missing:?}");
    assert!(recount(&["--repair"]).await.status.success());
    world.settles_at(1, 2).await;
}

#[test]
fn percentages_are_exact_to_the_hundredth_and_sum_to_one_hundred() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let world = runtime.block_on(World::start());
    let sql = runtime.block_on(world.sql());
    let number = std::cell::Cell::new(0);
    let counts = proptest::collection::vec(
        proptest::prop_oneof![0..20_i64, 0..10_000_i64, 0..i64::MAX / 100],
        2..=50,
    );
    let mut runner = TestRunner::new(Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    });
    let outcome = runner.run(&(counts), |counts| {
        number.set(number.get() + 1);
        let poll = format!("p{}", number.get());
        let options: Vec<_> = (0..counts.len()).map(|at| format!("option {at}")).collect();
        let hundredths = runtime.block_on(async {
            let open = "insert into polls (poll, question, options) values ($1, '?', $2)";
            sql.execute(open, &[&poll, &options]).await.unwrap();
            let set = "update votes set count = t.count from unnest($2::text[], $3::bigint[]) t (option, count)
                       where votes.poll = $1 and votes.option = t.option";
            sql.execute(set, &[&poll, &options, &counts]).await.unwrap();
            let ask = "select (percentage * 100)::bigint from get_vote_results($1)";
            let rows = sql.query(ask, &[&poll]).await.unwrap();
            rows.iter().map(|row| row.get::<_, i64>(0)).collect::<Vec<_>>()
        });
        let total: i128 = counts.iter().map(|&count| i128::from(count)).sum();
        assert_eq!(hundredths.iter().sum::<i64>(), if total == 0 { 0 } else { 10_000 });
        for (&count, &hundredths) in counts.iter().zip(&hundredths) {
            let (parts, shown) = (i128::from(count) * 10_000, i128::from(hundredths) * total);
            assert!((parts - shown).abs() < total.max(1), "{count} of {total}: {hundredths}");
        }
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
}

/// Runs migrate.sh on a database of this world's server, with the migrations in a directory.
async fn migrate(world: &World, database: &str, migrations: &Path) -> std::process::Output {
    let url = world.stack.database_url(Role::Operator);
    let server: tokio_postgres::Config = url.parse().unwrap();
    let password = str::from_utf8(server.get_password().unwrap()).unwrap();
    tokio::process::Command::new("sh")
        .arg(stack::checkout::root().join("migrations/migrate.sh"))
        .env("PGHOST", "127.0.0.1")
        .env("PGPORT", server.get_ports()[0].to_string())
        .env("PGUSER", server.get_user().unwrap())
        .env("PGPASSWORD", password)
        .env("PGDATABASE", database)
        .env("SPINVOTE_MIGRATIONS", migrations)
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn a_database_that_cannot_store_every_vote_is_not_migrated() {
    let world = World::start().await;
    world
        .sql()
        .await
        .batch_execute("create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0")
        .await
        .unwrap();
    let output = migrate(&world, "latin", &stack::checkout::root().join("migrations")).await;
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("has the encoding LATIN1"), "{said}");
    assert!(
        said.contains("encoding 'UTF8'"),
        "it says what to do: {said}"
    );
}

/// As the first delivery left it: the migrations up to 0005.
#[tokio::test]
async fn a_million_votes_are_migrated_while_others_are_recorded() {
    let world = World::start().await;
    let all = stack::checkout::root().join("migrations");
    let first = world.stack.directory().join("first-migrations");
    std::fs::create_dir(&first).unwrap();
    for entry in std::fs::read_dir(&all).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with("000") && *name < *"0006" {
            std::fs::copy(&file, first.join(name)).unwrap();
        }
    }
    let sql = world.sql().await;
    sql.batch_execute("create database old").await.unwrap();
    let old = migrate(&world, "old", &first).await;
    assert!(old.status.success(), "{old:?}");
    let mut url = world.stack.database_url(Role::Operator);
    url.truncate(url.rfind('/').unwrap());
    url.push_str("/old");
    let sql = sql_at(&url).await.unwrap();
    sql.batch_execute(
        "insert into vote_events (poll, vote_id, stream_id, option, cast_at)
         select 'default', 'before-' || i, '1763562521088-' || i, case when i % 3 = 0 then 'cats' else 'dogs' end, now()
         from generate_series(1, 1000000) i;
         update votes t set count = (select count(*) from vote_events e where e.option = t.option);",
    )
    .await
    .unwrap();

    // What the version before records with, which runs until the new one is there.
    let is_over = AtomicBool::new(false);
    let recorder = async |name: &str| {
        let sql = sql_at(&url).await.unwrap();
        let (mut recorded, mut longest) = (0, Duration::ZERO);
        while !is_over.load(Ordering::Relaxed) {
            let began = Instant::now();
            let outcome: String = sql
                .query_one(
                    "select outcome from record_votes(array_fill('default'::text, '{100}'),
                        array(select $1 || '-' || i from generate_series($2::int, $2 + 99) i), array_fill(null::text, '{100}'),
                        array_fill('cats'::text, '{100}'), array_fill(null::text, '{100}'), array_fill(0::bigint, '{100}'))",
                    &[&name, &recorded],
                )
                .await
                .unwrap()
                .get(0);
            assert_eq!(outcome, "counted");
            recorded += 100;
            longest = longest.max(began.elapsed());
        }
        (recorded, longest)
    };
    let migration = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let began = Instant::now();
        let done = migrate(&world, "old", &all).await;
        let took = began.elapsed();
        tokio::time::sleep(Duration::from_millis(300)).await;
        is_over.store(true, Ordering::Relaxed);
        (done, took)
    };
    let ((done, took), (a, longest_a), (b, longest_b)) =
        tokio::join!(migration, recorder("a"), recorder("b"));
    assert!(done.status.success(), "{done:?}");
    let longest = longest_a.max(longest_b);
    println!(
        "migrated in {took:?}; {} votes were recorded meanwhile, 100 of them in {longest:?} at the longest",
        a + b
    );
    let row = sql
        .query_one(
            "select (select sum(count)::bigint from votes), (select count(*) from vote_events),
                    (select count(*) from recount_votes() where not agrees)",
            &[],
        )
        .await
        .unwrap();
    let (total, events, wrong): (i64, i64, i64) = (row.get(0), row.get(1), row.get(2));
    assert_eq!(total, 1_000_000 + i64::from(a + b));
    assert_eq!(events, total);
    assert_eq!(wrong, 0);
    assert!(longest < PATIENCE, "{longest:?}");
}
