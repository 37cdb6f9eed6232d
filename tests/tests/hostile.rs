//! Clients that want the service gone, or another's request to be read as theirs. What the runtime does about them is
//! in SECURITY.md; here others must go on voting meanwhile, and nothing must be read that was not meant.
//! slow_clients.rs has those that send a body and do not go on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    process::Command,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::future::join_all;
use http_body_util::Empty;
use hyper::{Request, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use spinvote_tests::{World, raw::Connection};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};

/// How long a vote may take while somebody attacks, on a machine that runs the attack, too.
const STILL_GOOD: Duration = Duration::from_secs(2);

async fn votes_are_taken(world: &World, during: &str) {
    for _ in 0..5 {
        let started = Instant::now();
        let answer = world.vote("cats").await;
        assert_eq!(answer.status, 201, "during {during}: {answer:?}");
        let took = started.elapsed();
        assert!(took < STILL_GOOD, "during {during} a vote took {took:?}");
    }
}

fn address(world: &World) -> String {
    world.url().trim_start_matches("http://").to_owned()
}

/// The runtime's processes: Spin has one for each trigger. Each with its memory in use, in bytes.
fn processes(world: &World) -> Vec<(u32, u64)> {
    let listed = Command::new("ps")
        .args(["-A", "-o", "pgid=,pid=,rss="])
        .output()
        .unwrap();
    let group = world.stack.app.id().unwrap().to_string();
    let text = String::from_utf8(listed.stdout).unwrap();
    let fields = text
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .filter(|fields| fields[0] == group)
        .map(|fields| {
            (
                fields[1].parse().unwrap(),
                1024 * fields[2].parse::<u64>().unwrap(),
            )
        })
        .collect()
}

fn memory(world: &World) -> u64 {
    processes(world).iter().map(|(_, bytes)| bytes).sum()
}

/// Lets a process have so many files open, if it may not yet.
fn may_open(process: u32, files: usize) {
    let done = Command::new("prlimit")
        .args(["--pid", &process.to_string(), &format!("--nofile={files}")])
        .status()
        .unwrap();
    assert!(
        done.success(),
        "process {process} may not open {files} files"
    );
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn ten_thousand_idle_connections_cost_little_and_keep_nobody_from_voting() {
    const CONNECTIONS: usize = 10_000;
    let world = World::start().await;
    may_open(std::process::id(), 2 * CONNECTIONS);
    for (process, _) in processes(&world) {
        may_open(process, 2 * CONNECTIONS);
    }
    votes_are_taken(&world, "peace").await;
    let before = memory(&world);
    let mut idle = Vec::new();
    while idle.len() < CONNECTIONS {
        let connections = (0..100).map(|_| TcpStream::connect(address(&world)));
        for connection in join_all(connections).await {
            idle.push(connection.unwrap());
        }
    }
    // The runtime has accepted them once it serves one that came after them.
    votes_are_taken(&world, "10,000 idle connections").await;
    let each = memory(&world).saturating_sub(before) / CONNECTIONS as u64;
    println!("an idle connection takes {each} bytes");
    assert!(each < 20_000, "an idle connection takes {each} bytes");
    drop(idle);
    votes_are_taken(&world, "the end of 10,000 connections").await;
}

#[tokio::test]
async fn heads_that_never_end_keep_nobody_from_voting() {
    let world = World::start().await;
    let mut slow = Vec::new();
    for _ in 0..500 {
        let mut connection = Connection::to(world.url()).await;
        connection
            .send("POST /api/vote HTTP/1.1\r\nHost: spinvote\r\n")
            .await;
        slow.push(connection);
    }
    for _ in 0..10 {
        for connection in &mut slow {
            connection.send("X").await;
        }
        votes_are_taken(&world, "500 slow heads").await;
    }
}

/// What comes back, until the other side closes or says nothing more.
async fn reply(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut part = vec![0; 65536];
    while let Ok(Ok(read)) = timeout(Duration::from_secs(2), connection.read(&mut part)).await {
        if read == 0 {
            break;
        }
        text.extend(&part[..read]);
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[tokio::test]
async fn heads_that_are_too_large_are_refused() {
    let world = World::start().await;
    votes_are_taken(&world, "peace").await;
    let before = memory(&world);
    let many: String = (0..5000).map(|n| format!("X-{n}: 1\r\n")).collect();
    let heads = [
        (
            "a value of 2 MB",
            format!("X: {}\r\n", "a".repeat(2_000_000)),
        ),
        (
            "a name of 2 MB",
            format!("{}: 1\r\n", "x".repeat(2_000_000)),
        ),
        ("5,000 fields", many),
        (
            "a cookie of 2 MB",
            format!("Cookie: voter={}\r\n", "a".repeat(2_000_000)),
        ),
    ];
    for (what, head) in heads {
        for _ in 0..20 {
            let mut connection = TcpStream::connect(address(&world)).await.unwrap();
            let request = format!(
                "POST /api/vote HTTP/1.1\r\nHost: a\r\n{head}Content-Length: 17\r\n\r\n{{\"option\":\"dogs\"}}"
            );
            // It may be refused before it is sent to its end.
            let _ = connection.write_all(request.as_bytes()).await;
            let said = reply(&mut connection).await;
            let refused = said.is_empty()
                || said.starts_with("HTTP/1.1 431 ")
                || said.starts_with("HTTP/1.1 400 ");
            assert!(refused, "{what}: {}", &said[..said.len().min(300)]);
        }
        votes_are_taken(&world, what).await;
    }
    let grown = memory(&world).saturating_sub(before);
    assert!(
        grown < 100_000_000,
        "the runtime has grown by {grown} bytes"
    );
    world.settles_at(25, 0).await;
}

#[tokio::test]
async fn requests_that_are_reset_at_once_keep_nobody_from_voting() {
    const RESETS: usize = 20_000;
    let world = World::start().await;
    votes_are_taken(&world, "peace").await;
    let before = memory(&world);
    let attack = async {
        let mut sent = 0;
        while sent < RESETS {
            let stream = TcpStream::connect(address(&world)).await.unwrap();
            let (mut client, connection) =
                http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .unwrap();
            let connection = tokio::spawn(connection);
            while sent < RESETS && client.ready().await.is_ok() {
                let request = Request::get(format!("{}/api/results", world.url()))
                    .body(Empty::<Bytes>::new());
                let answer = client.send_request(request.unwrap());
                sent += 1;
                // Begun, and given up: its stream is reset.
                tokio::select! {
                    biased;
                    _ = answer => {}
                    () = tokio::task::yield_now() => {}
                }
            }
            connection.abort();
        }
    };
    let others = async {
        for _ in 0..10 {
            votes_are_taken(&world, "a flood of resets").await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::join!(attack, others);
    let grown = memory(&world).saturating_sub(before);
    println!("the runtime has grown by {grown} bytes");
    assert!(
        grown < 300_000_000,
        "the runtime has grown by {grown} bytes"
    );
    votes_are_taken(&world, "the time after").await;
}

/// A vote for dogs, hidden in one for cats: whoever reads its length in another way than whoever is before it would
/// take the hidden one for a request of the next client.
fn smuggled() -> Vec<(&'static str, String)> {
    let hidden =
        "POST /api/vote HTTP/1.1\r\nHost: a\r\nContent-Length: 17\r\n\r\n{\"option\":\"dogs\"}";
    let vote = "{\"option\":\"cats\"}";
    let length = vote.len();
    let request = |headers: &str, body: &str| {
        format!("POST /api/vote HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n{body}")
    };
    vec![
        (
            "chunks and a length, the length shorter",
            request(
                &format!("Transfer-Encoding: chunked\r\nContent-Length: {length}"),
                &format!("{vote}{hidden}"),
            ),
        ),
        (
            "two lengths",
            request(
                &format!(
                    "Content-Length: {length}\r\nContent-Length: {}",
                    length + hidden.len()
                ),
                &format!("{vote}{hidden}"),
            ),
        ),
        (
            "a list of lengths",
            request(
                &format!("Content-Length: {length}, {}", length + hidden.len()),
                &format!("{vote}{hidden}"),
            ),
        ),
        (
            "a length with a sign",
            request(
                &format!("Content-Length: +{length}"),
                &format!("{vote}{hidden}"),
            ),
        ),
        (
            "a coding that nobody knows",
            request(
                &format!("Content-Length: {length}\r\nTransfer-Encoding: xchunked"),
                &format!("{vote}{hidden}"),
            ),
        ),
        (
            "chunks that are not last",
            request(
                &format!("Content-Length: {length}\r\nTransfer-Encoding: chunked, identity"),
                &format!("{vote}{hidden}"),
            ),
        ),
        (
            "a blank before the colon",
            request(
                &format!("Content-Length: {length}\r\nTransfer-Encoding : chunked"),
                &format!("{vote}{hidden}"),
            ),
        ),
        (
            "a folded line",
            request(
                &format!("Content-Length: {length}\r\nTransfer-Encoding:\r\n chunked"),
                &format!("{vote}{hidden}"),
            ),
        ),
        (
            "a length that is no number",
            request("Content-Length: 0x11", &format!("{vote}{hidden}")),
        ),
        (
            "a chunk longer than any number",
            request(
                "Transfer-Encoding: chunked",
                &format!("10000000000000011\r\n{vote}\r\n0\r\n\r\n{hidden}"),
            ),
        ),
        (
            "a chunk with a negative length",
            request(
                "Transfer-Encoding: chunked",
                &format!("-11\r\n{vote}\r\n0\r\n\r\n{hidden}"),
            ),
        ),
        (
            "a line that ends in a value",
            request(
                &format!("Content-Length: {length}\r\nX: a\rTransfer-Encoding: chunked"),
                &format!("{vote}{hidden}"),
            ),
        ),
    ]
}

/// As RFC 9112 has it (6.1, 6.3): what can be read in two ways is refused, or nothing more is read after it.
#[tokio::test]
async fn nothing_is_read_into_a_request_that_another_might_read_otherwise() {
    let world = World::start().await;
    let mut read_as_two = Vec::new();
    for (what, request) in smuggled() {
        let mut connection = TcpStream::connect(address(&world)).await.unwrap();
        connection.write_all(request.as_bytes()).await.unwrap();
        let said = reply(&mut connection).await;
        let answers = said.matches("HTTP/1.1 ").count();
        println!(
            "{what}: {answers}, {}",
            said.lines().next().unwrap_or_default()
        );
        if answers > 1 {
            read_as_two.push((what, said));
        }
    }
    let (_, dogs) = {
        world.sweep().await;
        world.tallies().await
    };
    println!("dogs {dogs}");
    assert!(read_as_two.is_empty(), "{read_as_two:#?}");
    assert_eq!(dogs, 0, "a hidden vote was counted");
    votes_are_taken(&world, "the time after").await;
}

/// RFC 9112 (6.3) lets the chunks count, and has the connection end then. Spin goes on to read from it: what comes before
/// must not pass both on.
#[tokio::test]
async fn a_length_beside_chunks_does_not_count() {
    let world = World::start().await;
    let mut connection = Connection::to(world.url()).await;
    let headers = "Content-Length: 9\r\nTransfer-Encoding: chunked";
    connection
        .post(
            "/api/vote",
            headers,
            "11\r\n{\"option\":\"cats\"}\r\n0\r\n\r\n",
        )
        .await;
    let answer = connection.answer().await.expect("an answer");
    assert_eq!(answer.status, 201, "{answer:?}");
    world.settles_at(1, 0).await;
}
