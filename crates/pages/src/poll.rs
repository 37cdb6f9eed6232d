//! A poll as a page shows it.

use ballot::{Definition, OptionName, PollId, Results, Timestamp};

use crate::Language;

/// What is asked, and what can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// Its name in paths.
    pub id: PollId,
    /// In the language of the page, where we know it.
    pub question: String,
    /// In their order; 2 to 50.
    pub choices: Vec<Choice>,
    /// From when on votes are taken.
    pub opens_at: Option<Timestamp>,
    /// Until when they are.
    pub closes_at: Option<Timestamp>,
    /// Whether, of all votes of one voter, only the latest counts.
    pub one_vote_per_voter: bool,
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name in the API.
    pub option: OptionName,
    /// What people read.
    pub label: String,
}

impl Poll {
    /// To be voted in.
    pub fn defined(language: Language, id: PollId, definition: Definition) -> Self {
        Self {
            question: words(language, &id, &definition.question),
            choices: choices(language, &id, definition.options),
            opens_at: definition.opens_at,
            closes_at: definition.closes_at,
            one_vote_per_voter: definition.one_vote_per_voter,
            id,
        }
    }

    /// To be watched.
    pub fn counted(language: Language, results: &Results) -> Self {
        let options = results.tallies.iter().map(|tally| tally.option.clone());
        Self {
            question: words(language, &results.poll, &results.question),
            choices: choices(language, &results.poll, options),
            opens_at: None,
            closes_at: None,
            one_vote_per_voter: results.replaced.is_some(),
            id: results.poll.clone(),
        }
    }

    /// What people read for an option, or its name if the poll does not have it.
    pub(crate) fn label<'a>(&'a self, option: &'a OptionName) -> &'a str {
        self.choices
            .iter()
            .find(|choice| choice.option == *option)
            .map_or(option.as_str(), |choice| &choice.label)
    }
}

fn choices(
    language: Language,
    id: &PollId,
    options: impl IntoIterator<Item = OptionName>,
) -> Vec<Choice> {
    options
        .into_iter()
        .map(|option| Choice {
            label: words(language, id, option.as_str()),
            option,
        })
        .collect()
}

/// The words of an organizer stay as they are. Those of the built-in poll, while nobody has changed them, are
/// translated.
fn words(language: Language, id: &PollId, text: &str) -> String {
    let translated = language.texts().default_poll;
    translated
        .iter()
        .find(|(known, _)| *known == text && *id == PollId::default())
        .map_or(text, |(_, words)| words)
        .to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The built-in poll.
    pub(crate) fn default_in(language: Language) -> Poll {
        let definition = Definition {
            question: "Cats or dogs?".into(),
            options: ["cats", "dogs"]
                .map(|option| OptionName::parse(option).unwrap())
                .into(),
            opens_at: None,
            closes_at: None,
            one_vote_per_voter: false,
        };
        Poll::defined(language, PollId::default(), definition)
    }

    #[test]
    fn the_built_in_poll_is_translated_and_no_other() {
        let poll = default_in(Language::German);
        assert_eq!(poll.question, "Katzen oder Hunde?");
        assert_eq!(poll.label(&OptionName::parse("dogs").unwrap()), "Hunde");
        let other = PollId::parse("pets").unwrap();
        assert_eq!(words(Language::German, &other, "cats"), "cats");
        assert_eq!(
            words(Language::German, &PollId::default(), "birds"),
            "birds"
        );
    }
}
