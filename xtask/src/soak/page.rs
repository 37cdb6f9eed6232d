//! docs/soak.md: what the last runs have shown, between `<!-- soak -->` and `<!-- /soak -->` and the like, and its plots.

use std::fmt::Write;

use anyhow::Result;
use stack::checkout;

use super::{plot, report::Report};
use crate::generated::{Page, Plot};

/// Makes the page and its plots again, of what bench/results has.
pub fn write() -> Result<()> {
    page()?.write(&plots()?)
}

fn reports() -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for backlog in [false, true] {
        reports.extend(Report::read(backlog)?);
    }
    Ok(reports)
}

fn plots() -> Result<Vec<Plot>> {
    let plot = |report: &Report| {
        let image = format!("docs/images/{}.svg", report.name());
        Ok((checkout::root().join(image), plot::render(report)?))
    };
    reports()?.iter().map(plot).collect()
}

/// The page as bench/results has it.
fn page() -> Result<Page> {
    let mut page = Page::read("docs/soak.md")?;
    for report in reports()? {
        let name = report.name();
        let image =
            format!("![Memory, sockets and open files of each part, over time](images/{name}.svg)");
        let text = format!("{image}\n\n{}", text(&report));
        page.fill([name, &format!("/{name}")], &text)?;
    }
    Ok(page)
}

/// What a run has shown, in Markdown.
pub fn text(report: &Report) -> String {
    let mut text = String::new();
    let machine = &report.machine;
    let _ = writeln!(
        text,
        "{}, {:.0} minutes on {} cores of {}, {} GiB, on {}, at {}: {}.\n",
        report.date,
        report.minutes,
        machine.cores,
        machine.cpu,
        machine.memory_gib,
        match report.runtime.as_str() {
            "spin" => "Spin",
            _ => "host/",
        },
        report.commit,
        if report.passed() {
            "all checks hold"
        } else {
            "**not all checks hold**"
        }
    );
    for (name, value) in &report.figures {
        let _ = writeln!(text, "- {name}: {value}");
    }
    text += "\n| check | | seen |\n|---|---|---|\n";
    for check in &report.checks {
        let mark = if check.holds { "✓" } else { "✗" };
        let seen = check.seen.replace('|', "\\|").replace('\n', " ");
        let _ = writeln!(text, "| {} | {mark} | {seen} |", check.name);
    }
    text += "\n| part | of | after the warm-up | at the end | most | growth |\n|---|---|---:|---:|---:|---:|\n";
    for used in &report.uses {
        let unit = match &*used.unit {
            "" => String::new(),
            unit => format!(", {unit}"),
        };
        let _ = writeln!(
            text,
            "| {} | {}{unit} | {:.1} | {:.1} | {:.1} | {:+.1} |",
            used.part, used.metric, used.first, used.last, used.most, used.growth
        );
    }
    text +=
        "\n| requests | number | mean, ms | longest, ms | answers |\n|---|---:|---:|---:|---|\n";
    for (name, kind) in &report.requests {
        let statuses = kind.statuses.iter();
        let mut statuses: Vec<_> = statuses
            .map(|(status, number)| format!("{number} × {status}"))
            .collect();
        if kind.unanswered > 0 {
            statuses.push(format!("{} without", kind.unanswered));
        }
        let _ = writeln!(
            text,
            "| {name} | {} | {:.1} | {:.0} | {} |",
            kind.requests,
            kind.mean_ms(),
            kind.longest_ms,
            statuses.join(", ")
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_what_the_results_give() {
        let page = page().unwrap();
        page.is_up_to_date(&plots().unwrap(), "run `cargo xtask soak --report`");
    }
}
