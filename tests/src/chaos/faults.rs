//! The faults. Each is struck, shown to have bitten, and healed; one that did not bite is a failed run.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use redis::streams::{StreamInfoConsumersReply, StreamRangeReply};
use stack::Role;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use super::{Arena, SECOND};

/// How long a fault may take to bite.
const TO_BITE: Duration = Duration::from_secs(30);

/// How often it is looked whether it did.
const LOOK: Duration = Duration::from_millis(5);

const GROUP: &str = "vote-processors";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9` of the runtime.
    RuntimeKilled,
    /// `kill -9` of one of two consumers, in the middle of a batch.
    ConsumerKilled,
    /// `kill -9` of Redis, which starts again from its append-only file.
    RedisKilled,
    /// Redis answers nothing for a while.
    RedisPaused,
    /// Redis has no room.
    RedisFull,
    /// Redis has become a replica, on connections that stay.
    RedisReadOnly,
    /// `kill -9` of PostgreSQL and all its connections.
    PostgresKilled,
    /// PostgreSQL is shut down for a while.
    PostgresStopped,
    /// PostgreSQL answers nothing for a while.
    PostgresPaused,
    /// Others have all of PostgreSQL's connections.
    ConnectionsTaken,
    /// The consumer group is gone, and with it what was read and what was pending.
    GroupDestroyed,
    /// Nobody hears the doorbell any more.
    DoorbellCut,
    /// Entries are in the stream twice.
    EntriesDuplicated,
    /// Entries are in the stream that are no votes.
    Garbage,
    /// A batch is committed, and its consumer is not told.
    AnswerLost,
}

impl Fault {
    pub const ALL: [Self; 15] = [
        Self::RuntimeKilled,
        Self::ConsumerKilled,
        Self::RedisKilled,
        Self::RedisPaused,
        Self::RedisFull,
        Self::RedisReadOnly,
        Self::PostgresKilled,
        Self::PostgresStopped,
        Self::PostgresPaused,
        Self::ConnectionsTaken,
        Self::GroupDestroyed,
        Self::DoorbellCut,
        Self::EntriesDuplicated,
        Self::Garbage,
        Self::AnswerLost,
    ];

    /// Strikes, and heals. Returns what shows that it has bitten.
    pub async fn strike(self, arena: &mut Arena, lasts: Duration) -> Result<String> {
        match self {
            Self::RuntimeKilled => runtime_killed(arena).await,
            Self::ConsumerKilled => consumer_killed(arena).await,
            Self::RedisKilled => redis_killed(arena).await,
            Self::RedisPaused => redis_paused(arena, lasts).await,
            Self::RedisFull => redis_full(arena).await,
            Self::RedisReadOnly => redis_read_only(arena).await,
            Self::PostgresKilled => {
                arena.world.stack.postgres.kill()?;
                postgres_away(arena, Duration::ZERO).await
            }
            Self::PostgresStopped => {
                arena.world.stack.postgres.stop();
                postgres_away(arena, lasts).await
            }
            Self::PostgresPaused => postgres_paused(arena, lasts).await,
            Self::ConnectionsTaken => connections_taken(arena).await,
            Self::GroupDestroyed => group_destroyed(arena).await,
            Self::DoorbellCut => doorbell_cut(arena).await,
            Self::EntriesDuplicated => entries_duplicated(arena).await,
            Self::Garbage => garbage(arena).await,
            Self::AnswerLost => answer_lost(arena).await,
        }
    }
}

async fn runtime_killed(arena: &mut Arena) -> Result<String> {
    let id = arena.world.stack.app.id().context("it does not run")?;
    arena.world.stack.app.kill();
    let probe = arena.probe().await;
    ensure!(probe.is_none(), "it still answers: {probe:?}");
    arena.world.stack.start_app().await?;
    Ok(format!("process {id} is gone, and nobody answers"))
}

/// The database is made to wait, so that what the consumer has read stays with it until it is killed. PostgreSQL goes
/// on with the batch that it was sent: it is committed, and nobody is there to acknowledge it.
async fn consumer_killed(arena: &mut Arena) -> Result<String> {
    let deadline = Instant::now() + TO_BITE;
    while Instant::now() < deadline {
        let mut sql = arena.world.sql().await;
        let waits = sql.transaction().await?;
        waits
            .batch_execute("lock table vote_events in access exclusive mode")
            .await?;
        let patience = Instant::now() + Duration::from_millis(900);
        let mut held = 0;
        while held == 0 && Instant::now() < patience {
            held = pending_of_second(arena).await?;
            sleep(LOOK).await;
        }
        if held > 0 {
            arena.second.kill();
            let left = pending_of_second(arena).await?;
            waits.rollback().await?;
            arena.second.start().await?;
            if left > 0 {
                return Ok(format!(
                    "{left} entries were pending to it when it was dead"
                ));
            }
        } else {
            waits.rollback().await?;
        }
        arena.revive().await?;
        sleep(Duration::from_millis(100)).await;
    }
    bail!("it never held an entry when it was killed")
}

async fn pending_of_second(arena: &Arena) -> Result<usize> {
    let consumers: StreamInfoConsumersReply = arena
        .world
        .try_command(&format!("XINFO CONSUMERS votes {GROUP}"))
        .await?;
    Ok(consumers
        .consumers
        .iter()
        .filter(|consumer| consumer.name.contains(SECOND))
        .map(|consumer| consumer.pending)
        .sum())
}

async fn redis_killed(arena: &mut Arena) -> Result<String> {
    let id = arena.world.stack.redis.id().context("it does not run")?;
    arena.world.stack.redis.kill();
    let probe = arena.probe().await;
    ensure!(
        probe.is_none_or(|status| status.is_server_error()),
        "a vote was taken: {probe:?}"
    );
    arena.world.stack.redis.start().await?;
    arena.revive().await?;
    Ok(format!("process {id} is gone; a vote: {}", said(probe)))
}

async fn redis_paused(arena: &mut Arena, lasts: Duration) -> Result<String> {
    let since = Instant::now();
    arena.world.stack.redis.pause();
    let probe = arena.probe().await;
    sleep(lasts.saturating_sub(since.elapsed())).await;
    arena.world.stack.redis.resume();
    ensure!(
        probe.is_none_or(|status| status == 503),
        "a vote was taken: {probe:?}"
    );
    Ok(format!("for {lasts:.1?}; a vote: {}", said(probe)))
}

async fn redis_full(arena: &mut Arena) -> Result<String> {
    let memory: redis::InfoDict = arena.world.try_command("INFO memory").await?;
    let used: u64 = memory.get("used_memory").context("used_memory")?;
    // What is settled makes room: so much that this is not enough.
    let _: () = arena
        .world
        .try_command(&format!("CONFIG SET maxmemory {}", used / 2))
        .await?;
    let refused = refuses_votes(arena).await;
    let _: () = arena.world.try_command("CONFIG SET maxmemory 0").await?;
    refused?;
    Ok(format!("{used} bytes were used; a vote was answered 503"))
}

async fn redis_read_only(arena: &mut Arena) -> Result<String> {
    let nobody = stack::ports::free()?;
    let _: () = arena
        .world
        .try_command(&format!("REPLICAOF 127.0.0.1 {nobody}"))
        .await?;
    let refused = refuses_votes(arena).await;
    let _: () = arena.world.try_command("REPLICAOF NO ONE").await?;
    refused?;
    Ok("a vote was answered 503".to_owned())
}

async fn refuses_votes(arena: &mut Arena) -> Result<()> {
    let deadline = Instant::now() + TO_BITE;
    loop {
        let probe = arena.probe().await;
        if probe.is_some_and(|status| status == 503) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "votes are taken: {probe:?}");
        if probe.is_none() {
            arena.revive().await?;
        }
    }
}

async fn postgres_away(arena: &mut Arena, lasts: Duration) -> Result<String> {
    let since = Instant::now();
    let bitten = database_is_missed(arena).await;
    sleep(lasts.saturating_sub(since.elapsed())).await;
    let deadline = Instant::now() + TO_BITE;
    // While a connection of the server that was killed lives on, none starts.
    while let Err(error) = arena.world.stack.postgres.start().await {
        ensure!(Instant::now() < deadline, "{error:#}");
        sleep(Duration::from_millis(100)).await;
    }
    bitten?;
    Ok(format!(
        "for {:.1?}; /ready was answered 503",
        since.elapsed()
    ))
}

async fn postgres_paused(arena: &mut Arena, lasts: Duration) -> Result<String> {
    let since = Instant::now();
    arena.world.stack.postgres.pause()?;
    let bitten = database_is_missed(arena).await;
    sleep(lasts.saturating_sub(since.elapsed())).await;
    arena.world.stack.postgres.resume();
    bitten?;
    Ok(format!(
        "for {:.1?}; /ready was answered 503",
        since.elapsed()
    ))
}

async fn is_missed(arena: &Arena) -> bool {
    let answer = arena.world.try_get("/ready?needs=database").await;
    answer.is_some_and(|answer| answer.status == 503)
}

async fn database_is_missed(arena: &mut Arena) -> Result<()> {
    let deadline = Instant::now() + TO_BITE;
    while !is_missed(arena).await {
        ensure!(Instant::now() < deadline, "/ready is never 503");
        arena.revive().await?;
        sleep(LOOK).await;
    }
    Ok(())
}

/// Spinvote keeps connections open: they are ended, and their places taken.
async fn connections_taken(arena: &mut Arena) -> Result<String> {
    let sql = arena.world.sql().await;
    let deadline = Instant::now() + TO_BITE;
    let mut taken = Vec::new();
    loop {
        // Those that were ended leave one by one, and many at once are faster than Spinvote.
        let until = Instant::now() + Duration::from_millis(300);
        loop {
            let mut tries = JoinSet::new();
            for _ in 0..16 {
                tries.spawn(take_connection(arena.world.stack.postgres.port()));
            }
            let before = taken.len();
            for connection in tries.join_all().await {
                taken.extend(connection?);
            }
            if taken.len() == before && Instant::now() > until {
                break;
            }
        }
        if is_missed(arena).await {
            break;
        }
        ensure!(
            Instant::now() < deadline,
            "/ready is never 503, with {} connections taken",
            taken.len()
        );
        sql.batch_execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where usename like 'spinvote%'",
        )
        .await?;
    }
    Ok(format!(
        "{} were taken; /ready was answered 503",
        taken.len()
    ))
}

/// Greets PostgreSQL, and lets it wait for the password: that takes a place as any connection does, and no time. None
/// if there is no place left.
async fn take_connection(port: u16) -> Result<Option<TcpStream>> {
    let name = Role::Reader.name();
    let mut message = 196_608_u32.to_be_bytes().to_vec(); // version 3.0
    message.extend(format!("user\0{name}\0database\0spinvote\0\0").bytes());
    let mut connection = TcpStream::connect(("127.0.0.1", port)).await?;
    connection.write_u32(4 + message.len() as u32).await?;
    connection.write_all(&message).await?;
    // R asks for a password, E is an error.
    Ok((connection.read_u8().await? == b'R').then_some(connection))
}

async fn group_destroyed(arena: &mut Arena) -> Result<String> {
    let destroyed: i64 = arena
        .world
        .try_command(&format!("XGROUP DESTROY votes {GROUP}"))
        .await?;
    ensure!(destroyed == 1, "there was none");
    Ok("it was there".to_owned())
}

async fn doorbell_cut(arena: &mut Arena) -> Result<String> {
    let deadline = Instant::now() + TO_BITE;
    let mut cut: i64 = 0;
    // After Redis was away, a runtime first ends, and is started again.
    while cut == 0 {
        ensure!(Instant::now() < deadline, "nobody listens");
        arena.revive().await?;
        cut = arena.world.try_command("CLIENT KILL TYPE pubsub").await?;
        sleep(LOOK).await;
    }
    // A runtime that listened ends as soon as it is done with what it heard; it is started again then.
    Ok(format!("{cut} connections"))
}

async fn entries_duplicated(arena: &mut Arena) -> Result<String> {
    let recent: StreamRangeReply = arena
        .world
        .try_command("XREVRANGE votes + - COUNT 300")
        .await?;
    let mut connection = arena.world.try_redis().await?;
    let mut copied = 0;
    for entry in recent.ids {
        let Some(vote_id) = entry.get::<String>("vote_id") else {
            continue;
        };
        let mut command = redis::cmd("XADD");
        command.arg("votes").arg("*");
        for (name, value) in &entry.map {
            let value: Vec<u8> = redis::from_redis_value(value)?;
            command.arg(name).arg(value);
        }
        let _: String = command.query_async(&mut connection).await?;
        arena.copied.insert(vote_id);
        copied += 1;
    }
    ensure!(copied > 0, "there was nothing to copy");
    Ok(format!("{copied} entries"))
}

async fn garbage(arena: &mut Arena) -> Result<String> {
    let no_votes: [&[&[u8]]; 4] = [
        &[b"colour", b"red"],
        &[b"option", b"\xff\xfe"],
        &[b"option", b"birds"],
        &[b"option", b"cats", b"poll", b"nowhere"],
    ];
    let mut connection = arena.world.try_redis().await?;
    let mut ids = Vec::new();
    for fields in no_votes {
        let mut command = redis::cmd("XADD");
        command.arg("votes").arg("*").arg(fields);
        ids.push(command.query_async::<String>(&mut connection).await?);
    }
    arena.garbage.extend(ids.iter().cloned());
    let deadline = Instant::now() + TO_BITE;
    loop {
        let dead = arena.dead_letters().await?;
        if ids.iter().all(|id| dead.contains(id)) {
            return Ok(format!("{} entries are dead letters", ids.len()));
        }
        ensure!(Instant::now() < deadline, "they are not put aside");
        arena.revive().await?;
        sleep(Duration::from_millis(50)).await;
    }
}

async fn answer_lost(arena: &mut Arena) -> Result<String> {
    let before = arena.proxy.lost();
    arena.proxy.lose_an_answer();
    let deadline = Instant::now() + TO_BITE;
    while arena.proxy.lost() == before {
        ensure!(Instant::now() < deadline, "no batch was recorded");
        arena.revive().await?;
        sleep(LOOK).await;
    }
    Ok(format!(
        "{} bytes of the answer to record_votes, after its commit",
        arena.proxy.lost() - before
    ))
}

fn said(probe: Option<reqwest::StatusCode>) -> String {
    probe.map_or("no answer".to_owned(), |status| status.to_string())
}
