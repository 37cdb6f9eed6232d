//! docs/performance.md: its tables, between `<!-- bench:KIND -->` and `<!-- /bench -->`, and its plots.

use std::{fmt::Write, fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use stack::checkout;

use super::{
    Kind,
    contenders::Contender,
    figures::{Figures, Results},
    votes,
};

fn file() -> PathBuf {
    checkout::root().join("docs/performance.md")
}

/// Makes the page's tables again, of what bench/results has.
pub fn write() -> Result<()> {
    let file = file();
    if !file.exists() {
        return Ok(());
    }
    let page = fs::read_to_string(&file)?;
    fs::write(&file, filled(&page)?).context("could not write docs/performance.md")
}

/// The page with its tables as bench/results has them.
fn filled(page: &str) -> Result<String> {
    const END: &str = "<!-- /bench -->";
    let mut page = page.to_owned();
    for kind in Kind::value_variants() {
        let begin = format!("<!-- bench:{} -->", kind.id());
        let Some(start) = page.find(&begin).map(|at| at + begin.len()) else {
            continue;
        };
        let end = page[start..]
            .find(END)
            .map(|at| start + at)
            .with_context(|| format!("docs/performance.md: {begin} has no {END}"))?;
        let Some(results) = Results::read(*kind)? else {
            continue;
        };
        let tables = tables(*kind, &results.figures).join("\n");
        let text = format!("\n{tables}\n{}\n", about(&results));
        page.replace_range(start..end, &text);
    }
    Ok(page)
}

/// When it was measured, on what, and how often.
fn about(results: &Results) -> String {
    let machine = &results.machine;
    format!(
        "{}, {} cores of {}, {} GiB, medians of {} rounds, {} s a load, at {}.\n",
        results.date,
        machine.cores,
        machine.cpu,
        machine.memory_gib,
        results.figures.rounds(),
        results.seconds,
        results.commit
    )
}

/// The tables of one kind, in Markdown.
pub fn tables(kind: Kind, figures: &Figures) -> Vec<String> {
    match kind {
        Kind::Votes | Kind::Results => {
            let mut tables = vec![rates(figures)];
            tables.push(latencies(figures));
            tables
        }
    }
}

/// Requests a second, and how many times those of FastAPI that is.
fn rates(figures: &Figures) -> String {
    let number =
        |case: String| move |contender| cell(figures.median(contender, &case, "requests/s"), 0);
    let ratio = |other| {
        move |contender| {
            let case = votes::connections(32);
            cell(figures.ratio(contender, other, &case, "requests/s"), 2)
        }
    };
    table(
        "requests/s",
        figures,
        &[
            ("1 connection", &number(votes::connections(1))),
            ("32", &number(votes::connections(32))),
            ("256", &number(votes::connections(256))),
            ("32, counted", &number(votes::COUNTED.to_owned())),
            ("× FastAPI, 1 worker", &ratio(Contender::FastApi1)),
            ("× FastAPI, 2 workers", &ratio(Contender::FastApi2)),
            ("× empty on Spin", &ratio(Contender::EmptySpin)),
        ],
    )
}

fn latencies(figures: &Figures) -> String {
    let at = |connections: usize, metric: &'static str, digits| {
        move |contender| {
            let case = votes::connections(connections);
            cell(figures.median(contender, &case, metric), digits)
        }
    };
    table(
        "ms",
        figures,
        &[
            ("p50 at 1", &at(1, "p50 ms", 2)),
            ("p99 at 1", &at(1, "p99 ms", 2)),
            ("p50 at 32", &at(32, "p50 ms", 2)),
            ("p99 at 32", &at(32, "p99 ms", 2)),
            ("p99.9 at 32", &at(32, "p99.9 ms", 2)),
            ("p99 at 256", &at(256, "p99 ms", 2)),
            ("CPU µs", &at(32, "CPU µs", 0)),
            ("CPU µs in Redis", &at(32, "Redis CPU µs", 0)),
        ],
    )
}

/// A column: its head, and what stands in it for a contender.
type Column<'a> = (&'a str, &'a dyn Fn(Contender) -> String);

/// A row for each contender that was measured; columns in which nothing stands are left out.
fn table(corner: &str, figures: &Figures, columns: &[Column]) -> String {
    let contenders = figures.contenders();
    let columns: Vec<_> = columns
        .iter()
        .filter(|(_, cell)| contenders.iter().any(|it| !cell(*it).is_empty()))
        .collect();
    let mut text = format!("| {corner} |");
    for (head, _) in &columns {
        let _ = write!(text, " {head} |");
    }
    text += "\n|---|";
    text += &"---:|".repeat(columns.len());
    text.push('\n');
    for contender in contenders {
        let _ = write!(text, "| {} |", contender.title());
        for (_, cell) in &columns {
            let _ = write!(text, " {} |", cell(contender));
        }
        text.push('\n');
    }
    text
}

/// A number as people read it; nothing if there is none.
fn cell(value: Option<f64>, digits: usize) -> String {
    let Some(value) = value else {
        return String::new();
    };
    let text = format!("{value:.digits$}");
    let (whole, fraction) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + fraction
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        assert_eq!(cell(Some(1_234_567.0), 0), "1,234,567");
        assert_eq!(cell(Some(999.4), 0), "999");
        assert_eq!(cell(Some(1234.5), 2), "1,234.50");
        assert_eq!(cell(None, 2), "");
    }

    #[test]
    fn the_page_has_the_tables_that_the_results_give() {
        let Ok(page) = fs::read_to_string(file()) else {
            return;
        };
        assert_eq!(
            filled(&page).unwrap(),
            page,
            "run `cargo xtask bench --report`"
        );
    }
}
