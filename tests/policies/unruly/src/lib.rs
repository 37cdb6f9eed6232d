//! A policy that behaves as the header `x-policy` of the request says, and without it refuses votes for dogs, for the tests: well, or as badly as a policy can.

#![allow(
    unsafe_code,
    unconditional_recursion,
    clippy::panic,
    clippy::unwrap_used,
    reason = "misbehaving is what it is for"
)]

mod bindings {
    use super::Unruly;

    wit_bindgen::generate!({ path: "../../../wit", world: "policy" });
    export!(Unruly);
}

use bindings::exports::spinvote::policy::eligibility::{Ballot, Guest, Reason, Refusal};

pub struct Unruly;

impl Guest for Unruly {
    fn check(ballot: Ballot) -> Result<(), Refusal> {
        let header = |name: &str| {
            let mut headers = ballot.headers.iter();
            headers.find(|header| header.name == name)
        };
        // A browser sends no header of ours, but has voters to choose by.
        let by_choice = if ballot.choice == "dogs" {
            "refuse"
        } else {
            "allow"
        };
        let behaviour = header("x-policy").map_or(by_choice, |header| header.value.as_str());
        match behaviour {
            "allow" => Ok(()),
            "refuse" => Err(refusal(
                "not-today",
                &[
                    ("en", "You can vote from Monday on."),
                    ("de", "Du kannst ab Montag abstimmen."),
                ],
            )),
            // What it was shown, as the reason.
            "tell" => Err(refusal("told", &[("en", &format!("{ballot:?}"))])),
            "code" => Err(refusal(header("x-code").unwrap().value.as_str(), &[])),
            "markup" => Err(refusal(
                "<b>",
                &[("en", &format!("<script>{}", "x".repeat(1000)))],
            )),
            "trap" => panic!("the policy was told to trap"),
            "loop" => loop {
                std::hint::spin_loop();
            },
            "recurse" => recurse(0),
            "allocate" => {
                let mut hoard = Vec::new();
                loop {
                    hoard.push(std::hint::black_box(vec![1u8; 1 << 20]));
                }
            }
            // Few turns, each of which is long.
            "fill" => {
                let mut bytes = vec![0u8; 8 << 20];
                loop {
                    std::hint::black_box(&mut bytes).fill(std::hint::black_box(1));
                }
            }
            // Bytes that are no text, where text is promised.
            "garbage" => Err(refusal(
                unsafe { str::from_utf8_unchecked(std::hint::black_box(&[0xff, 0xfe])) },
                &[],
            )),
            "flood" => Err(refusal(
                "flood",
                &vec![("en", "x".repeat(10_000).as_str()); 1000],
            )),
            other => panic!("unknown behaviour {other:?}"),
        }
    }
}

fn recurse(depth: u64) -> Result<(), Refusal> {
    std::hint::black_box(recurse(std::hint::black_box(depth) + 1))
}

fn refusal(code: &str, reasons: &[(&str, &str)]) -> Refusal {
    let reasons = reasons.iter().map(|(language, text)| Reason {
        language: (*language).to_owned(),
        text: (*text).to_owned(),
    });
    Refusal {
        code: code.to_owned(),
        reasons: reasons.collect(),
    }
}
