//! The private Redis and PostgreSQL: what they promise a test.

use stack::{RedisUser, Role, Stack};

#[tokio::test]
async fn stack_without_app_starts() {
    let t = std::time::Instant::now();
    let mut stack = Stack::builder().without_app().start().await.unwrap();
    eprintln!("start {:?} {}", t.elapsed(), stack.directory().display());
    eprintln!(
        "{} {}",
        stack.redis_url(RedisUser::Operator),
        stack.database_url(Role::Operator)
    );
    for cmd in [
        "select * from get_vote_results()",
        "select version from schema_migrations",
        "show fsync",
    ] {
        let out = stack
            .postgres
            .client("psql", Role::Reader)
            .args(["-Atc", cmd])
            .output()
            .unwrap();
        eprintln!("{out:?}");
    }
    let t = std::time::Instant::now();
    stack.postgres.pause().unwrap();
    let out = stack
        .postgres
        .client("timeout", Role::Reader)
        .args(["1", "psql", "-Atc", "select 1"])
        .output()
        .unwrap();
    eprintln!("{out:?} {:?}", t.elapsed());
    stack.postgres.resume();
    let out = stack
        .postgres
        .client("timeout", Role::Reader)
        .args(["1", "psql", "-Atc", "select 1"])
        .output()
        .unwrap();
    eprintln!("{out:?}");
    let t = std::time::Instant::now();
    stack.postgres.stop();
    eprintln!("stop {:?}", t.elapsed());
    let t = std::time::Instant::now();
    stack.postgres.start().await.unwrap();
    eprintln!("start {:?}", t.elapsed());
    stack.postgres.pause().unwrap();
    let t = std::time::Instant::now();
    stack.redis.stop();
    eprintln!("redis stop {:?}", t.elapsed());
    let t = std::time::Instant::now();
    stack.redis.start().await.unwrap();
    eprintln!("redis start {:?}", t.elapsed());
    let t = std::time::Instant::now();
    drop(stack);
    eprintln!("drop {:?}", t.elapsed());
}
