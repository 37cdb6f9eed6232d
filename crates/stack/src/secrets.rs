//! The secrets of a private Spinvote: random, made here, known to nobody else.

use std::{
    fs::{File, OpenOptions},
    io::{ErrorKind, Read, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use anyhow::{Context, Result};

macro_rules! secrets {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What nobody else may know, each of letters and digits only.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct Secrets {
            $($(#[$doc])* pub $name: String,)*
        }

        impl Secrets {
            /// New ones.
            pub fn random() -> Result<Self> {
                Ok(Self { $($name: password()?,)* })
            }

            /// Those that a file has, a line each, and new ones for those that it lacks.
            fn parse(text: &str) -> Result<Self> {
                let value = |name: &str| {
                    text.lines()
                        .find_map(|line| line.split_once('=').filter(|(key, _)| *key == name))
                        .map_or_else(password, |(_, value)| Ok(value.to_owned()))
                };
                Ok(Self { $($name: value(stringify!($name))?,)* })
            }

            fn render(&self) -> String {
                [$((stringify!($name), &self.$name),)*]
                    .map(|(name, value)| format!("{name}={value}\n"))
                    .concat()
            }
        }
    };
}

secrets! {
    /// Of Redis' user spinvote-api.
    redis_api,
    /// Of Redis' user spinvote-consumer.
    redis_consumer,
    /// Of Redis' user spinvote-organizer.
    redis_organizer,
    /// Of Redis' user operator.
    redis_operator,
    /// Of PostgreSQL's superuser.
    postgres_operator,
    /// Of the role spinvote_reader.
    postgres_reader,
    /// Of the role spinvote_consumer.
    postgres_consumer,
    /// Of the role spinvote_organizer.
    postgres_organizer,
    /// With which an organizer asks the API.
    organizer_token,
    /// Which signs the cookies of voters.
    voter_key,
}

impl Secrets {
    /// Those in the file. What it lacks, if only since Spinvote needs one more, is made and added to it.
    pub fn kept_in(file: &Path) -> Result<Self> {
        let about = || format!("the passwords in {}", file.display());
        let text = match std::fs::read_to_string(file) {
            Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
            text => text.with_context(about)?,
        };
        let secrets = Self::parse(&text)?;
        let complete = secrets.render();
        if complete != text {
            write_private(file, &complete).with_context(about)?;
        }
        Ok(secrets)
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
    fn what_a_file_lacks_is_made_once_and_the_rest_stays() {
        let directory =
            std::env::temp_dir().join(format!("spinvote-secrets-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("secrets");
        std::fs::write(&file, "redis_api=x\n").unwrap();
        let secrets = Secrets::kept_in(&file).unwrap();
        assert_eq!(secrets.redis_api, "x");
        assert_eq!(secrets.voter_key.len(), 40);
        assert_eq!(Secrets::kept_in(&file).unwrap(), secrets);
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
