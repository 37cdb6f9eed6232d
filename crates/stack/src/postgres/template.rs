//! A migrated database to copy: making one takes seconds, copying it a fraction of one. It is made
//! once for each state of the migrations, and kept in the target directory.

use std::{
    fs::{self, File},
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::{Account, Binaries, Durability, Postgres, run};
use crate::{Secrets, checkout, migrate, ports};

/// A database that holds the schema and nothing else.
pub(crate) struct Template {
    directory: PathBuf,
}

impl Template {
    /// The one for the migrations as they are now, made if need be. `workshop` is where it is kept;
    /// the caller holds a lock on it.
    pub(crate) async fn prepare(workshop: &Path) -> Result<Self> {
        let directory = workshop.join(format!("template-{:016x}", fingerprint()?));
        if !directory.exists() {
            for entry in fs::read_dir(workshop)?.flatten() {
                if entry.file_name().to_string_lossy().starts_with("template-") {
                    fs::remove_dir_all(entry.path())
                        .context("could not remove an outdated template")?;
                }
            }
            let unfinished = directory.with_extension("new");
            fs::create_dir_all(&unfinished).context("could not make a template database")?;
            let secrets = Secrets::kept_in(&unfinished.join("secrets"))?;
            let mut postgres = Postgres::new(
                &unfinished,
                ports::free()?,
                Durability::ThrownAway,
                &secrets,
            )?;
            postgres.start().await?;
            migrate::run(&postgres, &secrets).context("could not migrate the template database")?;
            postgres.stop();
            fs::rename(&unfinished, &directory).context("could not put the template into place")?;
        }
        Ok(Self { directory })
    }

    /// The passwords of its roles.
    pub(crate) fn secrets(&self) -> Result<Secrets> {
        Secrets::kept_in(&self.directory.join("secrets"))
    }

    /// Copies it to where [`Postgres::new`] looks for the data of `directory`.
    pub(crate) fn copy_to(&self, directory: &Path) -> Result<()> {
        run(Command::new("cp")
            .arg("-a")
            .arg(self.directory.join("postgres"))
            .arg(directory.join("postgres")))
        .context("could not copy the template database")
    }
}

/// Of all that decides what is in the template.
fn fingerprint() -> Result<u64> {
    let mut hasher = DefaultHasher::new();
    let migrations = checkout::root().join("migrations");
    let mut files: Vec<_> = fs::read_dir(&migrations)
        .context("no migrations")?
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    for file in files.iter().filter(|file| file.is_file()) {
        file.hash(&mut hasher);
        fs::read(file)?.hash(&mut hasher);
    }
    let binaries = Binaries::find(None)?;
    (binaries.directory, binaries.major).hash(&mut hasher);
    rustix::process::geteuid().as_raw().hash(&mut hasher);
    Ok(hasher.finish())
}

/// Where templates and running tests are kept: in the target directory, or where PostgreSQL reaches.
pub(crate) fn workshop() -> Result<PathBuf> {
    Account::choose()?.reachable(checkout::target().join("stack"))
}

/// Held while the workshop is changed, by one process at a time. Blocks.
pub(crate) fn lock(workshop: &Path) -> Result<File> {
    let file =
        File::create(workshop.join("lock")).context("could not lock the target directory")?;
    file.lock().context("could not lock the target directory")?;
    Ok(file)
}
