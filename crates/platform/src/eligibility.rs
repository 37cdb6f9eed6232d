//! Whether a vote may be cast, by the rules of the organizer: the component `eligibility` shows it to the policy, in
//! instances of its own, so that nothing a policy does ends the one that asks.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ballot::{Ballot, OptionName, PollId, Refusal, Voter};
use conventions::list;
use http::header::{ACCEPT_LANGUAGE, AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderMap, HeaderName};
use spin_sdk::wasip3::http::client;
use spin_sdk::wasip3::http::types::{self, Fields};
use spin_sdk::wasip3::wit_future;

use crate::settings::{self, InvalidSetting};
use crate::within::within;
use crate::{Cause, Failure};

/// Spin calls the component by its id, without a network.
const ELIGIBILITY: &str = "eligibility.spin.internal";

/// Characters: what is beyond in a header is not shown to the policy. All of them together are a header, too.
const LONGEST_VALUE: usize = 1000;
/// More values than these are not shown.
const MOST_VALUES: usize = 20;

/// How the policy is asked, by the variables `policy_timeout_ms` and `policy_headers`.
pub struct Eligibility {
    timeout: Duration,
    headers: Vec<HeaderName>,
    /// Not known until the policy has said it.
    has_rules: OnceLock<bool>,
}

/// What is known of who sent a request. It has the headers of the request to itself, for these are gone by the time
/// the body is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Circumstances {
    address: Option<IpAddr>,
    user_agent: Option<String>,
    /// `Accept-Language`
    languages: String,
    headers: Vec<(String, String)>,
}

/// Why a vote may not be cast.
pub enum Ineligible {
    /// By the organizer's rules.
    Refused(Refusal),
    /// Whether it may is not known.
    Unknown(Failure),
}

impl Eligibility {
    /// Reads the variables `policy_timeout_ms` and `policy_headers`.
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        Ok(Self {
            timeout: settings::millis("policy_timeout_ms").await?,
            headers: chosen(&settings::text("policy_headers").await?)?,
            has_rules: OnceLock::new(),
        })
    }

    /// What the policy will want to know of a request; none if there are no rules, and it need not be asked.
    pub async fn circumstances(
        &self,
        headers: &HeaderMap,
        address: Option<IpAddr>,
    ) -> Option<Circumstances> {
        if !self.has_rules().await {
            return None;
        }
        let chosen = self.headers.iter().flat_map(|name| {
            let values = headers.get_all(name).into_iter();
            values.filter_map(|value| Some((name.to_string(), shown(value.to_str().ok()?))))
        });
        Some(Circumstances {
            address,
            user_agent: headers
                .get(USER_AGENT)
                .and_then(|value| value.to_str().ok())
                .map(shown),
            languages: shown(&list(headers, ACCEPT_LANGUAGE)),
            headers: chosen.take(MOST_VALUES).collect(),
        })
    }

    /// Whether a vote may be cast.
    pub async fn check(
        &self,
        poll: &PollId,
        choice: &OptionName,
        voter: Option<&Voter>,
        circumstances: &Circumstances,
    ) -> Result<(), Ineligible> {
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        let ballot = Ballot {
            poll: poll.as_str().to_owned(),
            choice: choice.as_str().to_owned(),
            voter: voter.map(|voter| voter.as_str().to_owned()),
            address: circumstances.address.map(|address| address.to_string()),
            user_agent: circumstances.user_agent.clone(),
            languages: circumstances.languages.clone(),
            time: time
                .ok()
                .and_then(|time| time.as_millis().try_into().ok())
                .unwrap_or_default(),
            headers: circumstances.headers.clone(),
        };
        match self.ask(Some(&ballot)).await.map_err(Ineligible::Unknown)? {
            (204, _) => Ok(()),
            (403, Some(refusal)) => Err(Refusal::from_line(&refusal).map_or_else(
                || Ineligible::Unknown(failed("it gave no refusal that can be read")),
                Ineligible::Refused,
            )),
            (status, _) => {
                let cause = format!("it trapped, or is no policy (status {status})");
                Err(Ineligible::Unknown(failed(cause)))
            }
        }
    }

    /// Asked once in the life of an instance. While no answer comes there may be rules.
    async fn has_rules(&self) -> bool {
        if let Some(has_rules) = self.has_rules.get() {
            return *has_rules;
        }
        match self.ask(None).await {
            Ok((204, _)) => *self.has_rules.get_or_init(|| false),
            Ok((200, _)) => *self.has_rules.get_or_init(|| true),
            _ => true,
        }
    }

    async fn ask(&self, ballot: Option<&Ballot>) -> Result<(u16, Option<Vec<u8>>), Failure> {
        let answer = within(self.timeout, ask(ballot)).await;
        answer.unwrap_or(Err(Failure {
            upstream: Failure::POLICY,
            cause: Cause::TimedOut(self.timeout),
        }))
    }
}

/// The status, and the refusal where there is one. Neither has a body: WASI's own types, without what makes bodies of
/// them, are 100 kB less of code.
async fn ask(ballot: Option<&Ballot>) -> Result<(u16, Option<Vec<u8>>), Failure> {
    let headers = Fields::new();
    if let Some(ballot) = ballot {
        let line = ballot.to_line().ok_or_else(|| failed("no ballot"))?;
        let set = headers.set(Ballot::HEADER, &[line.into_bytes()]);
        set.map_err(|_| failed("the ballot is too long"))?;
    }
    let (_, no_trailers) = wit_future::new(|| Ok(None));
    let (request, _) = types::Request::new(headers, None, no_trailers, None);
    let addressed = request
        .set_scheme(Some(&types::Scheme::Http))
        .and_then(|()| request.set_authority(Some(ELIGIBILITY)))
        .and_then(|()| request.set_path_with_query(Some("/")));
    addressed.map_err(|()| failed("no address"))?;
    let answer = client::send(request).await;
    let answer = answer.map_err(|_| failed("it cannot be reached"))?;
    let refusal = answer.get_headers().get(Refusal::HEADER).pop();
    Ok((answer.get_status_code(), refusal))
}

fn failed(cause: impl Into<String>) -> Failure {
    Failure {
        upstream: Failure::POLICY,
        cause: Cause::Broken(cause.into()),
    }
}

/// As much of a header as a policy is shown.
fn shown(value: &str) -> String {
    value.chars().take(LONGEST_VALUE).collect()
}

/// The headers of a list of names. What proves who somebody is, is nobody's business but ours.
fn chosen(names: &str) -> Result<Vec<HeaderName>, InvalidSetting> {
    let invalid = |problem| InvalidSetting {
        name: "policy_headers",
        problem,
    };
    let names = names.split(',').map(str::trim);
    names
        .filter(|name| !name.is_empty())
        .map(|name| {
            let name: HeaderName = name.parse().map_err(|_| {
                invalid("must be names of headers, separated by commas: x-group, x-country")
            })?;
            if [AUTHORIZATION, PROXY_AUTHORIZATION, COOKIE].contains(&name) {
                return Err(invalid(
                    "must not have Authorization, Proxy-Authorization or Cookie: a policy gets no credentials",
                ));
            }
            Ok(name)
        })
        .collect()
}
