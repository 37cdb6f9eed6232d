//! The one instance that runs in this checkout: its directory, its lock, its addresses.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{Read, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail, ensure};
use stack::{Postgres, RedisUser, Role, checkout, secrets::write_private};

use crate::cell::Cell;

const NOT_RUNNING: &str = "nothing runs in this checkout; start it with `cargo xtask up`";

/// The directory of what stays between runs, locked for as long as this lives.
pub struct Instance {
    directory: PathBuf,
    _lock: File,
}

impl Instance {
    /// Refused while another runs in this checkout.
    pub fn lock() -> Result<Self> {
        let directory = directory();
        fs::create_dir_all(&directory)
            .with_context(|| format!("could not make {}", directory.display()))?;
        let mut lock = open_lock(&directory).context("could not lock .spinvote")?;
        match lock.try_lock() {
            Ok(()) => {
                lock.set_len(0)?;
                write!(lock, "{}", std::process::id())?;
                Ok(Self {
                    directory,
                    _lock: lock,
                })
            }
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                lock.read_to_string(&mut owner)?;
                bail!(
                    "`cargo xtask up` runs in this checkout already (process {owner}); stop it first"
                );
            }
            Err(TryLockError::Error(error)) => Err(error).context("could not lock .spinvote"),
        }
    }

    /// Where everything that stays is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Lets [`addresses`] find us, until we end.
    pub fn publish(
        &self,
        cells: &[Cell],
        postgres: &Postgres,
        organizer_token: &str,
    ) -> Result<()> {
        let mut text = String::new();
        for cell in cells {
            // The first as if it were the only one.
            let of_cell = match cell.number {
                1 => String::new(),
                number => format!("_{number}"),
            };
            let (url, redis) = (cell.url()?, cell.redis.url(RedisUser::Operator));
            text += &format!(
                "export SPINVOTE_URL{of_cell}='{url}'\n\
                 export REDIS_URL{of_cell}='{redis}'\n"
            );
        }
        let postgres = postgres.url(Role::Operator);
        text += &format!(
            "export DATABASE_URL='{postgres}'\n\
             export SPINVOTE_TOKEN='{organizer_token}'\n"
        );
        write_private(&self.directory.join("addresses"), &text)
            .context("could not write .spinvote/addresses")
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.directory.join("addresses"));
    }
}

/// The addresses of the running instance, as a shell takes them.
pub fn addresses() -> Result<String> {
    let directory = directory();
    // What was killed left its addresses, but no lock.
    let lock = File::open(directory.join("lock")).context(NOT_RUNNING)?;
    ensure!(
        matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)),
        NOT_RUNNING
    );
    fs::read_to_string(directory.join("addresses"))
        .context("`cargo xtask up` has not finished starting")
}

/// One of these addresses.
pub fn address(name: &str) -> Result<String> {
    let addresses = addresses()?;
    let value = addresses.lines().find_map(|line| {
        line.strip_prefix("export ")?
            .strip_prefix(name)?
            .strip_prefix('=')
    });
    Ok(value
        .context("the address is missing")?
        .trim_matches('\'')
        .to_owned())
}

/// Where a Spinvote is, and the token of an organizer there, if one is known: at this URL, with SPINVOTE_TOKEN; without
/// one the running instance, whose token may be named otherwise likewise.
pub fn service(url: Option<String>) -> Result<(String, Option<String>)> {
    let named = std::env::var("SPINVOTE_TOKEN").ok();
    match url {
        Some(url) => Ok((url.trim_end_matches('/').to_owned(), named)),
        None => {
            let own = || address("SPINVOTE_TOKEN").ok();
            Ok((address("SPINVOTE_URL")?, named.or_else(own)))
        }
    }
}

/// SPINVOTE_DATA, for more than one instance of a checkout; without it, `.spinvote`.
fn directory() -> PathBuf {
    let named = std::env::var_os("SPINVOTE_DATA").map(PathBuf::from);
    checkout::root().join(named.unwrap_or_else(|| ".spinvote".into()))
}

fn open_lock(directory: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join("lock"))
}
