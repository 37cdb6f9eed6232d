//! Rules of an organizer's own: who may vote, and that a bad policy hurts nobody.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use reqwest::Method;
use serde_json::{Value, json};
use spinvote_tests::browser::Browser;
use spinvote_tests::{Answer, World, eventually, read};
use stack::{StackBuilder, checkout};

/// A policy of the tests, as it was built.
fn built(name: &str) -> PathBuf {
    let file = format!("target/wasm32-wasip2/release/{name}.wasm");
    checkout::root().join(file)
}

/// Milliseconds: on a busy machine a thread may be long in coming.
const PATIENT: u32 = 8000;

fn patient(builder: StackBuilder) -> StackBuilder {
    builder.variable("policy_timeout_ms", PATIENT)
}

/// A Spinvote whose policy does what the header `x-policy` says.
fn unruly(builder: StackBuilder) -> StackBuilder {
    patient(builder)
        .policy(built("unruly"))
        .variable("policy_headers", "x-policy, x-code, x-group")
}

async fn vote(world: &World, behaviour: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = world
        .request(Method::POST, "/api/vote")
        .json(&json!({ "option": "cats" }))
        .header("x-policy", behaviour);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Answer::of(request).await
}

/// The entries of the stream.
async fn appended(world: &World) -> u64 {
    let mut redis = world.redis().await;
    redis::cmd("XLEN")
        .arg("votes")
        .query_async(&mut redis)
        .await
        .unwrap()
}

#[tokio::test]
async fn only_what_the_policy_allows_is_recorded() {
    let world = World::start_with(unruly).await;
    assert_eq!(vote(&world, "allow", &[]).await.status, 201);
    assert_eq!(appended(&world).await, 1);

    let refused = vote(&world, "refuse", &[]).await;
    assert_eq!(refused.problem(403), "You can vote from Monday on.");
    assert_eq!(refused.json()["code"], "not-today");
    assert_eq!(refused.header("content-language"), "en");
    let german = vote(
        &world,
        "refuse",
        &[("accept-language", "fr, de-AT;q=0.9, en;q=0.8")],
    )
    .await;
    assert_eq!(german.problem(403), "Du kannst ab Montag abstimmen.");
    assert_eq!(german.header("content-language"), "de");
    assert_eq!(appended(&world).await, 1);
}

#[tokio::test]
async fn a_policy_is_shown_what_it_may_know_and_no_credentials() {
    let world = World::start_with(unruly).await;
    let token = format!("Bearer {}", world.stack.secrets().organizer_token);
    let told = vote(
        &world,
        "tell",
        &[
            ("authorization", &token),
            ("cookie", "voter=secret"),
            ("user-agent", "Kätzchen"),
            ("accept-language", "es;q=0.5, de-AT"),
            ("x-group", "staff"),
            ("x-other", "unseen"),
        ],
    )
    .await
    .problem(403);
    for shown in [
        "poll: \"default\"",
        "choice: \"cats\"",
        "voter: None",
        "address: Some(\"127.0.0.1\")",
        "language: Some(\"de-AT\")",
        "name: \"x-group\", value: \"staff\"",
    ] {
        assert!(told.contains(shown), "{shown}: {told}");
    }
    for hidden in ["Bearer", "secret", "unseen"] {
        assert!(!told.contains(hidden), "{hidden}: {told}");
    }
}

#[tokio::test]
async fn no_credentials_can_be_chosen_to_be_shown() {
    let world =
        World::start_with(|it| unruly(it).variable("policy_headers", "x-group, Cookie")).await;
    vote(&world, "allow", &[]).await.problem(500);
    assert!(world.stack.app_output().contains("policy_headers"));
}

#[tokio::test]
async fn whatever_a_policy_says_is_fit_to_be_shown() {
    let world = World::start_with(unruly).await;
    let markup = vote(&world, "markup", &[]).await;
    let detail = markup.problem(403);
    assert!(
        detail.starts_with("<script>x") && detail.len() == 500,
        "{detail}"
    );
    assert_eq!(markup.json()["code"], "refused");

    let page = world
        .request(Method::POST, "/vote")
        .header("x-policy", "markup")
        .header("accept", "text/html")
        .form(&[("option", "cats")]);
    let page = Answer::of(page).await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("&lt;script&gt;xxx"), "{}", page.body);
    assert!(!page.body.contains("<script>x"), "{}", page.body);

    let silent = vote(&world, "code", &[("x-code", "too-young")]).await;
    assert!(silent.problem(403).contains("too-young"));
    // More than any header holds.
    vote(&world, "flood", &[]).await.problem(403);
}

/// The commands of the first block after a heading.
fn commands<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, section) = page.split_once(&format!("{heading}\n")).unwrap();
    let (_, block) = section.split_once("```sh\n").unwrap();
    block.split("```").next().unwrap()
}

/// A policy of examples/policies, made as docs/policies.md says, and its README likewise.
fn example(language: &str, file: &str) -> PathBuf {
    let page = read("docs/policies.md");
    let commands = commands(&page, &format!("### {language}"));
    let readme = format!("examples/policies/{}/README.md", language.to_lowercase());
    assert!(
        read(&readme).contains(&format!("```sh\n{commands}```")),
        "{readme}"
    );
    // The same program, which cargo need not look at again.
    let xtask = checkout::target().join("debug/xtask");
    let commands = commands.replace("cargo xtask", &xtask.display().to_string());
    let output = Command::new("sh")
        .args(["-e", "-c", &commands])
        .current_dir(checkout::root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    checkout::root().join("target/policies").join(file)
}

/// The vote of a client that a proxy of ours has seen at an address, or with other headers.
async fn vote_in(world: &World, poll: &str, name: &str, value: &str) -> Answer {
    let request = world
        .request(Method::POST, &format!("/api/polls/{poll}/vote"))
        .json(&json!({ "option": "cats" }))
        .header(name, value);
    Answer::of(request).await
}

#[tokio::test]
async fn in_rust_only_some_addresses_may_vote() {
    let policy = example("Rust", "address-ranges.wasm");
    let world =
        World::start_with(|it| patient(it).policy(policy).variable("trusted_proxies", 1)).await;
    let token = &world.stack.secrets().organizer_token;
    let poll = json!({ "poll": "canteen", "question": "?", "options": ["cats", "dogs"] });
    let created = world
        .request(Method::POST, "/api/polls")
        .bearer_auth(token)
        .json(&poll);
    assert_eq!(Answer::of(created).await.status, 201);
    for (address, poll, status) in [
        ("192.0.2.7", "canteen", 201),
        ("192.0.3.7", "canteen", 403),
        ("2001:db8:1:2::3", "canteen", 201),
        ("2001:db8:2::3", "canteen", 403),
        ("6.6.6.6, 192.0.2.7", "canteen", 201),
        ("192.0.2.7, 6.6.6.6", "canteen", 403),
        ("6.6.6.6", "default", 201),
    ] {
        let answer = vote_in(&world, poll, "x-forwarded-for", address).await;
        assert_eq!(answer.status, status, "{address} {poll}: {answer:?}");
        if status == 403 {
            assert_eq!(answer.json()["code"], "address");
        }
    }
}

#[tokio::test]
async fn in_python_only_members_may_vote() {
    let policy = example("Python", "members.wasm");
    let world = World::start_with(|it| {
        patient(it)
            .policy(policy)
            .variable("policy_headers", "X-Group")
    })
    .await;
    assert_eq!(
        vote_in(&world, "default", "x-group", "members")
            .await
            .status,
        201
    );
    let german = vote_in(&world, "default", "accept-language", "de").await;
    assert!(german.problem(403).starts_with("Nur Mitglieder"));
    assert_eq!(german.json()["code"], "no-member");
    let twice = world
        .request(Method::POST, "/api/vote")
        .json(&json!({ "option": "cats" }))
        .header("x-group", "members")
        .header("x-group", "members");
    Answer::of(twice).await.problem(403);
}

#[test]
fn the_line_of_spin_toml_is_found_and_replaced() {
    let page = read("docs/policies.md");
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join("policy-line");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join("spin.toml"), read("spin.toml")).unwrap();
    let output = Command::new("sh")
        .args(["-e", "-c", commands(&page, "## Bring it to the cluster")])
        .current_dir(&place)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let changed = std::fs::read_to_string(place.join("spin.toml")).unwrap();
    let policy =
        "\"spinvote:policy/eligibility@0.1.0\" = { path = \"target/policies/members.wasm\" }";
    assert!(changed.contains(policy));
    assert_eq!(changed.lines().count(), read("spin.toml").lines().count());
}

#[tokio::test]
async fn in_javascript_votes_count_on_weekdays() {
    let policy = example("JavaScript", "weekdays.wasm");
    let world = World::start_with(|it| patient(it).policy(policy)).await;
    // 1970-01-01 was a Thursday.
    let day = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        (since.as_secs() / 86_400 + 4) % 7
    };
    loop {
        let before = day();
        let answer = vote_in(&world, "default", "accept-language", "es").await;
        if before != day() {
            continue;
        }
        if [0, 6].contains(&before) {
            assert!(answer.problem(403).starts_with("Puedes votar"));
        } else {
            assert_eq!(answer.status, 201, "{answer:?}");
        }
        break;
    }
}

/// The unruly policy, with bounds.
fn bounded() -> PathBuf {
    bounded_by(100_000_000)
}

fn bounded_by(steps: u64) -> PathBuf {
    let file = checkout::root().join(format!("target/policies/unruly-{steps}.wasm"));
    static ONCE: Mutex<()> = Mutex::new(());
    let _guard = ONCE.lock();
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let output = Command::new(checkout::target().join("debug/xtask"))
        .args(["bound", "--memory", "16", "--steps", &steps.to_string()])
        .arg(built("unruly"))
        .arg(&file)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    file
}

/// However many threads the runtime has, more loops than that are on their way here.
#[tokio::test]
async fn a_policy_with_bounds_never_holds_a_thread() {
    let policy = bounded();
    let world = World::start_with(|it| unruly(it).policy(policy)).await;
    for behaviour in ["loop", "allocate", "fill", "recurse"] {
        let bad = (0..20).map(|_| async {
            vote(&world, behaviour, &[]).await.problem(503);
        });
        futures::future::join_all(bad).await;
        // The loops have ended, and not only those who waited for them.
        let before = Instant::now();
        assert_eq!(vote(&world, "allow", &[]).await.status, 201);
        let took = before.elapsed();
        println!("{behaviour}: after twenty of them, a vote takes {took:?}");
        assert!(took < Duration::from_secs(5), "{behaviour}: {took:?}");
    }
    assert_eq!(appended(&world).await, 4);
}

#[tokio::test]
async fn people_read_the_reason_in_their_language() {
    let world = World::start_with(unruly).await;
    let browser = Browser::open_in(&world, "de").await;
    browser.go("/").await;
    browser.click("button[value=dogs]").await;
    let selector = ".outcome [lang=de]";
    eventually("the page says why", async || {
        browser.text(selector).await == "Du kannst ab Montag abstimmen."
    })
    .await;
    // A second press at once would be a slip of the finger.
    tokio::time::sleep(Duration::from_millis(500)).await;
    browser.click("button[value=cats]").await;
    world.settles_at(1, 0).await;

    browser.switch_scripts_off().await;
    browser.go("/").await;
    browser.click_through("button[value=dogs]").await;
    assert_eq!(
        browser.text(".detail [lang=de]").await,
        "Du kannst ab Montag abstimmen."
    );
}

#[tokio::test]
async fn nobody_waits_longer_for_a_policy_than_its_time() {
    // A few seconds on any machine.
    let policy = bounded_by(4_000_000_000);
    let world =
        World::start_with(|it| unruly(it).policy(policy).variable("policy_timeout_ms", 300)).await;
    eventually("the policy answers", async || {
        vote(&world, "allow", &[]).await.status == 201
    })
    .await;
    let before = Instant::now();
    vote(&world, "loop", &[]).await.problem(503);
    let waited = before.elapsed();
    let limits = Duration::from_millis(300)..Duration::from_millis(2000);
    assert!(limits.contains(&waited), "{waited:?}");
    assert_eq!(appended(&world).await, 1);
    assert!(world.stack.app_output().contains("no answer within 300 ms"));
}

/// A policy that fails is a 503 for the vote in hand. All others are answered as if nothing had happened.
async fn hurts_nobody(behaviour: &str) {
    let policy = bounded();
    let world = World::start_with(|it| unruly(it).policy(policy)).await;
    let good = async {
        let mut slowest = Duration::ZERO;
        for _ in 0..30 {
            let before = Instant::now();
            assert_eq!(vote(&world, "allow", &[]).await.status, 201);
            slowest = slowest.max(before.elapsed());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        slowest
    };
    let bad = async {
        let before = Instant::now();
        let failed = vote(&world, behaviour, &[]).await;
        assert!(failed.problem(503).contains("Send it again"));
        assert!(!failed.header("retry-after").is_empty());
        before.elapsed()
    };
    let (slowest, failed_after) = tokio::join!(good, bad);
    println!("{behaviour}: 503 after {failed_after:?}; the slowest other vote {slowest:?}");
    assert_eq!(appended(&world).await, 30);
    assert!(world.stack.app_output().contains("policy_failed"));
    assert_eq!(world.get("/health").await.status, 200);
    assert_eq!(vote(&world, "allow", &[]).await.status, 201);
}

#[tokio::test]
async fn a_policy_that_traps_hurts_nobody() {
    hurts_nobody("trap").await;
}

#[tokio::test]
async fn a_policy_that_recurses_for_ever_hurts_nobody() {
    hurts_nobody("recurse").await;
}

#[tokio::test]
async fn a_policy_that_answers_garbage_hurts_nobody() {
    hurts_nobody("garbage").await;
}

#[tokio::test]
async fn a_policy_that_allocates_for_ever_hurts_nobody() {
    hurts_nobody("allocate").await;
}

#[tokio::test]
async fn a_policy_that_loops_for_ever_hurts_nobody() {
    hurts_nobody("loop").await;
}

#[tokio::test]
async fn a_vote_that_was_recorded_stays_recorded_when_the_policy_changes_its_mind() {
    let world = World::start_with(unruly).await;
    let key = ("idempotency-key", "\"a\"");
    let first = vote(&world, "allow", &[key]).await;
    assert_eq!(first.status, 201);
    let again = vote(&world, "refuse", &[key]).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    vote(&world, "refuse", &[("idempotency-key", "\"b\"")])
        .await
        .problem(403);
    assert_eq!(appended(&world).await, 1);
}

#[tokio::test]
async fn each_line_of_many_votes_is_put_to_the_policy() {
    let world = World::start_with(unruly).await;
    let bulk = async |behaviour: &str, key: &str| {
        let request = world
            .request(Method::POST, "/api/votes")
            .header("x-policy", behaviour)
            .header("idempotency-key", key)
            .json(&json!([{ "option": "cats" }, { "option": 1 }, { "option": "dogs" }]));
        Answer::of(request).await
    };
    let allowed = bulk("allow", "\"a\"").await.json();
    assert_eq!(allowed["accepted"], 2);
    let refused = bulk("refuse", "\"b\"").await.json();
    assert_eq!(refused["accepted"], 0);
    let rejected = refused["rejected"].as_array().unwrap();
    let lines: Vec<_> = rejected
        .iter()
        .map(|it| it["line"].as_u64().unwrap())
        .collect();
    assert_eq!(lines, [1, 2, 3]);
    assert_eq!(rejected[0]["detail"], "You can vote from Monday on.");
    // What was recorded before stays so.
    assert_eq!(bulk("refuse", "\"a\"").await.json(), allowed);
    bulk("trap", "\"c\"").await.problem(503);
    assert_eq!(appended(&world).await, 2);
}

#[tokio::test]
async fn refusals_are_counted_by_their_codes_and_no_more_than_fifty() {
    let world = World::start_with(unruly).await;
    for n in 0..60 {
        vote(&world, "code", &[("x-code", &format!("reason-{n}"))])
            .await
            .problem(403);
    }
    vote(&world, "code", &[("x-code", "reason-0")])
        .await
        .problem(403);
    vote(&world, "trap", &[]).await.problem(503);
    let metrics = world.get("/metrics").await.body;
    let value = |series: &str| -> Option<Value> {
        let line = metrics.lines().find(|line| line.starts_with(series))?;
        line.rsplit_once(' ')?
            .1
            .parse::<u64>()
            .ok()
            .map(Value::from)
    };
    assert_eq!(
        value("spinvote_votes_refused_total{code=\"reason-0\"}"),
        Some(json!(2))
    );
    assert_eq!(
        value("spinvote_votes_refused_total{code=\"other\"}"),
        Some(json!(10)),
        "{metrics}"
    );
    assert_eq!(value("spinvote_policy_failures_total"), Some(json!(1)));
    let series = metrics
        .lines()
        .filter(|line| line.starts_with("spinvote_votes_refused_total{"));
    assert_eq!(series.count(), 51);
}

#[tokio::test]
async fn without_rules_no_vote_is_put_to_anybody() {
    let world = World::start().await;
    assert_eq!(vote(&world, "refuse", &[]).await.status, 201);
    let metrics = world.get("/metrics").await.body;
    assert!(!metrics.contains("votes_refused_total{"), "{metrics}");
}

#[tokio::test]
async fn nobody_outside_reaches_the_policy() {
    let world = World::start_with(unruly).await;
    for path in ["/", "/eligibility"] {
        let request = world
            .request(Method::GET, path)
            .header("host", "eligibility.spin.internal")
            .header("ballot", "{}");
        // A request without a host that counts may be answered by the end of the connection.
        if let Ok(answer) = request.send().await {
            assert_ne!(answer.status(), 204, "{answer:?}");
            assert!(!answer.headers().contains_key("refusal"), "{answer:?}");
        }
    }
    eventually("the stream is as it was", async || {
        appended(&world).await == 0
    })
    .await;
}
