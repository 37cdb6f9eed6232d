//! What is asked of Redis and PostgreSQL themselves, with the operator's rights.

use std::{collections::BTreeMap, process::Command};

use anyhow::{Context, Result};
use stack::{RedisUser, Role, Stack};

use crate::bench::servers::succeed;

/// What a statement returns, as text.
pub fn sql(stack: &Stack, statement: &str) -> Result<String> {
    let mut psql = stack.postgres.client("psql", Role::Operator);
    psql.args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c"]);
    succeed(psql.arg(statement))
}

/// What Redis answers.
pub fn redis(stack: &Stack, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new("redis-cli");
    command
        .args(["--no-auth-warning", "-u"])
        .arg(stack.redis_url(RedisUser::Operator));
    succeed(command.args(arguments))
}

/// How many votes of each poll are recorded.
pub fn recorded(stack: &Stack) -> Result<BTreeMap<String, u64>> {
    let rows = sql(
        stack,
        "select poll || ' ' || count(*) from vote_events group by poll order by poll",
    )?;
    rows.lines()
        .map(|row| {
            let (poll, count) = row.split_once(' ').context("a poll and a count")?;
            Ok((poll.to_owned(), count.parse()?))
        })
        .collect()
}

/// Tallies that disagree with the audit log.
pub fn disagreeing(stack: &Stack) -> Result<u64> {
    let count = sql(
        stack,
        "select count(*) from recount_votes() where not agrees",
    )?;
    count.parse().context("not a count")
}

/// Entries that were put aside.
pub fn dead_letters(stack: &Stack) -> Result<u64> {
    let count = redis(stack, &["XLEN", "{votes}:rejected"])?;
    count.parse().context("not a count")
}
