//! Which component answers which path. The rules are Spin's, by the same library: exact routes go
//! before those that end in `/...`, of which the longest wins.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, anyhow, bail, ensure};
use routefinder::{RouteSpec, Router};
use wasmtime_wasi_http::handler::ProxyHandler;

use super::reuse::Workers;
use crate::{app::App, manifest::HttpTrigger};

/// The routes of the application.
pub struct Routes(Router<Route>);

struct Route {
    /// As the manifest has it.
    route: String,
    component: String,
    /// Shared by all routes of the component.
    handler: ProxyHandler<Workers>,
}

/// A path that matched.
pub struct Match<'a> {
    route: &'a Route,
    /// What followed the part that matched, with its slash; empty for an exact route.
    pub rest: String,
}

impl Routes {
    pub fn new(app: &Arc<App>, triggers: Vec<HttpTrigger>) -> Result<Self> {
        let mut handlers = BTreeMap::new();
        let mut routes = BTreeMap::new();
        for HttpTrigger { route, component } in triggers {
            ensure!(
                !route.contains([':', '*']),
                "route {route:?}: named and starred segments are not supported by this runtime"
            );
            let handler = match handlers.get(&component) {
                Some(handler) => ProxyHandler::clone(handler),
                None => {
                    let handler = ProxyHandler::new(Workers::new(app, &component)?);
                    handlers.insert(component.clone(), handler.clone());
                    handler
                }
            };
            let entry = Route {
                route: route.clone(),
                component,
                handler,
            };
            if let Some(twin) = routes.insert(route.clone(), entry) {
                bail!(
                    "route {route:?} is given twice, first for {:?}",
                    twin.component
                );
            }
        }
        let mut router = Router::new();
        for (route, entry) in routes {
            router
                .add(pattern(&route)?, entry)
                .map_err(|error| anyhow!("route {route:?}: {error}"))?;
        }
        Ok(Self(router))
    }

    /// The route that answers for a path.
    pub fn find(&self, path: &str) -> Option<Match<'_>> {
        let found = self.0.best_match(path)?;
        let rest = found
            .captures()
            .wildcard()
            .map(|rest| format!("/{rest}"))
            .unwrap_or_default();
        Some(Match {
            route: found.handler(),
            rest,
        })
    }
}

fn pattern(route: &str) -> Result<RouteSpec> {
    let pattern = match route.strip_suffix("/...") {
        Some(prefix) => format!("{prefix}/*"),
        None => route.to_owned(),
    };
    RouteSpec::try_from(pattern.as_str()).map_err(|error| anyhow!("route {route:?}: {error}"))
}

impl Match<'_> {
    pub fn component(&self) -> &str {
        &self.route.component
    }

    pub fn handler(&self) -> &ProxyHandler<Workers> {
        &self.route.handler
    }

    /// The route as the manifest has it.
    pub fn route(&self) -> &str {
        &self.route.route
    }

    /// The route without its `/...`.
    pub fn prefix(&self) -> &str {
        self.route().strip_suffix("/...").unwrap_or(self.route())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_goes_before_longest_goes_before_shorter() {
        let mut router = Router::new();
        for route in ["/...", "/api/votes/...", "/api/results"] {
            router.add(pattern(route).unwrap(), route).unwrap();
        }
        let winner = |path| *router.best_match(path).unwrap().handler();
        assert_eq!(winner("/api/results"), "/api/results");
        assert_eq!(winner("/api/results/x"), "/...");
        assert_eq!(winner("/api/votes/x"), "/api/votes/...");
        assert_eq!(winner("/api/votes"), "/api/votes/...");
        assert_eq!(winner("/"), "/...");
    }
}
