//! `/health` and `/ready`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde_json::json;
use spinvote_tests::{World, eventually};

#[tokio::test]
async fn ready_means_that_redis_and_the_database_can_be_used() {
    let world = World::start().await;
    assert_eq!(world.get("/health").await.body, r#"{"status":"healthy"}"#);
    let ready = world.get("/ready").await;
    assert_eq!(ready.status, 200);
    assert_eq!(
        ready.json(),
        json!({ "status": "ready", "redis": "connected", "database": "connected" })
    );
    let redis = world.get("/ready?needs=redis").await;
    assert_eq!(
        redis.json(),
        json!({ "status": "ready", "redis": "connected" })
    );
    let database = world.get("/ready?needs=database").await;
    assert_eq!(
        database.json(),
        json!({ "status": "ready", "database": "connected" })
    );
    world.get("/ready?needs=nothing").await.problem(400);
}

#[tokio::test]
async fn without_the_database_votes_are_taken_and_only_who_needs_it_is_not_ready() {
    let mut world = World::start().await;
    world.stack.postgres.stop();
    let ready = world.get("/ready").await;
    ready.problem(503);
    assert_eq!(ready.json()["database"], "disconnected");
    assert_eq!(ready.json()["redis"], "connected");
    world.get("/ready?needs=database").await.problem(503);
    assert_eq!(world.get("/ready?needs=redis").await.status, 200);
    assert_eq!(world.get("/health").await.status, 200);

    assert_eq!(world.vote("cats").await.status, 201);
    // Those from before are too old by now.
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    let results = world.get("/api/results").await;
    results.problem(503);
    assert_eq!(results.header("retry-after"), "2");
    // While tally holds the votes there is nothing for the sweep to fail at.
    eventually("the sweep fails, too", async || {
        world.sweep().await.status == 503
    })
    .await;

    world.stack.postgres.start().await.unwrap();
    eventually("ready again", async || {
        world.get("/ready").await.status == 200
    })
    .await;
    world.sweep().await;
    world.settles_at(1, 0).await;
}

#[tokio::test]
async fn a_database_without_the_schema_is_not_ready() {
    let world = World::start().await;
    world
        .sql()
        .await
        .batch_execute("alter schema public rename to hidden")
        .await
        .unwrap();
    world.get("/ready?needs=database").await.problem(503);
    world.get("/api/results").await.problem(503);
    world
        .sql()
        .await
        .batch_execute("alter schema hidden rename to public")
        .await
        .unwrap();
    assert_eq!(world.get("/ready?needs=database").await.status, 200);
}
