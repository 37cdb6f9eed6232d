//! How often somebody may try to sign in.

use std::net::IpAddr;
use std::time::Duration;

use super::Names;
use crate::Failure;
use crate::redis::{Redis, Value, number, parameter, unexpected};
use crate::settings::InvalidSetting;

/// Attempts of one client that may fail, and after which time they are forgotten. A token of 16 characters is
/// never found at this rate; a person who mistypes it is let in.
const MOST_FAILURES: u32 = 10;
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);

/// Attempts to sign in, by the variables `stream` and `redis_url`.
pub struct SignIns {
    redis: Redis,
    names: Names,
}

impl SignIns {
    /// Reads the variable `stream`, and those of [`Redis::from_settings`].
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        Ok(Self {
            redis: Redis::from_settings().await?,
            names: Names::from_settings().await?,
        })
    }

    /// Lets a client try, and counts that as a failure until [`Self::succeeded`]; else says how long it has to
    /// wait. A client without an address is one with all others of its kind.
    pub async fn attempt(&self, client: Option<IpAddr>) -> Result<Option<Duration>, Failure> {
        let key = self.names.failed_sign_ins(client);
        let limits = [number(MOST_FAILURES), number(FORGOTTEN_AFTER.as_millis())];
        let reply = self
            .redis
            .evaluate(&script!("sign_in"), &[&key], limits)
            .await?;
        match reply.as_slice() {
            [Value::Int64(0)] => Ok(None),
            [Value::Int64(millis)] => {
                let wait = u64::try_from(*millis).unwrap_or_default();
                Ok(Some(Duration::from_millis(wait)))
            }
            _ => Err(unexpected("sign_in.lua")),
        }
    }

    /// Forgets the failures of a client that has signed in.
    pub async fn succeeded(&self, client: Option<IpAddr>) -> Result<(), Failure> {
        let key = parameter(self.names.failed_sign_ins(client));
        self.redis.execute("DEL", &[key]).await.map(drop)
    }
}
