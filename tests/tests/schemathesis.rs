//! Holds the API document against the running service, by a fuzzer that is made from it: what the document
//! allows is accepted, what it forbids is refused, each answer is one that it describes, and none is a 5xx.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use spinvote_tests::World;

#[tokio::test]
async fn the_service_does_what_its_document_says() {
    let world = World::start().await;
    let fuzzer = stack::checkout::target().join("schemathesis/bin/schemathesis");
    let mut command = tokio::process::Command::new(fuzzer);
    command
        // Where it may leave its cache.
        .current_dir(env!("CARGO_TARGET_TMPDIR"))
        .arg("--config-file")
        .arg(stack::checkout::root().join("tests/schemathesis/schemathesis.toml"))
        .args(["run", "--no-color"])
        .args(["--checks", "all", "--seed", "1", "--request-timeout", "20"])
        .arg("--header")
        .arg(format!(
            "Authorization: Bearer {}",
            world.stack.secrets().organizer_token
        ))
        .arg(format!("{}/openapi.json", world.url()));
    let output = command.output().await.expect("schemathesis is installed");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    // All phases ran, and found something to do.
    for phase in ["Examples", "Coverage", "Fuzzing", "Stateful"] {
        assert!(
            said.contains(&format!("✅  {phase} (in")),
            "{phase}: {said}"
        );
    }
}
