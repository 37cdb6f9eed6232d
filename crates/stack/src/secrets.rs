//! The passwords of the private Redis and PostgreSQL: random, made here, known to nobody else.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result};

/// One password for each user of each store, of letters and digits only.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Secrets {
    pub redis_api: String,
    pub redis_consumer: String,
    pub redis_operator: String,
    pub postgres_operator: String,
    pub postgres_reader: String,
    pub postgres_consumer: String,
}

impl Secrets {
    /// New ones.
    pub fn random() -> Result<Self> {
        Ok(Self {
            redis_api: password()?,
            redis_consumer: password()?,
            redis_operator: password()?,
            postgres_operator: password()?,
            postgres_reader: password()?,
            postgres_consumer: password()?,
        })
    }

    /// Those in the file, which is made with new ones if it is not there.
    pub fn kept_in(file: &Path) -> Result<Self> {
        let about = || format!("the passwords in {}", file.display());
        match std::fs::read_to_string(file) {
            Ok(text) => Self::parse(&text).with_context(about),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let secrets = Self::random()?;
                write_private(file, &secrets.render()).with_context(about)?;
                Ok(secrets)
            }
            Err(error) => Err(error).with_context(about),
        }
    }

    fn parse(text: &str) -> Result<Self> {
        let value = |name: &str| {
            text.lines()
                .find_map(|line| line.split_once('=').filter(|(key, _)| *key == name))
                .map(|(_, value)| value.to_owned())
                .with_context(|| format!("{name} is missing"))
        };
        Ok(Self {
            redis_api: value("redis_api")?,
            redis_consumer: value("redis_consumer")?,
            redis_operator: value("redis_operator")?,
            postgres_operator: value("postgres_operator")?,
            postgres_reader: value("postgres_reader")?,
            postgres_consumer: value("postgres_consumer")?,
        })
    }

    fn render(&self) -> String {
        let Self {
            redis_api,
            redis_consumer,
            redis_operator,
            postgres_operator,
            postgres_reader,
            postgres_consumer,
        } = self;
        format!(
            "redis_api={redis_api}\n\
             redis_consumer={redis_consumer}\n\
             redis_operator={redis_operator}\n\
             postgres_operator={postgres_operator}\n\
             postgres_reader={postgres_reader}\n\
             postgres_consumer={postgres_consumer}\n"
        )
    }
}

/// A new one: 160 bits, as letters and digits.
pub fn password() -> Result<String> {
    let mut bytes = [0; 20];
    File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("no random numbers")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Writes a file that only we may read, all of it or nothing.
pub fn write_private(file: &Path, text: &str) -> std::io::Result<()> {
    let unfinished = file.with_extension("new");
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?
        .write_all(text.as_bytes())?;
    std::fs::rename(unfinished, file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let secrets = Secrets::random().unwrap();
        assert_eq!(Secrets::parse(&secrets.render()).unwrap(), secrets);
        assert_ne!(secrets.redis_api, secrets.redis_consumer);
    }

    #[test]
    fn a_missing_password_is_named() {
        let error = Secrets::parse("redis_api=x\n").unwrap_err();
        assert_eq!(error.to_string(), "redis_consumer is missing");
    }
}
