//! The audit log, as organizers take it away.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use spinvote_tests::{Answer, World, sql_at};
use stack::Role;

const LOG: &str = "/api/polls/default/votes";

async fn log(world: &World, after: &str, accept: &str) -> Answer {
    let after = if after.is_empty() {
        String::new()
    } else {
        let encoded: String = after.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("?after={encoded}")
    };
    let request = world
        .request(Method::GET, &format!("{LOG}{after}"))
        .bearer_auth(&world.stack.secrets().organizer_token);
    Answer::of(request.header("Accept", accept)).await
}

async fn rows(world: &World, after: &str) -> Vec<Value> {
    let answer = log(world, after, "*/*").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/x-ndjson");
    answer
        .body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Records so many votes as tally does, in calls of so many.
async fn record(world: &World, prefix: &str, calls: usize, votes: usize) {
    let sql = sql_at(&world.stack.database_url(Role::Consumer))
        .await
        .unwrap();
    for call in 0..calls {
        let column = |text: &str| vec![text.to_owned(); votes];
        // In no order.
        let ids: Vec<_> = (0..votes)
            .map(|i| format!("{prefix}-{:x}-{call}", (i * 7919) % votes))
            .collect();
        let options = column("cats");
        let none: Vec<Option<String>> = vec![None; votes];
        let cast_at = vec![1_763_562_521_088_000_i64; votes];
        sql.execute(
            "select record_votes($1, $2, $3, $4, $3, $5)",
            &[&column("default"), &ids, &none, &options, &cast_at],
        )
        .await
        .unwrap();
    }
}

#[tokio::test]
async fn the_log_says_what_was_counted_and_goes_on_where_one_left_off() {
    let world = World::start().await;
    assert_eq!(rows(&world, "").await, Vec::<Value>::new());
    for key in ["a", "b.c", "ä"] {
        world
            .append(&[("option", b"cats"), ("vote_id", key.as_bytes())])
            .await;
        world.sweep().await;
    }
    world.settles_at(3, 0).await;
    let all = rows(&world, "").await;
    let ids: Vec<_> = all
        .iter()
        .map(|row| row["vote_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids, ["a", "b.c", "ä"]);
    for row in &all {
        assert_eq!(
            (&row["option"], &row["voter"]),
            (&json!("cats"), &Value::Null)
        );
        assert!(row["stream_id"].as_str().unwrap().contains('-'));
        assert!(row["recorded_at"].as_str().unwrap().ends_with('Z'));
    }
    for (i, row) in all.iter().enumerate() {
        let rest = rows(&world, row["cursor"].as_str().unwrap()).await;
        assert_eq!(rest, all[i + 1..], "after {row}");
    }
    for bad in ["x", "1", "-1.a", "%FF"] {
        let request = world.request(Method::GET, &format!("{LOG}?after={bad}"));
        let answer = Answer::of(request.bearer_auth(&world.stack.secrets().organizer_token)).await;
        answer.problem(400);
    }
}

#[tokio::test]
async fn the_log_is_for_organizers() {
    let world = World::start().await;
    world.get(LOG).await.problem(401);
    let path = "/api/polls/none/votes";
    let request = world
        .request(Method::GET, path)
        .bearer_auth(&world.stack.secrets().organizer_token);
    Answer::of(request).await.problem(404);
}

#[tokio::test]
async fn a_spreadsheet_finds_no_formula_in_it() {
    let world = World::start().await;
    for id in ["=1+1", "+1", "-1", "@x", "a,b", "a\"b", "plain"] {
        world
            .append(&[("option", b"cats"), ("vote_id", id.as_bytes())])
            .await;
    }
    world.sweep().await;
    world.settles_at(7, 0).await;
    let answer = log(&world, "", "text/csv").await;
    assert_eq!(
        answer.header("content-type"),
        "text/csv; charset=utf-8; header=present"
    );
    let mut lines = answer.body.split("\r\n");
    assert_eq!(
        lines.next(),
        Some("vote_id,stream_id,option,voter,cast_at,recorded_at,cursor")
    );
    let text = answer.body.as_str();
    for cell in [
        "\"'=1+1\",",
        "\"'+1\",",
        "\"'-1\",",
        "\"'@x\",",
        "\"a,b\",",
        "\"a\"\"b\",",
        "\r\nplain,",
    ] {
        assert!(text.contains(cell), "{cell}: {text}");
    }
    assert_eq!(lines.filter(|line| !line.is_empty()).count(), 7);
}

/// While votes come in, by several consumers, the log is read again and again, each time from where the last
/// reading ended: in the end each vote was read once.
#[tokio::test]
async fn while_votes_come_in_no_row_is_skipped_or_repeated() {
    let world = World::start().await;
    // As it was before batches had numbers: more than a page, in one batch.
    world
        .sql()
        .await
        .batch_execute(
            "insert into vote_events (poll, vote_id, option, cast_at, batch)
             select 'default', 'old-' || n, 'cats', now(), 0 from generate_series(1, 4500) n",
        )
        .await
        .unwrap();
    let done = AtomicBool::new(false);
    let writers = async {
        let names = ["w0", "w1", "w2", "w3"];
        futures::future::join_all(names.map(|name| record(&world, name, 30, 173))).await;
        done.store(true, Ordering::Relaxed);
    };
    let reader = async {
        let (mut seen, mut after) = (Vec::new(), String::new());
        loop {
            let last = done.load(Ordering::Relaxed);
            let read = rows(&world, &after).await;
            if let Some(row) = read.last() {
                after = row["cursor"].as_str().unwrap().to_owned();
            }
            seen.extend(
                read.iter()
                    .map(|row| row["vote_id"].as_str().unwrap().to_owned()),
            );
            if last {
                return seen;
            }
        }
    };
    let ((), seen) = tokio::join!(writers, reader);
    let different: HashSet<_> = seen.iter().collect();
    assert_eq!(different.len(), seen.len(), "a row was repeated");
    let recorded = world.number("select count(*) from vote_events").await;
    assert_eq!(seen.len() as i64, recorded, "a row was skipped");
    assert_eq!(recorded, 4500 + 4 * 30 * 173);
}

/// A reader must not pass by what a slower consumer is still recording.
#[tokio::test]
async fn the_log_ends_before_what_is_still_being_recorded() {
    let world = World::start().await;
    record(&world, "before", 1, 10).await;
    let mut slow = sql_at(&world.stack.database_url(Role::Consumer))
        .await
        .unwrap();
    let recording = slow.transaction().await.unwrap();
    recording
        .batch_execute(
            "select record_votes('{default}', '{slow}', '{1-0}', '{cats}', '{x}', '{0}')",
        )
        .await
        .unwrap();
    let reading = rows(&world, "");
    tokio::pin!(reading);
    // It waits for the slow one, rather than leave it out.
    let early = tokio::time::timeout(Duration::from_millis(300), &mut reading).await;
    assert!(early.is_err(), "{early:?}");
    recording.commit().await.unwrap();
    let read = reading.await;
    assert_eq!(read.len(), 11);
    assert_eq!(read[10]["vote_id"], "slow");
}

#[tokio::test]
async fn a_log_that_cannot_be_read_to_its_end_breaks_off() {
    let world = World::start().await;
    record(&world, "many", 60, 2000).await;
    let request = world
        .request(Method::GET, LOG)
        .bearer_auth(&world.stack.secrets().organizer_token);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let mut pieces = response.bytes_stream();
    let mut read = pieces.next().await.unwrap().unwrap().to_vec();
    world
        .sql()
        .await
        .batch_execute("alter function audit_log(text, bigint, text, bigint, int) rename to gone")
        .await
        .unwrap();
    let mut broken = false;
    while let Some(piece) = pieces.next().await {
        match piece {
            Ok(piece) => read.extend_from_slice(&piece),
            Err(_) => broken = true,
        }
    }
    assert!(
        broken,
        "it ended as if it were whole, after {} bytes",
        read.len()
    );
    world
        .sql()
        .await
        .batch_execute("alter function gone(text, bigint, text, bigint, int) rename to audit_log")
        .await
        .unwrap();
    let text = String::from_utf8(read).unwrap();
    let (lines, _) = text.rsplit_once('\n').unwrap();
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    let rest = rows(&world, last["cursor"].as_str().unwrap()).await;
    assert_eq!(lines.lines().count() + rest.len(), 120_000);
}
