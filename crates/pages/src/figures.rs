//! Figures as each language writes them, just as `Intl` in a browser does: the script rewrites what
//! the server wrote, and nothing may jump.

use crate::Language;

/// A count, with its thousands set apart.
pub(crate) fn count(language: Language, count: i64) -> String {
    let digits = count.unsigned_abs().to_string();
    let (separator, shortest) = match language {
        Language::English => (',', 4),
        Language::German => ('.', 4),
        // Spanish leaves four digits together.
        Language::Spanish => ('.', 5),
    };
    let mut text = String::new();
    if count < 0 {
        text.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() >= shortest {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// A percentage, 0 to 100, with one decimal.
pub(crate) fn percentage(language: Language, percentage: f64) -> String {
    let number = format!("{percentage:.1}");
    match language {
        Language::English => format!("{number}%"),
        Language::German | Language::Spanish => format!("{}\u{a0}%", number.replace('.', ",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart_as_each_language_does() {
        let [en, de, es] = Language::ALL;
        assert_eq!(count(en, 0), "0");
        assert_eq!(count(en, 999), "999");
        assert_eq!(count(en, 1234567), "1,234,567");
        assert_eq!(count(de, 1234), "1.234");
        assert_eq!(count(es, 1234), "1234");
        assert_eq!(count(es, 12345), "12.345");
        assert_eq!(count(en, i64::MAX), "9,223,372,036,854,775,807");
        assert_eq!(count(en, -1234), "-1,234");
    }

    #[test]
    fn percentages_have_one_decimal() {
        let [en, de, es] = Language::ALL;
        assert_eq!(percentage(en, 33.33), "33.3%");
        assert_eq!(percentage(de, 50.0), "50,0\u{a0}%");
        assert_eq!(percentage(es, 0.0), "0,0\u{a0}%");
    }
}
