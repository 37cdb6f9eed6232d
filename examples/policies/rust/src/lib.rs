//! In the polls that ranges.json names, only clients of the address ranges there may vote; in all others everybody.

#[allow(unsafe_code, missing_docs, reason = "generated from wit/policy.wit")]
mod bindings {
    use super::AddressRanges;

    wit_bindgen::generate!({ path: "../../../wit", world: "policy" });
    export!(AddressRanges);
}

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use bindings::exports::spinvote::policy::eligibility::{Ballot, Guest, Reason, Refusal};
use ipnet::IpNet;

/// The ranges of each poll. The file becomes part of the component; `None` if it is not what it should be.
static RANGES: LazyLock<Option<BTreeMap<String, Vec<IpNet>>>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../ranges.json")).ok());

pub struct AddressRanges;

impl Guest for AddressRanges {
    fn check(ballot: Ballot) -> Result<(), Refusal> {
        let Some(ranges) = &*RANGES else {
            return Err(refusal(
                "misconfigured",
                "The rules of this poll cannot be read.",
            ));
        };
        let Some(ranges) = ranges.get(&ballot.poll) else {
            return Ok(());
        };
        let address = ballot
            .address
            .and_then(|address| address.parse::<IpAddr>().ok());
        let is_inside =
            address.is_some_and(|address| ranges.iter().any(|range| range.contains(&address)));
        if is_inside {
            Ok(())
        } else {
            Err(refusal(
                "address",
                "In this poll you can vote only from the organizer's network.",
            ))
        }
    }
}

fn refusal(code: &str, text: &str) -> Refusal {
    Refusal {
        code: code.to_owned(),
        reasons: vec![Reason {
            language: "en".to_owned(),
            text: text.to_owned(),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ranges_can_be_read() {
        assert!(RANGES.is_some());
    }
}
