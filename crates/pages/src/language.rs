//! The languages of the pages.

use conventions::{accept, list};
use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

use crate::texts::{ENGLISH, GERMAN, SPANISH, Texts};

/// A language that the pages speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// Also for readers of any other language.
    English,
    /// `de`, and its regions.
    German,
    /// `es`, and its regions.
    Spanish,
}

impl Language {
    /// All that there are, English first.
    pub const ALL: [Self; 3] = [Self::English, Self::German, Self::Spanish];

    /// As `lang` and `Accept-Language` name it (BCP 47).
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
            Self::Spanish => "es",
        }
    }

    /// The one that a request's `Accept-Language` prefers; English if it has none of ours.
    pub fn of(headers: &HeaderMap) -> Self {
        Self::preferred(&list(headers, ACCEPT_LANGUAGE))
    }

    fn preferred(accept_language: &str) -> Self {
        accept::preferred(accept_language, |range| {
            let primary = range.split('-').next().unwrap_or_default();
            Self::ALL
                .into_iter()
                .find(|language| language.tag().eq_ignore_ascii_case(primary))
        })
        .unwrap_or(Self::English)
    }

    pub(crate) fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH,
            Self::German => &GERMAN,
            Self::Spanish => &SPANISH,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_language_that_we_have_wins() {
        let language = Language::preferred;
        assert_eq!(language("de"), Language::German);
        assert_eq!(language("de-AT,de;q=0.9,en;q=0.5"), Language::German);
        assert_eq!(language("en;q=0.1, ES-mx"), Language::Spanish);
        assert_eq!(language("fr, es;q=0.2"), Language::Spanish);
        assert_eq!(language("fr"), Language::English);
        assert_eq!(language("de;q=0"), Language::English);
        assert_eq!(language(""), Language::English);
    }
}
