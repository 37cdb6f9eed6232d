//! What the processes use, looked at every few seconds, as Linux says in /proc.

use std::{cell::RefCell, fs, time::Duration};

use anyhow::Result;
use serde::{Deserialize, Serialize};
use stack::Stack;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::bench::usage;

/// How often they are looked at.
pub const EVERY: Duration = Duration::from_secs(5);

/// The three that run, each with all processes that it has started.
pub const PARTS: [&str; 3] = ["runtime", "Redis", "PostgreSQL"];

/// What is looked at, and its unit.
pub const METRICS: [(&str, &str); 4] = [
    ("memory", "MB"),
    ("shared memory", "MB"),
    ("sockets", ""),
    ("open files", ""),
];

/// One look at one part: a value for each of [`METRICS`].
pub type Look = [f64; METRICS.len()];

/// One look at all of [`PARTS`].
#[derive(Clone, Serialize, Deserialize)]
pub struct Sample {
    /// Since the beginning.
    pub seconds: f64,
    pub parts: [Look; PARTS.len()],
}

/// Looks at them until it is dropped; `tell` is told of each look. `others` are processes of the runtime, besides that of
/// the stack.
pub async fn watch(
    stack: &Stack,
    others: &RefCell<Vec<u32>>,
    begin: Instant,
    mut tell: impl FnMut(Sample),
) -> Result<()> {
    let mut clock = interval(EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let mut runtime = others.borrow().clone();
        runtime.extend(stack.app.id());
        tell(Sample {
            seconds: begin.elapsed().as_secs_f64(),
            parts: [
                look(&runtime)?,
                look(stack.redis.id().as_slice())?,
                look(stack.postgres.id().as_slice())?,
            ],
        });
    }
}

/// At these processes and all that they have started. One that ends meanwhile has nothing.
fn look(roots: &[u32]) -> Result<Look> {
    let [mut private, mut shared, mut sockets, mut files] = [0.0; METRICS.len()];
    for pid in usage::pids(roots)? {
        let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        let megabytes = |name: &str| -> f64 {
            let line = rollup.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
            kilobytes.unwrap_or(0.0) * 1024.0 / 1e6
        };
        private += megabytes("Pss_Anon:");
        shared += megabytes("Pss_Shmem:");
        for file in fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten()
            .flatten()
        {
            files += 1.0;
            let is_socket = fs::read_link(file.path())
                .is_ok_and(|target| target.to_string_lossy().starts_with("socket:"));
            sockets += f64::from(u8::from(is_socket));
        }
    }
    Ok([private, shared, sockets, files])
}

/// At most so many, each the mean of some that follow each other: what a page shows.
pub fn thinned(samples: &[Sample], most: usize) -> Vec<Sample> {
    let mean = |chunk: &[Sample]| {
        let number = chunk.len() as f64;
        let mut mean = Sample {
            seconds: 0.0,
            parts: Default::default(),
        };
        for sample in chunk {
            mean.seconds += sample.seconds / number;
            for (sum, values) in mean.parts.iter_mut().zip(&sample.parts) {
                for (sum, value) in sum.iter_mut().zip(values) {
                    *sum += value / number;
                }
            }
        }
        let short = |value: f64| (value * 10.0).round() / 10.0;
        mean.seconds = short(mean.seconds);
        for value in mean.parts.iter_mut().flatten() {
            *value = short(*value);
        }
        mean
    };
    samples
        .chunks(samples.len().div_ceil(most).max(1))
        .map(mean)
        .collect()
}
