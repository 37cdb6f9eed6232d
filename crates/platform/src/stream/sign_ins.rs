//! How often somebody may try to sign in.

use std::time::Duration;

use conventions::client::network;
use http::HeaderMap;

use super::Names;
use crate::Failure;
use crate::proxies::Proxies;
use crate::redis::{Redis, Value, number, parameter, unexpected};
use crate::settings::InvalidSetting;

/// Attempts of one client that may fail, and after which time they are forgotten. A token of 16 characters is
/// never found at this rate; a person who mistypes it is let in.
const MOST_FAILURES: u32 = 10;
const FORGOTTEN_AFTER: Duration = Duration::from_mins(10);

/// Attempts to sign in, by the variables `stream`, `redis_url` and `trusted_proxies`.
pub struct SignIns {
    redis: Redis,
    names: Names,
    proxies: Proxies,
}

impl SignIns {
    /// Reads the variables `stream` and `trusted_proxies`, and those of [`Redis::from_settings`].
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        Ok(Self {
            redis: Redis::from_settings().await?,
            names: Names::from_settings().await?,
            proxies: Proxies::from_settings().await?,
        })
    }

    /// Lets the client of a request try, and counts that as a failure until [`Self::succeeded`]; else says how long
    /// it has to wait. A client without an address is one with all others of its kind.
    pub async fn attempt(&self, headers: &HeaderMap) -> Result<Option<Duration>, Failure> {
        let key = self.key(headers);
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

    /// Forgets the failures of the client of a request, which has signed in.
    pub async fn succeeded(&self, headers: &HeaderMap) -> Result<(), Failure> {
        let key = parameter(self.key(headers));
        self.redis.execute("DEL", &[key]).await.map(drop)
    }

    fn key(&self, headers: &HeaderMap) -> String {
        let client = self.proxies.client(headers).map(network);
        self.names.failed_sign_ins(client)
    }
}
