//! The contract as a client sees it, over HTTP alone, of any Spinvote that runs: the one at SPINVOTE_URL,
//! else one of the test's own. Others may use it meanwhile, so that nothing here counts on being alone,
//! and every key is a new one.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    process,
    time::{SystemTime, UNIX_EPOCH},
};

use reqwest::Method;
use serde_json::{Value, json};
use spinvote_tests::{Answer, INSIDE, Service, eventually};

/// An Idempotency-Key that nobody has used.
fn new_key() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    format!("test-{}-{}", process::id(), now.as_nanos())
}

// ── Votes ───────────────────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn a_vote_is_in_the_results_when_its_receipt_is_there() {
    let service = Service::find().await;
    let before = service.tallies().await;
    let accepted = service.vote("dogs").await;
    assert_eq!(accepted.status, 201);
    assert_eq!(accepted.header("content-type"), "application/json");
    let vote = accepted.json();
    assert_eq!(vote["message"], "Vote recorded successfully");
    assert_eq!(vote["option"], "dogs");
    assert!(vote["stream_id"].as_str().unwrap().contains('-'));
    let vote_id = vote["vote_id"].as_str().unwrap();
    assert_eq!(accepted.header("location"), format!("/api/votes/{vote_id}"));

    let receipt = service.receipt(&accepted).await;
    assert_eq!(receipt["vote_id"], vote_id);
    assert_eq!(receipt["poll"], "default");
    assert_eq!(receipt["option"], "dogs");
    assert_eq!(receipt["status"], "counted");
    assert!(receipt["counted_at"].as_str().unwrap().ends_with('Z'));
    assert_eq!(receipt.as_object().unwrap().len(), 5);
    // A cache on the way may be two seconds behind.
    eventually("it is in the results", async || {
        service.tallies().await.1 > before.1
    })
    .await;
}

#[tokio::test]
async fn a_json_body_counts_whatever_its_content_type() {
    let service = Service::find().await;
    for content_type in [
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/json",
    ] {
        let request = service
            .request(Method::POST, "/api/vote")
            .header("Content-Type", content_type);
        let answer = Answer::of(request.body(r#"{"option":"cats"}"#)).await;
        assert_eq!(service.receipt(&answer).await["option"], "cats");
    }
    let odd = service
        .post("/api/vote", r#" { "option" : "d\u006fgs" } "#)
        .await;
    assert_eq!(service.receipt(&odd).await["option"], "dogs");
}

#[tokio::test]
async fn what_is_no_json_is_400_and_what_is_no_vote_is_422() {
    let service = Service::find().await;
    for body in [
        "",
        "cats",
        "option=cats",
        "{",
        r#"{"option":"cats"}}"#,
        "\u{feff}",
    ] {
        service.post("/api/vote", body).await.problem(400);
    }
    service
        .post("/api/vote", b"{\"option\":\"\xff\"}".as_slice())
        .await
        .problem(400);
    for body in [
        json!({}),
        json!([]),
        json!(["cats"]),
        json!(null),
        json!({ "option": 1 }),
        json!({ "option": null }),
        json!({ "option": "" }),
        json!({ "option": "birds" }),
        json!({ "option": "Cats" }),
        json!({ "option": "cats " }),
        json!({ "option": "cats\u{0}" }),
        json!({ "option": "cats", "colour": "red" }),
        json!({ "vote": "cats" }),
    ] {
        service
            .post("/api/vote", body.to_string())
            .await
            .problem(422);
    }
    let detail = service.vote("birds").await.problem(422);
    assert!(
        detail.contains("cats") && detail.contains("dogs"),
        "says what there is: {detail}"
    );
}

#[tokio::test]
async fn the_same_idempotency_key_gives_the_very_same_answer() {
    let service = Service::find().await;
    let key = new_key();
    let first = service.vote_with_key("cats", &key).await;
    assert_eq!(first.status, 201);
    assert_eq!(first.json()["vote_id"], key);
    for same in [key.clone(), format!("\"{key}\"")] {
        let again = service.vote_with_key("cats", &same).await;
        assert_eq!((again.status, &again.body), (first.status, &first.body));
        assert_eq!(again.header("location"), first.header("location"));
    }
    let other = service.vote_with_key("cats", &new_key()).await;
    assert_ne!(other.json()["stream_id"], first.json()["stream_id"]);
}

#[tokio::test]
async fn an_idempotency_key_used_for_another_option_is_422() {
    let service = Service::find().await;
    let key = new_key();
    let first = service.vote_with_key("cats", &key).await;
    let detail = service.vote_with_key("dogs", &key).await.problem(422);
    assert!(detail.contains("Idempotency-Key"), "{detail}");
    let again = service.vote_with_key("cats", &key).await;
    assert_eq!(again.body, first.body, "the first still stands");
    assert_eq!(service.receipt(&first).await["option"], "cats");
}

#[tokio::test]
async fn a_key_that_cannot_be_one_is_400() {
    let service = Service::find().await;
    for key in ["", "\"\"", "\"open", &"k".repeat(256)] {
        service.vote_with_key("cats", key).await.problem(400);
    }
    let twice = service
        .request(Method::POST, "/api/vote")
        .header("Idempotency-Key", "a");
    Answer::of(
        twice
            .header("Idempotency-Key", "b")
            .body(r#"{"option":"cats"}"#),
    )
    .await
    .problem(400);
    // Whatever is printable is a key, and its receipt is found under it.
    let odd = format!(r#"{}/b?c%20"d\#;"#, new_key());
    let answer = service.vote_with_key("cats", &odd).await;
    assert_eq!(answer.json()["vote_id"], odd);
    assert_eq!(service.receipt(&answer).await["vote_id"], odd);
}

// ── Results and receipts ────────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn results_agree_with_themselves() {
    let service = Service::find().await;
    let counted = service.vote("cats").await;
    service.receipt(&counted).await;
    let answer = service.get("/api/results").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "public, max-age=2");
    let results = answer.json();
    let number = |name: &str| results[name].as_f64().unwrap();
    let (cats, dogs, total) = (number("cats"), number("dogs"), number("total"));
    assert_eq!(cats + dogs, total);
    for (option, count) in [("cats", cats), ("dogs", dogs)] {
        let percentage = number(&format!("{option}_percentage"));
        let off = (percentage - 100.0 * count / total).abs();
        assert!(off <= 0.005_001, "{percentage} of {results}");
        assert_eq!(
            (percentage * 100.0).round() / 100.0,
            percentage,
            "two decimals"
        );
    }
    let updated = results["last_updated"].as_str().unwrap();
    assert_eq!(
        updated.len(),
        "2025-11-16T20:14:48.273326Z".len(),
        "{updated}"
    );
    assert_eq!(results.as_object().unwrap().len(), 6);
}

#[tokio::test]
async fn results_that_have_not_changed_are_304() {
    let service = Service::find().await;
    // Somebody may vote between the two.
    eventually("304", async || {
        let results = service.get("/api/results").await;
        let request = service
            .request(Method::GET, "/api/results")
            .header("If-None-Match", results.header("etag"));
        let again = Answer::of(request).await;
        again.status == 304 && again.body.is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_vote_that_is_not_counted_has_no_receipt() {
    let service = Service::find().await;
    for id in [
        "never-cast",
        "%00",
        "%ff",
        "a%2Fb",
        &"x".repeat(300),
        "' or 1=1 --",
    ] {
        let detail = service.get(&format!("/api/votes/{id}")).await.problem(404);
        assert!(
            detail.contains("not counted yet") && detail.contains("never cast"),
            "{detail}"
        );
    }
}

// ── What all answers share ──────────────────────────────────────────────────────────────────────────

#[tokio::test]
async fn it_is_healthy() {
    let service = Service::find().await;
    let answer = service.get("/health").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, r#"{"status":"healthy"}"#);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let service = Service::find().await;
    for path in service.paths() {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            let answer = Answer::of(service.request(method.clone(), path)).await;
            let context = format!("{method} {path}: {answer:?}");
            for (name, value) in [
                ("x-frame-options", "DENY"),
                ("x-content-type-options", "nosniff"),
                ("x-xss-protection", "1; mode=block"),
                ("referrer-policy", "strict-origin-when-cross-origin"),
            ] {
                assert_eq!(answer.header(name), value, "{context}");
            }
            let policy = answer.header("content-security-policy");
            assert!(
                policy.contains("default-src '") && !policy.contains("unsafe"),
                "{context}"
            );
        }
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_told_the_right_one() {
    let service = Service::find().await;
    let casting = ["/api/vote", "/vote", "/nothing/here"];
    for path in service.paths().filter(|path| !casting.contains(path)) {
        // As a program asks: a person is told by a page.
        let request = service.request(Method::DELETE, path);
        let answer = Answer::of(request.header("Accept", "application/json")).await;
        answer.problem(405);
        let allow = match path {
            "/api/polls" => "GET, POST, HEAD, OPTIONS",
            "/api/votes" => "POST, OPTIONS",
            _ => "GET, HEAD, OPTIONS",
        };
        assert_eq!(answer.header("allow"), allow, "{path}");
        let options = Answer::of(service.request(Method::OPTIONS, path)).await;
        assert_eq!(options.header("allow"), allow, "{path}");
    }
    let answer = service.get("/api/vote").await;
    answer.problem(405);
    assert_eq!(answer.header("allow"), "POST, OPTIONS");
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let service = Service::find().await;
    for path in [
        "/nothing",
        "/api",
        "/api/nothing",
        "/api/vote/",
        "/api/results/x",
        "/api/polls/",
        "/api/polls/default/",
        "/healthz",
        // Spin's routes take a slash at the end, too.
        "/health/",
        "/ready/",
        "/sweep/",
        "/metrics/",
    ] {
        service.get(path).await.problem(404);
    }
}

#[tokio::test]
async fn a_preflight_from_an_origin_that_nobody_allowed_is_400() {
    let service = Service::find().await;
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost:3000.evil.example",
        "*",
    ] {
        let answer = service
            .from_origin(origin, Method::OPTIONS, "/api/vote")
            .await;
        answer.problem(400);
        assert_eq!(answer.header("access-control-allow-origin"), "");
    }
}

#[tokio::test]
async fn a_page_of_another_site_cannot_make_a_browser_vote() {
    let service = Service::find().await;
    for origin in [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost",
    ] {
        for content_type in [
            "text/plain",
            "application/json",
            "application/x-www-form-urlencoded",
        ] {
            let request = service
                .request(Method::POST, "/api/vote")
                .header("Origin", origin);
            let request = request
                .header("Content-Type", content_type)
                .body(r#"{"option":"cats"}"#);
            Answer::of(request).await.problem(403);
        }
    }
    // Our own page may, under whatever name it was reached.
    let own = service
        .from_origin(service.url(), Method::POST, "/api/vote")
        .await;
    assert_eq!(own.status, 201);
}

#[tokio::test]
async fn the_api_describes_itself() {
    let service = Service::find().await;
    let answer = service.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let here: Vec<_> = service.paths().collect();
    // Every operation that is described is there, and answers only with what is described.
    for (path, operations) in document["paths"].as_object().unwrap() {
        if INSIDE.contains(&path.as_str()) && !here.contains(&path.as_str()) {
            continue;
        }
        for (method, operation) in operations.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = service.request(method.clone(), &path.replace("{vote_id}", "none"));
            let status = Answer::of(request).await.status;
            assert_ne!(status, 405, "{method} {path}");
            let described = operation["responses"].get(status.as_str());
            assert!(
                described.is_some_and(Value::is_object),
                "{method} {path} answers {status}"
            );
        }
    }
}

#[tokio::test]
async fn there_is_a_page_for_people() {
    let service = Service::find().await;
    let page = service.get("/").await;
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type").starts_with("text/html"),
        "{page:?}"
    );
    // What it loads is there, too.
    let loaded: Vec<_> = page
        .body
        .split('"')
        .filter(|text| {
            text.starts_with('/') && [".js", ".css"].iter().any(|end| text.ends_with(end))
        })
        .collect();
    assert!(loaded.len() >= 2, "{loaded:?}");
    for path in loaded {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
}
