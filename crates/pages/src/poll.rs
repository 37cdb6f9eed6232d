//! A poll as a page shows it.

use ballot::PollId;

use crate::Language;

/// Until the page is made from the poll itself.
const OPTIONS: [&str; 2] = ["cats", "dogs"];

/// What is asked, and what can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Poll {
    /// Its name in paths.
    pub id: PollId,
    /// In the language of the page.
    pub question: String,
    /// In their order; 2 to 50.
    pub choices: Vec<Choice>,
}

/// An option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Its name in the API.
    pub option: String,
    /// What people read.
    pub label: String,
}

impl Poll {
    /// The built-in poll. It is the only one whose words we know in advance, so it is translated.
    pub fn default_in(language: Language) -> Self {
        let texts = language.texts();
        Self {
            id: PollId::default(),
            question: texts.default_question.to_owned(),
            choices: OPTIONS
                .iter()
                .zip(texts.default_options)
                .map(|(option, label)| Choice {
                    option: (*option).to_owned(),
                    label: label.to_owned(),
                })
                .collect(),
        }
    }

    /// What people read for an option, or its name if the poll does not have it.
    pub(crate) fn label<'a>(&'a self, option: &'a str) -> &'a str {
        self.choices
            .iter()
            .find(|choice| choice.option == option)
            .map_or(option, |choice| &choice.label)
    }
}
