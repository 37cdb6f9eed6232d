//! What starting and building need to know of spin.toml.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::checkout;

/// spin.toml, as far as we read it.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    /// The components, by id.
    #[serde(rename = "component")]
    pub components: BTreeMap<String, Component>,
    variables: BTreeMap<String, Variable>,
    trigger: Triggers,
}

#[derive(Debug, Deserialize)]
struct Triggers {
    redis: Vec<RedisTrigger>,
}

#[derive(Debug, Deserialize)]
struct RedisTrigger {
    component: String,
}

/// A component.
#[derive(Debug, Deserialize)]
pub struct Component {
    /// Its WebAssembly file.
    pub source: PathBuf,
    /// How that is made; absent if another component's build makes it.
    pub build: Option<Build>,
}

/// How a component is built.
#[derive(Debug, Deserialize)]
pub struct Build {
    /// A command for the shell.
    pub command: String,
    /// Where to run it, if not at the root.
    pub workdir: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    default: Option<String>,
}

impl Manifest {
    /// Reads the manifest of this checkout.
    pub fn read() -> Result<Self> {
        let text = fs::read_to_string(checkout::root().join("spin.toml"))
            .context("could not read spin.toml")?;
        toml::from_str(&text).context("spin.toml")
    }

    /// The ids of the components that messages of Redis wake, and those of all others.
    pub fn subscribers_and_others(&self) -> (Vec<String>, Vec<String>) {
        let is_subscriber = |id: &String| self.trigger.redis.iter().any(|it| it.component == *id);
        self.components.keys().cloned().partition(is_subscriber)
    }

    /// The default of an application variable.
    pub fn default(&self, variable: &str) -> Result<&str> {
        let default = self
            .variables
            .get(variable)
            .and_then(|variable| variable.default.as_deref());
        default.with_context(|| format!("spin.toml gives no default for {variable}"))
    }
}
