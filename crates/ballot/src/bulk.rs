//! The body of `POST /api/votes`: many votes at once, as gateways and kiosks send them.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::request::present;
use crate::{IdempotencyKey, InvalidKey, InvalidName, OptionName, PollId, VoteId, Voter};

/// The votes of a body. Each line by itself is a vote or is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkRequest {
    /// In the order in which they were sent.
    pub lines: Vec<BulkLine>,
}

/// A line of NDJSON, or an element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkLine {
    /// From 1; empty lines count, too.
    pub number: usize,
    /// What it says.
    pub vote: Result<BulkVote, InvalidLine>,
}

/// One of many votes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BulkVote {
    /// `default` if the line does not say.
    pub poll: PollId,
    /// Whether the poll has it is for the caller to check.
    pub option: OptionName,
    /// Chosen by the client.
    pub vote_id: Option<VoteId>,
    /// Who votes, if a gateway that knows its voters says so.
    pub voter: Option<Voter>,
}

/// Why a body holds no votes. Nothing of it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBulk {
    /// It is neither an array nor lines.
    #[error(
        r#"The body is not JSON. Send an array of votes, or one vote on each line: {{"option":"cats"}}."#
    )]
    NotJson,
    /// It has more lines than [`BulkRequest::MOST`].
    #[error("There are {0} votes. Send at most {max} at once.", max = BulkRequest::MOST)]
    TooMany(usize),
}

/// Why a line is not a vote. None repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidLine {
    /// It is no JSON.
    #[error(r#"It is not JSON. Send an object such as {{"option":"cats"}}."#)]
    NotJson,
    /// It is JSON, but not such an object.
    #[error(
        r#"It must be an object with the field "option", a string, and may have "poll", "vote_id" and "voter"."#
    )]
    NotAVote,
    /// The option cannot be one of any poll.
    #[error("There is no such option in this poll.")]
    NotAnOption,
    /// No poll can have this name.
    #[error("There is no such poll. GET /api/polls lists those that there are.")]
    NotAPoll,
    /// The id cannot be one.
    #[error("The vote_id cannot be used: {0}.")]
    NotAnId(InvalidKey),
    /// The voter cannot be one.
    #[error("The voter {0}.")]
    NotAVoter(InvalidName),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    option: String,
    #[serde(default, deserialize_with = "present")]
    poll: Option<String>,
    #[serde(default, deserialize_with = "present")]
    vote_id: Option<String>,
    #[serde(default, deserialize_with = "present")]
    voter: Option<String>,
}

impl BulkRequest {
    /// The most votes of one body.
    pub const MOST: usize = 10_000;

    /// Takes a whole body, with or without a byte order mark: an array if it begins with a bracket, else NDJSON.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidBulk> {
        let text = str::from_utf8(body).map_err(|_| InvalidBulk::NotJson)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines = if text.trim_start().starts_with('[') {
            let elements: Vec<&RawValue> =
                serde_json::from_str(text).map_err(|_| InvalidBulk::NotJson)?;
            number(elements.iter().map(|element| element.get()))?
        } else {
            number(text.lines())?
        };
        if lines.is_empty() && !text.trim_start().starts_with('[') {
            return Err(InvalidBulk::NotJson);
        }
        Ok(Self { lines })
    }
}

/// Counted before they are read, so that too many are not.
fn number<'a>(lines: impl Iterator<Item = &'a str> + Clone) -> Result<Vec<BulkLine>, InvalidBulk> {
    let is_there = |line: &&str| !line.trim().is_empty();
    let count = lines.clone().filter(is_there).count();
    if count > BulkRequest::MOST {
        return Err(InvalidBulk::TooMany(count));
    }
    Ok(lines
        .enumerate()
        .filter(|(_, line)| is_there(line))
        .map(|(at, line)| BulkLine {
            number: at + 1,
            vote: vote(line.trim()),
        })
        .collect())
}

fn vote(line: &str) -> Result<BulkVote, InvalidLine> {
    let fields: Line = serde_json::from_str(line).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => InvalidLine::NotAVote,
        _ => InvalidLine::NotJson,
    })?;
    // A struct may also be read from an array of its fields; a vote may not.
    if !line.starts_with('{') {
        return Err(InvalidLine::NotAVote);
    }
    let poll = fields.poll.as_deref().map(PollId::parse).transpose();
    let option = OptionName::normalized(&fields.option);
    let vote_id = fields
        .vote_id
        .as_deref()
        .map(IdempotencyKey::of)
        .transpose();
    let voter = fields.voter.as_deref().map(Voter::parse).transpose();
    Ok(BulkVote {
        poll: poll.map_err(|_| InvalidLine::NotAPoll)?.unwrap_or_default(),
        option: option.map_err(|_| InvalidLine::NotAnOption)?,
        vote_id: vote_id
            .map_err(InvalidLine::NotAnId)?
            .map(IdempotencyKey::into_vote_id),
        voter: voter.map_err(InvalidLine::NotAVoter)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Line = (usize, Result<String, InvalidLine>);

    fn parse(body: &str) -> Result<Vec<Line>, InvalidBulk> {
        let request = BulkRequest::parse(body.as_bytes())?;
        let option = |vote: BulkVote| vote.option.into_string();
        let lines = request.lines.into_iter();
        Ok(lines
            .map(|line| (line.number, line.vote.map(option)))
            .collect())
    }

    #[test]
    fn an_array_and_lines_are_the_same() {
        let both = vec![(1, Ok("cats".into())), (2, Ok("dogs".into()))];
        for body in [
            "{\"option\":\"cats\"}\n{\"option\":\"dogs\"}",
            "\u{feff}{\"option\":\"cats\"}\r\n {\"option\":\"dogs\"} \r\n",
            r#" [ {"option":"cats"} , {"option" : "dogs"} ]"#,
        ] {
            assert_eq!(parse(body).as_ref(), Ok(&both), "{body}");
        }
        assert_eq!(parse("[]"), Ok(vec![]));
        let gaps = parse("\n{\"option\":\"cats\"}\n\n{\"option\":\"dogs\"}\n").unwrap();
        assert_eq!(gaps.iter().map(|line| line.0).collect::<Vec<_>>(), [2, 4]);
    }

    #[test]
    fn a_line_says_where_by_which_id_and_for_whom() {
        let body = br#"{"option":"cafe\u0301","poll":"lunch","vote_id":"k-1","voter":"ada"}"#;
        let lines = BulkRequest::parse(body).unwrap().lines;
        let vote = lines[0].vote.clone().unwrap();
        assert_eq!(vote.poll.as_str(), "lunch");
        assert_eq!(vote.option.as_str(), "caf\u{e9}");
        assert_eq!(vote.vote_id.unwrap().as_str(), "k-1");
        assert_eq!(vote.voter.unwrap().as_str(), "ada");
        let bare = BulkRequest::parse(br#"{"option":"cats"}"#).unwrap().lines;
        let vote = bare[0].vote.clone().unwrap();
        assert_eq!(vote.poll, PollId::default());
        assert_eq!((vote.vote_id, vote.voter), (None, None));
    }

    #[test]
    fn a_bad_line_spoils_no_other() {
        for (line, why) in [
            ("cats", InvalidLine::NotJson),
            ("{\"option\":\"cats\"", InvalidLine::NotJson),
            ("{\"option\":\"cats\"} x", InvalidLine::NotJson),
            ("\"cats\"", InvalidLine::NotAVote),
            ("{}", InvalidLine::NotAVote),
            (r#"{"option":1}"#, InvalidLine::NotAVote),
            (r#"{"option":"cats","poll":null}"#, InvalidLine::NotAVote),
            (r#"{"option":"cats","colour":"red"}"#, InvalidLine::NotAVote),
            (
                r#"{"option":"cats","option":"dogs"}"#,
                InvalidLine::NotAVote,
            ),
            (r#"{"option":""}"#, InvalidLine::NotAnOption),
            (r#"{"option":"cats","poll":"Lunch"}"#, InvalidLine::NotAPoll),
            (
                r#"{"option":"cats","vote_id":"1-0"}"#,
                InvalidLine::NotAnId(InvalidKey::StreamId),
            ),
            (
                r#"{"option":"cats","voter":""}"#,
                InvalidLine::NotAVoter(InvalidName::Empty),
            ),
        ] {
            let body = format!("{{\"option\":\"cats\"}}\n{line}\n{{\"option\":\"dogs\"}}");
            let lines = parse(&body).unwrap();
            assert_eq!(lines[1], (2, Err(why)), "{line}");
            assert!(lines[0].1.is_ok() && lines[2].1.is_ok(), "{line}");
        }
        let lines = parse(r#"[["cats"],7,null,{"option":"cats"}]"#).unwrap();
        assert_eq!(lines.iter().filter(|line| line.1.is_err()).count(), 3);
    }

    #[test]
    fn a_body_that_is_no_list_is_refused_as_a_whole() {
        for body in ["", " \n\n", "[", "[{\"option\":\"cats\"}", "[1,]", "[] []"] {
            assert_eq!(parse(body), Err(InvalidBulk::NotJson), "{body}");
        }
        assert_eq!(BulkRequest::parse(b"\xff"), Err(InvalidBulk::NotJson));
        let line = "{\"option\":\"cats\"}\n";
        let most = line.repeat(BulkRequest::MOST) + "\n\n";
        assert_eq!(parse(&most).unwrap().len(), BulkRequest::MOST);
        let more = parse(&(most + line));
        assert_eq!(more, Err(InvalidBulk::TooMany(BulkRequest::MOST + 1)));
        assert!(more.unwrap_err().to_string().contains("at most 10000"));
    }

    proptest! {
        #[test]
        fn never_panics(body in any::<Vec<u8>>(), array in any::<bool>()) {
            let body = if array { [b"[", &*body, b"]"].concat() } else { body };
            let _ = BulkRequest::parse(&body);
        }

        #[test]
        fn as_many_lines_as_votes(options in proptest::collection::vec("[a-z]{1,9}", 1..50)) {
            let lines: Vec<_> = options.iter().map(|it| format!("{{\"option\":\"{it}\"}}")).collect();
            let expected: Vec<_> = options.into_iter().enumerate().map(|(at, it)| (at + 1, Ok(it))).collect();
            prop_assert_eq!(parse(&lines.join("\n")), Ok(expected.clone()));
            prop_assert_eq!(parse(&format!("[{}]", lines.join(","))), Ok(expected));
        }
    }
}
