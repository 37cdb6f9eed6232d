//! `cargo xtask recount`: holds the tallies against the audit log.

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
};

use anyhow::{Context, Result, ensure};
use stack::postgres::Binaries;

use crate::instance;

/// Columns: poll, option, tally, recorded, whether they agree.
const COLUMNS: usize = 5;

/// As psql prints what is true.
const AGREES: &str = "t";

pub fn recount(repair: bool) -> Result<ExitCode> {
    let url = std::env::var("DATABASE_URL").or_else(|_| instance::address("DATABASE_URL"))?;
    let rows = ask(&url, repair)?;
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

fn ask(url: &str, repair: bool) -> Result<Vec<[String; COLUMNS]>> {
    let psql = Binaries::find(None).map_or_else(
        |_| PathBuf::from("psql"),
        |binaries| binaries.program("psql"),
    );
    let (url, password) = split_password(url);
    let mut command = Command::new(psql);
    command.args([
        "-X",
        "-w",
        "-q",
        "-A",
        "-t",
        "-F",
        "\t",
        "-v",
        "ON_ERROR_STOP=1",
    ]);
    command.args([
        "-c",
        &format!("select poll, option, count, recorded, agrees from recount_votes({repair})"),
        &url,
    ]);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    let output = command.output().context("could not run psql")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| {
            let columns: Vec<_> = line.split('\t').map(str::to_owned).collect();
            columns
                .try_into()
                .ok()
                .with_context(|| format!("psql says {line:?}"))
        })
        .collect()
}

/// Takes the password out of a URL: on a command line everybody on the machine could read it.
fn split_password(url: &str) -> (String, Option<String>) {
    let parts = || {
        let (scheme, rest) = url.split_once("://")?;
        let (credentials, rest) = rest.split_once('@')?;
        let (user, password) = credentials.split_once(':')?;
        Some((
            format!("{scheme}://{user}@{rest}"),
            decode_percent(password)?,
        ))
    };
    parts().map_or_else(
        || (url.to_owned(), None),
        |(url, password)| (url, Some(password)),
    )
}

fn decode_percent(text: &str) -> Option<String> {
    let mut parts = text.split('%');
    let mut decoded = parts.next()?.as_bytes().to_vec();
    for part in parts {
        decoded.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        decoded.extend_from_slice(&part.as_bytes()[2..]);
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_taken_out_of_a_url() {
        let (url, password) =
            split_password("postgres://operator:a%2Fb%25@127.0.0.1:5490/spinvote");
        assert_eq!(url, "postgres://operator@127.0.0.1:5490/spinvote");
        assert_eq!(password.as_deref(), Some("a/b%"));
    }

    #[test]
    fn a_url_without_a_password_is_left_alone() {
        for url in [
            "postgres://127.0.0.1/spinvote",
            "postgres://someone@127.0.0.1/x",
            "dbname=x",
        ] {
            assert_eq!(split_password(url), (url.to_owned(), None));
        }
    }
}
