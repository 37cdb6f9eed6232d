//! docs/performance.md: its tables, between `<!-- bench:KIND -->` and `<!-- /bench -->`, and its plots.

use std::fmt::Write;

use anyhow::Result;
use clap::ValueEnum;

use super::{
    Kind, consumer,
    contenders::Contender,
    figures::{Figures, Results},
    growth, plots, steps, visible, votes,
};
use crate::generated::{Page, Plot};

/// The marker at the end of each part.
const END: &str = "/bench";

/// Makes the page's tables and its plots again, of what bench/results has.
pub fn write() -> Result<()> {
    page()?.write(&plots()?)
}

fn plots() -> Result<Vec<Plot>> {
    let mut plots = Vec::new();
    for kind in Kind::value_variants() {
        if let (Some(plot), Some(results)) = (plots::file(*kind), Results::read(*kind)?) {
            plots.push((plot, plots::render(*kind, &results.figures)?));
        }
    }
    Ok(plots)
}

/// The page with its plots and tables as bench/results has them.
fn page() -> Result<Page> {
    let mut page = Page::read("docs/performance.md")?;
    let mut images = String::new();
    for kind in Kind::value_variants() {
        let Some(results) = Results::read(*kind)? else {
            continue;
        };
        let tables = tables(*kind, &results.figures).join("\n");
        let text = format!("{tables}\n{}", about(&results));
        page.fill([&format!("bench:{}", kind.id()), END], &text)?;
        if let Some(caption) = plots::caption(*kind) {
            let _ = writeln!(images, "![{caption}](images/bench-{}.svg)\n", kind.id());
        }
    }
    page.fill(["bench:plots", END], &images)?;
    Ok(page)
}

/// When it was measured, on what, and how often.
fn about(results: &Results) -> String {
    let machine = &results.machine;
    let rounds = match results.figures.rounds() {
        1 => "one round".to_owned(),
        rounds => format!("medians of {rounds} rounds"),
    };
    format!(
        "{}, {} cores of {}, {} GiB, {rounds}, {} s a load, at {}.\n",
        results.date,
        machine.cores,
        machine.cpu,
        machine.memory_gib,
        results.seconds,
        results.commit,
    )
}

/// The tables of one kind, in Markdown.
pub fn tables(kind: Kind, figures: &Figures) -> Vec<String> {
    match kind {
        Kind::Votes | Kind::Results => vec![
            rates(figures),
            latencies(figures),
            costs(figures, &votes::connections(32)),
        ],
        Kind::Bulk => vec![plain(
            "votes/s",
            figures,
            &[1, 2, 8].map(|number| (votes::connections(number), "votes/s", 0)),
        )],
        Kind::Consumer => vec![
            plain(
                "votes/s",
                figures,
                &[1, 2, 4].map(|number| (consumer::consumers(number), "counted/s", 0)),
            ),
            costs(figures, &consumer::consumers(1)),
        ],
        Kind::Visible => ["p50 ms", "p99 ms", "longest ms"]
            .map(|metric| {
                let cases = [100, 1000, 3000].map(|votes| (visible::rate(votes), metric, 1));
                plain(metric, figures, &cases)
            })
            .into(),
        Kind::Start => vec![plain("ms", figures, &[("start".to_owned(), "ms", 0)])],
        Kind::Steps => ["CPU µs", "Redis CPU µs"]
            .map(|metric| {
                let cases = steps::CASES.map(|(case, _)| (case.to_owned(), metric, 1));
                plain(metric, figures, &cases)
            })
            .into(),
        Kind::Memory => vec![plain(
            "MB",
            figures,
            &["idle", "loaded", "artefact"].map(|case| (case.to_owned(), "MB", 1)),
        )],
        Kind::Growth => [
            ("votes/s", 0),
            ("results/s", 0),
            ("counted/s", 0),
            ("visible p99 ms", 1),
        ]
        .map(|(metric, digits)| {
            let cases = growth::CASES.map(|case| (case.to_owned(), metric, digits));
            plain(metric, figures, &cases)
        })
        .into(),
    }
}

/// One metric in several cases, a column each.
fn plain(corner: &str, figures: &Figures, cases: &[(String, &str, usize)]) -> String {
    let cells: Vec<_> = cases
        .iter()
        .map(|(case, metric, digits)| {
            move |contender| cell(figures.median(contender, case, metric), *digits)
        })
        .collect();
    let columns: Vec<Column> = cases
        .iter()
        .zip(&cells)
        .map(|((case, ..), cell)| (case.as_str(), cell as _))
        .collect();
    table(corner, figures, &columns)
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
            ("× one XADD on Spin", &ratio(Contender::AppendSpin)),
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
        ],
    )
}

/// CPU time, in microseconds, for each request or vote.
fn costs(figures: &Figures, case: &str) -> String {
    let cost =
        |metric: &'static str| move |contender| cell(figures.median(contender, case, metric), 1);
    table(
        "CPU µs",
        figures,
        &[
            ("itself", &cost("CPU µs")),
            ("Redis", &cost("Redis CPU µs")),
            ("PostgreSQL", &cost("PostgreSQL CPU µs")),
        ],
    )
}

/// A column: its head, and what stands in it for a contender.
type Column<'a> = (&'a str, &'a dyn Fn(Contender) -> String);

/// A row for each contender; rows and columns in which nothing stands are left out.
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
    let measured =
        |contender: &Contender| columns.iter().any(|(_, cell)| !cell(*contender).is_empty());
    for contender in contenders.into_iter().filter(measured) {
        let _ = write!(text, "| {} |", contender.title());
        for (_, cell) in &columns {
            let _ = write!(text, " {} |", cell(contender));
        }
        text.push('\n');
    }
    text
}

/// A number as people read it; nothing if there is none.
pub fn cell(value: Option<f64>, digits: usize) -> String {
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
    fn the_page_has_the_tables_and_the_plots_that_the_results_give() {
        let page = page().unwrap();
        page.is_up_to_date(&plots().unwrap(), "run `cargo xtask bench --report`");
    }
}
