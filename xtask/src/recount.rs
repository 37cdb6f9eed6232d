//! `cargo xtask recount`: holds the tallies against the audit log.

use std::process::ExitCode;

use anyhow::Result;

use crate::psql::{database_url, psql};

/// Columns: poll, option, tally, recorded, whether they agree.
const COLUMNS: usize = 5;

/// As psql prints what is true.
const AGREES: &str = "t";

pub fn recount(repair: bool) -> Result<ExitCode> {
    let statement =
        format!("select poll, option, count, recorded, agrees from recount_votes({repair})");
    let rows: Vec<[String; COLUMNS]> = psql(&database_url()?, &statement)?;
    let differing = rows.iter().filter(|[.., agrees]| agrees != AGREES).count();

    println!(
        "{:<20} {:<20} {:>12} {:>12}",
        "poll", "option", "tally", "recorded"
    );
    for [poll, option, count, recorded, agrees] in &rows {
        let remark = match agrees == AGREES {
            true => "",
            false if repair => "  repaired",
            false if count.is_empty() => "  missing",
            false => "  differs",
        };
        println!("{poll:<20} {option:<20} {count:>12} {recorded:>12}{remark}");
    }
    match (differing, repair) {
        (0, _) => println!("All {} tallies agree with the audit log.", rows.len()),
        (_, true) => println!(
            "{differing} of {} tallies differed, and are now what the audit log says.",
            rows.len()
        ),
        (_, false) => {
            eprintln!(
                "{differing} of {} tallies differ; `cargo xtask recount --repair` sets them right.",
                rows.len()
            );
            return Ok(ExitCode::FAILURE);
        }
    }
    Ok(ExitCode::SUCCESS)
}
