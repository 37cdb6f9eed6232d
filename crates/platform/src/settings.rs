//! Spin variables, read as what they are. Their names, defaults and meanings stand in `spin.toml`.

use std::str::FromStr;
use std::time::Duration;

use spin_sdk::variables;

/// A variable that is missing, or does not say what it should. The component cannot work with it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable `{name}` {problem}")]
pub struct InvalidSetting {
    /// The variable.
    pub name: &'static str,
    /// What is wrong with it, as the end of a sentence. Never its value, which may be a secret.
    pub problem: &'static str,
}

/// A variable as it stands, the empty text included.
pub async fn text(name: &'static str) -> Result<String, InvalidSetting> {
    variables::get(name).await.map_err(|error| InvalidSetting {
        name,
        problem: match error {
            variables::Error::Undefined(_) => "is not set",
            _ => "cannot be read",
        },
    })
}

/// A list of secrets, separated by commas; none if the variable is empty. Each has `shortest` characters or
/// more.
pub async fn secrets(name: &'static str, shortest: usize) -> Result<Vec<String>, InvalidSetting> {
    let secrets: Vec<_> = text(name)
        .await?
        .split(',')
        .map(str::trim)
        .filter(|secret| !secret.is_empty())
        .map(str::to_owned)
        .collect();
    if secrets
        .iter()
        .any(|secret| secret.chars().count() < shortest)
    {
        let problem = "has a secret that is too short: spin.toml says how long each must be";
        return Err(InvalidSetting { name, problem });
    }
    Ok(secrets)
}

/// A number, or anything else that is read from text; `expected` says what, should it be neither.
pub async fn parsed<T: FromStr>(
    name: &'static str,
    expected: &'static str,
) -> Result<T, InvalidSetting> {
    text(name)
        .await?
        .trim()
        .parse()
        .map_err(|_| InvalidSetting {
            name,
            problem: expected,
        })
}

/// A whole number of at least 1, and at most as many as `T` can hold.
pub async fn count<T: FromStr + From<u8> + PartialOrd>(
    name: &'static str,
) -> Result<T, InvalidSetting> {
    let problem = "must be a whole number, 1 or more";
    let value: T = parsed(name, problem).await?;
    if value < T::from(1) {
        Err(InvalidSetting { name, problem })
    } else {
        Ok(value)
    }
}

/// A [`count`] of milliseconds.
pub async fn millis(name: &'static str) -> Result<Duration, InvalidSetting> {
    Ok(Duration::from_millis(count::<u32>(name).await?.into()))
}

/// A [`count`] of seconds.
pub async fn seconds(name: &'static str) -> Result<Duration, InvalidSetting> {
    Ok(Duration::from_secs(count::<u32>(name).await?.into()))
}
