//! What every answer has in common: security headers, CORS, methods, problems.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use reqwest::Method;
use serde_json::Value;
use spinvote_tests::{Answer, World};

/// One path of each component, and one that nobody serves.
const PATHS: [&str; 11] = [
    "/",
    "/vote",
    "/results",
    "/openapi.json",
    "/health",
    "/ready",
    "/sweep",
    "/api/results",
    "/api/votes/x",
    "/api/vote",
    "/nothing/here",
];

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let world = World::start().await;
    for path in PATHS {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::DELETE] {
            let answer = Answer::of(world.request(method.clone(), path)).await;
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
            assert_eq!(answer.header("strict-transport-security"), "", "{context}");
            // Chunked answers cost 40 ms each: see section 8 of Spin's measurements in connection reuse.
            assert_ne!(answer.header("content-length"), "", "{context}");
            assert_eq!(answer.header("transfer-encoding"), "", "{context}");
        }
    }
}

#[tokio::test]
async fn in_production_every_answer_asks_for_https() {
    let world = World::start_with(|stack| stack.variable("environment", "production")).await;
    for path in PATHS {
        let answer = world.get(path).await;
        assert_eq!(
            answer.header("strict-transport-security"),
            "max-age=31536000",
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_wrong_method_is_405_and_told_the_right_one() {
    let world = World::start().await;
    for path in [
        "/api/results",
        "/api/votes/x",
        "/health",
        "/ready",
        "/sweep",
        "/openapi.json",
    ] {
        let answer = Answer::of(world.request(Method::DELETE, path)).await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), "GET, HEAD, OPTIONS", "{path}");
        let options = Answer::of(world.request(Method::OPTIONS, path)).await;
        assert_eq!(options.header("allow"), "GET, HEAD, OPTIONS", "{path}");
    }
    let answer = world.get("/api/vote").await;
    answer.problem(405);
    assert_eq!(answer.header("allow"), "POST, OPTIONS");
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let world = World::start().await;
    for path in [
        "/nothing",
        "/api",
        "/api/nothing",
        "/api/vote/",
        "/api/results/x",
        "/healthz",
    ] {
        world.get(path).await.problem(404);
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

async fn with_origin(world: &World, method: Method, path: &str, origin: &str) -> Answer {
    let request = world.request(method, path).header("Origin", origin);
    Answer::of(request.body(r#"{"option":"cats"}"#)).await
}

#[tokio::test]
async fn a_preflight_from_an_allowed_origin_is_granted() {
    let origins = "https://vote.example, https://kiosk.example:8443/";
    let world = World::start_with(|stack| stack.variable("cors_origins", origins)).await;
    for path in ["/api/vote", "/api/results", "/"] {
        for origin in ["https://vote.example", "https://kiosk.example:8443"] {
            let answer = with_origin(&world, Method::OPTIONS, path, origin).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("access-control-allow-origin"), origin);
            assert_eq!(
                answer.header("access-control-allow-methods"),
                "GET, POST, OPTIONS"
            );
            assert_eq!(
                answer.header("access-control-allow-headers"),
                "Content-Type, Authorization, Accept, Idempotency-Key"
            );
            assert_eq!(answer.header("access-control-max-age"), "600");
            assert_eq!(answer.header("vary"), "Origin");
        }
    }
}

#[tokio::test]
async fn a_preflight_from_any_other_origin_is_400() {
    let world = World::start().await;
    for origin in [
        "https://evil.example",
        "null",
        "http://localhost:3000.evil.example",
        "*",
    ] {
        let answer = with_origin(&world, Method::OPTIONS, "/api/vote", origin).await;
        answer.problem(400);
        assert_eq!(answer.header("access-control-allow-origin"), "");
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
        let answer = with_origin(&world, method, path, allowed).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            allowed,
            "{path}"
        );
        assert!(answer.header("vary").contains("Origin"), "{path}");
        assert_eq!(
            answer.header("access-control-expose-headers"),
            "Location, Retry-After, ETag"
        );
    }
    let foreign = with_origin(&world, Method::GET, "/api/results", "https://evil.example").await;
    assert_eq!(foreign.status, 200, "reading is for the browser to refuse");
    assert_eq!(foreign.header("access-control-allow-origin"), "");
    assert!(foreign.header("vary").contains("Origin"));
}

#[tokio::test]
async fn a_page_of_another_site_cannot_make_a_browser_vote() {
    let world = World::start().await;
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
            let request = world
                .request(Method::POST, "/api/vote")
                .header("Origin", origin);
            let request = request
                .header("Content-Type", content_type)
                .body(r#"{"option":"cats"}"#);
            Answer::of(request).await.problem(403);
        }
    }
    let entries: i64 = world.command("XLEN votes").await;
    assert_eq!(entries, 0);
    // Our own page may, under whatever name it was reached.
    let own = world.stack.url().to_owned();
    assert_eq!(
        with_origin(&world, Method::POST, "/api/vote", &own)
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn the_api_describes_itself() {
    let world = World::start().await;
    let answer = world.get("/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    let document = answer.json();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    // Every operation that is described is there, and answers only with what is described.
    for (path, operations) in document["paths"].as_object().unwrap() {
        for (method, operation) in operations.as_object().unwrap() {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let request = world.request(method.clone(), &path.replace("{vote_id}", "none"));
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
