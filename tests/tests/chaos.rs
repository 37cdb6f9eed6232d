//! Votes are cast while everything fails, and each is counted as its client was told: docs/faults.md. Here for two
//! minutes, in which every fault strikes; `cargo xtask chaos` goes on for longer, and with other seeds.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::time::Duration;

use spinvote_tests::chaos;

/// A number of the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| value.parse().expect(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_vote_counts_as_its_client_was_told_whatever_fails() {
    let seed = number("SPINVOTE_CHAOS_SEED", 1);
    let length = Duration::from_secs(number("SPINVOTE_CHAOS_SECONDS", 90));
    let votes = usize::try_from(number("SPINVOTE_CHAOS_VOTES", 0)).expect("a count");
    let report = chaos::run(seed, length, votes).await;
    println!("{report}");
    assert!(
        report.wrong.is_empty(),
        "{report}\n{}\n--- timeline ---\n{}",
        report.wrong[..report.wrong.len().min(40)].join("\n"),
        report.timeline.join("\n"),
    );
}

#[test]
fn each_bug_that_can_be_planted_still_applies() {
    let root = stack::checkout::root();
    for patch in std::fs::read_dir(root.join("tests/planted")).expect("tests/planted") {
        let patch = patch.expect("a patch").path();
        let checked = std::process::Command::new("git")
            .args(["apply", "--check"])
            .arg(&patch)
            .current_dir(root)
            .status();
        assert!(checked.expect("git").success(), "{}", patch.display());
    }
}
