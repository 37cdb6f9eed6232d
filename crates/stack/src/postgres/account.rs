//! PostgreSQL refuses to run as root. There it runs as the OS user `postgres`, which its packages make.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    os::unix::{
        fs::{PermissionsExt, chown, symlink},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, ensure};

/// The account that PostgreSQL runs as.
#[derive(Debug, Clone)]
pub enum Account {
    /// As we do.
    Ourselves,
    /// As the OS user `postgres`, for we are root.
    Postgres {
        /// Its number.
        uid: u32,
        /// Its group's.
        gid: u32,
        /// Its home directory, which it can certainly reach.
        home: PathBuf,
    },
}

impl Account {
    /// The one that fits who we are.
    pub fn choose() -> Result<Self> {
        if !crate::process::is_root() {
            return Ok(Self::Ourselves);
        }
        // postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash
        let output = Command::new("getent")
            .args(["passwd", "postgres"])
            .output()
            .context("getent passwd postgres")?;
        let line = String::from_utf8_lossy(&output.stdout).into_owned();
        let fields: Vec<_> = line.trim().split(':').collect();
        match fields[..] {
            [_, _, uid, gid, _, home, _] => Ok(Self::Postgres {
                uid: uid.parse().context("the uid of postgres")?,
                gid: gid.parse().context("the gid of postgres")?,
                home: home.into(),
            }),
            _ => anyhow::bail!(
                "PostgreSQL does not run as root, and there is no OS user `postgres` to run it as"
            ),
        }
    }

    /// A command that runs as this account.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        if let Self::Postgres { uid, gid, .. } = self {
            command.uid(*uid).gid(*gid);
        }
        command.current_dir("/"); // ours may be out of its reach
        command
    }

    /// Makes a directory that belongs to this account alone.
    pub fn make_directory(&self, directory: &Path) -> Result<()> {
        fs::create_dir(directory)
            .and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(0o700)))
            .and_then(|()| self.give(directory))
            .with_context(|| format!("could not make {}", directory.display()))
    }

    /// Makes a file or directory this account's.
    pub fn give(&self, path: &Path) -> std::io::Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Postgres { uid, gid, .. } => chown(path, Some(*uid), Some(*gid)),
        }
    }

    /// `directory`, made if need be, if this account can reach it; else one in its home that stands
    /// for it. A checkout in /root is out of reach of everybody but root.
    pub fn reachable(&self, directory: PathBuf) -> Result<PathBuf> {
        let make = |directory: &Path| {
            fs::create_dir_all(directory)
                .with_context(|| format!("could not make {}", directory.display()))
        };
        make(&directory)?;
        let Self::Postgres { home, .. } = self else {
            return Ok(directory);
        };
        let reaches = self
            .command("test")
            .arg("-x")
            .arg(&directory)
            .status()
            .context("test -x")?;
        if reaches.success() {
            return Ok(directory);
        }
        let mut hasher = DefaultHasher::new();
        directory.hash(&mut hasher);
        let instead = home.join(format!("spinvote-{:016x}", hasher.finish()));
        // The link shows where the data is; without it, what is there belongs to a checkout that is gone.
        // Tests begin at once: only one of them may find it missing.
        let lock = File::create(directory.join("elsewhere.lock"))
            .context("could not lock the way to PostgreSQL's data")?;
        lock.lock()
            .context("could not lock the way to PostgreSQL's data")?;
        let link = directory.join("elsewhere");
        if fs::read_link(&link).ok().as_ref() != Some(&instead) {
            ensure!(!link.exists(), "{} is in the way", link.display());
            let _ = fs::remove_dir_all(&instead);
            make(&instead)?;
            symlink(&instead, &link)
                .with_context(|| format!("could not make {}", link.display()))?;
        }
        Ok(instead)
    }
}
