//! What every answer has in common: security headers, CORS, methods, problems.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use reqwest::Method;
use spinvote_tests::{Answer, INSIDE, PUBLIC, World};

#[tokio::test]
async fn in_production_and_only_there_every_answer_asks_for_https() {
    for (environment, asks) in [("development", ""), ("production", "max-age=31536000")] {
        let world = World::start_with(|stack| stack.variable("environment", environment)).await;
        for path in PUBLIC.into_iter().chain(INSIDE) {
            let answer = world.get(path).await;
            assert_eq!(answer.header("strict-transport-security"), asks, "{path}");
        }
    }
}

#[tokio::test]
async fn every_answer_says_how_long_it_is() {
    let world = World::start().await;
    for path in PUBLIC.into_iter().chain(INSIDE) {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            let answer = Answer::of(world.request(method.clone(), path)).await;
            // Sent in chunks, it would take 40 ms more: see `with_length` in conventions.
            assert_ne!(answer.header("content-length"), "", "{method} {path}");
            assert_eq!(answer.header("transfer-encoding"), "", "{method} {path}");
        }
    }
}

#[tokio::test]
async fn head_is_answered_as_get_without_the_body() {
    let world = World::start().await;
    for path in [
        "/",
        "/openapi.json",
        "/health",
        "/ready",
        "/sweep",
        "/api/results",
    ] {
        let get = world.get(path).await;
        let head = Answer::of(world.request(Method::HEAD, path)).await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.body, "", "{path}");
        assert_eq!(
            head.header("content-length"),
            get.body.len().to_string(),
            "{path}"
        );
    }
}

#[tokio::test]
async fn requests_that_come_together_are_all_answered() {
    let world = World::start().await;
    // One instance serves up to 16 at a time, and the first of them opens the connection for all.
    for path in ["/api/results", "/ready", "/api/vote"] {
        for _ in 0..3 {
            let together = (0..32).map(|_| async {
                match path {
                    "/api/vote" => world.vote("cats").await.status,
                    _ => world.get(path).await.status,
                }
            });
            let statuses = futures::future::join_all(together).await;
            assert!(
                statuses.iter().all(|status| status.is_success()),
                "{path}: {statuses:?}"
            );
            // Instances that are idle for a second are dropped: the next have no connection yet.
            tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
        }
    }
}

#[tokio::test]
async fn a_preflight_from_an_allowed_origin_is_granted() {
    let origins = "https://vote.example, https://kiosk.example:8443/";
    let world = World::start_with(|stack| stack.variable("cors_origins", origins)).await;
    for (path, methods) in [
        ("/api/vote", "POST, OPTIONS"),
        ("/api/results", "GET, HEAD, OPTIONS"),
        ("/vote", "GET, POST, HEAD, OPTIONS"),
        ("/", "GET, HEAD, OPTIONS"),
    ] {
        for origin in ["https://vote.example", "https://kiosk.example:8443"] {
            let answer = world.from_origin(origin, Method::OPTIONS, path).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert_eq!(answer.header("access-control-allow-methods"), methods);
            assert_eq!(
                answer.header("access-control-allow-headers"),
                "Content-Type, Authorization, Accept, Idempotency-Key, If-None-Match, If-Match, Prefer"
            );
            assert_eq!(answer.header("access-control-max-age"), "600");
            assert_eq!(answer.header("vary"), "Origin");
        }
    }
}

#[tokio::test]
async fn answers_to_an_allowed_origin_may_be_read_by_it() {
    let world = World::start().await;
    let allowed = "http://localhost:3000";
    for (method, path) in [
        (Method::GET, "/api/results"),
        (Method::POST, "/api/vote"),
        (Method::GET, "/x"),
    ] {
        let answer = world.from_origin(allowed, method, path).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            allowed,
            "{path}"
        );
        assert!(answer.header("vary").contains("Origin"), "{path}");
        assert_eq!(
            answer.header("access-control-expose-headers"),
            "Location, Retry-After, ETag, Preference-Applied, RateLimit, RateLimit-Policy"
        );
    }
    let foreign = world
        .from_origin("https://evil.example", Method::GET, "/api/results")
        .await;
    assert_eq!(foreign.status, 200, "reading is for the browser to refuse");
    assert_eq!(foreign.header("access-control-allow-origin"), "");
    assert!(foreign.header("vary").contains("Origin"));
}

#[tokio::test]
async fn a_variable_that_makes_no_sense_is_named_in_the_log_and_nowhere_else() {
    let world = World::start_with(|stack| stack.variable("max_request_size", "plenty")).await;
    let answer = world.vote("cats").await;
    answer.problem(500);
    assert!(!answer.body.contains("max_request_size"), "{answer:?}");
    assert_eq!(
        world.logged("invalid_setting")[0]["variable"],
        "max_request_size"
    );
}

#[test]
fn each_component_is_small() {
    let release = stack::checkout::root().join("target/wasm32-wasip2/release");
    for (component, limit) in [
        ("bulk", 640 * 1024),
        ("eligibility", 300 * 1024),
        ("health", 600 * 1024),
        // It knows upper and lower case in every script, and holds the pages of voters and organizers.
        ("polls", 900_000),
        ("results", 600 * 1024),
        ("tally", 640 * 1024),
        ("policy", 60 * 1024),
        ("vote", 645 * 1024),
        // It holds the page of the API in three languages and three encodings.
        ("web", 720_000),
    ] {
        let file = release.join(component).with_extension("wasm");
        let bytes = std::fs::metadata(&file).expect("it is built").len();
        assert!(bytes < limit, "{component}: {bytes}");
    }
}
