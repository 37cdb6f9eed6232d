//! What `spin.toml` says ([`Manifest`]), and which of its routes answers a path ([`Routes`]): the one
//! reader for the local runtime, for what starts and builds Spinvote, and for the tests of `k8s/`.
//!
//! It is no reader of every manifest that Spin takes, but of those that `host/` can run: any other key
//! is an error that names it. Templates (`{{ name }}`) stay as they are; whoever runs the application
//! fills them.

#![warn(missing_docs)]

mod routes;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

pub use routes::{Match, Routes};

/// The whole manifest, as <https://spinframework.dev/v3/manifest-reference> has it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    spin_manifest_version: u32,
    /// What it says of all components together.
    pub application: Application,
    /// The application's variables, by name.
    #[serde(default)]
    pub variables: BTreeMap<String, Variable>,
    /// What calls the components.
    #[serde(default, rename = "trigger")]
    pub triggers: Triggers,
    /// The components, by id.
    #[serde(default, rename = "component")]
    pub components: BTreeMap<String, Component>,
}

/// The table `[application]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    #[serde(rename = "name")]
    _name: String,
    /// The version, if it has one.
    pub version: Option<String>,
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
    address: String,
}

/// A variable of the application: either it has a default, or it is required.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its value, unless another is given.
    pub default: Option<String>,
    /// Whether a value must be given.
    #[serde(default)]
    pub required: bool,
    /// Whether its value is to be hidden.
    #[serde(default)]
    pub secret: bool,
    #[serde(rename = "description")]
    _description: Option<String>,
}

/// The triggers, each of which names a component that exists.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Triggers {
    /// Requests; no two have the same route.
    #[serde(default)]
    pub http: Vec<HttpTrigger>,
    /// Messages.
    #[serde(default)]
    pub redis: Vec<RedisTrigger>,
}

/// Requests for a route call a component.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpTrigger {
    /// Which requests.
    pub route: HttpRoute,
    /// The component's id.
    pub component: String,
}

/// Which requests call a component.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum HttpRoute {
    /// Those for a path; one that ends in `/...` stands for all paths that begin so.
    Path(String),
    /// Those of other components of the application only.
    Private(Private),
}

/// `{ private = true }`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Private {
    #[serde(rename = "private")]
    _private: True,
}

/// `true`
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "bool")]
struct True;

impl TryFrom<bool> for True {
    type Error = &'static str;

    fn try_from(value: bool) -> Result<Self, Self::Error> {
        value.then_some(Self).ok_or("must be true, or absent")
    }
}

impl HttpRoute {
    /// The path, if it is one.
    pub fn path(&self) -> Option<&str> {
        match self {
            Self::Path(path) => Some(path),
            Self::Private(_) => None,
        }
    }
}

/// Messages on a channel call a component.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RedisTrigger {
    /// A template.
    pub channel: String,
    /// The component's id.
    pub component: String,
    /// A template of the server's URL: the trigger's own, else the application's default.
    #[serde(default)]
    pub address: String,
}

/// A component, and what it may do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    /// Its WebAssembly file, from the manifest's folder.
    pub source: PathBuf,
    /// Templates of its variables, by name.
    #[serde(default)]
    pub variables: BTreeMap<String, String>,
    /// Templates of `scheme://host:port`.
    #[serde(default)]
    pub allowed_outbound_hosts: Vec<String>,
    /// Which other files provide what it imports, by the name of the import or of its package.
    #[serde(default)]
    pub dependencies: BTreeMap<String, Dependency>,
    /// How its file is made; absent if another component's build makes it.
    pub build: Option<Build>,
    #[serde(rename = "description")]
    _description: Option<String>,
}

/// A component that another one is composed with. It inherits nothing of what that one may do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dependency {
    /// Its WebAssembly file, from the manifest's folder.
    pub path: PathBuf,
}

/// How a component is built.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Build {
    /// A command for the shell.
    pub command: String,
    /// The folder in which to run it, if that is not the manifest's.
    pub workdir: Option<PathBuf>,
    #[serde(rename = "watch", default)]
    _watch: Vec<String>,
}

impl Manifest {
    /// Reads the manifest at `path`.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is refused by [`Self::parse`].
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path)
            .with_context(|| format!("could not read the manifest {}", path.display()))?;
        Self::parse(&text).with_context(|| {
            format!(
                "{} asks for what is not supported here, or is no manifest",
                path.display()
            )
        })
    }

    /// Parses the text of a manifest.
    ///
    /// # Errors
    ///
    /// It has a key that is not known here, a variable with neither a default nor `required`, a trigger
    /// of a component that does not exist, a route twice, or a Redis trigger without an address.
    pub fn parse(text: &str) -> Result<Self> {
        let mut manifest: Self = toml::from_str(text)?;
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
        let default = manifest.application.trigger.redis.as_ref();
        for trigger in &mut manifest.triggers.redis {
            if let (true, Some(default)) = (trigger.address.is_empty(), default) {
                trigger.address.clone_from(&default.address);
            }
            ensure!(
                !trigger.address.is_empty(),
                "the Redis trigger of {:?} needs an `address`, or one in [application.trigger.redis]",
                trigger.component
            );
        }
        let Triggers { http, redis } = &manifest.triggers;
        let http = http.iter().map(|trigger| &trigger.component);
        let redis = redis.iter().map(|trigger| &trigger.component);
        for id in http.chain(redis) {
            ensure!(
                manifest.components.contains_key(id),
                "a trigger names the component {id:?}, which does not exist"
            );
        }
        manifest.routes(|_| true)?;
        Ok(manifest)
    }

    /// Forgets all components but these, and their triggers; none means all stay.
    ///
    /// # Errors
    ///
    /// One of them does not exist, or calls one that does not stay.
    pub fn retain(&mut self, only: &[String]) -> Result<()> {
        if only.is_empty() {
            return Ok(());
        }
        for id in only {
            ensure!(
                self.components.contains_key(id),
                "there is no component {id:?}"
            );
        }
        self.components.retain(|id, _| only.contains(id));
        for (id, component) in &self.components {
            for called in component.called() {
                ensure!(
                    self.components.contains_key(called),
                    "component {id:?} calls {called:?}, which was not selected"
                );
            }
        }
        let Triggers { http, redis } = &mut self.triggers;
        http.retain(|trigger| only.contains(&trigger.component));
        redis.retain(|trigger| only.contains(&trigger.component));
        Ok(())
    }

    /// The default of an application variable.
    ///
    /// # Errors
    ///
    /// There is no such variable, or it has none.
    pub fn default(&self, variable: &str) -> Result<&str> {
        let default = self
            .variables
            .get(variable)
            .and_then(|variable| variable.default.as_deref());
        default.with_context(|| format!("spin.toml gives no default for {variable}"))
    }

    /// The routes to those components whose ids are `wanted`, each with its component's id.
    ///
    /// # Errors
    ///
    /// A route is given twice, or is none.
    pub fn routes(&self, wanted: impl Fn(&str) -> bool) -> Result<Routes<&str>> {
        let http = self.triggers.http.iter();
        Routes::new(
            http.filter(|trigger| wanted(&trigger.component))
                .filter_map(|trigger| {
                    let path = trigger.route.path()?;
                    Some((path.to_owned(), trigger.component.as_str()))
                }),
        )
    }

    /// Whether messages of Redis wake the component.
    pub fn is_subscriber(&self, component: &str) -> bool {
        let mut redis = self.triggers.redis.iter();
        redis.any(|trigger| trigger.component == component)
    }

    /// The ids of the components that messages of Redis wake, and those of all others.
    pub fn subscribers_and_others(&self) -> (Vec<String>, Vec<String>) {
        let ids = self.components.keys().cloned();
        ids.partition(|id| self.is_subscriber(id))
    }
}

/// The domain in which components of an application call each other, by their ids.
pub const SERVICE_CHAINING: &str = ".spin.internal";

impl Component {
    /// The ids of the components that it may call.
    pub fn called(&self) -> impl Iterator<Item = &str> {
        let hosts = self.allowed_outbound_hosts.iter();
        hosts.filter_map(|host| host.strip_prefix("http://")?.strip_suffix(SERVICE_CHAINING))
    }

    /// The application variables in its templates.
    pub fn application_variables(&self) -> BTreeSet<&str> {
        self.variables
            .values()
            .chain(&self.allowed_outbound_hosts)
            .flat_map(|template| template.split("{{").skip(1))
            .filter_map(|rest| Some(rest.split_once("}}")?.0.trim()))
            .collect()
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
        allowed_outbound_hosts = ["redis://{{ host }}:{{port}}"]
        variables = { user = "{{ name }}", fixed = "x" }
    "#;

    fn refusal(addition: &str) -> String {
        let error = Manifest::parse(&format!("{MANIFEST}\n{addition}")).unwrap_err();
        format!("{error:#}")
    }

    #[test]
    fn the_manifest_of_this_repository_is_understood() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../spin.toml");
        let manifest = Manifest::read(&path).unwrap();
        let routes = manifest.routes(|_| true).unwrap();
        assert_eq!(routes.find("/api/vote").unwrap().value(), &"vote");
        assert_eq!(manifest.default("stream").unwrap(), "votes");
        let (subscribers, others) = manifest.subscribers_and_others();
        assert_eq!(subscribers, ["tally"]);
        assert!(others.contains(&"sweep".to_owned()));
    }

    #[test]
    fn what_is_asked_and_lacking_is_named() {
        assert!(refusal("key_value_stores = [\"default\"]").contains("key_value_stores"));
        assert!(refusal("[[trigger.cron]]\ncomponent = \"a\"").contains("cron"));
        assert!(refusal("[component.b.dependencies]\nx = \"1.0\"").contains("Dependency"));
        let inherits = "\"a:b/c\" = { path = \"c.wasm\", inherit_configuration = true }";
        assert!(
            refusal(&format!("[component.b.dependencies]\n{inherits}"))
                .contains("inherit_configuration")
        );
        assert!(refusal("[component.b.build]\ncommand = \"x\"\nenv = {}").contains("env"));
        assert!(
            refusal("[[trigger.http]]\nroute = { private = false }\ncomponent = \"a\"")
                .contains("HttpRoute")
        );
        assert!(refusal("[[trigger.http]]\nroute = \"/c\"\ncomponent = \"c\"").contains("\"c\""));
        assert!(refusal("[[trigger.http]]\nroute = \"/a\"\ncomponent = \"b\"").contains("\"/a\""));
        assert!(refusal("[variables]\nv = { secret = true }").contains("variable v"));
    }

    #[test]
    fn a_redis_trigger_has_an_address() {
        let manifest = Manifest::parse(MANIFEST).unwrap();
        assert_eq!(manifest.triggers.redis[0].address, "redis://default");
        let without = MANIFEST.replace(r#"address = "redis://default""#, "");
        assert!(Manifest::parse(&without.replace("[application.trigger.redis]", "")).is_err());
    }

    #[test]
    fn only_what_is_retained_runs() {
        let mut manifest = Manifest::parse(MANIFEST).unwrap();
        assert!(manifest.retain(&["c".into()]).is_err());
        manifest.retain(&["b".into()]).unwrap();
        assert!(manifest.triggers.http.is_empty());
        let calling = MANIFEST.replace("redis://{{ host }}:{{port}}", "http://a.spin.internal");
        let mut manifest_of_calls = Manifest::parse(&calling).unwrap();
        let error = manifest_of_calls.retain(&["b".into()]).unwrap_err();
        assert!(error.to_string().contains("\"a\""), "{error}");
        assert_eq!(manifest.triggers.redis.len(), 1);
        assert!(!manifest.components.contains_key("a"));
    }

    #[test]
    fn variables_are_found_in_every_template() {
        let manifest = Manifest::parse(MANIFEST).unwrap();
        let found = manifest.components["b"].application_variables();
        assert_eq!(found, ["host", "name", "port"].into());
    }
}
