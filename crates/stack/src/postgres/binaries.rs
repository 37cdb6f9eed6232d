//! Where PostgreSQL's programs are. Distributions keep several versions side by side, off PATH.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

/// The oldest that has what we use: `\getenv` of psql.
pub const OLDEST: u32 = 15;

/// Names the directory of the programs, where others than those that are found are wanted.
const DIRECTORY: &str = "SPINVOTE_POSTGRES_BIN";

/// The directory of one version's programs.
#[derive(Debug, Clone)]
pub struct Binaries {
    /// Where `postgres`, `initdb` and `psql` are.
    pub directory: PathBuf,
    /// For example 15.
    pub major: u32,
}

impl Binaries {
    /// The newest that is installed; for data that is there already, the version that wrote it. Those in
    /// SPINVOTE_POSTGRES_BIN alone, if that is set.
    pub fn find(data: Option<&Path>) -> Result<Self> {
        let wanted = data.and_then(|data| {
            fs::read_to_string(data.join("PG_VERSION"))
                .ok()?
                .trim()
                .parse::<u32>()
                .ok()
        });
        let named = std::env::var_os(DIRECTORY).map(PathBuf::from);
        let mut found: Vec<_> = named
            .clone()
            .map_or_else(candidates, |directory| vec![directory])
            .iter()
            .filter_map(|directory| Self::inspect(directory))
            .collect();
        found.sort_by_key(|binaries| std::cmp::Reverse(binaries.major));
        match wanted {
            Some(wanted) => found.into_iter().find(|binaries| binaries.major == wanted).with_context(|| {
                format!(
                    "the data in {} is of PostgreSQL {wanted}, which is not installed: install it, or delete the data",
                    data.unwrap_or(Path::new("")).display()
                )
            }),
            None => found
                .into_iter()
                .find(|binaries| binaries.major >= OLDEST)
                .with_context(|| match named {
                    Some(directory) => {
                        format!("{DIRECTORY}: no PostgreSQL {OLDEST} or later is in {}", directory.display())
                    }
                    None => format!("PostgreSQL {OLDEST} or later is not installed"),
                }),
        }
    }

    /// One of its programs.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    fn inspect(directory: &Path) -> Option<Self> {
        if !["postgres", "initdb", "psql"]
            .iter()
            .all(|name| directory.join(name).is_file())
        {
            return None;
        }
        // "postgres (PostgreSQL) 15.18 (Debian …)"
        let said = Command::new(directory.join("postgres"))
            .arg("--version")
            .output()
            .ok()?
            .stdout;
        let said = String::from_utf8_lossy(&said).into_owned();
        let major = said
            .split_whitespace()
            .nth(2)?
            .split(|c: char| !c.is_ascii_digit())
            .next()?
            .parse()
            .ok()?;
        // A link on PATH may lead to programs that find their files only from home.
        Some(Self {
            directory: directory.to_owned(),
            major,
        })
    }
}

fn candidates() -> Vec<PathBuf> {
    // Debian; the PostgreSQL project's packages for Fedora; Homebrew on either processor.
    let mut directories: Vec<_> = [
        ("/usr/lib/postgresql", "", "bin"),
        ("/usr", "pgsql-", "bin"),
        ("/opt/homebrew/opt", "postgresql@", "bin"),
        ("/usr/local/opt", "postgresql@", "bin"),
    ]
    .into_iter()
    .flat_map(|(parent, prefix, bin)| {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        entries
            .filter(move |entry| entry.file_name().to_string_lossy().starts_with(prefix))
            .map(move |entry| entry.path().join(bin))
    })
    .collect();
    let configured = Command::new("pg_config").arg("--bindir").output().ok();
    directories.extend(
        configured.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())),
    );
    directories.extend(std::env::split_paths(
        &std::env::var_os("PATH").unwrap_or_default(),
    ));
    directories
}
