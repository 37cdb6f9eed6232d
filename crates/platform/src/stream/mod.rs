//! The stream of votes, and all that hangs on its name: see [`Names`].
//!
//! [`Producer`] is how a vote gets in, by the [`Definitions`] of polls, and [`Consumer`] how votes get out.
//! What must happen in one piece is a Lua script beside this file.
//!
//! While a script runs nobody else is served, and anybody may have appended anything. So each has a bound
//! that holds whatever is in the stream:
//!
//! | script | what one call does at most | its reply |
//! |---|---|---|
//! | `append.lua` | for each of [`MOST_VOTES`]: appends one entry of at most 2.4 kB, sets two keys and two flags; reads one definition | 6 values a vote, or 51 |
//! | `refuse.lua` | for each of [`MOST_VOTES`]: reads one key, raises one number | 3 values a vote |
//! | `read.lua` | claims or reads 64 entries at a time, until it has `batch_size` or 4 MiB; looks at 25,600 pending entries | one string, of 8 values an entry, each of at most 1,020 bytes, and its id |
//! | `reject.lua` | reads again what `read.lua` gave; copies of each entry 64 fields of at most 1,020 bytes | 3 values |
//! | `create_group.lua` | makes one group | one value |
//! | `tidy.lua` | trims 10,000 old entries and 2,000 early, of which it reads ten at a time, until it has read 1 MiB; forgets 100 consumers | 4 numbers |
//! | `standing.lua` | reads one entry, the newest, and only while the group has not read it | 13 numbers |
//! | `publish.lua` | writes [`MOST_CHANGES`] definitions | one number |
//! | `hold.lua` | reads one flag, sets one field | one number |
//! | `outdated.lua` | reads [`MOST_CHANGES`] definitions, sets two fields of each | as many numbers at most |
//! | `published.lua` | reads or sets one key | one number |
//! | `sign_in.lua` | raises one number | one number |
//!
//! `tidy.lua` and `standing.lua` look at each group of the stream once, and `tidy.lua` at each consumer of ours.

/// A script beside this file, without its comments: see build.rs.
macro_rules! script {
    ($name:literal) => {
        $crate::redis::Script {
            text: include_str!(concat!(env!("OUT_DIR"), "/", $name, ".lua")),
            sha1: include_str!(concat!(env!("OUT_DIR"), "/", $name, ".lua.sha1")),
        }
    };
}

mod consumer;
mod definitions;
mod producer;
mod rate_limit;
mod refusal;
mod sign_ins;

use std::net::IpAddr;
use std::time::Duration;

use ballot::PollId;

use crate::settings::{self, InvalidSetting};

pub use consumer::{Consumer, Refusals, Standing};
pub use definitions::{Definitions, MOST_CHANGES, PollRevision};
pub use producer::{Appended, Client, MOST_VOTES, Producer, Vote};
pub use rate_limit::RateLimit;
pub use sign_ins::SignIns;

/// The code by which votes are counted that the policy did not decide about. No policy can give it.
pub(crate) const UNDECIDED: &str = "policy_failed";

/// How long the doorbell counts as rung. If nobody listened, the first vote after it rings again.
const DOORBELL_HOLDS: Duration = Duration::from_secs(1);

/// All names in Redis, by the variable `stream`. They have one hash tag, so that in a Redis cluster the keys
/// of a script share a slot: that of `votes` is the slot of `{votes}`.
///
/// The doorbell's channel has no tag, as channels have no slot.
struct Names {
    /// `votes`
    stream: String,
    /// `{votes}`
    tag: String,
}

impl Names {
    async fn from_settings() -> Result<Self, InvalidSetting> {
        let stream = settings::text("stream").await?;
        Ok(Self {
            tag: format!("{{{stream}}}"),
            stream,
        })
    }

    /// The dead-letter stream.
    fn rejected(&self) -> String {
        format!("{}:rejected", self.tag)
    }

    /// A flag: the bell was rung, and nobody has answered yet.
    fn doorbell(&self) -> String {
        format!("{}:doorbell", self.tag)
    }

    /// Where the bell rings. The manifest has it, too.
    fn doorbell_channel(&self) -> String {
        format!("{}:doorbell", self.stream)
    }

    /// A flag: somebody has tidied in passing a moment ago.
    fn tidied(&self) -> String {
        format!("{}:tidied", self.tag)
    }

    /// A number: entries that were trimmed before their time.
    fn trimmed_early(&self) -> String {
        format!("{}:trimmed-early", self.tag)
    }

    /// What the names begin with by which idempotency keys are remembered; poll and vote id follow.
    fn remembered(&self) -> String {
        format!("{}:idempotency:", self.tag)
    }

    /// A hash, the definition of a poll.
    fn definition(&self, poll: &PollId) -> String {
        format!("{}:poll:{poll}", self.tag)
    }

    /// A hash: all polls that are published, each with its revision.
    fn polls(&self) -> String {
        format!("{}:polls", self.tag)
    }

    /// A hash: the polls in which somebody has voted, counted or not.
    fn voted(&self) -> String {
        format!("{}:voted", self.tag)
    }

    /// A hash: how many votes the policy has refused, by the code of the refusal.
    fn refused(&self) -> String {
        format!("{}:refused", self.tag)
    }

    /// What the names begin with of how much a client has cast; a poll may follow, and its address.
    fn cast_by(&self) -> String {
        format!("{}:cast-by:", self.tag)
    }

    /// A number: attempts of a client to sign in that failed of late.
    fn failed_sign_ins(&self, client: Option<IpAddr>) -> String {
        let client = client.map_or_else(|| "unknown".to_owned(), |it| it.to_string());
        format!("{}:sign-in:{client}", self.tag)
    }

    /// Since which start of Redis all polls are published.
    fn published(&self) -> String {
        format!("{}:published", self.tag)
    }
}
