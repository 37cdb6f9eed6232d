//! `cargo xtask up`: what it keeps running when a part of it goes.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    process::Stdio,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use spinvote_tests::{Client, eventually, redis_at};
use tokio::process::{Child, Command};
use tokio::time::sleep;

/// An instance of its own, with its data and its ports.
struct Instance {
    process: Child,
    data: std::path::PathBuf,
    client: Client,
}

impl Instance {
    async fn start() -> Self {
        let [port, redis, postgres] = [(); 3].map(|()| stack::ports::free().unwrap());
        Self::start_on(port, redis, postgres, 1).await
    }

    /// Each cell takes one port more for itself, and one for its Redis.
    async fn start_on(port: u16, redis: u16, postgres: u16, cells: u16) -> Self {
        let [port, redis, postgres] = [port, redis, postgres].map(|port| port.to_string());
        let data = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("up-{port}"));
        let process = xtask(&data)
            .args(["up", "--port", &port])
            .args(["--redis-port", &redis, "--postgres-port", &postgres])
            .args(["--cells", &cells.to_string()])
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let client = Client::of(&format!("http://127.0.0.1:{port}"));
        let started = Instant::now();
        // It builds what is not built, and compiles what it has not run yet.
        while client
            .try_get("/api/results")
            .await
            .is_none_or(|answer| answer.status != 200)
        {
            assert!(
                started.elapsed() < Duration::from_secs(300),
                "it does not come up"
            );
            sleep(Duration::from_millis(100)).await;
        }
        Self {
            process,
            data,
            client,
        }
    }

    /// An address, as `cargo xtask env` tells it once all of it runs.
    async fn address(&self, name: &str) -> String {
        let mut address = None;
        eventually(&format!("{name} is told"), async || {
            let output = xtask(&self.data).arg("env").output().await.unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            address = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("export {name}=")))
                .map(|value| value.trim_matches('\'').to_owned());
            address.is_some()
        })
        .await;
        address.unwrap()
    }

    /// How long a vote takes from the answer until it is counted.
    async fn counted_within(&self) -> Duration {
        let vote = self.client.vote("cats").await;
        let answered = Instant::now();
        self.client.receipt(&vote).await;
        answered.elapsed()
    }

    async fn stop(mut self) {
        let id = self.process.id().unwrap().to_string();
        Command::new("kill")
            .args(["-INT", &id])
            .status()
            .await
            .unwrap();
        assert!(self.process.wait().await.unwrap().success());
        std::fs::remove_dir_all(&self.data).unwrap();
    }
}

fn xtask(data: &std::path::Path) -> Command {
    let mut command = Command::new(stack::checkout::target().join("debug/xtask"));
    command.env("SPINVOTE_DATA", data);
    command
}

#[tokio::test]
async fn pages_stay_up_while_redis_is_gone_and_the_doorbell_is_heard_again() {
    let instance = Instance::start().await;
    instance.counted_within().await;

    let mut redis = redis_at(&instance.address("REDIS_URL").await)
        .await
        .unwrap();
    let info: String = redis::cmd("INFO")
        .arg("server")
        .query_async(&mut redis)
        .await
        .unwrap();
    let id = info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"))
        .unwrap();

    let done = AtomicBool::new(false);
    let (asked, ()) = tokio::join!(
        async {
            let mut asked = 0;
            while !done.load(Ordering::Relaxed) {
                for path in ["/health", "/", "/api/results"] {
                    let answer = instance.client.try_get(path).await;
                    let answer =
                        answer.unwrap_or_else(|| panic!("{path} after {asked}: no answer"));
                    assert_eq!(answer.status, 200, "{path}: {answer:?}");
                    asked += 1;
                }
            }
            asked
        },
        async {
            let status = Command::new("kill")
                .args(["-9", id])
                .status()
                .await
                .unwrap();
            assert!(status.success());
            eventually("votes are taken again", async || {
                instance.client.vote("dogs").await.status == 201
            })
            .await;
            // A sweep comes every five seconds: in time for one of these, not for three in a row.
            let mut quick = 0;
            eventually("the doorbell is heard", async || {
                quick = match instance.counted_within().await {
                    waited if waited < Duration::from_secs(1) => quick + 1,
                    _ => 0,
                };
                sleep(Duration::from_millis(1500)).await;
                quick == 3
            })
            .await;
            done.store(true, Ordering::Relaxed);
        }
    );
    assert!(asked > 100, "{asked}");
    instance.stop().await;
}

/// The first of so many ports that follow each other, and that nobody else is given.
fn ports_in_a_row(count: u16) -> u16 {
    loop {
        let ports: Vec<_> = (0..count).map(|_| stack::ports::free().unwrap()).collect();
        if ports.windows(2).all(|pair| pair[1] == pair[0] + 1) {
            return ports[0];
        }
    }
}

#[tokio::test]
async fn cells_share_the_tallies_and_each_is_swept() {
    let first = ports_in_a_row(5);
    let instance = Instance::start_on(first, first + 2, first + 4, 2).await;
    let second = instance.address("SPINVOTE_URL_2").await;
    assert_eq!(second, format!("http://127.0.0.1:{}", first + 1));
    let second = Client::of(&second);
    // It knows of the polls as soon as it was swept.
    let mut vote = None;
    eventually("the second cell takes a vote", async || {
        let answer = second.vote("dogs").await;
        let taken = answer.status == 201;
        vote = taken.then_some(answer);
        taken
    })
    .await;
    let receipt = instance.client.receipt(&vote.unwrap()).await;
    assert_eq!(receipt["option"], "dogs");

    // What nobody rings for is counted by the sweep of its own cell.
    let url = instance.address("REDIS_URL_2").await;
    assert_eq!(
        url.rsplit(':').next(),
        Some((first + 3).to_string().as_str())
    );
    let mut redis = redis_at(&url).await.unwrap();
    let mut append = redis::cmd("XADD");
    append.arg(&["votes", "*", "vote", "cats"]);
    let id: String = append.query_async(&mut redis).await.unwrap();
    eventually("the bare entry is counted", async || {
        let receipt = instance.client.get(&format!("/api/votes/{id}@2")).await;
        receipt.status == 200
    })
    .await;
    // Nobody asks a cell for results but the first.
    assert_eq!(second.get("/api/results").await.status, 404);
    instance.stop().await;
}
