//! What a client is told of a vote that its poll does not take.

use ballot::{OptionName, PollId, Refusal, Timestamp};
use conventions::Problem;
use serde_json::{Map, json};

use super::Appended;

/// More options than these are not listed in an answer.
const MOST_LISTED: usize = 10;

impl Appended {
    /// Why the poll does not take the vote. [`Problem::Internal`] if it does.
    pub fn refusal(self, poll: &PollId) -> Problem {
        let detail = self.detail(poll);
        match self {
            Self::UnknownOption(_) | Self::VoterMissing => Problem::Unprocessable(detail),
            Self::UnknownPoll => Problem::NotFound(detail),
            Self::NotOpen(time) => out_of_hours(detail, "opens_at", time),
            Self::Closed(time) => out_of_hours(detail, "closes_at", time),
            Self::Limited { retry_after, quota } => Problem::TooMany {
                detail,
                retry_after,
                quota,
            },
            Self::Ineligible(refusal) => Problem::Ineligible {
                detail,
                code: refusal.code,
                language: refusal
                    .reason
                    .map_or_else(|| "en".to_owned(), |reason| reason.language),
            },
            Self::Recorded { .. } | Self::Unpublished => Problem::Internal(detail),
        }
    }

    /// Likewise, in words alone: for one of many votes.
    pub fn detail(&self, poll: &PollId) -> String {
        match self {
            Self::Ineligible(Refusal { code, reason }) => reason.as_ref().map_or_else(
                || format!("By the organizer's rules you may not cast this vote: {code}."),
                |reason| reason.text.clone(),
            ),
            Self::UnknownOption(options) => choices(poll, options),
            Self::VoterMissing => format!(
                "Each voter has one vote in the poll \"{poll}\". Say who votes by \"voter\"."
            ),
            Self::UnknownPoll => {
                format!("There is no poll \"{poll}\". GET /api/polls lists those that there are.")
            }
            Self::NotOpen(time) => format!("The poll \"{poll}\" opens at {time}. Vote again then."),
            Self::Closed(time) => {
                format!("The poll \"{poll}\" closed at {time}. It takes no more votes.")
            }
            Self::Limited { quota, .. } => format!(
                "You may cast {} votes in {} seconds. Send this one again after the time in Retry-After.",
                quota.policy.quota,
                quota.policy.window.as_secs()
            ),
            Self::Recorded { .. } | Self::Unpublished => "no refusal".to_owned(),
        }
    }
}

fn out_of_hours(detail: String, name: &str, time: Timestamp) -> Problem {
    Problem::Conflict {
        detail,
        members: Map::from_iter([(name.to_owned(), json!(time.to_string()))]),
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
