//! What a client is told of a vote that its poll does not take.

use ballot::{OptionName, PollId, Timestamp};
use conventions::Problem;
use serde_json::{Map, json};

use super::Appended;

/// More options than these are not listed in an answer.
const MOST_LISTED: usize = 10;

impl Appended {
    /// Why the poll does not take the vote. [`Problem::Internal`] if it does.
    pub fn refusal(self, poll: &PollId) -> Problem {
        match self {
            Self::UnknownOption(options) => Problem::Unprocessable(choices(poll, &options)),
            Self::UnknownPoll => Problem::NotFound(format!(
                "There is no poll \"{poll}\". GET /api/polls lists those that there are."
            )),
            Self::NotOpen(time) => out_of_hours("opens_at", time, |time| {
                format!("The poll \"{poll}\" opens at {time}. Vote again then.")
            }),
            Self::Closed(time) => out_of_hours("closes_at", time, |time| {
                format!("The poll \"{poll}\" closed at {time}. It takes no more votes.")
            }),
            Self::Limited { retry_after, quota } => Problem::TooMany {
                detail: format!(
                    "You may cast {} votes in {} seconds. Send this one again after the time in Retry-After.",
                    quota.policy.quota,
                    quota.policy.window.as_secs()
                ),
                retry_after,
                quota,
            },
            Self::VoterMissing => Problem::Unprocessable(format!(
                "Each voter has one vote in the poll \"{poll}\". Say who votes by \"voter\"."
            )),
            Self::Recorded { .. } | Self::Unpublished => Problem::Internal("no refusal".to_owned()),
        }
    }
}

fn out_of_hours(name: &str, time: Timestamp, detail: impl Fn(&str) -> String) -> Problem {
    let time = time.to_string();
    Problem::Conflict {
        detail: detail(&time),
        members: Map::from_iter([(name.to_owned(), json!(time))]),
    }
}

/// What a client is told that chose something else.
fn choices(poll: &PollId, options: &[OptionName]) -> String {
    let names: Vec<_> = options.iter().map(OptionName::as_str).collect();
    let choose = if names.len() > MOST_LISTED {
        format!("GET /api/polls/{poll} lists all {}", names.len())
    } else {
        format!("Choose one of: {}", names.join(", "))
    };
    format!("The poll \"{poll}\" has no such option. {choose}.")
}
