//! The poll that is there from the start, which `/api/vote` and `/api/results` are about.
//!
//! The first migration opens it in PostgreSQL. Votes are taken without asking there, so what it
//! offers is known here too.

use crate::{OptionName, PollId};

/// The options of [`PollId::default`], in their order.
pub const OPTIONS: [&str; 2] = ["cats", "dogs"];

/// Whether it can be voted for.
pub fn offers(option: &OptionName) -> bool {
    OPTIONS.contains(&option.as_str())
}

/// What a client is told that chose something else.
pub fn choices() -> String {
    format!(
        "The poll \"{}\" has no such option. Choose one of: {}.",
        PollId::default(),
        OPTIONS.join(", ")
    )
}
