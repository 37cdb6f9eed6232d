//! Who may organize polls.

use std::time::{SystemTime, UNIX_EPOCH};

use ballot::{OrganizerTokens, Session};
use conventions::{Problem, Result};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use uuid::Uuid;

use crate::settings::{self, InvalidSetting};

/// The cookie's name.
const ORGANIZER: &str = "organizer";

/// The pages that it is sent to.
const PAGES: &str = "/organize";

/// Shorter ones could be guessed.
const SHORTEST: usize = 16;

/// By the variables `organizer_tokens` and `environment`.
pub struct Organizers {
    tokens: Option<OrganizerTokens>,
    production: bool,
}

impl Organizers {
    /// Reads the variables `organizer_tokens` and `environment`.
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        let tokens = settings::secrets("organizer_tokens", SHORTEST).await?;
        Ok(Self {
            tokens: OrganizerTokens::new(&tokens),
            production: settings::text("environment").await? == "production",
        })
    }

    /// [`Problem::NothingHere`] where there are no organizers.
    fn tokens(&self) -> Result<&OrganizerTokens> {
        self.tokens.as_ref().ok_or(Problem::NothingHere)
    }

    /// Whether the request shows one of the tokens. [`Problem::NothingHere`] where there are no organizers.
    pub fn admit(&self, headers: &HeaderMap) -> Result<()> {
        let tokens = self.tokens()?;
        match bearer(headers) {
            Some(token) if tokens.know(token) => Ok(()),
            _ => Err(Problem::Unauthorized),
        }
    }

    /// The session of a browser, if it has one. [`Problem::NothingHere`] where there are no organizers.
    pub fn session(&self, headers: &HeaderMap) -> Result<Option<Session>> {
        let tokens = self.tokens()?;
        let mut cookies = conventions::cookies(headers, ORGANIZER);
        Ok(cookies.find_map(|cookie| tokens.recognize(cookie, now())))
    }

    /// `Set-Cookie` for who signs in with this token; none if it is not one of ours.
    pub fn sign_in(&self, token: &str) -> Result<Option<HeaderValue>> {
        let session = self.tokens()?.sign_in(token, Uuid::new_v4(), now());
        session
            .map(|session| self.set_cookie(&session.cookie, Session::LASTS))
            .transpose()
    }

    /// `Set-Cookie` for who signs out.
    pub fn sign_out(&self) -> Result<HeaderValue> {
        self.set_cookie("", 0)
    }

    fn set_cookie(&self, value: &str, seconds: u64) -> Result<HeaderValue> {
        conventions::set_cookie(ORGANIZER, value, PAGES, seconds, self.production)
    }
}

/// Unix seconds.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}
