//! Votes are cast while everything fails, and each is counted as its client was told: docs/faults.md.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use spinvote_tests::chaos;

/// A number of the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect(name))
}

#[ignore = "by `cargo xtask chaos`"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_vote_counts_as_its_client_was_told_whatever_fails() {
    let seed = number("SPINVOTE_CHAOS_SEED", 1);
    let length = Duration::from_secs(number("SPINVOTE_CHAOS_SECONDS", 45));
    let report = chaos::run(seed, length).await;
    println!("{report}");
    assert!(
        report.wrong.is_empty(),
        "{report}\n{}\n--- timeline ---\n{}",
        report.wrong[..report.wrong.len().min(40)].join("\n"),
        report.timeline.join("\n"),
    );
}
