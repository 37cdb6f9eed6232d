//! The policy that is there until an organizer puts one of their own in its place (docs/policies.md): everybody may
//! vote. It says so of the blank ballot, so that no vote waits for it.

#[allow(unsafe_code, missing_docs, reason = "generated from wit/policy.wit")]
mod bindings {
    use super::Everybody;

    wit_bindgen::generate!({ path: "../../wit", world: "policy" });
    export!(Everybody);
}

use bindings::exports::spinvote::policy::eligibility::{Ballot, Guest, Refusal};

pub struct Everybody;

impl Guest for Everybody {
    fn check(ballot: Ballot) -> Result<(), Refusal> {
        if ballot.poll.is_empty() {
            return Err(Refusal {
                code: "no-rules".to_owned(),
                reasons: Vec::new(),
            });
        }
        Ok(())
    }
}
