//! How fast a backlog is counted: it is there before anybody counts, and the clock runs from the first count that is seen.

use std::{
    io::Write,
    process::Stdio,
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context, Result, ensure};
use stack::checkout;

use super::{
    Bench,
    contenders::Contender,
    cost::Cost,
    figures::Figures,
    peers,
    servers::{Servers, Session, succeed},
};

const BACKLOG: usize = 1_000_000;
const CONSUMERS: [usize; 3] = [1, 2, 4];

/// Who has not counted the backlog in this time is measured by what it has.
const PATIENCE: Duration = Duration::from_secs(15);
/// The first count must be seen by then.
const START: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Votes in one call of record.sql.
const VOTES_A_CALL: usize = 2000;

/// A case: so many consumers.
pub fn consumers(number: usize) -> String {
    match number {
        1 => "1 consumer".to_owned(),
        _ => format!("{number} consumers"),
    }
}

pub async fn consumer(bench: &Bench) -> Result<Figures> {
    let mut figures = Figures::default();
    let contenders = bench.contenders(|contender| {
        // How many workers take votes is nothing to the consumer.
        let twin = matches!(contender, Contender::FastApi2 | Contender::FlaskThreads);
        (contender.has_consumer() && !twin) || contender == Contender::Stores
    });
    bench
        .turns("consumer", &contenders, async |contender| {
            for number in CONSUMERS {
                let servers = &bench.servers;
                servers.empty()?;
                let case = consumers(number);
                if contender == Contender::Stores {
                    let rate = record(servers, number, Work::Seconds(bench.seconds))?;
                    figures.add(contender, &case, "counted/s", rate);
                } else {
                    drain(servers, contender, number, BACKLOG, &case, &mut figures).await?;
                }
            }
            Ok(())
        })
        .await?;
    Ok(figures)
}

/// Has consumers count a backlog, and notes how fast they do, and what a vote costs.
pub async fn drain(
    servers: &Servers,
    contender: Contender,
    consumers: usize,
    backlog: usize,
    case: &str,
    figures: &mut Figures,
) -> Result<()> {
    append(servers, contender, backlog)?;
    let mut count = Count::open(servers, contender)?;
    let before = count.read()?;
    let mut running = contender.start_consumers(servers, consumers).await?;
    if contender.is_spinvote() {
        ring(servers, consumers).await?;
    }

    let begin = Instant::now();
    let first = loop {
        let now = count.read()?;
        if now > before {
            break now;
        }
        running.ensure_alive()?;
        ensure!(begin.elapsed() < START, "nothing is counted");
        thread::sleep(LOOK_EVERY);
    };
    let started = Instant::now();
    let cost_before = Cost::so_far(&running, servers)?;
    let target = before + i64::try_from(backlog)?;
    let last = loop {
        thread::sleep(LOOK_EVERY);
        let now = count.read()?;
        if now >= target || started.elapsed() >= PATIENCE {
            break now;
        }
        running.ensure_alive()?;
    };
    ensure!(last <= target, "{last} votes were counted of {target}");
    let rate = (last - first) as f64 / started.elapsed().as_secs_f64();
    figures.add(contender, case, "counted/s", rate);
    let cost = Cost::so_far(&running, servers)?;
    let counted = u64::try_from(last - first)?;
    cost.add(&cost_before, counted, contender, case, figures);
    Ok(())
}

/// Wakes the consumers as soon as all listen.
async fn ring(servers: &Servers, consumers: usize) -> Result<()> {
    let channel = format!("{}:doorbell", checkout::manifest()?.default("stream")?);
    let deadline = Instant::now() + START;
    while servers.redis.subscribers(&channel).await? < consumers {
        ensure!(Instant::now() < deadline, "nobody hears the doorbell");
        thread::sleep(LOOK_EVERY);
    }
    servers.redis_cli(&["PUBLISH", &channel, ""]).map(drop)
}

/// Appends votes as the contender's API does.
fn append(servers: &Servers, contender: Contender, votes: usize) -> Result<()> {
    let mut child = servers
        .redis_client("redis-cli")
        .arg("--pipe")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .context("could not run redis-cli")?;
    let mut input = child.stdin.take().context("redis-cli has no input")?;
    let mut commands = String::new();
    // Ids begin with the time, as those of the API do: what was stored in an earlier turn is not met again.
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    for vote in 0..votes {
        commands += &match contender {
            Contender::SpinvoteSpin | Contender::SpinvoteHost => {
                format!(
                    "XADD votes * option cats poll default vote_id vote-{now:012x}{vote:020x} accepted 1\r\n"
                )
            }
            Contender::FlaskSync | Contender::FlaskThreads => format!(
                r#"RPUSH {} "{{\"voter_id\": \"{vote:x}\", \"vote\": \"cats\"}}"{}"#,
                peers::LIST,
                "\r\n"
            ),
            _ => "XADD votes * vote cats\r\n".to_owned(),
        };
        if commands.len() > 1 << 16 {
            input.write_all(commands.as_bytes())?;
            commands.clear();
        }
    }
    input.write_all(commands.as_bytes())?;
    drop(input);
    let status = child.wait()?;
    ensure!(status.success(), "redis-cli ended with {status}");
    Ok(())
}

/// How many votes a contender has counted.
pub struct Count {
    session: Session,
    statement: &'static str,
}

impl Count {
    pub fn open(servers: &Servers, contender: Contender) -> Result<Self> {
        let flask = matches!(contender, Contender::FlaskSync | Contender::FlaskThreads);
        let statement = if flask {
            // What it has taken off the list: to count its rows would be work.
            servers.sql("create schema if not exists docker_sample; create table if not exists docker_sample.votes (id text primary key, vote text not null)")?;
            "select n_tup_ins from pg_stat_user_tables where schemaname = 'docker_sample'"
        } else {
            "select sum(count)::bigint from votes where poll = 'default'"
        };
        Ok(Self {
            session: servers.session()?,
            statement,
        })
    }

    pub fn read(&mut self) -> Result<i64> {
        self.session.ask(self.statement)
    }
}

/// How much PostgreSQL is to record.
pub enum Work {
    Seconds(u64),
    Votes(usize),
}

/// Votes a second that PostgreSQL records when nothing else is to be done, by pgbench.
pub fn record(servers: &Servers, clients: usize, work: Work) -> Result<f64> {
    let mut pgbench = servers.postgres.client("pgbench", stack::Role::Operator);
    pgbench
        .args(["--no-vacuum", "--client", &clients.to_string()])
        .arg("--file")
        .arg(checkout::root().join("bench/record.sql"));
    match work {
        Work::Seconds(seconds) => pgbench.args(["--time", &seconds.to_string()]),
        Work::Votes(votes) => {
            let calls = votes / VOTES_A_CALL / clients;
            pgbench.args(["--transactions", &calls.to_string()])
        }
    };
    let said = succeed(&mut pgbench)?;
    // "tps = 70.123 (without initial connection time)"
    let calls: f64 = said
        .lines()
        .find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse().ok())
        .with_context(|| format!("pgbench said {said}"))?;
    Ok(calls * VOTES_A_CALL as f64)
}
