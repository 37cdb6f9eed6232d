//! Every route while Redis, PostgreSQL or both hang: connections stay, and nothing is answered. No request may wait for
//! longer than ten seconds; faults.rs holds some to the limit that is set.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Instant;

use futures::StreamExt;
use reqwest::Method;
use spinvote_tests::{
    World, eventually,
    everything::{LONGEST, ask_everything},
    organizer::Organizer,
};
use tokio::time::timeout;

#[tokio::test]
async fn no_route_waits_for_a_store_that_hangs() {
    let mut world = World::start().await;
    let organizer = Organizer::at(&world).await;
    assert_eq!(
        ask_everything(&world, &organizer, "nothing hangs").await,
        Vec::<String>::new()
    );

    for hangs in ["Redis", "PostgreSQL", "both"] {
        if hangs != "PostgreSQL" {
            world.stack.redis.pause();
        }
        if hangs != "Redis" {
            world.stack.postgres.pause().unwrap();
        }
        let refused = ask_everything(&world, &organizer, &format!("{hangs} hangs")).await;
        for what in ["GET /sweep", "GET /ready"] {
            assert!(
                refused.iter().any(|it| it == what),
                "{what} with {hangs}: {refused:?}"
            );
        }
        let votes = refused.iter().any(|it| it == "POST /api/vote");
        assert_eq!(votes, hangs != "PostgreSQL", "{hangs}: {refused:?}");
        world.stack.postgres.resume();
        world.stack.redis.resume();
        eventually("all is well again", async || {
            world.sweep().await.status == 200
        })
        .await;
        eventually("everything is answered", async || {
            ask_everything(&world, &organizer, "nothing hangs")
                .await
                .is_empty()
        })
        .await;
    }
}

#[tokio::test]
async fn a_log_whose_database_hangs_in_the_middle_breaks_off() {
    let mut world = World::start().await;
    world
        .sql()
        .await
        .batch_execute(
            "insert into vote_events (poll, vote_id, stream_id, option, cast_at)
             select 'default', 'vote-' || n, n || '-0', 'cats', now() from generate_series(1, 300000) as n",
        )
        .await
        .unwrap();
    let request = world.request(Method::GET, "/api/polls/default/votes");
    let answer = request
        .bearer_auth(&world.stack.secrets().organizer_token)
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let mut log = answer.bytes_stream();
    log.next().await.unwrap().unwrap();
    world.stack.postgres.pause().unwrap();
    let started = Instant::now();
    let broken = loop {
        match timeout(2 * LONGEST, log.next()).await.expect("an end") {
            Some(Ok(_)) => {}
            other => break other,
        }
    };
    assert!(
        matches!(broken, Some(Err(_))),
        "it ends as if that were all"
    );
    assert!(started.elapsed() < LONGEST, "after {:?}", started.elapsed());
    world.stack.postgres.resume();
}
