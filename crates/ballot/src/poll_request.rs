//! What organizers send: the bodies of `POST /api/polls` and `PATCH /api/polls/{poll}`.

use std::fmt;

use icu_normalizer::ComposingNormalizerBorrowed;
use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use unicase::UniCase;

use crate::{Definition, InvalidName, OptionName, PollId, Timestamp};

/// How many options a poll may have.
const FEWEST_OPTIONS: usize = 2;
const MOST_OPTIONS: usize = 50;
/// Characters of a question.
const LONGEST_QUESTION: usize = 500;

/// Unicode's normalization form C.
const NFC: ComposingNormalizerBorrowed<'static> = ComposingNormalizerBorrowed::new_nfc();

/// A poll to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPoll {
    /// Its name.
    pub poll: PollId,
    /// What it is to be.
    pub definition: Definition,
}

/// What is to be changed of a poll; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PollChange {
    question: Option<String>,
    options: Option<Vec<OptionName>>,
    opens_at: Option<Option<Timestamp>>,
    closes_at: Option<Option<Timestamp>>,
    one_vote_per_voter: Option<bool>,
}

/// Why a body is not what it should be. Each says what to send instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPoll {
    /// The body is no JSON at all.
    #[error("The body is not JSON. Send an object.")]
    NotJson,
    /// The body is JSON, and not such an object.
    #[error("{0}")]
    NotAPoll(String),
}

/// The fields, before it is known whether they make sense. An outer `None` is a field that is absent.
#[derive(Default)]
pub(crate) struct Body {
    pub poll: Option<Value>,
    pub question: Option<Value>,
    pub options: Option<Value>,
    pub opens_at: Option<Value>,
    pub closes_at: Option<Value>,
    pub one_vote_per_voter: Option<Value>,
}

type Value = serde_json::Value;

impl NewPoll {
    /// Takes a whole body, with or without a byte order mark.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidPoll> {
        Body::parse(body)?.try_into()
    }
}

impl TryFrom<Body> for NewPoll {
    type Error = InvalidPoll;

    fn try_from(body: Body) -> Result<Self, InvalidPoll> {
        let missing = |field: &str| invalid(field, "is missing");
        let poll = poll(&body.poll.ok_or_else(|| missing("poll"))?)?;
        let definition = Definition {
            question: question(&body.question.ok_or_else(|| missing("question"))?)?,
            options: options(&body.options.ok_or_else(|| missing("options"))?)?,
            opens_at: time("opens_at", body.opens_at.as_ref())?.flatten(),
            closes_at: time("closes_at", body.closes_at.as_ref())?.flatten(),
            one_vote_per_voter: flag(body.one_vote_per_voter.as_ref())?.unwrap_or(false),
        };
        check_hours(&definition)?;
        Ok(Self { poll, definition })
    }
}

impl PollChange {
    /// Takes a whole body, with or without a byte order mark.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidPoll> {
        Body::parse(body)?.try_into()
    }

    /// Has a poll take votes from now on, and until somebody closes it.
    pub fn open() -> Self {
        Self {
            opens_at: Some(None),
            closes_at: Some(None),
            ..Self::default()
        }
    }

    /// Has a poll take no more votes.
    pub fn close(now: Timestamp) -> Self {
        Self {
            closes_at: Some(Some(now)),
            ..Self::default()
        }
    }

    /// The poll as it is to be.
    pub fn apply(self, to: Definition) -> Result<Definition, InvalidPoll> {
        let changed = Definition {
            question: self.question.unwrap_or(to.question),
            options: self.options.unwrap_or(to.options),
            opens_at: self.opens_at.unwrap_or(to.opens_at),
            closes_at: self.closes_at.unwrap_or(to.closes_at),
            one_vote_per_voter: self.one_vote_per_voter.unwrap_or(to.one_vote_per_voter),
        };
        check_hours(&changed)?;
        Ok(changed)
    }
}

impl TryFrom<Body> for PollChange {
    type Error = InvalidPoll;

    fn try_from(body: Body) -> Result<Self, InvalidPoll> {
        if body.poll.is_some() {
            return Err(invalid("poll", "cannot be changed; create another poll"));
        }
        Ok(Self {
            question: body.question.as_ref().map(question).transpose()?,
            options: body.options.as_ref().map(options).transpose()?,
            opens_at: time("opens_at", body.opens_at.as_ref())?,
            closes_at: time("closes_at", body.closes_at.as_ref())?,
            one_vote_per_voter: flag(body.one_vote_per_voter.as_ref())?,
        })
    }
}

impl OptionName {
    /// Likewise in Unicode's normalization form C, in which polls have their options: so that what looks the
    /// same is the same.
    pub fn normalized(text: &str) -> Result<Self, InvalidName> {
        if text.is_ascii() {
            return Self::parse(text);
        }
        Self::parse(&NFC.normalize(text))
    }
}

fn invalid(field: &str, what: impl fmt::Display) -> InvalidPoll {
    InvalidPoll::NotAPoll(format!("{field}: {what}."))
}

fn poll(value: &Value) -> Result<PollId, InvalidPoll> {
    let text = value
        .as_str()
        .ok_or_else(|| invalid("poll", "must be a string"))?;
    PollId::parse(text).map_err(|error| invalid("poll", error))
}

fn question(value: &Value) -> Result<String, InvalidPoll> {
    let text = value
        .as_str()
        .ok_or_else(|| invalid("question", "must be a string"))?;
    let text = NFC.normalize(text).into_owned();
    if text.trim().is_empty() {
        Err(invalid("question", InvalidName::Empty))
    } else if text.chars().count() > LONGEST_QUESTION {
        Err(invalid("question", InvalidName::TooLong(LONGEST_QUESTION)))
    } else if text.chars().any(char::is_control) {
        Err(invalid("question", InvalidName::ControlCharacter))
    } else {
        Ok(text)
    }
}

fn options(value: &Value) -> Result<Vec<OptionName>, InvalidPoll> {
    let about = format!("must be an array of {FEWEST_OPTIONS} to {MOST_OPTIONS} strings");
    let values = value
        .as_array()
        .filter(|values| (FEWEST_OPTIONS..=MOST_OPTIONS).contains(&values.len()))
        .ok_or_else(|| invalid("options", about))?;
    let mut options: Vec<OptionName> = Vec::with_capacity(values.len());
    for (at, value) in values.iter().enumerate() {
        let field = format!("options[{at}]");
        let text = value
            .as_str()
            .ok_or_else(|| invalid(&field, "must be a string"))?;
        let option = OptionName::normalized(text).map_err(|error| invalid(&field, error))?;
        if option.as_str().trim() != option.as_str() {
            return Err(invalid(&field, "must not begin or end with a space"));
        }
        let same = options
            .iter()
            .position(|other| folded(other) == folded(&option));
        if let Some(other) = same {
            let what = format!("is the same as options[{other}], but for upper and lower case");
            return Err(invalid(&field, what));
        }
        options.push(option);
    }
    Ok(options)
}

/// Without the difference between upper and lower case. Folding can undo the normal form (Unicode, section
/// 3.13, D145), so it is made again.
fn folded(option: &OptionName) -> String {
    let folded = UniCase::unicode(option.as_str()).to_folded_case();
    NFC.normalize(&folded).into_owned()
}

/// Absent, null, or a time.
fn time(field: &str, value: Option<&Value>) -> Result<Option<Option<Timestamp>>, InvalidPoll> {
    let Some(value) = value else { return Ok(None) };
    if value.is_null() {
        return Ok(Some(None));
    }
    value
        .as_str()
        .and_then(Timestamp::parse_with_offset)
        .map(|time| Some(Some(time)))
        .ok_or_else(|| {
            let what = "must be a time with its offset, such as 2026-12-31T18:00:00+01:00, or null";
            invalid(field, what)
        })
}

fn flag(value: Option<&Value>) -> Result<Option<bool>, InvalidPoll> {
    match value {
        None => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(invalid("one_vote_per_voter", "must be true or false")),
    }
}

fn check_hours(definition: &Definition) -> Result<(), InvalidPoll> {
    match (definition.opens_at, definition.closes_at) {
        (Some(opens), Some(closes)) if opens >= closes => {
            Err(invalid("closes_at", "must be later than opens_at"))
        }
        _ => Ok(()),
    }
}

impl Body {
    /// That it is JSON is checked before what it says, so that a broken body is never taken for a wrong one.
    fn parse(body: &[u8]) -> Result<Self, InvalidPoll> {
        let text = str::from_utf8(body).map_err(|_| InvalidPoll::NotJson)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        serde_json::from_str::<IgnoredAny>(text).map_err(|_| InvalidPoll::NotJson)?;
        serde_json::from_str(text).map_err(|error| {
            // Ours, but for the place where it was found.
            let text = error.to_string();
            let text = text.split(" at line ").next().unwrap_or_default();
            InvalidPoll::NotAPoll(format!("{text}."))
        })
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Body;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object with the fields of a poll")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
                let mut body = Body::default();
                while let Some(name) = map.next_key::<String>()? {
                    let field = match name.as_str() {
                        "poll" => &mut body.poll,
                        "question" => &mut body.question,
                        "options" => &mut body.options,
                        "opens_at" => &mut body.opens_at,
                        "closes_at" => &mut body.closes_at,
                        "one_vote_per_voter" => &mut body.one_vote_per_voter,
                        _ => {
                            return Err(de::Error::custom(
                                "A field is not one of poll, question, options, opens_at, closes_at and \
                                 one_vote_per_voter",
                            ));
                        }
                    };
                    if field.replace(map.next_value()?).is_some() {
                        return Err(de::Error::custom(format_args!("{name}: is given twice")));
                    }
                }
                Ok(body)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn pets() -> Value {
        json!({ "poll": "pets", "question": "Which?", "options": ["cats", "dogs"] })
    }

    fn with(field: &str, value: Value) -> Result<NewPoll, InvalidPoll> {
        let mut body = pets();
        body[field] = value;
        NewPoll::parse(body.to_string().as_bytes())
    }

    fn refusal<T: fmt::Debug>(result: Result<T, InvalidPoll>) -> String {
        result.unwrap_err().to_string()
    }

    #[test]
    fn a_poll_needs_a_name_a_question_and_options() {
        let poll = NewPoll::parse(format!("\u{feff}{}", pets()).as_bytes()).unwrap();
        assert_eq!(poll.poll.as_str(), "pets");
        assert_eq!(poll.definition.options.len(), 2);
        assert_eq!(poll.definition.opens_at, None);
        assert!(!poll.definition.one_vote_per_voter);
        for field in ["poll", "question", "options"] {
            let mut body = pets();
            body.as_object_mut().unwrap().remove(field);
            let refused = refusal(NewPoll::parse(body.to_string().as_bytes()));
            assert_eq!(refused, format!("{field}: is missing."));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let long = "x".repeat(101);
        for (field, value, says) in [
            ("poll", json!("Pets"), "poll: must consist of lower-case"),
            ("poll", json!(7), "poll: must be a string"),
            ("poll", json!("a".repeat(64)), "poll: must have at most 63"),
            (
                "question",
                json!(" \u{3000}"),
                "question: must not be empty",
            ),
            (
                "question",
                json!("x".repeat(501)),
                "question: must have at most 500",
            ),
            (
                "question",
                json!("a\nb"),
                "question: must not contain control",
            ),
            (
                "options",
                json!(["cats"]),
                "options: must be an array of 2 to 50",
            ),
            (
                "options",
                json!(vec!["x"; 51]),
                "options: must be an array of 2 to 50",
            ),
            ("options", json!("cats"), "options: must be an array"),
            (
                "options",
                json!(["cats", ""]),
                "options[1]: must not be empty",
            ),
            (
                "options",
                json!(["cats", " "]),
                "options[1]: must not begin or end",
            ),
            (
                "options",
                json!(["cats", long]),
                "options[1]: must have at most 100",
            ),
            (
                "options",
                json!(["cats", "a\tb"]),
                "options[1]: must not contain control",
            ),
            (
                "options",
                json!(["cats", 1]),
                "options[1]: must be a string",
            ),
            (
                "options",
                json!(["cats", "CATS"]),
                "options[1]: is the same as options[0]",
            ),
            (
                "options",
                json!(["straße", "x", "STRASSE"]),
                "options[2]: is the same as options[0]",
            ),
            (
                "options",
                json!(["caf\u{e9}", "cafe\u{301}"]),
                "options[1]: is the same as options[0]",
            ),
            (
                "opens_at",
                json!("2026-12-31T18:00:00"),
                "opens_at: must be a time with its offset",
            ),
            ("opens_at", json!(1_763_562_521), "opens_at: must be a time"),
            ("closes_at", json!("soon"), "closes_at: must be a time"),
            (
                "one_vote_per_voter",
                json!(1),
                "one_vote_per_voter: must be true or false",
            ),
            (
                "colour",
                json!("red"),
                "A field is not one of poll, question",
            ),
        ] {
            let refused = refusal(with(field, value));
            assert!(
                refused.starts_with(says) && refused.ends_with('.'),
                "{refused}"
            );
        }
        for (body, says) in [
            ("", InvalidPoll::NotJson.to_string()),
            ("{\"poll\":", InvalidPoll::NotJson.to_string()),
            (r#"{"poll":"a","poll":"b"}"#, "poll: is given twice.".into()),
        ] {
            assert_eq!(refusal(NewPoll::parse(body.as_bytes())), says);
        }
        assert!(refusal(NewPoll::parse(b"[]")).contains("an object with the fields of a poll"));
    }

    #[test]
    fn options_are_in_normal_form() {
        let poll = with("options", json!(["cafe\u{301}", "x"])).unwrap();
        assert_eq!(poll.definition.options[0].as_str(), "caf\u{e9}");
        assert_eq!(
            OptionName::normalized("cafe\u{301}"),
            OptionName::parse("caf\u{e9}")
        );
    }

    #[test]
    fn a_change_leaves_what_it_does_not_name() {
        let before = with("closes_at", json!("2026-12-31T18:00:00+01:00"))
            .unwrap()
            .definition;
        let change =
            |body: Value| PollChange::parse(body.to_string().as_bytes())?.apply(before.clone());
        assert_eq!(change(json!({})).unwrap(), before);
        assert_eq!(
            change(json!({ "closes_at": null })).unwrap().closes_at,
            None
        );
        let after = change(json!({ "opens_at": "2026-12-31T16:59:59Z" })).unwrap();
        assert_eq!(after.closes_at, before.closes_at);
        let refused = refusal(change(json!({ "opens_at": "2026-12-31T17:00:00Z" })));
        assert_eq!(refused, "closes_at: must be later than opens_at.");
        assert!(refusal(change(json!({ "poll": "x" }))).starts_with("poll: cannot be changed"));
    }

    proptest! {
        #[test]
        fn never_panics(body in any::<Vec<u8>>()) {
            let _ = NewPoll::parse(&body);
            let _ = PollChange::parse(&body);
        }

        #[test]
        fn what_is_accepted_is_in_normal_form_and_no_two_are_the_same(texts in proptest::collection::vec("\\PC{1,5}", 2..6)) {
            if let Ok(poll) = with("options", json!(texts)) {
                let options = poll.definition.options;
                for (i, option) in options.iter().enumerate() {
                    prop_assert!(NFC.is_normalized(option.as_str()));
                    prop_assert!(options[..i].iter().all(|other| folded(other) != folded(option)));
                }
            }
        }
    }
}
