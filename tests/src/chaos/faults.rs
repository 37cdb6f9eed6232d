//! The faults. Each is struck, shown to have bitten, and healed; one that did not bite is a failed run.

use std::{
    fs::{self, File},
    path::PathBuf,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, bail, ensure};
use redis::streams::{StreamInfoConsumersReply, StreamRangeReply};
use stack::Role;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::sleep,
};

use super::{Arena, SECOND, proxy::Proxy};

/// How long a fault may take to bite.
const TO_BITE: Duration = Duration::from_secs(30);

/// How often it is looked whether it did.
const LOOK: Duration = Duration::from_millis(5);

const GROUP: &str = "vote-processors";

/// How long Redis is paused, and PostgreSQL is stopped: longer than everybody's patience.
const REDIS_PAUSED: Duration = Duration::from_secs(10);
const POSTGRES_STOPPED: Duration = Duration::from_secs(30);

/// How many votes are lost of Redis' file when the machine dies before they are on disk.
const TORN_VOTES: usize = 10;

/// How late everything is between the app and a store.
const LATE: Duration = Duration::from_millis(200);

/// How many replies are cut in the middle.
const CUT_REPLIES: usize = 10;

/// How far ahead a clock goes before it steps back.
const AHEAD_S: u64 = 600;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9` of the runtime.
    RuntimeKilled,
    /// `kill -9` of one of two consumers, in the middle of a batch.
    ConsumerKilled,
    /// `kill -9` of Redis, which starts again from its append-only file.
    RedisKilled,
    /// The same, and the file ends in the middle of a command.
    RedisTorn,
    /// Redis answers nothing for a while.
    RedisPaused,
    /// Redis has no room.
    RedisFull,
    /// Redis has become a replica, on connections that stay.
    RedisReadOnly,
    /// Redis' clock goes ahead, and back.
    RedisClockStepped,
    /// What Redis is asked, and what it replies, comes late.
    RedisLate,
    /// Connections to Redis carry nothing any more, and nobody is told.
    RedisSilent,
    /// Connections to Redis are reset in the middle of a reply.
    RedisCut,
    /// `kill -9` of PostgreSQL and all its connections.
    PostgresKilled,
    /// PostgreSQL is shut down for a while.
    PostgresStopped,
    /// PostgreSQL answers nothing for a while.
    PostgresPaused,
    /// PostgreSQL's disk is full.
    PostgresDiskFull,
    /// PostgreSQL is lost, and its standby takes over.
    PostgresFailedOver,
    /// What PostgreSQL is asked, and what it replies, comes late.
    PostgresLate,
    /// Connections to PostgreSQL carry nothing any more, and nobody is told.
    PostgresSilent,
    /// Connections to PostgreSQL are reset in the middle of a reply.
    PostgresCut,
    /// Others have all of PostgreSQL's connections.
    ConnectionsTaken,
    /// A batch is committed, and its consumer is not told.
    AnswerLost,
    /// The consumer group is gone, and with it what was read and what was pending.
    GroupDestroyed,
    /// Nobody hears the doorbell any more.
    DoorbellCut,
    /// Entries are in the stream twice.
    EntriesDuplicated,
    /// Entries that nobody has read yet are in the stream in another order.
    EntriesReordered,
    /// Entries are in the stream that are no votes.
    Garbage,
}

impl Fault {
    pub const ALL: [Self; 26] = [
        Self::RuntimeKilled,
        Self::ConsumerKilled,
        Self::RedisKilled,
        Self::RedisTorn,
        Self::RedisPaused,
        Self::RedisFull,
        Self::RedisReadOnly,
        Self::RedisClockStepped,
        Self::RedisLate,
        Self::RedisSilent,
        Self::RedisCut,
        Self::PostgresKilled,
        Self::PostgresStopped,
        Self::PostgresPaused,
        Self::PostgresDiskFull,
        Self::PostgresFailedOver,
        Self::PostgresLate,
        Self::PostgresSilent,
        Self::PostgresCut,
        Self::ConnectionsTaken,
        Self::AnswerLost,
        Self::GroupDestroyed,
        Self::DoorbellCut,
        Self::EntriesDuplicated,
        Self::EntriesReordered,
        Self::Garbage,
    ];

    /// Strikes, and heals. Returns what shows that it has bitten.
    pub async fn strike(self, arena: &mut Arena, lasts: Duration) -> Result<String> {
        match self {
            Self::RuntimeKilled => runtime_killed(arena).await,
            Self::ConsumerKilled => consumer_killed(arena).await,
            Self::RedisKilled => redis_killed(arena).await,
            Self::RedisTorn => redis_torn(arena).await,
            Self::RedisPaused => redis_paused(arena).await,
            Self::RedisFull => redis_full(arena).await,
            Self::RedisReadOnly => redis_read_only(arena).await,
            Self::RedisClockStepped => redis_clock_stepped(arena, lasts).await,
            Self::RedisLate => late(arena, |arena| &arena.to_redis, lasts).await,
            Self::RedisSilent => silent(arena, |arena| &arena.to_redis, lasts).await,
            Self::RedisCut => cut(arena, |arena| &arena.to_redis).await,
            Self::PostgresKilled => {
                arena.world.stack.postgres.kill()?;
                postgres_away(arena, Duration::ZERO).await
            }
            Self::PostgresStopped => {
                arena.world.stack.postgres.stop();
                postgres_away(arena, POSTGRES_STOPPED).await
            }
            Self::PostgresPaused => postgres_paused(arena, lasts).await,
            Self::PostgresDiskFull => postgres_disk_full(arena, lasts).await,
            Self::PostgresFailedOver => postgres_failed_over(arena).await,
            Self::PostgresLate => late(arena, |arena| &arena.to_postgres, lasts).await,
            Self::PostgresSilent => silent(arena, |arena| &arena.to_postgres, lasts).await,
            Self::PostgresCut => cut(arena, |arena| &arena.to_postgres).await,
            Self::ConnectionsTaken => connections_taken(arena).await,
            Self::AnswerLost => answer_lost(arena).await,
            Self::GroupDestroyed => group_destroyed(arena).await,
            Self::DoorbellCut => doorbell_cut(arena).await,
            Self::EntriesDuplicated => entries_duplicated(arena).await,
            Self::EntriesReordered => entries_reordered(arena).await,
            Self::Garbage => garbage(arena).await,
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
        let waits = hold_up_counting(&mut sql).await?;
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

/// Nothing is recorded until the transaction ends.
async fn hold_up_counting(
    sql: &mut tokio_postgres::Client,
) -> Result<tokio_postgres::Transaction<'_>> {
    let waits = sql.transaction().await?;
    waits
        .batch_execute("lock table vote_events in access exclusive mode")
        .await?;
    Ok(waits)
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

async fn redis_paused(arena: &mut Arena) -> Result<String> {
    let since = Instant::now();
    arena.world.stack.redis.pause();
    let probe = arena.probe().await;
    sleep(REDIS_PAUSED.saturating_sub(since.elapsed())).await;
    arena.world.stack.redis.resume();
    ensure!(
        probe.is_none_or(|status| status == 503),
        "a vote was taken: {probe:?}"
    );
    Ok(format!("for {REDIS_PAUSED:?}; a vote: {}", said(probe)))
}

/// As after a loss of power: what was written last is not on disk, and what was about to be is there in part.
async fn redis_torn(arena: &mut Arena) -> Result<String> {
    arena.world.stack.redis.kill();
    let log = latest_append_only_file(&arena.world.stack.redis.data().join("appendonlydir"))?;
    let written = fs::read(&log)?;
    let field = b"\r\nvote_id\r\n";
    let votes = (0..written.len())
        .rev()
        .filter(|at| written[*at..].starts_with(field));
    let kept = votes
        .take(TORN_VOTES)
        .last()
        .context("there are no votes to lose")?;
    let (kept_part, _) = written.split_at(kept);
    let last = |command: &[u8]| {
        let mut windows = kept_part.windows(command.len());
        windows.rposition(|window| window == command)
    };
    // A transaction that is not there to its end is not there at all.
    let torn = match (last(b"\r\nMULTI\r\n"), last(b"\r\nEXEC\r\n")) {
        (Some(begun), ended) if ended < Some(begun) => begun,
        _ => kept,
    };
    let votes = vote_ids(&written[torn..]);
    File::options()
        .write(true)
        .open(&log)?
        .set_len(kept as u64)?;
    arena.world.stack.redis.start().await?;
    arena.revive().await?;
    let said = format!("{} votes were in what is lost of its file", votes.len());
    arena.torn.extend(votes);
    Ok(said)
}

fn latest_append_only_file(directory: &std::path::Path) -> Result<PathBuf> {
    let number = |file: &PathBuf| {
        let name = file.file_name()?.to_str()?;
        let number = name
            .strip_prefix("appendonly.aof.")?
            .strip_suffix(".incr.aof")?;
        number.parse::<u64>().ok()
    };
    let files = fs::read_dir(directory)?.filter_map(|entry| Some(entry.ok()?.path()));
    files
        .filter(|file| number(file).is_some())
        .max_by_key(number)
        .context("there is no append-only file")
}

/// The values of the fields `vote_id` in a part of an append-only file.
fn vote_ids(commands: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(commands);
    let after = text.split("\r\nvote_id\r\n").skip(1);
    after
        .filter_map(|rest| Some(rest.split("\r\n").nth(1)?.to_owned()))
        .collect()
}

async fn redis_clock_stepped(arena: &Arena, lasts: Duration) -> Result<String> {
    let clock = arena.clock.as_ref();
    let clock = clock.context("Redis has no clock of its own")?;
    clock.set_ahead(AHEAD_S)?;
    let ahead = redis_ahead(arena).await;
    sleep(lasts).await;
    clock.set_ahead(0)?;
    let (ahead, back) = (ahead?, redis_ahead(arena).await?);
    ensure!(
        ahead >= AHEAD_S - 1 && back < AHEAD_S / 2,
        "Redis was {ahead} s ahead, and then {back} s"
    );
    Ok(format!("{ahead} s ahead for {lasts:.1?}"))
}

/// By how many seconds Redis' clock is ahead of ours.
async fn redis_ahead(arena: &Arena) -> Result<u64> {
    let (seconds, _): (u64, u64) = arena.world.try_command("TIME").await?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    Ok(seconds.saturating_sub(now))
}

/// Where the way to a store is.
type Way = fn(&Arena) -> &Proxy;

async fn late(arena: &mut Arena, way: Way, lasts: Duration) -> Result<String> {
    let bitten = trouble(arena, way, |proxy| proxy.be_late(LATE), lasts).await?;
    Ok(format!("{bitten} bytes were late by {LATE:?}"))
}

async fn silent(arena: &mut Arena, way: Way, lasts: Duration) -> Result<String> {
    let bitten = trouble(arena, way, Proxy::fall_silent, lasts).await?;
    Ok(format!("for {lasts:.1?}; {bitten} bytes never arrived"))
}

/// Makes trouble on the way to a store for a while. Returns how many bytes were in it.
async fn trouble(
    arena: &Arena,
    way: Way,
    begin: impl FnOnce(&Proxy),
    lasts: Duration,
) -> Result<usize> {
    let proxy = way(arena);
    begin(proxy);
    sleep(lasts).await;
    let bitten = proxy.bitten();
    proxy.heal();
    ensure!(bitten > 0, "nothing was on its way");
    Ok(bitten)
}

async fn cut(arena: &mut Arena, way: Way) -> Result<String> {
    way(arena).cut_replies(CUT_REPLIES);
    let cut = until(arena, "there are no replies to cut", async |arena| {
        Ok(!way(arena).is_in_trouble())
    })
    .await;
    way(arena).heal();
    cut?;
    Ok(format!("{CUT_REPLIES} connections"))
}

/// Waits until it has bitten; meanwhile what ends is started again.
async fn until(
    arena: &mut Arena,
    or_else: &str,
    mut has_bitten: impl AsyncFnMut(&Arena) -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + TO_BITE;
    while !has_bitten(arena).await? {
        ensure!(Instant::now() < deadline, "{or_else}");
        arena.revive().await?;
        sleep(LOOK).await;
    }
    Ok(())
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

/// PostgreSQL writes its log of changes to the same disk, and without it cannot go on at all.
async fn postgres_disk_full(arena: &mut Arena, lasts: Duration) -> Result<String> {
    const SAYS: &str = "No space left on device";
    let disk = arena.disk.as_ref().context("it has no disk of its own")?;
    let postgres = &arena.world.stack.postgres;
    let says = || postgres.said().matches(SAYS).count();
    let before = says();
    disk.fill()?;
    let deadline = Instant::now() + TO_BITE;
    while says() == before && Instant::now() < deadline {
        sleep(Duration::from_millis(50)).await;
    }
    let bitten = says() - before;
    sleep(lasts).await;
    disk.make_room()?;
    // It may have ended of it.
    arena.revive().await?;
    ensure!(bitten > 0, "PostgreSQL never missed the room");
    Ok(format!("PostgreSQL says {SAYS:?}"))
}

/// With synchronous replication, as the documentation asks for where a standby may take over.
async fn postgres_failed_over(arena: &mut Arena) -> Result<String> {
    // No process of PostgreSQL is told when all others have heard of it: so this comes before the copy is made, and the
    // standby has all that was committed without waiting for it.
    let sql = arena.world.sql().await;
    sql.batch_execute("alter system set synchronous_standby_names = '*'")
        .await?;
    sql.batch_execute("select pg_reload_conf()").await?;
    let port = stack::ports::free()?;
    let directory = arena.place.join(port.to_string());
    let mut standby = arena.world.stack.postgres.standby(&directory, port)?;
    standby.start().await?;
    let written = "select pg_current_wal_flush_lsn()::text";
    let written: String = sql.query_one(written, &[]).await?.get(0);
    let deadline = Instant::now() + TO_BITE;
    let follows = "select 1 from pg_stat_replication where sync_state = 'sync' and flush_lsn >= $1::text::pg_lsn";
    while sql.query_opt(follows, &[&written]).await?.is_none() {
        ensure!(Instant::now() < deadline, "the standby does not follow");
        sleep(LOOK).await;
    }

    arena.world.stack.postgres.kill()?;
    let missed = database_is_missed(arena).await;
    let lost = std::mem::replace(&mut arena.world.stack.postgres, standby);
    fs::remove_dir_all(lost.data())?;
    let sql = arena.world.sql().await;
    // That was copied, too, and it has no standby of its own.
    sql.batch_execute("alter system reset synchronous_standby_names")
        .await?;
    sql.batch_execute("select pg_reload_conf()").await?;
    let promoted: bool = sql.query_one("select pg_promote()", &[]).await?.get(0);
    arena.to_postgres.lead_to(arena.world.stack.postgres.port());
    missed?;
    ensure!(promoted, "the standby does not take over");
    Ok("the standby has taken over".to_owned())
}

async fn is_missed(arena: &Arena) -> bool {
    let answer = arena.world.try_get("/ready?needs=database").await;
    answer.is_some_and(|answer| answer.status == 503)
}

async fn database_is_missed(arena: &mut Arena) -> Result<()> {
    until(arena, "/ready is never 503", async |arena| {
        Ok(is_missed(arena).await)
    })
    .await
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
    let mut cut: i64 = arena.world.try_command("CLIENT KILL TYPE pubsub").await?;
    // After Redis was away, a runtime ends, and is started again, but not before it is done with all that it has heard:
    // at a high rate of votes that can take long.
    if cut == 0 {
        arena.second.kill();
    }
    while cut == 0 {
        ensure!(Instant::now() < deadline, "nobody listens");
        arena.revive().await?;
        sleep(LOOK).await;
        cut = arena.world.try_command("CLIENT KILL TYPE pubsub").await?;
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

/// While the database is made to wait, entries gather that nobody has read.
async fn entries_reordered(arena: &mut Arena) -> Result<String> {
    const REORDER: &str = r"
        local group = redis.call('XINFO', 'GROUPS', KEYS[1])[1]
        local read
        for i = 1, #group, 2 do
            if group[i] == 'last-delivered-id' then read = group[i + 1] end
        end
        local moved = {}
        local entries = redis.call('XRANGE', KEYS[1], '(' .. read, '+')
        for i = #entries, 1, -1 do
            redis.call('XDEL', KEYS[1], entries[i][1])
            redis.call('XADD', KEYS[1], '*', unpack(entries[i][2]))
            for field = 1, #entries[i][2], 2 do
                if entries[i][2][field] == 'vote_id' then moved[#moved + 1] = entries[i][2][field + 1] end
            end
        end
        return moved";
    let deadline = Instant::now() + TO_BITE;
    while Instant::now() < deadline {
        let mut sql = arena.world.sql().await;
        let waits = hold_up_counting(&mut sql).await?;
        sleep(Duration::from_millis(500)).await;
        let mut connection = arena.world.try_redis().await?;
        let moved = redis::Script::new(REORDER)
            .key("votes")
            .invoke_async::<Vec<String>>(&mut connection)
            .await;
        waits.rollback().await?;
        let moved = moved?;
        let count = moved.len();
        arena.copied.extend(moved);
        if count > 1 {
            return Ok(format!("{count} entries"));
        }
        arena.revive().await?;
        sleep(Duration::from_millis(100)).await;
    }
    bail!("all entries are read at once")
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
    arena.to_postgres.lose_an_answer();
    let lost = until(arena, "no batch was recorded", async |arena| {
        Ok(arena.to_postgres.bitten() > 0)
    })
    .await;
    let bytes = arena.to_postgres.bitten();
    arena.to_postgres.heal();
    lost?;
    Ok(format!(
        "{bytes} bytes of the answer to record_votes, after its commit"
    ))
}

fn said(probe: Option<reqwest::StatusCode>) -> String {
    probe.map_or("no answer".to_owned(), |status| status.to_string())
}
