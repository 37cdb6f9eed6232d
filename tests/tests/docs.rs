//! What the README and the pages in docs/ say is so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{path::Path, process::Command};

use serde_json::Value;
use spinvote_tests::{World, eventually, read};
use stack::Role;

#[test]
fn the_readme_lists_every_variable_with_its_default() {
    let readme = read("README.md");
    let manifest: toml::Table = read("spin.toml").parse().unwrap();
    for (name, variable) in manifest["variables"].as_table().unwrap() {
        let shown = match variable["default"].as_str().unwrap() {
            "" if variable.get("secret").is_some() => "*(secret)*".to_owned(),
            "" => "*(none)*".to_owned(),
            default => format!("`{default}`"),
        };
        let row = format!("| `{name}` | {shown} |");
        assert!(readme.contains(&row), "the README has no row {row}");
    }
    let rows = readme
        .lines()
        .filter(|line| line.starts_with("| `") && line.contains("` | "))
        .count();
    let commands = readme
        .lines()
        .filter(|line| line.starts_with("| `cargo "))
        .count();
    assert_eq!(
        rows - commands,
        manifest["variables"].as_table().unwrap().len()
    );
}

/// Each command of the README that asks the service, with what it prints.
fn session(readme: &str) -> Vec<(String, String)> {
    let mut session = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        for exchange in block.split("```").next().unwrap().split("$ ").skip(1) {
            let (command, printed) = exchange.split_once('\n').unwrap();
            if command.starts_with("curl") && !printed.trim().is_empty() {
                session.push((command.to_owned(), printed.trim().to_owned()));
            }
        }
    }
    session
}

/// JSON with what differs from one run to the next taken out.
fn comparable(printed: &str) -> Value {
    let mut value: Value =
        serde_json::from_str(printed).unwrap_or_else(|_| panic!("not JSON: {printed}"));
    for (name, value) in value.as_object_mut().unwrap() {
        let issued = |id: &str| id.starts_with("vote-");
        let random = name == "vote_id" && value.as_str().is_some_and(issued);
        if random || ["stream_id", "counted_at", "last_updated"].contains(&name.as_str()) {
            *value = Value::Null;
        }
    }
    value
}

#[tokio::test]
async fn the_session_in_the_readme_works_as_printed() {
    let world = World::start().await;
    let session = session(&read("README.md"));
    assert!(session.len() >= 5, "{session:?}");
    for (command, printed) in session {
        let command = command.replace("http://127.0.0.1:3000", &world.stack.url());
        let expected = comparable(&printed);
        let mut seen = String::new();
        // A person who types it is slower than the consumer; we are not.
        eventually(&format!("`{command}` prints {printed}"), async || {
            let output = Command::new("sh")
                .args(["-c", &format!("{command} --silent")])
                .output()
                .unwrap();
            seen = String::from_utf8(output.stdout).unwrap();
            comparable(&seen) == expected
        })
        .await;
    }
}

/// The blocks of a page that are marked as `language`.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("\n```{language}\n");
    let blocks = page.split(&fence).skip(1);
    blocks
        .map(|block| &block[..block.find("```").unwrap()])
        .collect()
}

#[test]
fn the_first_change_in_contributing_works_step_by_step() {
    let page = read("CONTRIBUTING.md");
    let [unit_test, code, end_to_end, changelog] = blocks(&page, "diff")[..] else {
        panic!("CONTRIBUTING.md has other steps than these four");
    };
    let run = page
        .lines()
        .find(|line| line.starts_with("cargo test --package ballot "))
        .unwrap();

    let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let copy = place.join("first-change");
    let _ = std::fs::remove_dir_all(&copy);
    let files = Command::new("git")
        .args([
            "ls-files",
            "--cached",
            "--others",
            "--exclude-standard",
            "-z",
        ])
        .current_dir(stack::checkout::root())
        .output()
        .unwrap();
    for file in String::from_utf8(files.stdout)
        .unwrap()
        .split_terminator('\0')
    {
        // One that was deleted and not yet committed is listed, too.
        if !stack::checkout::root().join(file).exists() {
            continue;
        }
        let to = copy.join(file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(stack::checkout::root().join(file), to).unwrap();
    }
    let shell = |command: &str| {
        Command::new("sh")
            .args(["-c", command])
            .current_dir(&copy)
            // Apart from what is built of the checkout, and kept: only the first run builds what ballot uses.
            .env("CARGO_TARGET_DIR", place.join("first-change-target"))
            // For git the copy is no part of the checkout around it.
            .env("GIT_CEILING_DIRECTORIES", place)
            .output()
            .unwrap()
    };
    let apply = |step: &str| {
        std::fs::write(copy.join("step.diff"), step).unwrap();
        let applied = shell("git apply --recount step.diff");
        assert!(applied.status.success(), "{step}\n{applied:?}");
    };

    apply(unit_test);
    let failed = shell(run);
    let said = String::from_utf8_lossy(&failed.stdout);
    assert!(said.contains("1 failed"), "{failed:?}");
    apply(code);
    let passed = shell(run);
    let said = String::from_utf8_lossy(&passed.stdout);
    assert!(passed.status.success(), "{passed:?}");
    assert!(said.contains("1 passed"), "{said}");
    apply(end_to_end);
    apply(changelog);
    std::fs::remove_dir_all(&copy).unwrap();
}

#[test]
fn the_simulation_says_what_the_page_shows() {
    let simulation = Command::new("python3")
        .arg(stack::checkout::root().join("bench/scaling.py"))
        .output()
        .unwrap();
    assert!(simulation.status.success(), "{simulation:?}");
    let said = String::from_utf8(simulation.stdout).unwrap();
    let page = read("docs/scaling.md");
    assert!(
        page.contains(&format!("```\n{said}```\n")),
        "docs/scaling.md does not show:\n{said}"
    );
}

/// What a command of docs/kubernetes.md runs inside a pod, and what the shell around it does.
fn in_a_pod(page: &str, program: &str) -> String {
    let line = page
        .lines()
        .find(|line| line.starts_with("kubectl exec") && line.contains(&format!("-- {program} ")))
        .unwrap();
    line.split_once("-- ").unwrap().1.to_owned()
}

#[tokio::test]
async fn a_backup_is_restored_and_what_was_counted_since_counts_again_once() {
    let world = World::start().await;
    let page = read("docs/kubernetes.md");
    // The owner there; here it is another.
    world
        .sql()
        .await
        .batch_execute("create role spinvote_owner superuser")
        .await
        .unwrap();
    let run = |program: &str| {
        let mut shell = world.stack.postgres.client("sh", Role::Operator);
        let command = in_a_pod(&page, program)
            .replace("-U spinvote_owner", "-U operator --role spinvote_owner");
        let output = shell
            .args(["-ec", &command])
            .current_dir(world.stack.directory())
            .output()
            .unwrap();
        assert!(output.status.success(), "{command}: {output:?}");
    };

    for option in ["cats", "dogs"] {
        world.vote(option).await;
    }
    world.settles_at(1, 1).await;
    run("pg_dump");
    world.vote("cats").await;
    let last = world.vote_with_key("dogs", "counted-since").await;
    world.settles_at(2, 2).await;
    run("pg_restore");
    assert_eq!(world.tallies().await, (1, 1));

    assert!(page.contains("`cargo xtask recover`"));
    let recover = world.xtask(&["recover"]);
    assert!(recover.done, "{recover:?}");
    world.sweep().await;
    world.settles_at(2, 2).await;
    assert_eq!(world.receipt(&last).await["option"], "dogs");
    assert_eq!(world.number("select count(*) from vote_events").await, 4);
}
