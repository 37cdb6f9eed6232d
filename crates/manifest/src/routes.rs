//! Which route answers a path. The rules are Spin's, by the same library: exact routes go before those
//! that end in `/...`, of which the longest wins.

use std::collections::BTreeSet;

use anyhow::{Result, anyhow, ensure};
use routefinder::{RouteSpec, Router};

/// Routes, each with what it leads to.
pub struct Routes<T>(Router<Route<T>>);

struct Route<T> {
    route: String,
    value: T,
}

/// A path that matched.
pub struct Match<'a, T> {
    route: &'a Route<T>,
    /// What followed the part that matched, with its slash; empty for a route without `/...`.
    pub rest: String,
    /// What stands in the path for each `:name` of the route.
    pub named: Vec<(String, String)>,
}

impl<T> Routes<T> {
    /// These routes, written as in the manifest.
    ///
    /// # Errors
    ///
    /// One is given twice, or is none.
    pub fn new(routes: impl IntoIterator<Item = (String, T)>) -> Result<Self> {
        let mut router = Router::new();
        let mut known = BTreeSet::new();
        for (route, value) in routes {
            ensure!(
                known.insert(route.clone()),
                "route {route:?} is given twice"
            );
            let pattern = pattern(&route)?;
            router
                .add(pattern, Route { route, value })
                .map_err(|error| anyhow!("a route: {error}"))?;
        }
        Ok(Self(router))
    }

    /// The route that answers a path, which comes without a query.
    pub fn find(&self, path: &str) -> Option<Match<'_, T>> {
        let found = self.0.best_match(path)?;
        let captures = found.captures();
        let rest = captures
            .wildcard()
            .map(|rest| format!("/{rest}"))
            .unwrap_or_default();
        Some(Match {
            route: found.handler(),
            rest,
            named: captures
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
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

impl<'a, T> Match<'a, T> {
    /// What the route leads to.
    pub fn value(&self) -> &'a T {
        &self.route.value
    }

    /// The route as the manifest has it.
    pub fn route(&self) -> &'a str {
        &self.route.route
    }

    /// The route without its `/...`.
    pub fn prefix(&self) -> &'a str {
        self.route().strip_suffix("/...").unwrap_or(self.route())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(all: &[&'static str]) -> Result<Routes<&'static str>> {
        Routes::new(all.iter().map(|route| ((*route).to_owned(), *route)))
    }

    #[test]
    fn exact_goes_before_longest_goes_before_shorter() {
        let routes = routes(&["/...", "/api/votes/...", "/api/results"]).unwrap();
        let winner = |path| *routes.find(path).unwrap().value();
        assert_eq!(winner("/api/results"), "/api/results");
        assert_eq!(winner("/api/results/x"), "/...");
        assert_eq!(winner("/api/votes/x"), "/api/votes/...");
        assert_eq!(winner("/api/votes"), "/api/votes/...");
        assert_eq!(winner("/"), "/...");
    }

    #[test]
    fn a_named_segment_goes_before_all_that_begins_so() {
        let routes = routes(&["/api/polls/...", "/api/polls/:poll/vote"]).unwrap();
        let winner = |path| *routes.find(path).unwrap().value();
        assert_eq!(winner("/api/polls/x/vote"), "/api/polls/:poll/vote");
        assert_eq!(winner("/api/polls/x"), "/api/polls/...");
        let named = routes.find("/api/polls/x/vote").unwrap().named;
        assert_eq!(named, [("poll".to_owned(), "x".to_owned())]);
    }

    #[test]
    fn a_match_knows_its_route_and_what_follows_it() {
        let routes = routes(&["/api/votes/...", "/exact"]).unwrap();
        let found = routes.find("/api/votes/x/y").unwrap();
        assert_eq!(found.route(), "/api/votes/...");
        assert_eq!(found.prefix(), "/api/votes");
        assert_eq!(found.rest, "/x/y");
        assert_eq!(routes.find("/exact").unwrap().rest, "");
        assert!(routes.find("/exactly").is_none());
    }

    #[test]
    fn no_route_is_given_twice() {
        assert!(routes(&["/a", "/a"]).is_err());
    }
}
