//! Brings the database to the schema of this checkout, by `migrations/migrate.sh`: the same script
//! that Kubernetes runs.

use anyhow::{Context, Result, ensure};

use crate::{Postgres, Role, Secrets, checkout};

/// Applies what is due, and returns what the script said: a line a migration, and the version.
pub fn run(postgres: &Postgres, secrets: &Secrets) -> Result<String> {
    let output = postgres
        .client("sh", Role::Operator)
        .arg(checkout::root().join("migrations/migrate.sh"))
        .env("SPINVOTE_READER_PASSWORD", &secrets.postgres_reader)
        .env("SPINVOTE_CONSUMER_PASSWORD", &secrets.postgres_consumer)
        .env("SPINVOTE_ORGANIZER_PASSWORD", &secrets.postgres_organizer)
        .env("SPINVOTE_MIGRATE_WAIT", "10")
        .env_remove("SPINVOTE_MIGRATIONS")
        .output()
        .context("could not run migrations/migrate.sh")?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
