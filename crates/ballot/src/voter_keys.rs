//! How voters are told apart, where each has one vote, without anybody knowing who they are.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

use crate::hex::{Hex, bytes};
use crate::{PollId, Voter};

/// What only the service knows: with it cookies of voters are signed and checked, and voters hashed.
///
/// Of several keys the first signs, so that a new one is put before the others, and all are good. The last
/// hashes, so that a voter stays the same voter while it stays in its place.
pub struct VoterKeys(Vec<Hmac<Sha256>>);

/// Who votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A browser, or whatever else keeps our cookie.
    Cookie(Uuid),
    /// As a gateway that knows its voters calls one.
    Named(Voter),
}

impl VoterKeys {
    /// None where there is no key.
    pub fn new(keys: &[String]) -> Option<Self> {
        let keys = keys
            .iter()
            .map(|key| Hmac::new_from_slice(key.as_bytes()).ok())
            .collect::<Option<Vec<_>>>()?;
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The value of a cookie for a voter: an id and its signature.
    pub fn cookie(&self, id: Uuid) -> String {
        let signature = self.0.first().map(|key| Hex(sign(key, id)).to_string());
        format!("{}.{}", id.simple(), signature.unwrap_or_default())
    }

    /// The voter of a cookie; none if it is not one of ours.
    pub fn recognize(&self, cookie: &str) -> Option<Identity> {
        let (id, signature) = cookie.split_once('.')?;
        // In one form only, so that nobody votes twice with one cookie.
        let id = Uuid::try_parse(id)
            .ok()
            .filter(|it| it.simple().to_string() == id)?;
        let signature = bytes(signature)?;
        self.0
            .iter()
            .any(|key| {
                let mut mac = key.clone();
                mac.update(COOKIE);
                mac.update(id.as_bytes());
                mac.verify_slice(&signature).is_ok()
            })
            .then_some(Identity::Cookie(id))
    }

    /// What is stored of a voter. It says nothing of them, and is another in each poll.
    pub fn voter(&self, poll: &PollId, identity: &Identity) -> Option<Voter> {
        let mut mac = self.0.last()?.clone();
        // Lengths are not ambiguous: a poll's name has no NUL.
        mac.update(b"voter\0");
        mac.update(poll.as_str().as_bytes());
        match identity {
            Identity::Cookie(id) => {
                mac.update(b"\0cookie\0");
                mac.update(id.as_bytes());
            }
            Identity::Named(name) => {
                mac.update(b"\0named\0");
                mac.update(name.as_str().as_bytes());
            }
        }
        let hash = mac.finalize().into_bytes();
        // Half of it is enough for nobody to be taken for another, and for nobody to be found out.
        let half: [u8; 16] = hash.get(..16)?.try_into().ok()?;
        Voter::parse(&Hex(half).to_string()).ok()
    }
}

/// What a signature of a cookie begins with, so that it is good for nothing else.
const COOKIE: &[u8] = b"cookie\0";

fn sign(key: &Hmac<Sha256>, id: Uuid) -> [u8; 32] {
    let mut mac = key.clone();
    mac.update(COOKIE);
    mac.update(id.as_bytes());
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(keys: &[&str]) -> VoterKeys {
        let keys: Vec<_> = keys.iter().map(|key| (*key).to_owned()).collect();
        VoterKeys::new(&keys).unwrap()
    }

    const ID: Uuid = Uuid::from_u128(7);

    #[test]
    fn a_cookie_is_known_by_any_of_the_keys() {
        let cookie = keys(&["old"]).cookie(ID);
        assert_eq!(
            keys(&["old"]).recognize(&cookie),
            Some(Identity::Cookie(ID))
        );
        assert_eq!(
            keys(&["new", "old"]).recognize(&cookie),
            Some(Identity::Cookie(ID))
        );
        assert_eq!(keys(&["new"]).recognize(&cookie), None);
        let newer = keys(&["new", "old"]).cookie(ID);
        assert_eq!(keys(&["new"]).recognize(&newer), Some(Identity::Cookie(ID)));
        assert!(VoterKeys::new(&[]).is_none());
    }

    #[test]
    fn what_was_changed_is_no_cookie() {
        let keys = keys(&["key"]);
        let cookie = keys.cookie(ID);
        let (id, signature) = cookie.split_once('.').unwrap();
        let other = Uuid::from_u128(8).simple().to_string();
        for wrong in [
            String::new(),
            ".".into(),
            id.into(),
            format!("{other}.{signature}"),
            format!("{}.{signature}", ID.hyphenated()),
            format!("{id}0.{signature}"),
            format!("{id}.{}", signature.to_uppercase()),
            format!("{id}.{}", &signature[1..]),
            format!("{id}.{signature}."),
        ] {
            assert_eq!(keys.recognize(&wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_voter_is_another_in_each_poll_and_the_same_after_a_rotation() {
        let poll = |name| PollId::parse(name).unwrap();
        let of = |keys: &VoterKeys, name, who: &Identity| keys.voter(&poll(name), who).unwrap();
        let (old, both) = (keys(&["old"]), keys(&["new", "old"]));
        let cookie = Identity::Cookie(ID);
        let named = Identity::Named(Voter::parse("ada").unwrap());
        let hash = of(&old, "a", &cookie);
        assert_eq!(hash.as_str().len(), 32);
        assert_eq!(hash, of(&both, "a", &cookie));
        assert_ne!(hash, of(&old, "b", &cookie));
        assert_ne!(hash, of(&old, "a", &named));
        assert_ne!(hash, of(&keys(&["new"]), "a", &cookie));
    }

    proptest! {
        #[test]
        fn never_panics_and_takes_nothing_for_a_cookie(text in "\\PC*") {
            prop_assert_eq!(keys(&["key"]).recognize(&text), None);
        }
    }
}
