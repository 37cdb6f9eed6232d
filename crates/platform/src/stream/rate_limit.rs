//! How many votes one client may cast.

use std::net::IpAddr;

use ballot::PollId;
use conventions::QuotaPolicy;
use conventions::client::network;

use crate::settings::{self, InvalidSetting};

/// By the variables `rate_limit`, `rate_limit_window` and `rate_limit_scope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// As clients are told.
    pub policy: QuotaPolicy,
    /// Whether it holds in each poll by itself, rather than over all of them.
    per_poll: bool,
}

impl RateLimit {
    /// Reads the variables; none if votes are not limited.
    pub async fn from_settings() -> Result<Option<Self>, InvalidSetting> {
        let quota: u32 = settings::parsed(
            "rate_limit",
            "must be a whole number of votes; 0 is no limit",
        )
        .await?;
        let window = settings::seconds("rate_limit_window").await?;
        let per_poll = match settings::text("rate_limit_scope").await?.trim() {
            "all" => false,
            "poll" => true,
            _ => {
                return Err(InvalidSetting {
                    name: "rate_limit_scope",
                    problem: "must be all or poll",
                });
            }
        };
        let policy = QuotaPolicy {
            name: "votes",
            quota,
            window,
        };
        Ok((quota > 0).then_some(Self { policy, per_poll }))
    }

    /// What the client at an address is counted by, in a poll. Who has none is one with all others of their kind.
    pub(super) fn counted_by(&self, poll: &PollId, client: Option<IpAddr>) -> String {
        let client = client
            .map(network)
            .map_or_else(|| "unknown".to_owned(), |it| it.to_string());
        if self.per_poll {
            format!("{poll}:{client}")
        } else {
            client
        }
    }
}
