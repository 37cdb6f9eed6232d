//! Shows a ballot to the policy, and says what it decided. Only the components of this application can ask: its
//! route is private.
//!
//! A component of its own, so that a policy that traps takes nobody's vote with it. Ballot and refusal travel in
//! headers, and nothing has a body: so nothing is waited for, and while a policy runs no other ballot is on its way in
//! this instance.

#[allow(unsafe_code, missing_docs, reason = "generated from wit/policy.wit")]
mod bindings {
    wit_bindgen::generate!({ path: "../../wit", world: "asks" });
}

use std::sync::OnceLock;

use ballot::{Ballot, Reason, Refusal};
use bindings::spinvote::policy::eligibility::{self, Header};
use conventions::accept;
use spin_sdk::http::Request;
use spin_sdk::http_service;
use spin_sdk::wasip3::http::types::{Fields, Response};
use spin_sdk::wasip3::wit_future;

/// The code by which a policy says of the blank ballot that it has no rules.
const NO_RULES: &str = "no-rules";

/// 204 if the vote may be cast, 403 with the refusal if not. Without a ballot, 204 if there are no rules, 200 if there
/// are.
#[http_service]
async fn handle(request: Request) -> Response {
    let Some(line) = request.headers().get(Ballot::HEADER) else {
        return respond(if has_rules() { 200 } else { 204 }, None);
    };
    match Ballot::from_line(line.as_bytes()).map(check) {
        None => respond(400, None),
        Some(Ok(())) => respond(204, None),
        Some(Err(refusal)) => respond(403, refusal.to_line()),
    }
}

fn respond(status: u16, refusal: Option<String>) -> Response {
    let headers = Fields::new();
    // One that does not fit is none: who asked will say that the policy failed.
    let _ = refusal.map(|line| headers.set(Refusal::HEADER, &[line.into_bytes()]));
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (response, _) = Response::new(headers, None, no_trailers);
    let _ = response.set_status_code(status);
    response
}

fn has_rules() -> bool {
    static HAS_RULES: OnceLock<bool> = OnceLock::new();
    *HAS_RULES.get_or_init(
        || !matches!(check(Ballot::default()), Err(refusal) if refusal.code == NO_RULES),
    )
}

fn check(ballot: Ballot) -> Result<(), Refusal> {
    let headers = ballot.headers.into_iter();
    let shown = eligibility::Ballot {
        poll: ballot.poll,
        choice: ballot.choice,
        voter: ballot.voter,
        address: ballot.address,
        user_agent: ballot.user_agent,
        language: accept::preferred(&ballot.languages, |range| {
            (range != "*").then(|| range.to_owned())
        }),
        time: ballot.time,
        headers: headers
            .map(|(name, value)| Header { name, value })
            .collect(),
    };
    eligibility::check(&shown).map_err(|refusal| {
        let reason = preferred(&ballot.languages, refusal.reasons);
        Refusal::bounded(refusal.code, reason)
    })
}

/// The reason in the language that the client prefers, else the first that there is.
fn preferred(languages: &str, reasons: Vec<eligibility::Reason>) -> Option<Reason> {
    let primary = |tag: &str| tag.split('-').next().unwrap_or_default().to_lowercase();
    let place = accept::preferred(languages, |range| {
        let find = |matches: &dyn Fn(&str) -> bool| {
            let mut each = reasons.iter();
            each.position(|reason| matches(&reason.language))
        };
        find(&|tag| tag.eq_ignore_ascii_case(range))
            .or_else(|| find(&|tag| primary(tag) == primary(range)))
    });
    let reason = reasons.into_iter().nth(place.unwrap_or_default())?;
    Some(Reason {
        language: reason.language,
        text: reason.text,
    })
}
