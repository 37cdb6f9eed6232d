//! What the forms of the organizers' pages send.

use serde_json::Value;

use crate::poll_request::Body;
use crate::{Definition, InvalidPoll, NewPoll, PollChange, Timestamp};

/// A form, `application/x-www-form-urlencoded`. Each of the pages' forms has some of these fields.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OrganizerForm {
    /// With which somebody signs in.
    pub token: String,
    /// See [`Session`](crate::Session).
    pub form_key: String,
    /// Of the poll as it was when the form was made.
    pub revision: Option<i64>,
    /// What the poll is to be.
    pub poll: PollForm,
}

impl OrganizerForm {
    /// Takes a whole body.
    pub fn parse(body: &[u8]) -> Result<Self, InvalidPoll> {
        let mut form = Self::default();
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(body) {
            if seen.contains(&name) {
                return Err(InvalidPoll::NotAPoll("A field is given twice.".into()));
            }
            match &*name {
                "token" => form.token = value.into_owned(),
                "form_key" => form.form_key = value.into_owned(),
                "revision" => form.revision = value.parse().ok(),
                field if form.poll.set(field, value.into_owned()) => {}
                _ => {
                    let what =
                        "A field is not one of the form. Reload the page, and send it again.";
                    return Err(InvalidPoll::NotAPoll(what.into()));
                }
            }
            seen.push(name);
        }
        Ok(form)
    }
}

/// The fields as they were typed, so that they can be shown again when something is wrong with them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PollForm {
    /// The name; empty in a change.
    pub poll: String,
    /// What is asked.
    pub question: String,
    /// One a line; empty lines do not matter.
    pub options: String,
    /// As `<input type="datetime-local">` has it, in UTC: `2026-12-31T17:00`. Empty is no time.
    pub opens_at: String,
    /// Likewise.
    pub closes_at: String,
    /// A box that is ticked is sent, with whatever value.
    pub one_vote_per_voter: bool,
}

impl PollForm {
    /// A poll as it is, to be changed.
    pub fn of(definition: &Definition) -> Self {
        let options = definition.options.iter().map(|option| option.as_str());
        Self {
            poll: String::new(),
            question: definition.question.clone(),
            options: options.collect::<Vec<_>>().join("\n"),
            opens_at: definition.opens_at.map(typed).unwrap_or_default(),
            closes_at: definition.closes_at.map(typed).unwrap_or_default(),
            one_vote_per_voter: definition.one_vote_per_voter,
        }
    }

    /// Puts a field in its place; false if a poll has no such field.
    fn set(&mut self, name: &str, value: String) -> bool {
        let field = match name {
            "poll" => &mut self.poll,
            "question" => &mut self.question,
            "options" => &mut self.options,
            "opens_at" => &mut self.opens_at,
            "closes_at" => &mut self.closes_at,
            "one_vote_per_voter" => {
                self.one_vote_per_voter = true;
                return true;
            }
            _ => return false,
        };
        *field = value;
        true
    }

    /// The poll to be opened.
    pub fn create(&self) -> Result<NewPoll, InvalidPoll> {
        let poll = Some(self.poll.trim().into());
        Body {
            poll,
            ..self.body()
        }
        .try_into()
    }

    /// What is to be changed: all that the form has.
    pub fn change(&self) -> Result<PollChange, InvalidPoll> {
        self.body().try_into()
    }

    fn body(&self) -> Body {
        let options = self.options.lines().map(str::trim);
        let options = options.filter(|option| !option.is_empty());
        Body {
            poll: None,
            question: Some(self.question.trim().into()),
            options: Some(options.collect()),
            opens_at: Some(time(&self.opens_at)),
            closes_at: Some(time(&self.closes_at)),
            one_vote_per_voter: Some(self.one_vote_per_voter.into()),
        }
    }
}

/// A point in time as it is typed; to the millisecond, if it has any.
fn typed(time: Timestamp) -> String {
    let text = time.to_string();
    let text = text.trim_end_matches('Z');
    text.strip_suffix(":00")
        .filter(|minutes| minutes.len() == MINUTES)
        .unwrap_or(text)
        .to_owned()
}

/// The length of `2026-12-31T17:00`.
const MINUTES: usize = 16;

/// As the API takes it.
fn time(typed: &str) -> Value {
    match typed.trim() {
        "" => Value::Null,
        minutes if minutes.len() == MINUTES => format!("{minutes}:00Z").into(),
        longer => format!("{longer}Z").into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(fields: &[(&str, &str)]) -> PollForm {
        let mut form = PollForm::default();
        for (name, value) in fields {
            assert!(form.set(name, (*value).to_owned()), "{name}");
        }
        form
    }

    const PETS: [(&str, &str); 3] = [
        ("poll", " pets "),
        ("question", "Which?"),
        ("options", "cats\r\n\r\n  dogs \r\n"),
    ];

    #[test]
    fn a_form_is_a_poll() {
        let NewPoll { poll, definition } = form(&PETS).create().unwrap();
        assert_eq!(poll.as_str(), "pets");
        let options: Vec<_> = definition.options.iter().map(|it| it.as_str()).collect();
        assert_eq!(options, ["cats", "dogs"]);
        assert_eq!((definition.opens_at, definition.closes_at), (None, None));
        assert!(!definition.one_vote_per_voter);
        let hours = [
            ("opens_at", "2026-12-31T17:00"),
            ("closes_at", "2026-12-31T17:00:01.5"),
            ("one_vote_per_voter", "on"),
        ];
        let form = form(&[&PETS[..], &hours].concat());
        let definition = form.create().unwrap().definition;
        assert_eq!(
            definition.opens_at.unwrap().to_string(),
            "2026-12-31T17:00:00Z"
        );
        assert_eq!(
            definition.closes_at.unwrap().to_string(),
            "2026-12-31T17:00:01.500Z"
        );
        assert!(definition.one_vote_per_voter);
    }

    #[test]
    fn a_form_says_whose_it_is_and_of_what() {
        let form = OrganizerForm::parse(b"form_key=k&revision=7&options=a%0D%0Ab").unwrap();
        assert_eq!((&*form.form_key, form.revision), ("k", Some(7)));
        assert_eq!(form.poll.options, "a\r\nb");
        assert!(!form.poll.one_vote_per_voter);
        let form = OrganizerForm::parse(b"one_vote_per_voter=on").unwrap();
        assert!(form.poll.one_vote_per_voter && form.revision.is_none());
    }

    #[test]
    fn a_poll_that_is_sent_back_as_it_was_stays_as_it_was() {
        for closes_at in [
            "2026-12-31T17:00",
            "2026-12-31T17:00:07",
            "2026-12-31T17:00:00.250",
        ] {
            let form = form(&[&PETS[..], &[("closes_at", closes_at)]].concat());
            let before = form.create().unwrap().definition;
            let shown = PollForm::of(&before);
            assert_eq!(shown.closes_at, closes_at);
            assert_eq!(shown.options, "cats\ndogs");
            let after = shown.change().unwrap().apply(before.clone()).unwrap();
            assert_eq!(after, before);
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for body in ["colour=red", "poll=a&poll=b", "token=a&token=a"] {
            assert!(OrganizerForm::parse(body.as_bytes()).is_err(), "{body}");
        }
        for (name, value, says) in [
            ("poll", "", "poll: "),
            ("question", " ", "question: must not be empty"),
            ("options", "cats", "options: must be an array of 2 to 50"),
            ("options", "cats\ncats", "options[1]: is the same"),
            ("opens_at", "soon", "opens_at: must be a time"),
            ("closes_at", "2026-12-31", "closes_at: must be a time"),
        ] {
            let form = form(&[&PETS[..], &[(name, value)]].concat());
            let refused = form.create().unwrap_err().to_string();
            assert!(refused.starts_with(says), "{refused}");
        }
    }
}
