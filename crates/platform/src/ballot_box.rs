//! The one way into the stream, whichever door a vote came by.

use ballot::Refusal;
use http::HeaderMap;

use crate::eligibility::{Circumstances, Eligibility, Ineligible};
use crate::settings::InvalidSetting;
use crate::stream::{Appended, Client, Producer, UNDECIDED, Vote};
use crate::{BodyLimits, Credentials, Failure, PerInstance, Voters};

/// Takes votes: those that the policy allows are appended to the stream.
pub struct BallotBox {
    /// Of the bodies that bring votes.
    pub limits: BodyLimits,
    /// Who votes.
    pub voters: Voters,
    eligibility: Eligibility,
    producer: Producer,
}

/// Who sent a request, and what a policy may know of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    client: Client,
    /// None where there are no rules.
    circumstances: Option<Circumstances>,
}

static BALLOT_BOX: PerInstance<BallotBox> = PerInstance::new();

impl BallotBox {
    /// That of this instance.
    pub async fn open() -> Result<&'static Self, InvalidSetting> {
        BALLOT_BOX
            .get(async || {
                Ok(Self {
                    limits: BodyLimits::from_settings().await?,
                    voters: Voters::from_settings().await?,
                    eligibility: Eligibility::from_settings().await?,
                    producer: Producer::from_settings().await?,
                })
            })
            .await
    }

    /// Who sent a request.
    pub async fn sender(&self, headers: &HeaderMap, credentials: &Credentials) -> Sender {
        let client = self.producer.client(headers, credentials);
        let eligibility = &self.eligibility;
        Sender {
            client,
            circumstances: eligibility.circumstances(headers, client.address).await,
        }
    }

    /// Appends votes, as [`Producer::append`] does: those that the policy allows. One that it refuses, and that was
    /// appended when it was allowed, is answered as it was then. Fails as soon as the policy does; what was allowed
    /// until then is not appended.
    pub async fn append(
        &self,
        votes: &[Vote<'_>],
        sender: &Sender,
    ) -> Result<Vec<Appended>, Failure> {
        let Some(circumstances) = &sender.circumstances else {
            return self.producer.append(votes, &sender.client).await;
        };
        let mut refusals = Vec::with_capacity(votes.len());
        for vote in votes {
            refusals.push(self.refusal(vote, circumstances).await?);
        }
        let of = |is_refused: bool| {
            let each = votes.iter().zip(&refusals);
            each.filter(move |(_, refusal)| refusal.is_some() == is_refused)
        };
        let allowed: Vec<_> = of(false).map(|(vote, _)| *vote).collect();
        let refused: Vec<_> = of(true)
            .filter_map(|(vote, refusal)| Some((*vote, refusal.as_ref()?.code.as_str())))
            .collect();
        let mut appended = Vec::new();
        if !allowed.is_empty() {
            appended = self.producer.append(&allowed, &sender.client).await?;
        }
        let mut before = Vec::new();
        if !refused.is_empty() {
            before = self.producer.refuse(&refused).await?;
        }
        let (mut appended, mut before) = (appended.into_iter(), before.into_iter());
        let outcomes = refusals.into_iter().filter_map(|refusal| match refusal {
            None => appended.next(),
            Some(refusal) => before
                .next()
                .map(|before| before.unwrap_or(Appended::Ineligible(refusal))),
        });
        Ok(outcomes.collect())
    }

    /// Why a vote may not be cast; none if it may.
    async fn refusal(
        &self,
        vote: &Vote<'_>,
        circumstances: &Circumstances,
    ) -> Result<Option<Refusal>, Failure> {
        let Vote {
            poll,
            option,
            voter,
            ..
        } = vote;
        let checked = self.eligibility.check(poll, option, *voter, circumstances);
        match checked.await {
            Ok(()) => Ok(None),
            Err(Ineligible::Refused(refusal)) => Ok(Some(refusal)),
            Err(Ineligible::Unknown(failure)) => {
                let counted = self.producer.refuse(&[(*vote, UNDECIDED)]).await;
                counted.err().iter().for_each(Failure::log);
                Err(failure)
            }
        }
    }
}
