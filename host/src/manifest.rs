//! What `spin.toml` says. Every key that is not here is one that this runtime cannot honour, and an
//! error that names it.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// <https://spinframework.dev/v3/manifest-reference>
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    spin_manifest_version: u32,
    application: Application,
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    #[serde(default)]
    trigger: Triggers,
    #[serde(default)]
    pub component: BTreeMap<String, Component>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Application {
    #[serde(rename = "name")]
    _name: String,
    #[serde(rename = "version")]
    _version: Option<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    #[serde(rename = "authors", default)]
    _authors: Vec<String>,
    #[serde(default)]
    trigger: TriggerDefaults,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerDefaults {
    redis: Option<RedisDefaults>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RedisDefaults {
    /// A template.
    address: String,
}

/// One with neither a default nor `required` cannot be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    pub default: Option<String>,
    #[serde(default)]
    pub required: bool,
    #[serde(rename = "secret", default)]
    _secret: bool,
    #[serde(rename = "description")]
    _description: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triggers {
    #[serde(default)]
    pub http: Vec<HttpTrigger>,
    #[serde(default)]
    pub redis: Vec<RedisTrigger>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTrigger {
    /// A path; one that ends in `/...` stands for all paths that begin so.
    pub route: String,
    pub component: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisTrigger {
    /// A template.
    pub channel: String,
    pub component: String,
    /// A template. After [`Manifest::triggers`] always there.
    #[serde(default)]
    pub address: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Of the wasm file, from the manifest's folder.
    pub source: String,
    /// Templates.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Templates of `scheme://host:port`.
    #[serde(default)]
    pub allowed_outbound_hosts: Vec<String>,
    #[serde(rename = "description")]
    _description: Option<String>,
    // How it is built is the concern of whoever builds it.
    #[serde(rename = "build")]
    _build: Option<toml::Table>,
}

impl Manifest {
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("could not read the manifest {}", path.display()))?;
        Self::parse(&text).with_context(|| {
            format!(
                "{} asks for what this runtime lacks, or is no manifest",
                path.display()
            )
        })
    }

    fn parse(text: &str) -> Result<Self> {
        let manifest: Self = toml::from_str(text)?;
        ensure!(
            manifest.spin_manifest_version == 2,
            "spin_manifest_version must be 2"
        );
        for (name, variable) in &manifest.variables {
            ensure!(
                variable.required != variable.default.is_some(),
                "variable {name} must have either a default or `required = true`"
            );
        }
        let http = manifest
            .trigger
            .http
            .iter()
            .map(|trigger| &trigger.component);
        let redis = manifest
            .trigger
            .redis
            .iter()
            .map(|trigger| &trigger.component);
        for id in http.chain(redis) {
            ensure!(
                manifest.component.contains_key(id),
                "a trigger names the component {id:?}, which does not exist"
            );
        }
        Ok(manifest)
    }

    /// Forgets all components but these, and their triggers; none means all stay.
    pub fn retain(&mut self, only: &[String]) -> Result<()> {
        if only.is_empty() {
            return Ok(());
        }
        for id in only {
            ensure!(
                self.component.contains_key(id),
                "there is no component {id:?}"
            );
        }
        self.component.retain(|id, _| only.contains(id));
        self.trigger
            .http
            .retain(|trigger| only.contains(&trigger.component));
        self.trigger
            .redis
            .retain(|trigger| only.contains(&trigger.component));
        Ok(())
    }

    /// Takes the triggers, with the application's defaults where they leave something out.
    pub fn triggers(&mut self) -> Triggers {
        let mut triggers = std::mem::take(&mut self.trigger);
        if let Some(defaults) = &self.application.trigger.redis {
            for trigger in &mut triggers.redis {
                if trigger.address.is_empty() {
                    trigger.address.clone_from(&defaults.address);
                }
            }
        }
        triggers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        spin_manifest_version = 2
        [application]
        name = "test"
        [application.trigger.redis]
        address = "redis://default"
        [[trigger.http]]
        route = "/a"
        component = "a"
        [[trigger.redis]]
        channel = "c"
        component = "b"
        [component.a]
        source = "a.wasm"
        [component.b]
        source = "b.wasm"
    "#;

    fn refusal(addition: &str) -> String {
        let error = Manifest::parse(&format!("{MANIFEST}\n{addition}")).unwrap_err();
        format!("{error:#}")
    }

    #[test]
    fn the_manifest_of_this_repository_is_understood() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../spin.toml");
        let mut manifest = Manifest::read(&path).unwrap();
        let triggers = manifest.triggers();
        assert!(triggers.http.iter().any(|t| t.route == "/api/vote"));
        assert!(triggers.redis.iter().all(|t| !t.address.is_empty()));
    }

    #[test]
    fn what_is_asked_and_lacking_is_named() {
        assert!(refusal("key_value_stores = [\"default\"]").contains("key_value_stores"));
        assert!(refusal("[[trigger.cron]]\ncomponent = \"a\"").contains("cron"));
        assert!(refusal("[component.b.dependencies]\nx = \"y\"").contains("dependencies"));
        assert!(
            refusal("[[trigger.http]]\nroute = { private = true }\ncomponent = \"a\"")
                .contains("private")
        );
        assert!(refusal("[[trigger.http]]\nroute = \"/c\"\ncomponent = \"c\"").contains("\"c\""));
        assert!(refusal("[variables]\nv = { secret = true }").contains("variable v"));
    }

    #[test]
    fn only_what_is_retained_runs() {
        let mut manifest = Manifest::parse(MANIFEST).unwrap();
        assert!(manifest.retain(&["c".into()]).is_err());
        manifest.retain(&["b".into()]).unwrap();
        let triggers = manifest.triggers();
        assert!(triggers.http.is_empty());
        assert_eq!(triggers.redis[0].address, "redis://default");
        assert!(!manifest.component.contains_key("a"));
    }
}
