//! The application, as spin.toml describes it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use anyhow::{Context, Result};
use serde::Deserialize;
use stack::checkout;

/// spin.toml, as far as the manifests must agree with it.
#[derive(Debug, Deserialize)]
pub struct Application {
    application: About,
    variables: BTreeMap<String, Variable>,
    trigger: Triggers,
    component: BTreeMap<String, Component>,
}

#[derive(Debug, Deserialize)]
struct About {
    version: String,
}

#[derive(Debug, Deserialize)]
struct Variable {
    default: Option<String>,
    #[serde(default)]
    secret: bool,
}

#[derive(Debug, Deserialize)]
struct Triggers {
    #[serde(default)]
    http: Vec<Trigger>,
    #[serde(default)]
    redis: Vec<Trigger>,
}

#[derive(Debug, Deserialize)]
struct Trigger {
    component: Option<String>,
    route: Option<toml::Value>,
}

#[derive(Debug, Deserialize)]
struct Component {
    #[serde(default)]
    allowed_outbound_hosts: Vec<String>,
    #[serde(default)]
    variables: BTreeMap<String, String>,
}

impl Application {
    /// That of this checkout.
    pub fn read() -> Result<Self> {
        let text = fs::read_to_string(checkout::root().join("spin.toml")).context("spin.toml")?;
        toml::from_str(&text).context("spin.toml")
    }

    /// Its version.
    pub fn version(&self) -> &str {
        &self.application.version
    }

    /// Whether it has this component.
    pub fn has_component(&self, name: &str) -> bool {
        self.component.contains_key(name)
    }

    /// The names of its components.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.component.keys().map(String::as_str)
    }

    /// Whether it has this variable, and if so whether that is secret.
    pub fn is_secret(&self, variable: &str) -> Option<bool> {
        self.variables.get(variable).map(|variable| variable.secret)
    }

    /// The default of a variable.
    pub fn default(&self, variable: &str) -> Option<&str> {
        self.variables.get(variable)?.default.as_deref()
    }

    /// The component, of those retained, that answers this path; the most exact route wins, as in Spin.
    pub fn component_of<'a>(&'a self, retained: &[&str], path: &str) -> Option<&'a str> {
        let path = path.split('?').next().unwrap_or_default();
        self.trigger
            .http
            .iter()
            .filter_map(|trigger| {
                let component = trigger.component.as_deref()?;
                let route = trigger.route.as_ref()?.as_str()?;
                let exactness = matches(route, path)?;
                retained
                    .contains(&component)
                    .then_some((exactness, component))
            })
            .max()
            .map(|(_, component)| component)
    }

    /// All routes that lead to components, with these.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.trigger.http.iter().filter_map(|trigger| {
            Some((
                trigger.route.as_ref()?.as_str()?,
                trigger.component.as_deref()?,
            ))
        })
    }

    /// Whether messages of Redis wake it.
    pub fn is_subscriber(&self, component: &str) -> bool {
        self.trigger
            .redis
            .iter()
            .any(|trigger| trigger.component.as_deref() == Some(component))
    }

    /// The variables that decide what a component does: those in its own variables, in where it may go, and, if
    /// messages wake it, those that it cannot do without to subscribe.
    pub fn variables_of(&self, component: &str) -> BTreeSet<&str> {
        let Some(component) = self.component.get(component) else {
            return BTreeSet::new();
        };
        component
            .variables
            .values()
            .chain(&component.allowed_outbound_hosts)
            .flat_map(|template| template.split("{{").skip(1))
            .filter_map(|rest| Some(rest.split_once("}}")?.0.trim()))
            .collect()
    }
}

/// How exactly a route matches a path: the number of its segments that are not wild.
fn matches(route: &str, path: &str) -> Option<usize> {
    let mut path = path
        .trim_matches('/')
        .split('/')
        .filter(|segment| !segment.is_empty());
    let mut exactness = 0;
    for segment in route
        .trim_matches('/')
        .split('/')
        .filter(|segment| !segment.is_empty())
    {
        if segment == "..." {
            return Some(exactness);
        }
        let given = path.next()?;
        if !segment.starts_with(':') {
            if segment != given {
                return None;
            }
            exactness += 2;
        } else {
            exactness += 1;
        }
    }
    // What ends without a wildcard beats what ends with one.
    path.next().is_none().then_some(exactness + 1)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn the_most_exact_route_wins() {
        assert!(matches("/api/vote", "/api/vote") > matches("/...", "/api/vote"));
        assert!(
            matches("/api/polls/:poll/vote", "/api/polls/x/vote")
                > matches("/api/polls/...", "/api/polls/x/vote")
        );
        assert_eq!(matches("/api/vote", "/api/votes"), None);
        assert_eq!(matches("/", "/"), Some(1));
    }
}
