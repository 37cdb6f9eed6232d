//! Which page may vote: our own, which is the one at the authority that the client asked for, whichever
//! version of HTTP it speaks, and those in `cors_origins`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use spinvote_tests::{World, raw::Connection};
use tokio::net::TcpStream;

const VOTE: &str = r#"{"option":"cats"}"#;

#[derive(Clone, Copy, Debug)]
enum Version {
    Http10,
    Http11,
    /// With prior knowledge, as behind a gateway that speaks it.
    Http2,
}

use Version::{Http2, Http10, Http11};

/// Votes with these headers at this authority, and returns the status; `None` if there is no answer.
async fn vote(
    world: &World,
    version: Version,
    authority: &str,
    headers: &[(&str, &str)],
) -> Option<u16> {
    let version = match version {
        Http10 => "1.0",
        Http11 => "1.1",
        Http2 => return vote_by_http2(world, authority, headers).await,
    };
    let host = [("Host", authority)];
    vote_by_http1(world, version, "/api/vote", &[&host, headers].concat()).await
}

async fn vote_by_http1(
    world: &World,
    version: &str,
    target: &str,
    headers: &[(&str, &str)],
) -> Option<u16> {
    let mut request = format!("POST {target} HTTP/{version}\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("Content-Length: {}\r\n\r\n{VOTE}", VOTE.len()));
    let mut connection = Connection::to(world.url()).await;
    connection.send(request).await;
    connection.answer().await.map(|answer| answer.status)
}

async fn vote_by_http2(world: &World, authority: &str, headers: &[(&str, &str)]) -> Option<u16> {
    let address = world.url().trim_start_matches("http://");
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut client, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let mut request = Request::post(format!("http://{authority}/api/vote"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(VOTE))).unwrap();
    let answer = client.send_request(request).await.ok()?;
    Some(answer.status().as_u16())
}

#[tokio::test]
async fn our_own_page_may_vote_and_no_other_by_any_version_of_http() {
    let world = World::start().await;
    let here = world.url().trim_start_matches("http://");
    for version in [Http10, Http11, Http2] {
        for (authority, origin, status) in [
            (here, world.url(), 201),
            ("vote.example", "https://vote.example", 201),
            ("vote.example:443", "https://vote.example", 201),
            ("vote.example:80", "http://vote.example", 201),
            ("vote.example:443", "http://vote.example", 403),
            // Allowed by spin.toml.
            (here, "http://localhost:3000", 201),
            (here, "http://localhost", 403),
            (here, "https://evil.example", 403),
            ("localhost", world.url(), 403),
        ] {
            let answer = vote(&world, version, authority, &[("Origin", origin)]).await;
            assert_eq!(answer, Some(status), "{version:?} {authority} {origin}");
        }
    }
}

#[tokio::test]
async fn no_header_that_a_client_sends_makes_its_origin_our_own() {
    let world = World::start().await;
    let here = world.url().trim_start_matches("http://");
    let evil = "http://evil.example";
    for version in [Http10, Http11, Http2] {
        for (name, value) in [
            ("spin-full-url", "http://evil.example/api/vote"),
            ("X-Forwarded-Host", "evil.example"),
            ("Forwarded", "host=evil.example"),
        ] {
            let headers = [("Origin", evil), (name, value)];
            let answer = vote(&world, version, here, &headers).await;
            assert_eq!(answer, Some(403), "{version:?} {name}");
        }
    }
}

#[tokio::test]
async fn who_is_asked_is_said_once_or_there_is_no_answer() {
    let world = World::start().await;
    let here = world.url().trim_start_matches("http://");
    let own = ("Origin", world.url());
    let whole = format!("{}/api/vote", world.url());
    for version in ["1.0", "1.1"] {
        for (target, headers, status) in [
            ("/api/vote", &[own] as &[_], None),
            ("/api/vote", &[own, ("Host", "")], None),
            ("/api/vote", &[own, ("Host", "not a host")], None),
            (&whole, &[own], Some(201)),
            (&whole, &[own, ("Host", here)], Some(201)),
            (&whole, &[own, ("Host", "vote.example")], None),
        ] {
            let answer = vote_by_http1(&world, version, target, headers).await;
            assert_eq!(answer, status, "{version} {target} {headers:?}");
        }
    }
    for (host, status) in [(here, Some(201)), ("vote.example", None)] {
        let answer = vote_by_http2(&world, here, &[own, ("Host", host)]).await;
        assert_eq!(answer, status, "{host}");
    }
}

#[tokio::test]
async fn what_is_no_origin_in_cors_origins_is_named_in_the_log() {
    for origins in [
        "*",
        "example.org",
        "https://example.org/path",
        "https://example.org, https://*.example.org",
    ] {
        let world = World::start_with(|stack| stack.variable("cors_origins", origins)).await;
        world.get("/health").await.problem(500);
        let logged = world.logged("invalid_setting");
        assert_eq!(logged[0]["variable"], "cors_origins", "{origins}");
    }
}
