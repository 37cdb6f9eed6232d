//! What all that organizers do has in common.

use ballot::{Definition, InvalidPoll, NewPoll, PollChange, PollId};
use conventions::Problem;
use platform::postgres::Postgres;
use platform::settings::InvalidSetting;
use platform::stream::{Definitions, SignIns};
use platform::{BodyLimits, Cause, Failure, Organizers, PerInstance, Voters, polls};
use serde_json::Map;

use crate::queries::{self, Document};

/// How often a change is tried again that somebody else's came before.
const ATTEMPTS: usize = 3;

/// What organizers need.
pub struct Office {
    pub postgres: Postgres,
    pub definitions: Definitions,
    pub organizers: Organizers,
    pub sign_ins: SignIns,
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
                    sign_ins: SignIns::from_settings().await?,
                    limits: BodyLimits::from_settings().await?,
                    voters: Voters::from_settings().await?,
                })
            })
            .await
    }

    /// Opens a poll under a name that is free.
    pub async fn create(&self, new: NewPoll) -> conventions::Result<Document> {
        let NewPoll { poll, definition } = new;
        self.check(&definition)?;
        let created = queries::create(&self.postgres, &poll, &definition).await;
        let document = created.map_err(unavailable)?.ok_or_else(|| {
            conflict(format!(
                "There is a poll \"{poll}\" already. Choose another name, or change that one."
            ))
        })?;
        self.publish(&poll).await;
        Ok(document)
    }

    /// Changes a poll, if `expects` the revision that it has.
    pub async fn change(
        &self,
        poll: &PollId,
        change: &PollChange,
        expects: impl Fn(i64) -> bool,
    ) -> conventions::Result<Document> {
        for _ in 0..ATTEMPTS {
            let found = queries::definition(&self.postgres, poll).await;
            let (revision, before) = found.map_err(unavailable)?.ok_or_else(|| unknown(poll))?;
            if !expects(revision) {
                return Err(changed_since());
            }
            let after = change.clone().apply(before.clone()).map_err(invalid)?;
            self.check(&after)?;
            let keeps_votes = after.keeps_votes_of(&before);
            let changed = async || {
                let changed = queries::change(&self.postgres, poll, &after, revision).await?;
                if changed.is_some() {
                    self.publish(poll).await;
                }
                Ok(changed)
            };
            let changed = if keeps_votes {
                changed().await
            } else {
                self.without_votes(poll, changed).await
            };
            if let Some(document) = changed.map_err(refused)? {
                return Ok(document);
            }
        }
        Err(contended())
    }

    /// Deletes a poll without votes, if `expects` the revision that it has.
    pub async fn delete(
        &self,
        poll: &PollId,
        expects: impl Fn(i64) -> bool,
    ) -> conventions::Result<()> {
        for _ in 0..ATTEMPTS {
            let found = queries::find(&self.postgres, poll).await;
            let document = found.map_err(unavailable)?.ok_or_else(|| unknown(poll))?;
            if !expects(document.revision) {
                return Err(changed_since());
            }
            let deleted = self
                .without_votes(poll, async || {
                    let deleted = queries::delete(&self.postgres, poll, document.revision).await?;
                    if deleted {
                        self.publish(poll).await;
                    }
                    Ok(deleted)
                })
                .await;
            if deleted.map_err(refused)? {
                return Ok(());
            }
        }
        Err(contended())
    }

    /// Does what may be done only to a poll without votes. PostgreSQL knows those that are counted; one that is
    /// on its way would find its poll or its option gone. So nobody can vote meanwhile, who has not yet. That is
    /// said to this cell's Redis alone: where there are others, PostgreSQL refuses.
    async fn without_votes<T>(
        &self,
        poll: &PollId,
        change: impl AsyncFnOnce() -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if !self.definitions.hold(poll).await? {
            return Err(Failure {
                upstream: "redis",
                cause: Cause::InUse,
            });
        }
        let outcome = change().await;
        // Of any other failure it is not known whether PostgreSQL does it yet: the hold ends by itself.
        let is_settled = match &outcome {
            Ok(_) => true,
            Err(failure) => matches!(failure.cause, Cause::InUse | Cause::SeveralCells),
        };
        if is_settled && let Err(failure) = self.definitions.release(poll).await {
            failure.log();
        }
        outcome
    }

    /// Makes a poll known to where votes are taken. If that fails, the sweep does.
    async fn publish(&self, poll: &PollId) {
        let publish = async || {
            let changes = polls::changes(&self.postgres, &[poll]).await?;
            self.definitions.publish(&changes).await
        };
        if let Err(failure) = publish().await {
            failure.log();
        }
    }

    /// Whether such a poll can be held here.
    fn check(&self, definition: &Definition) -> conventions::Result<()> {
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

fn changed_since() -> Problem {
    Problem::PreconditionFailed(
        "Somebody else has changed this poll since you read it. Read it again, and decide anew."
            .into(),
    )
}

fn contended() -> Problem {
    conflict("Others are changing this poll at the same time. Try again.")
}

pub fn invalid(invalid: InvalidPoll) -> Problem {
    match invalid {
        InvalidPoll::NotJson => Problem::BadRequest(invalid.to_string()),
        InvalidPoll::NotAPoll(detail) => Problem::Unprocessable(detail),
    }
}

/// What votes that were cast do not allow, or what PostgreSQL did not do.
fn refused(failure: Failure) -> Problem {
    match failure.cause {
        Cause::InUse => conflict(
            "This poll has votes. Options can be added to it, its hours and its question changed; it can be \
             closed by closes_at, and not be deleted.",
        ),
        Cause::SeveralCells => conflict(
            "This Spinvote runs in several cells, and votes in this poll may be on their way in each. Options can \
             be added to it, its hours and its question changed; it can be closed by closes_at, and not be deleted.",
        ),
        _ => unavailable(failure),
    }
}

fn conflict(detail: impl Into<String>) -> Problem {
    Problem::Conflict {
        detail: detail.into(),
        members: Map::new(),
    }
}

pub fn unavailable(failure: Failure) -> Problem {
    failure.into_problem("Polls can be neither read nor changed now. Ask again in a moment.")
}
