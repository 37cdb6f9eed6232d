//! PostgreSQL by its own client, which is there wherever the database is.

use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use stack::postgres::Binaries;

use crate::instance;

/// The database of DATABASE_URL if that is set, else the running instance's.
pub fn database_url() -> Result<String> {
    std::env::var("DATABASE_URL").or_else(|_| instance::address("DATABASE_URL"))
}

/// Runs statements, all or none of them, and returns the rows that they give.
pub fn psql<const COLUMNS: usize>(url: &str, statements: &str) -> Result<Vec<[String; COLUMNS]>> {
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
        "-1",
        "-F",
        "\t",
        "-v",
        "ON_ERROR_STOP=1",
        "-f",
        "-",
    ]);
    command.arg(&url);
    if let Some(password) = password {
        command.env("PGPASSWORD", password);
    }
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("could not run psql")?;
    // It reads all of it before it says more than a pipe holds, or ends.
    if let Some(mut stdin) = child.stdin.take() {
        let _ = stdin.write_all(statements.as_bytes());
    }
    let output = child.wait_with_output().context("could not run psql")?;
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

/// As SQL writes a text.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
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
