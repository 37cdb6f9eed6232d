//! Access to Redis.

use spin_sdk::redis::{Connection, Error, RedisParameter, RedisResult};

use crate::connection::{Cause, Failure, Kept};
use crate::settings::{self, InvalidSetting};

const UPSTREAM: &str = "redis";

/// A Redis server, by the variables `redis_url` and `upstream_timeout_ms`.
pub struct Redis {
    url: String,
    connection: Kept<Connection>,
}

/// One value of a reply. Spin gives a reply as one flat list of these, however nested it was.
pub type Value = RedisResult;

impl Redis {
    /// Reads the variables `redis_url` and `upstream_timeout_ms`. Connects when it is first asked something.
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        Ok(Self {
            url: settings::text("redis_url").await?,
            connection: Kept::new(UPSTREAM, settings::millis("upstream_timeout_ms").await?),
        })
    }

    /// Sends a command that is safe to repeat.
    pub async fn execute(
        &self,
        command: &str,
        arguments: &[RedisParameter],
    ) -> Result<Vec<Value>, Failure> {
        self.connection
            .run(
                async || Connection::open(&self.url).await.map_err(cause),
                async |connection| {
                    connection
                        .execute(command, arguments.to_vec())
                        .await
                        .map_err(cause)
                },
            )
            .await
    }

    /// Asks whether it is there.
    pub async fn ping(&self) -> Result<(), Failure> {
        self.execute("PING", &[]).await.map(drop)
    }

    /// Runs a script with the keys that it touches and its arguments, by its hash. A server that does not
    /// know it, having just started, is sent the text.
    pub(crate) async fn evaluate(
        &self,
        script: &Script,
        keys: &[&str],
        arguments: impl IntoIterator<Item = RedisParameter>,
    ) -> Result<Vec<Value>, Failure> {
        let mut parameters: Vec<_> = [parameter(script.sha1), number(keys.len())]
            .into_iter()
            .chain(keys.iter().map(parameter))
            .chain(arguments)
            .collect();
        match self.execute("EVALSHA", &parameters).await {
            Err(failure) if failure.says("No matching script") => {
                parameters[0] = parameter(script.text);
                self.execute("EVAL", &parameters).await
            }
            outcome => outcome,
        }
    }
}

/// A Lua script.
pub(crate) struct Script {
    pub(crate) text: &'static str,
    /// Of the text, in hexadecimal.
    pub(crate) sha1: &'static str,
}

pub(crate) fn parameter(text: impl AsRef<[u8]>) -> RedisParameter {
    RedisParameter::Binary(text.as_ref().to_vec())
}

pub(crate) fn number(value: impl TryInto<i64>) -> RedisParameter {
    RedisParameter::Int64(value.try_into().unwrap_or(i64::MAX))
}

pub(crate) fn unexpected(reply: &str) -> Failure {
    let cause = Cause::Refused(format!("unexpected reply to {reply}"));
    Failure {
        upstream: UPSTREAM,
        cause,
    }
}

/// Spin passes on what its Redis client says, as text. An error that the server sent begins with
/// its code in capitals (`NOGROUP: …`) or says that it was signalled by the server.
fn cause(error: Error) -> Cause {
    match error {
        Error::Other(text) if is_reply(&text) => Cause::Refused(text),
        Error::Other(text) => Cause::Broken(text),
        Error::InvalidAddress => Cause::Refused("the address is invalid or not allowed".into()),
        Error::TooManyConnections => Cause::Refused("too many connections".into()),
        Error::TypeError => Cause::Refused("unexpected type of reply".into()),
    }
}

fn is_reply(text: &str) -> bool {
    let code = text.split([':', ' ']).next().unwrap_or_default();
    let coded = code.len() > 2 && code.bytes().all(|b| b.is_ascii_uppercase() || b == b'_');
    coded || text.contains("signalled by the server")
}
