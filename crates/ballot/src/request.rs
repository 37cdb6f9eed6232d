//! The body of `POST /api/vote`, and of its like for other polls.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::{InvalidName, OptionName, Voter};

/// A vote as a client sends it: `{"option":"cats"}`, or `{"option":"cats","voter":"ada"}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoteRequest {
    /// Syntactically valid; whether the poll has it is for the caller to check.
    pub option: OptionName,
    /// Who votes, if a gateway that knows its voters says so.
    pub voter: Option<Voter>,
}

/// Why a body is not a vote. Each says what to send instead, and none repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The body is no JSON at all.
    #[error(r#"The body is not JSON. Send an object such as {{"option":"cats"}}."#)]
    NotJson,
    /// The body is JSON, but no object with the field `option`, and `voter` from a gateway, both strings.
    #[error(
        r#"The body must be an object with the field "option", a string: {{"option":"cats"}}. A gateway may add a "voter"."#
    )]
    NotAVote,
    /// The voter cannot be one.
    #[error("The voter {0}.")]
    NotAVoter(InvalidName),
    /// The body is no form with just the field `option`, and `vote_id` if it is sent again.
    #[error(r#"The form must have the one field "option", and may have a "vote_id"."#)]
    NotAForm,
    /// The option cannot be one of any poll.
    #[error("There is no such option in this poll.")]
    NotAnOption,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    option: String,
    #[serde(default, deserialize_with = "present")]
    voter: Option<String>,
}

/// Absent, or a string; never null.
pub(crate) fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    String::deserialize(deserializer).map(Some)
}

impl VoteRequest {
    /// Takes a whole body, with or without the byte order mark that some programs write. That it is JSON
    /// is checked before what it says, so that a broken body is never taken for a wrong one.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidRequest> {
        let text = str::from_utf8(body).map_err(|_| InvalidRequest::NotJson)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| InvalidRequest::NotJson)?;
        // A struct may also be read from an array of its fields; a vote may not.
        if !text.trim_start().starts_with('{') {
            return Err(InvalidRequest::NotAVote);
        }
        let body: Body = serde_json::from_str(text).map_err(|_| InvalidRequest::NotAVote)?;
        let option =
            OptionName::normalized(&body.option).map_err(|_| InvalidRequest::NotAnOption)?;
        let voter = body.voter.as_deref().map(Voter::parse).transpose();
        let voter = voter.map_err(InvalidRequest::NotAVoter)?;
        Ok(Self { option, voter })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(body: &str) -> Result<String, InvalidRequest> {
        VoteRequest::parse(body.as_bytes()).map(|vote| vote.option.into_string())
    }

    #[test]
    fn a_vote_names_its_option() {
        assert_eq!(parse(r#"{"option":"cats"}"#).unwrap(), "cats");
        assert_eq!(parse(" {\n\"option\" : \"c\\u0061ts\" } ").unwrap(), "cats");
        assert_eq!(parse("\u{feff}{\"option\":\"cats\"}").unwrap(), "cats");
    }

    #[test]
    fn a_gateway_names_its_voter() {
        let voter = |body: &str| VoteRequest::parse(body.as_bytes()).map(|vote| vote.voter);
        assert_eq!(voter(r#"{"option":"cats"}"#), Ok(None));
        let ada = Voter::parse("ada").unwrap();
        assert_eq!(voter(r#"{"option":"cats","voter":"ada"}"#), Ok(Some(ada)));
        let refused = voter(r#"{"option":"cats","voter":""}"#);
        assert_eq!(refused, Err(InvalidRequest::NotAVoter(InvalidName::Empty)));
    }

    #[test]
    fn what_is_not_json_is_told_from_what_is_not_a_vote() {
        for body in [
            "",
            "cats",
            "{",
            r#"{"option":"cats"} x"#,
            r#"{"x":1,}"#,
            r#"{"unknown":"#,
            "option=cats",
            "\u{feff}",
            "\u{feff}\u{feff}{}",
        ] {
            assert_eq!(parse(body), Err(InvalidRequest::NotJson), "{body}");
        }
        assert_eq!(
            VoteRequest::parse(b"{\"option\":\"\xff\"}"),
            Err(InvalidRequest::NotJson)
        );
        for body in [
            "{}",
            "[]",
            r#"["cats"]"#,
            "null",
            "\"cats\"",
            r#"{"option":1}"#,
            r#"{"option":"cats","voter":null}"#,
            r#"{"option":"cats","voter":1}"#,
            r#"{"option":null}"#,
            r#"{"option":"cats","colour":"red"}"#,
            r#"{"option":"cats","option":"dogs"}"#,
            r#"{"vote":"cats"}"#,
        ] {
            assert_eq!(parse(body), Err(InvalidRequest::NotAVote), "{body}");
        }
        for body in [r#"{"option":""}"#, r#"{"option":"ca\u0000ts"}"#] {
            assert_eq!(parse(body), Err(InvalidRequest::NotAnOption), "{body}");
        }
    }

    #[test]
    fn depth_does_not_exhaust_the_stack() {
        assert_eq!(parse(&"[".repeat(1_000_000)), Err(InvalidRequest::NotJson));
    }

    proptest! {
        #[test]
        fn never_panics(body in any::<Vec<u8>>()) {
            let _ = VoteRequest::parse(&body);
        }

        #[test]
        fn every_option_name_round_trips(option in "\\PC{1,100}") {
            let body = serde_json::json!({ "option": option }).to_string();
            // In normal form a text may be longer.
            let expected = OptionName::normalized(&option).map(OptionName::into_string);
            prop_assert_eq!(parse(&body), expected.map_err(|_| InvalidRequest::NotAnOption));
        }
    }
}
