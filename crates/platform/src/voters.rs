//! Who votes, where each voter has one vote: by our cookie, or by a gateway that knows its voters.

use ballot::{Identity, PollId, Voter, VoterKeys};
use conventions::Problem;
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use crate::Organizers;
use crate::settings::{self, InvalidSetting};

/// The cookie's name.
const VOTER: &str = "voter";

/// Seconds: as long as browsers keep any cookie.
const MAX_AGE: u64 = 400 * 24 * 60 * 60;

/// Shorter keys could be guessed.
const SHORTEST_KEY: usize = 16;

/// By the variables `voter_key`, `organizer_tokens` and `environment`.
pub struct Voters {
    keys: Option<VoterKeys>,
    gateways: Organizers,
    production: bool,
}

/// What a request shows of who sent it.
pub struct Credentials {
    /// The voter of our cookie.
    pub cookie: Option<Identity>,
    /// Whether it comes from somebody who may name voters: it has an organizer's token.
    is_gateway: bool,
}

impl Credentials {
    /// Whether it comes from somebody who may name voters.
    pub fn is_gateway(&self) -> bool {
        self.is_gateway
    }

    /// Who votes, as far as we know; a gateway names its voter.
    pub fn identity(self, named: Option<Voter>) -> conventions::Result<Option<Identity>> {
        match named {
            None => Ok(self.cookie),
            Some(name) if self.is_gateway => Ok(Some(Identity::Named(name))),
            Some(_) => Err(Problem::Unauthorized),
        }
    }
}

/// A voter who is new.
pub struct NewVoter {
    /// By which the voter is known.
    pub id: Uuid,
    /// `Set-Cookie`
    pub cookie: HeaderValue,
}

impl Voters {
    /// Whether voters can be told apart here.
    pub fn are_known(&self) -> bool {
        self.keys.is_some()
    }

    /// Reads the variables `voter_key`, `organizer_tokens` and `environment`.
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        let keys = settings::secrets("voter_key", SHORTEST_KEY).await?;
        Ok(Self {
            keys: VoterKeys::new(&keys),
            gateways: Organizers::from_settings().await?,
            production: settings::text("environment").await? == "production",
        })
    }

    /// What the headers of a request show.
    pub fn credentials(&self, headers: &HeaderMap) -> Credentials {
        let cookie = self.keys.as_ref().and_then(|keys| {
            conventions::cookies(headers, VOTER).find_map(|value| keys.recognize(value))
        });
        Credentials {
            cookie,
            is_gateway: self.gateways.admit(headers).is_ok(),
        }
    }

    /// A new voter, with the cookie to be known by.
    ///
    /// [`Problem::Misconfigured`] where voters cannot be told apart.
    pub fn register(&self) -> conventions::Result<NewVoter> {
        let keys = self.keys.as_ref().ok_or(InvalidSetting {
            name: "voter_key",
            problem: "must be set: there is a poll in which each voter has one vote",
        })?;
        let id = Uuid::new_v4();
        let value = keys.cookie(id);
        Ok(NewVoter {
            id,
            cookie: conventions::set_cookie(VOTER, &value, "/", MAX_AGE, self.production)?,
        })
    }

    /// What is stored of a voter.
    pub fn hash(&self, poll: &PollId, voter: &Identity) -> Option<Voter> {
        self.keys.as_ref()?.voter(poll, voter)
    }
}
