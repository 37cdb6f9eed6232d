//! docs/soak.md: what the last runs have shown, between `<!-- soak -->` and `<!-- /soak -->` and the like, and its plots.

use std::{fmt::Write, fs, path::PathBuf};

use anyhow::{Context, Result};
use stack::checkout;

use super::{plot, report::Report};

fn file() -> PathBuf {
    checkout::root().join("docs/soak.md")
}

fn image(name: &str) -> PathBuf {
    checkout::root().join(format!("docs/images/{name}.svg"))
}

fn name(backlog: bool) -> &'static str {
    if backlog { "soak-backlog" } else { "soak" }
}

/// Makes the page and its plots again, of what bench/results has.
pub fn write() -> Result<()> {
    let page = fs::read_to_string(file()).context("could not read docs/soak.md")?;
    fs::write(file(), filled(&page)?).context("could not write docs/soak.md")?;
    for (plot, svg) in plots()? {
        fs::write(&plot, svg).with_context(|| format!("could not write {}", plot.display()))?;
    }
    Ok(())
}

fn reports() -> Result<Vec<Report>> {
    let mut reports = Vec::new();
    for backlog in [false, true] {
        reports.extend(Report::read(backlog)?);
    }
    Ok(reports)
}

/// Each plot, and where it is.
fn plots() -> Result<Vec<(PathBuf, String)>> {
    reports()?
        .iter()
        .map(|report| Ok((image(name(report.backlog)), plot::render(report)?)))
        .collect()
}

/// The page as bench/results has it.
fn filled(page: &str) -> Result<String> {
    let mut page = page.to_owned();
    for report in reports()? {
        let name = name(report.backlog);
        let about = || format!("docs/soak.md has no <!-- {name} -->");
        let begin = format!("<!-- {name} -->\n");
        let start = page.find(&begin).with_context(about)? + begin.len();
        let end = page[start..]
            .find(&format!("<!-- /{name} -->"))
            .with_context(about)?;
        let image =
            format!("![Memory, sockets and open files of each part, over time](images/{name}.svg)");
        let text = format!("\n{image}\n\n{}\n", text(&report));
        page.replace_range(start..start + end, &text);
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
        const STALE: &str = "run `cargo xtask soak --report`";
        let page = fs::read_to_string(file()).unwrap();
        assert_eq!(filled(&page).unwrap(), page, "{STALE}");
        for (plot, svg) in plots().unwrap() {
            assert_eq!(fs::read_to_string(plot).unwrap(), svg, "{STALE}");
        }
    }
}
