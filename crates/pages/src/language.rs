//! The languages of the pages.

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

    pub(crate) fn texts(self) -> &'static Texts {
        match self {
            Self::English => &ENGLISH,
            Self::German => &GERMAN,
            Self::Spanish => &SPANISH,
        }
    }
}
