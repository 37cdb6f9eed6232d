//! What all that organizers do has in common.

use ballot::{Definition, PollId};
use conventions::Problem;
use platform::postgres::Postgres;
use platform::settings::InvalidSetting;
use platform::stream::Definitions;
use platform::{BodyLimits, Failure, Organizers, PerInstance, Voters, polls};
use serde_json::Map;

/// What organizers need.
pub struct Office {
    pub postgres: Postgres,
    pub definitions: Definitions,
    pub organizers: Organizers,
    pub limits: BodyLimits,
    pub voters: Voters,
}

static OFFICE: PerInstance<Office> = PerInstance::new();

impl Office {
    pub async fn open() -> Result<&'static Self, InvalidSetting> {
        OFFICE
            .get(async || {
                Ok(Self {
                    postgres: Postgres::from_settings().await?,
                    definitions: Definitions::from_settings().await?,
                    organizers: Organizers::from_settings().await?,
                    limits: BodyLimits::from_settings().await?,
                    voters: Voters::from_settings().await?,
                })
            })
            .await
    }

    /// Makes a poll known to where votes are taken. If that fails, the sweep does.
    pub async fn publish(&self, poll: &PollId) {
        let publish = async || {
            let changes = polls::changes(&self.postgres, &[poll]).await?;
            self.definitions.publish(&changes).await
        };
        if let Err(failure) = publish().await {
            failure.log();
        }
    }

    /// Whether such a poll can be held here.
    pub fn check(&self, definition: &Definition) -> conventions::Result<()> {
        if definition.one_vote_per_voter && !self.voters.are_known() {
            return Err(conflict(
                "This Spinvote cannot tell voters apart. Its operator can set voter_key \
                 (SPIN_VARIABLE_VOTER_KEY); until then create polls without one_vote_per_voter.",
            ));
        }
        Ok(())
    }
}

pub fn unknown(poll: &PollId) -> Problem {
    Problem::NotFound(format!(
        "There is no poll \"{poll}\". GET /api/polls lists those that there are."
    ))
}

pub fn conflict(detail: impl Into<String>) -> Problem {
    Problem::Conflict {
        detail: detail.into(),
        members: Map::new(),
    }
}

pub fn unavailable(failure: Failure) -> Problem {
    failure.into_problem("Polls can be neither read nor changed now. Ask again in a moment.")
}
