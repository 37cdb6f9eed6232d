//! The application, as spin.toml describes it.

use std::collections::BTreeSet;

use anyhow::Result;
use manifest::Manifest;
use stack::checkout;

/// spin.toml, and what the manifests of Kubernetes must agree with in it.
#[derive(Debug)]
pub struct Application(Manifest);

impl Application {
    /// That of this checkout.
    pub fn read() -> Result<Self> {
        checkout::manifest().map(Self)
    }

    /// Its version; empty if it has none.
    pub fn version(&self) -> &str {
        self.0.application.version.as_deref().unwrap_or_default()
    }

    /// Whether it has this component.
    pub fn has_component(&self, name: &str) -> bool {
        self.0.components.contains_key(name)
    }

    /// The names of its components.
    pub fn components(&self) -> impl Iterator<Item = &str> {
        self.0.components.keys().map(String::as_str)
    }

    /// Whether it has this variable, and if so whether that is secret.
    pub fn is_secret(&self, variable: &str) -> Option<bool> {
        let variable = self.0.variables.get(variable)?;
        Some(variable.secret)
    }

    /// The default of a variable.
    pub fn default(&self, variable: &str) -> Option<&str> {
        self.0.default(variable).ok()
    }

    /// The component, of those retained, that answers this path, as in Spin.
    pub fn component_of<'a>(&'a self, retained: &[&str], path: &str) -> Option<&'a str> {
        let path = path.split('?').next().unwrap_or_default();
        // That all routes are valid was seen when the manifest was read.
        let routes = self.0.routes(|component| retained.contains(&component));
        routes.ok()?.find(path).map(|found| *found.value())
    }

    /// All routes that lead to components, with these.
    pub fn routes(&self) -> impl Iterator<Item = (&str, &str)> {
        let http = self.0.triggers.http.iter();
        http.filter_map(|trigger| Some((trigger.route.path()?, trigger.component.as_str())))
    }

    /// Whether messages of Redis wake it.
    pub fn is_subscriber(&self, component: &str) -> bool {
        self.0.is_subscriber(component)
    }

    /// The variables that decide what a component does: those in its own variables, and in where it may
    /// go. If messages wake it, it cannot do without them to subscribe.
    pub fn variables_of(&self, component: &str) -> BTreeSet<&str> {
        let component = self.0.components.get(component);
        component
            .map(|component| component.application_variables())
            .unwrap_or_default()
    }
}
