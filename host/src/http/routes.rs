//! Which component answers which path, and which ones only each other.

use std::{collections::BTreeMap, sync::Arc};

use anyhow::{Result, ensure};
use manifest::{HttpRoute, HttpTrigger};
use wasmtime_wasi_http::handler::ProxyHandler;

use super::reuse::Workers;
use crate::app::App;

/// The routes of the application.
pub type Routes = manifest::Routes<Target>;
/// A path that matched.
pub type Match<'a> = manifest::Match<'a, Target>;

/// Where a route leads.
pub struct Target {
    pub component: String,
    /// Shared by all routes of the component.
    pub handler: ProxyHandler<Workers>,
}

/// What answers for each component.
pub type Handlers = BTreeMap<String, ProxyHandler<Workers>>;

pub fn new(app: &Arc<App>, triggers: Vec<HttpTrigger>) -> Result<(Routes, Handlers)> {
    let mut handlers = Handlers::new();
    let mut routes = Vec::new();
    for HttpTrigger { route, component } in triggers {
        let handler = match handlers.get(&component) {
            Some(handler) => ProxyHandler::clone(handler),
            None => {
                let handler = ProxyHandler::new(Workers::new(app, &component)?);
                handlers.insert(component.clone(), handler.clone());
                handler
            }
        };
        if let HttpRoute::Path(route) = route {
            ensure!(
                !route.contains('*'),
                "route {route:?}: starred segments are not supported by this runtime"
            );
            routes.push((route, Target { component, handler }));
        }
    }
    Ok((Routes::new(routes)?, handlers))
}
