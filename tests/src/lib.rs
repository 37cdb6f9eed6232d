//! What the end-to-end tests share: a Spinvote of their own ([`World`]), or any that runs
//! ([`Service`]), and ways to ask it, in HTTP, Redis and SQL. The tests know nothing else of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod browser;
pub mod chaos;
pub mod everything;
pub mod generated;
pub mod organizer;
pub mod raw;

use std::{
    ops::Deref,
    time::{Duration, Instant},
};

use redis::{RedisResult, aio::MultiplexedConnection};
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap, redirect::Policy};
use serde_json::{Value, json};
use stack::{Stack, StackBuilder};
use tokio_postgres::NoTls;

/// Long enough for a busy machine; nothing waits so long that goes well.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// For so long results may be kept: the default of `results_cache_ms`, and a little.
const RESULTS_AGE: Duration = Duration::from_millis(260);

/// What everybody may ask: paths of each component, and one that nobody serves.
pub const PUBLIC: [&str; 16] = [
    "/",
    "/vote",
    "/results",
    "/openapi.json",
    "/docs",
    "/health",
    "/api/results",
    "/api/polls",
    "/api/polls/default/results",
    "/polls",
    "/polls/default",
    "/organize",
    "/api/votes",
    "/api/votes/x",
    "/api/vote",
    "/nothing/here",
];

/// What only those inside may ask: a gateway routes none of it.
pub const INSIDE: [&str; 3] = ["/ready", "/sweep", "/metrics"];

/// The text of a file of the checkout.
pub fn read(file: &str) -> String {
    std::fs::read_to_string(stack::checkout::root().join(file)).expect(file)
}

/// A client of a Spinvote, wherever that is.
pub struct Client {
    http: reqwest::Client,
    url: String,
}

/// A Spinvote for one test, with everything in it.
pub struct World {
    pub stack: Stack,
    client: Client,
}

impl Deref for World {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

/// A Spinvote that is only ever asked over HTTP, and that others may use meanwhile: the one at
/// SPINVOTE_URL, a cluster for example, else one of our own.
pub struct Service {
    client: Client,
    own: Option<Stack>,
}

impl Deref for Service {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Service {
    pub async fn find() -> Self {
        match std::env::var("SPINVOTE_URL") {
            Ok(url) => Self {
                client: Client::of(url.trim_end_matches('/')),
                own: None,
            },
            Err(_) => {
                let World { stack, client } = World::start().await;
                Self {
                    client,
                    own: Some(stack),
                }
            }
        }
    }

    /// The paths that can be asked for here: those for the inside only where no gateway is before it.
    pub fn paths(&self) -> impl Iterator<Item = &'static str> {
        let inside = self.own.as_ref().map(|_| INSIDE);
        PUBLIC.into_iter().chain(inside.into_iter().flatten())
    }
}

/// What a command did.
#[derive(Debug)]
pub struct Ran {
    pub done: bool,
    pub said: String,
    pub errors: String,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Answer {
    pub async fn of(request: RequestBuilder) -> Self {
        Self::read(request).await.expect("an answer")
    }

    async fn read(request: RequestBuilder) -> reqwest::Result<Self> {
        let response = request.send().await?;
        Ok(Self {
            status: response.status(),
            headers: response.headers().clone(),
            body: response.text().await?,
        })
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("not JSON: {self:?}"))
    }

    /// A header's value; empty if it is absent.
    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().expect("text"))
    }

    /// Checks that it is an error as RFC 9457 has it, and returns its `detail`.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert_eq!(problem["type"], "about:blank");
        assert!(
            problem["title"]
                .as_str()
                .is_some_and(|title| !title.is_empty()),
            "{self:?}"
        );
        let detail = problem["detail"].as_str().unwrap_or_default().to_owned();
        assert!(detail.len() > 20, "a detail says what to do: {self:?}");
        detail
    }
}

impl Client {
    /// Of the Spinvote at an address without a slash at its end.
    pub fn of(url: &str) -> Self {
        Self {
            // An answer is what was asked for, not what it leads to.
            http: reqwest::Client::builder()
                .redirect(Policy::none())
                .build()
                .expect("a client"),
            url: url.to_owned(),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    pub async fn get(&self, path: &str) -> Answer {
        Answer::of(self.request(Method::GET, path)).await
    }

    /// None if there is no answer, or not all of it.
    pub async fn try_get(&self, path: &str) -> Option<Answer> {
        Answer::read(self.request(Method::GET, path)).await.ok()
    }

    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        Answer::of(self.request(Method::POST, path).body(body)).await
    }

    pub async fn vote(&self, option: &str) -> Answer {
        self.post("/api/vote", json!({ "option": option }).to_string())
            .await
    }

    pub async fn vote_with_key(&self, option: &str, key: &str) -> Answer {
        let body = json!({ "option": option }).to_string();
        let request = self.request(Method::POST, "/api/vote");
        Answer::of(request.header("Idempotency-Key", key).body(body)).await
    }

    /// A request, with a vote in it, as a browser sends it for a page of this origin.
    pub async fn from_origin(&self, origin: &str, method: Method, path: &str) -> Answer {
        let request = self.request(method, path).header("Origin", origin);
        Answer::of(request.body(r#"{"option":"cats"}"#)).await
    }

    /// The receipt of an accepted vote, as soon as it is counted.
    pub async fn receipt(&self, accepted: &Answer) -> Value {
        assert_eq!(accepted.status, 201, "{accepted:?}");
        let location = accepted.header("location");
        let mut receipt = Value::Null;
        eventually(&format!("{location} is counted"), async || {
            let answer = self.get(location).await;
            if answer.status == 200 {
                receipt = answer.json();
            }
            answer.status == 200
        })
        .await;
        receipt
    }

    /// Results at this path as they are now: those from before are waited for to become too old.
    pub async fn results(&self, path: &str) -> Value {
        tokio::time::sleep(RESULTS_AGE).await;
        self.get(path).await.json()
    }

    /// The tallies of cats and dogs, as they are now.
    pub async fn tallies(&self) -> (i64, i64) {
        let results = self.results("/api/results").await;
        (
            results["cats"].as_i64().expect("cats"),
            results["dogs"].as_i64().expect("dogs"),
        )
    }
}

impl World {
    /// A Spinvote with the defaults of spin.toml.
    pub async fn start() -> Self {
        Self::start_with(|stack| stack).await
    }

    pub async fn start_with(change: impl FnOnce(StackBuilder) -> StackBuilder) -> Self {
        let stack = change(Stack::builder()).start().await.expect("a Spinvote");
        Self {
            client: Client::of(&stack.url()),
            stack,
        }
    }

    pub async fn sweep(&self) -> Answer {
        self.get("/sweep").await
    }

    /// Waits until the tallies are these, and then a little longer: a vote that counts twice does so
    /// after it has counted once.
    #[track_caller]
    pub fn settles_at(&self, cats: i64, dogs: i64) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + PATIENCE;
            let mut seen = self.tallies().await;
            while seen != (cats, dogs) {
                assert!(
                    Instant::now() < deadline,
                    "{caller}: {seen:?} is not {:?}",
                    (cats, dogs)
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
                seen = self.tallies().await;
            }
            tokio::time::sleep(Duration::from_millis(300)).await;
            assert_eq!(
                self.tallies().await,
                (cats, dogs),
                "{caller}: it did not stay"
            );
        }
    }

    /// A connection to Redis with the operator's rights.
    pub async fn redis(&self) -> MultiplexedConnection {
        self.try_redis().await.expect("Redis")
    }

    pub async fn try_redis(&self) -> RedisResult<MultiplexedConnection> {
        redis_at(&self.stack.redis_url(stack::RedisUser::Operator)).await
    }

    /// Appends a bare entry, as a producer that knows nothing of us does.
    pub async fn append(&self, fields: &[(&str, &[u8])]) -> String {
        let mut command = redis::cmd("XADD");
        command.arg("votes").arg("*");
        for (name, value) in fields {
            command.arg(name).arg(value);
        }
        command
            .query_async(&mut self.redis().await)
            .await
            .expect("an id")
    }

    /// What Redis replies to the operator.
    pub async fn command<T: redis::FromRedisValue>(&self, words: &str) -> T {
        self.try_command(words).await.expect("a reply")
    }

    pub async fn try_command<T: redis::FromRedisValue>(&self, words: &str) -> RedisResult<T> {
        ask_redis(&mut self.try_redis().await?, words).await
    }

    /// The dead letters, each with its reason and the id that it had.
    pub async fn dead_letters(&self) -> Vec<(String, String)> {
        self.try_dead_letters().await.expect("a reply")
    }

    pub async fn try_dead_letters(&self) -> RedisResult<Vec<(String, String)>> {
        // What an entry itself had may be any bytes, and comes after these.
        type Letter = (String, Vec<(Vec<u8>, Vec<u8>)>);
        let letters: Vec<Letter> = self.try_command("XRANGE {votes}:rejected - +").await?;
        let text = |fields: &[(Vec<u8>, Vec<u8>)], name: &str| {
            let field = fields.iter().find(|(known, _)| known == name.as_bytes());
            let value = field.map(|(_, value)| String::from_utf8_lossy(value).into_owned());
            value.unwrap_or_default()
        };
        Ok(letters
            .iter()
            .map(|(_, fields)| (text(fields, "reason"), text(fields, "stream_id")))
            .collect())
    }

    /// A connection to PostgreSQL with the operator's rights.
    pub async fn sql(&self) -> tokio_postgres::Client {
        sql_at(&self.stack.database_url(stack::Role::Operator))
            .await
            .expect("PostgreSQL")
    }

    /// What `cargo xtask …` does with this Spinvote, as with one that is somewhere else.
    pub fn xtask(&self, arguments: &[&str]) -> Ran {
        let output = std::process::Command::new(stack::checkout::target().join("debug/xtask"))
            .args(arguments)
            .env("SPINVOTE_URL", self.url())
            .env("SPINVOTE_TOKEN", &self.stack.secrets().organizer_token)
            .env(
                "REDIS_URL",
                self.stack.redis_url(stack::RedisUser::Operator),
            )
            .env(
                "DATABASE_URL",
                self.stack.database_url(stack::Role::Operator),
            )
            .output()
            .expect("xtask is built");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        Ran {
            done: output.status.success(),
            said: text(output.stdout),
            errors: text(output.stderr),
        }
    }

    /// The one number that a query gives.
    pub async fn number(&self, query: &str) -> i64 {
        self.sql()
            .await
            .query_one(query, &[])
            .await
            .expect("a row")
            .get(0)
    }

    /// Sweeps until all that was read is acknowledged.
    pub async fn sweeps_until_nothing_is_pending(&self) {
        eventually("nothing is pending", async || {
            self.sweep().await;
            let pending: redis::streams::StreamPendingReply =
                self.command("XPENDING votes vote-processors").await;
            pending.count() == 0
        })
        .await;
    }

    /// Says that no component has trapped.
    pub fn has_not_trapped(&self) {
        let output = self.stack.app_output();
        for sign in ["panicked at", "wasm trap", "wasm backtrace", "unreachable"] {
            assert!(!output.contains(sign), "{output}");
        }
    }

    /// How many log lines so far are of this event.
    pub fn logged(&self, event: &str) -> Vec<Value> {
        self.stack
            .app_output()
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line.get(line.find('{')?..)?).ok())
            .filter(|line| line["event"] == event)
            .collect()
    }
}

/// What Redis replies to words with a blank between them.
pub async fn ask_redis<T: redis::FromRedisValue>(
    redis: &mut MultiplexedConnection,
    words: &str,
) -> RedisResult<T> {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap_or_default());
    words.for_each(|word| {
        command.arg(word);
    });
    command.query_async(redis).await
}

pub async fn redis_at(url: &str) -> RedisResult<MultiplexedConnection> {
    redis::Client::open(url)?
        .get_multiplexed_async_connection()
        .await
}

pub async fn sql_at(url: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

/// Waits until something holds.
pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "in {PATIENCE:?} never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
