//! How organizers are known: by a token, or in a browser by a cookie that says that they had one.

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::hex::{Hex, bytes};

/// Seconds after which one has to sign in again.
const LASTS: u64 = 12 * 60 * 60;

/// The tokens of organizers. Each is a key: what it signs is good for as long as it is itself.
pub struct OrganizerTokens(Vec<Hmac<Sha256>>);

/// Somebody who signed in with a token. Holds no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// The value of the cookie.
    pub cookie: String,
    /// What forms carry of this session, so that no other page can send them.
    pub form_key: String,
}

impl Session {
    /// Seconds for which a new one is good.
    pub const LASTS: u64 = LASTS;
}

impl OrganizerTokens {
    /// None where there is no token.
    pub fn new(tokens: &[String]) -> Option<Self> {
        let tokens = tokens
            .iter()
            .map(|token| key(token))
            .collect::<Option<Vec<_>>>()?;
        (!tokens.is_empty()).then_some(Self(tokens))
    }

    /// Whether it is one of them. How long that takes says nothing about them: what is compared are
    /// signatures, in constant time, with all.
    pub fn know(&self, shown: &str) -> bool {
        self.key_of(shown).is_some()
    }

    /// Begins a session for who shows one of them; `id` is new and random, `now` in Unix seconds.
    pub fn sign_in(&self, shown: &str, id: Uuid, now: u64) -> Option<Session> {
        let key = self.key_of(shown)?;
        Some(session(key, &format!("{}.{}", now + LASTS, id.simple())))
    }

    /// The session of a cookie; none if it is over, or not signed by one of the tokens.
    pub fn recognize(&self, cookie: &str, now: u64) -> Option<Session> {
        let (about, signature) = cookie.rsplit_once('.')?;
        let signature = bytes(signature)?;
        let key = self
            .0
            .iter()
            .find(|key| signed(key, SESSION, about).verify_slice(&signature).is_ok())?;
        let (until, _) = about.split_once('.')?;
        let until: u64 = until.parse().ok()?;
        // Nobody signs a longer one but who knows the token, and needs none.
        (now < until && until <= now + LASTS).then(|| session(key, about))
    }

    fn key_of(&self, shown: &str) -> Option<&Hmac<Sha256>> {
        let shown = signed(&key(shown)?, TOKEN, "").finalize().into_bytes();
        self.0.iter().fold(None, |known, key| {
            let same = signed(key, TOKEN, "").verify_slice(&shown).is_ok();
            if same { Some(key) } else { known }
        })
    }
}

/// Of its hash, for HMAC takes a token and the same with a NUL at its end for one key.
fn key(token: &str) -> Option<Hmac<Sha256>> {
    Hmac::new_from_slice(&Sha256::digest(token)).ok()
}

/// What signatures begin with, so that each is good for one thing.
const TOKEN: &str = "token";
const SESSION: &str = "session";
const FORM: &str = "form";

fn session(key: &Hmac<Sha256>, about: &str) -> Session {
    Session {
        cookie: format!("{about}.{}", hex(key, SESSION, about)),
        form_key: hex(key, FORM, about),
    }
}

fn signed(key: &Hmac<Sha256>, purpose: &str, about: &str) -> Hmac<Sha256> {
    let mut mac = key.clone();
    mac.update(purpose.as_bytes());
    mac.update(b"\0");
    mac.update(about.as_bytes());
    mac
}

fn hex(key: &Hmac<Sha256>, purpose: &str, about: &str) -> String {
    let signature = signed(key, purpose, about).finalize().into_bytes();
    Hex::<32>(signature.into()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: Uuid = Uuid::from_u128(7);
    const NOW: u64 = 1_763_562_521;

    fn tokens(tokens: &[&str]) -> OrganizerTokens {
        let tokens: Vec<_> = tokens.iter().map(|token| (*token).to_owned()).collect();
        OrganizerTokens::new(&tokens).unwrap()
    }

    #[test]
    fn any_of_the_tokens_is_known_and_nothing_else() {
        let both = tokens(&["new-token", "old-token"]);
        assert!(both.know("new-token") && both.know("old-token"));
        for other in ["", "new", "new-token ", "NEW-TOKEN", "new-token\0"] {
            assert!(!both.know(other), "{other:?}");
        }
        assert!(OrganizerTokens::new(&[]).is_none());
    }

    #[test]
    fn a_session_lasts_twelve_hours_and_no_longer_than_its_token() {
        let both = tokens(&["new", "old"]);
        let session = both.sign_in("old", ID, NOW).unwrap();
        assert!(both.sign_in("older", ID, NOW).is_none());
        assert_eq!(both.recognize(&session.cookie, NOW), Some(session.clone()));
        let last = NOW + 12 * 3600 - 1;
        assert!(tokens(&["old"]).recognize(&session.cookie, last).is_some());
        assert!(both.recognize(&session.cookie, last + 1).is_none());
        assert!(tokens(&["new"]).recognize(&session.cookie, NOW).is_none());
        assert!(!session.cookie.contains("old") && !session.cookie.contains(&session.form_key));
        let other = both.sign_in("old", Uuid::from_u128(8), NOW).unwrap();
        assert_ne!(other.form_key, session.form_key);
    }

    #[test]
    fn what_was_changed_is_no_session() {
        let tokens = tokens(&["token"]);
        let cookie = tokens.sign_in("token", ID, NOW).unwrap().cookie;
        let (about, signature) = cookie.rsplit_once('.').unwrap();
        let later = about.replace(&(NOW + LASTS).to_string(), &(NOW + LASTS + 1).to_string());
        for wrong in [
            String::new(),
            about.into(),
            format!(".{signature}"),
            format!("{later}.{signature}"),
            format!("{about}.{}", signature.to_uppercase()),
            format!("{about}.{}", &signature[1..]),
        ] {
            assert_eq!(tokens.recognize(&wrong, NOW + 2), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn never_panics_and_takes_nothing_for_a_session(text in "\\PC*") {
            prop_assert_eq!(tokens(&["token"]).recognize(&text, NOW), None);
        }
    }
}
