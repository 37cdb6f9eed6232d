//! What a process and all that it has started use, as Linux says in /proc.

use std::{collections::BTreeMap, fs, time::Duration};

use anyhow::{Context, Result};

/// Of CPU time in /proc: Linux shows it to every program in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// The CPU time that these processes, and those that they started, have taken so far. What has ended and was waited
/// for is in it.
pub fn cpu(roots: &[u32]) -> Result<Duration> {
    let processes = processes()?;
    let ticks: u32 = tree(&processes, roots).map(|process| process.ticks).sum();
    Ok(TICK * ticks)
}

/// The memory that they take, in bytes; what several share is counted once.
pub fn memory(roots: &[u32]) -> Result<u64> {
    let processes = processes()?;
    let sizes = tree(&processes, roots).filter_map(|process| proportional_size(process.pid));
    Ok(sizes.sum())
}

/// The numbers of these processes, and of all that they have started.
pub fn pids(roots: &[u32]) -> Result<Vec<u32>> {
    let processes = processes()?;
    Ok(tree(&processes, roots).map(|process| process.pid).collect())
}

struct Process {
    pid: u32,
    parent: u32,
    ticks: u32,
}

fn processes() -> Result<BTreeMap<u32, Process>> {
    let all = fs::read_dir("/proc").context("CPU time and memory are measured on Linux only")?;
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    Ok(pids
        .filter_map(|pid| {
            Some((
                pid,
                parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?,
            ))
        })
        .collect())
}

/// Source: proc_pid_stat(5). The name, in parentheses, may hold anything.
fn parse(pid: u32, stat: &str) -> Option<Process> {
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    // utime, stime, cutime, cstime
    let ticks = fields.get(11..15)?.iter().map(|ticks| ticks.parse::<u32>());
    Some(Process {
        pid,
        parent: fields.get(1)?.parse().ok()?,
        ticks: ticks.sum::<Result<_, _>>().ok()?,
    })
}

fn tree<'a>(
    processes: &'a BTreeMap<u32, Process>,
    roots: &'a [u32],
) -> impl Iterator<Item = &'a Process> {
    processes.values().filter(move |process| {
        let mut pid = process.pid;
        loop {
            if roots.contains(&pid) {
                return true;
            }
            match processes.get(&pid) {
                Some(process) if process.parent != 0 => pid = process.parent,
                _ => return false,
            }
        }
    })
}

/// In bytes. None of a process that has ended since.
fn proportional_size(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    let kilobytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_is_no_field() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 100 0 0 0 5 6 7 8 20 0 1 0 100 1000 10";
        let process = parse(7, stat).unwrap();
        assert_eq!((process.parent, process.ticks), (1, 26));
    }
}
