//! Figures as each language writes them, exactly as `Intl` does in a browser: the script replaces the
//! server's figures with its own, and nothing may jump.

use ballot::Tally;

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

/// The share of a tally in the `total`, as the API rounded it. A few votes among very many are not
/// nothing, and all but a few are not all.
pub(crate) fn share(language: Language, tally: &Tally, total: i64) -> String {
    if tally.count > 0 && tally.percentage < 0.01 {
        format!("<{}", percentage(language, 0.01))
    } else if tally.count < total && tally.percentage > 99.99 {
        format!(">{}", percentage(language, 99.99))
    } else {
        percentage(language, tally.percentage)
    }
}

/// How long the bar of a tally is, in per cent: long enough to be seen if it has any votes.
pub(crate) fn bar(tally: &Tally) -> f64 {
    const SHORTEST: f64 = 0.5;
    let shortest = if tally.count > 0 { SHORTEST } else { 0.0 };
    tally.percentage.max(shortest)
}

/// A percentage, 0 to 100, as digits with two decimals. By whole numbers: what prints any float takes 7 kB.
#[expect(clippy::cast_possible_truncation, reason = "it is 0 to 100")]
pub(crate) fn decimals(percentage: f64) -> String {
    let hundredths = (percentage * 100.0).round() as i64;
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// A percentage, 0 to 100, with two decimals.
fn percentage(language: Language, percentage: f64) -> String {
    let number = decimals(percentage);
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
    fn percentages_have_two_decimals() {
        let [en, de, es] = Language::ALL;
        assert_eq!(percentage(en, 33.33), "33.33%");
        assert_eq!(percentage(de, 50.0), "50,00\u{a0}%");
        assert_eq!(percentage(es, 0.0), "0,00\u{a0}%");
    }

    #[test]
    fn one_vote_is_never_nothing_and_never_all() {
        let share_of = |count, percentage, total| {
            let tally = Tally {
                option: ballot::OptionName::parse("cats").unwrap(),
                count,
                percentage,
            };
            (share(Language::English, &tally, total), bar(&tally))
        };
        assert_eq!(share_of(1, 0.01, 10_000), ("0.01%".into(), 0.5));
        assert_eq!(share_of(1, 0.0, 1_000_000), ("<0.01%".into(), 0.5));
        assert_eq!(
            share_of(999_999, 100.0, 1_000_000),
            (">99.99%".into(), 100.0)
        );
        assert_eq!(share_of(5, 100.0, 5), ("100.00%".into(), 100.0));
        assert_eq!(share_of(0, 0.0, 5), ("0.00%".into(), 0.0));
    }
}
