//! What a policy decides by, and what it answers: see wit/policy.wit.

use serde::{Deserialize, Serialize};

/// A vote that somebody wants to cast, and what is known of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ballot {
    /// The poll's name.
    pub poll: String,
    /// The option that is voted for.
    pub choice: String,
    /// Who votes, as that is stored.
    pub voter: Option<String>,
    /// The address of the client.
    pub address: Option<String>,
    /// `User-Agent`
    pub user_agent: Option<String>,
    /// `Accept-Language`
    pub languages: String,
    /// When it came, in milliseconds since the Unix epoch.
    pub time: u64,
    /// Names and values of other headers, those that the operator has chosen.
    pub headers: Vec<(String, String)>,
}

/// Why somebody may not vote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// For programs and metrics.
    pub code: String,
    /// For the voter, if the policy gave one.
    pub reason: Option<Reason>,
}

/// What a voter is told, in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// BCP 47
    pub language: String,
    /// Plain text.
    pub text: String,
}

/// The code of a refusal that names none, or none that can be a label.
const REFUSED: &str = "refused";

/// Bytes.
const LONGEST_CODE: usize = 40;

/// Characters.
const LONGEST_REASON: usize = 500;

impl Ballot {
    /// The header of a request that holds one. Without it the question is whether there are rules at all.
    pub const HEADER: &str = "ballot";

    /// One line of ASCII, which a header can hold whatever is in it.
    pub fn to_line(&self) -> Option<String> {
        to_line(self)
    }

    /// Reads what [`Self::to_line`] wrote.
    pub fn from_line(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

impl Refusal {
    /// The header of an answer that holds one.
    pub const HEADER: &str = "refusal";

    /// What a policy answered, whatever that is, made fit to be shown: by wit/policy.wit.
    pub fn bounded(code: String, reason: Option<Reason>) -> Self {
        let code_fits = (1..=LONGEST_CODE).contains(&code.len())
            && code
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        Self {
            code: if code_fits { code } else { REFUSED.into() },
            reason: reason.and_then(Reason::bounded),
        }
    }

    /// One line of ASCII, which a header can hold whatever is in it.
    pub fn to_line(&self) -> Option<String> {
        to_line(self)
    }

    /// Reads what [`Self::to_line`] wrote.
    pub fn from_line(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok()
    }
}

impl Reason {
    /// None if nothing is left of it.
    fn bounded(self) -> Option<Self> {
        // The tag becomes a header, and an attribute of the page.
        let tag_fits = (2..=35).contains(&self.language.len())
            && self
                .language
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let text = self.text.chars().take(LONGEST_REASON);
        let text: String = text
            .map(|it| if it.is_control() { ' ' } else { it })
            .collect();
        (tag_fits && !text.trim().is_empty()).then_some(Self {
            language: self.language,
            text,
        })
    }
}

fn to_line(value: &impl Serialize) -> Option<String> {
    let json = serde_json::to_string(value).ok()?;
    let mut line = String::with_capacity(json.len());
    for character in json.chars() {
        // Outside of its texts JSON is ASCII, and JSON has no control characters but for this one.
        if character.is_ascii() && character != '\u{7f}' {
            line.push(character);
        } else {
            for unit in character.encode_utf16(&mut [0; 2]) {
                line.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(language: &str, text: &str) -> Option<Reason> {
        Some(Reason {
            language: language.to_owned(),
            text: text.to_owned(),
        })
    }

    #[test]
    fn what_travels_is_one_line_of_ascii_whatever_is_in_it() {
        let ballot = Ballot {
            poll: "pets".into(),
            choice: "Kätzchen 😺\r\n\u{7f}\0\"\\".into(),
            headers: vec![("x-group".into(), "ÿ\t".into())],
            ..Ballot::default()
        };
        let line = ballot.to_line().unwrap();
        assert!(line.bytes().all(|b| (0x20..0x7f).contains(&b)), "{line}");
        assert_eq!(Ballot::from_line(line.as_bytes()), Some(ballot));
        assert_eq!(Ballot::from_line(b"{"), None);
        let refusal = Refusal::bounded("x".into(), reason("de", "für 😺"));
        let line = refusal.to_line().unwrap();
        assert!(line.is_ascii());
        assert_eq!(Refusal::from_line(line.as_bytes()), Some(refusal));
    }

    #[test]
    fn a_code_is_a_label_or_none() {
        let bounded = |code: &str| Refusal::bounded(code.to_owned(), None).code;
        for code in ["too-young", "a", "4", &"x".repeat(40)] {
            assert_eq!(bounded(code), code);
        }
        for code in ["", "Too Young", "ä", "a\n", "a_b", &"x".repeat(41)] {
            assert_eq!(bounded(code), "refused", "{code:?}");
        }
    }

    #[test]
    fn a_reason_is_short_plain_and_in_a_language() {
        let bounded = |language: &str, text: &str| {
            Refusal::bounded("x".into(), reason(language, text)).reason
        };
        assert_eq!(bounded("en", "a\u{1b}[31m\nb"), reason("en", "a [31m b"));
        assert_eq!(
            bounded("de-AT", &"ä".repeat(501)),
            reason("de-AT", &"ä".repeat(500))
        );
        for (language, text) in [("en\r\n", "c"), ("e", "d"), ("es", " \u{85}")] {
            assert_eq!(bounded(language, text), None);
        }
    }
}
