//! Who may organize polls.

use conventions::{Problem, Result};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::settings::{self, InvalidSetting};

/// Shorter ones could be guessed.
const SHORTEST: usize = 16;

/// The tokens in the variable `organizer_tokens`, each as its hash: all have the same length then, and how long
/// a comparison takes says nothing.
pub struct Organizers(Vec<[u8; 32]>);

impl Organizers {
    /// Reads the variable `organizer_tokens`.
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        let name = "organizer_tokens";
        let tokens = settings::secrets(name, SHORTEST).await?;
        Ok(Self(
            tokens
                .iter()
                .map(|token| Sha256::digest(token).into())
                .collect(),
        ))
    }

    /// Whether the request shows one of the tokens. [`Problem::NothingHere`] where there are no organizers.
    pub fn admit(&self, headers: &HeaderMap) -> Result<()> {
        let Self(tokens) = self;
        if tokens.is_empty() {
            return Err(Problem::NothingHere);
        }
        let shown = Sha256::digest(bearer(headers).ok_or(Problem::Unauthorized)?);
        let known = tokens
            .iter()
            .fold(Choice::from(0), |known, token| known | token.ct_eq(&shown));
        if bool::from(known) {
            Ok(())
        } else {
            Err(Problem::Unauthorized)
        }
    }
}

/// The token of `Authorization: Bearer …` (RFC 6750, section 2.1).
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then_some(token.trim())
}
