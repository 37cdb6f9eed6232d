//! A component and its dependencies, made one component: as Spin does it, by the same library.
//!
//! A dependency gets nothing of what its component may do. What Spin gives a substitute for that refuses, is here
//! imported under another name, under which [`deny`] puts functions that trap. What no component gets anything from
//! here, files and sockets and the environment, needs neither.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use wac_graph::{
    CompositionGraph, NodeId,
    types::{Package, SubtypeChecker},
};
use wasmtime::{
    Engine,
    component::{Component, Linker, ResourceType, types::ComponentItem},
};

use crate::instance::Instance;

/// What the names begin with under which a dependency imports what is denied to it.
const DENIED: &str = "spinvote-denied:";

/// Packages of which a dependency gets nothing.
const DENIED_PACKAGES: [&str; 2] = ["spin", "fermyon"];
/// Interfaces, whatever their version, that a dependency does not get.
const DENIED_INTERFACES: [&str; 2] = ["wasi:http/client", "wasi:http/outgoing-handler"];

/// Composes a component with its dependencies, each by the name that the manifest gives it.
pub fn compose(component: Vec<u8>, dependencies: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let mut graph = CompositionGraph::new();
    let root = Package::from_bytes("component", None, component, graph.types_mut())?;
    let root_world = root.ty();
    let root = graph.register_package(root)?;
    let root = graph.instantiate(root);
    let imports: Vec<_> = graph.types()[root_world].imports.keys().cloned().collect();

    let mut provided = BTreeMap::new();
    for (name, source) in dependencies {
        let name = Name::parse(name);
        let matched: Vec<_> = imports.iter().filter(|it| name.matches(it)).collect();
        ensure!(
            !matched.is_empty(),
            "dependency {:?} matches no import of the component",
            name.text
        );
        let package = Package::from_bytes(name.package, None, source.clone(), graph.types_mut())
            .with_context(|| format!("dependency {:?} is not a component", name.text))?;
        let world = package.ty();
        let package = graph.register_package(package)?;
        let dependency = graph.instantiate(package);
        rename_denied(&mut graph, dependency, world)?;
        for import in matched {
            let exported = graph.types()[world].exports.get(import).copied();
            let exported = exported.with_context(|| {
                format!("dependency {:?} does not export {import:?}", name.text)
            })?;
            let wanted = graph.types()[root_world].imports[import];
            let mut cache = Default::default();
            SubtypeChecker::new(&mut cache)
                .is_subtype(exported, graph.types(), wanted, graph.types())
                .with_context(|| {
                    format!("dependency {:?} exports another {import:?}", name.text)
                })?;
            let export = graph.alias_instance_export(dependency, import)?;
            if provided.insert(import, export).is_some() {
                bail!("two dependencies provide {import:?}");
            }
        }
    }
    for (import, export) in provided {
        graph.set_instantiation_argument(root, import, export)?;
    }
    let exports: Vec<_> = graph.types()[root_world].exports.keys().cloned().collect();
    for name in exports {
        let export = graph.alias_instance_export(root, &name)?;
        graph.export(export, &name)?;
    }
    Ok(graph.encode(Default::default())?)
}

fn rename_denied(
    graph: &mut CompositionGraph,
    dependency: NodeId,
    world: wac_graph::types::WorldId,
) -> Result<()> {
    let imports: Vec<_> = graph.types()[world]
        .imports
        .iter()
        .filter(|(name, _)| is_denied(name))
        .map(|(name, kind)| (name.clone(), *kind))
        .collect();
    for (name, kind) in imports {
        let (_, rest) = name
            .split_once(':')
            .context("an import without a package")?;
        let renamed = graph.import(format!("{DENIED}{rest}"), kind)?;
        graph.set_instantiation_argument(dependency, &name, renamed)?;
    }
    Ok(())
}

fn is_denied(import: &str) -> bool {
    let namespace = import.split(':').next().unwrap_or_default();
    let interface = import.split('@').next().unwrap_or_default();
    DENIED_PACKAGES.contains(&namespace) || DENIED_INTERFACES.contains(&interface)
}

/// The name of a dependency: `a:b/c@1.0.0`, with or without the interface and the version.
struct Name<'a> {
    text: &'a str,
    package: &'a str,
    interface: Option<&'a str>,
    version: Option<&'a str>,
}

impl<'a> Name<'a> {
    fn parse(text: &'a str) -> Self {
        let (path, version) = match text.split_once('@') {
            Some((path, version)) => (path, Some(version)),
            None => (text, None),
        };
        let (package, interface) = match path.split_once('/') {
            Some((package, interface)) => (package, Some(interface)),
            None => (path, None),
        };
        Self {
            text,
            package,
            interface,
            version,
        }
    }

    /// Whether it provides an import: what the name does not say may be anything.
    fn matches(&self, import: &str) -> bool {
        let import = Name::parse(import);
        self.package == import.package
            && (self.interface.is_none() || self.interface == import.interface)
            && (self.version.is_none() || self.version == import.version)
    }
}

/// Has whatever a component was renamed to import trap when it is called.
pub fn deny(linker: &mut Linker<Instance>, engine: &Engine, component: &Component) -> Result<()> {
    for (name, import) in component.component_type().imports(engine) {
        let ComponentItem::ComponentInstance(instance) = &import.ty else {
            continue;
        };
        if !name.starts_with(DENIED) {
            continue;
        }
        let mut linked = linker.instance(name)?;
        for (item, export) in instance.exports(engine) {
            match &export.ty {
                ComponentItem::ComponentFunc(_) => {
                    let called = format!("{name}#{item}");
                    linked.func_new(item, move |_, _, _, _| {
                        wasmtime::bail!("a dependency called {called}, which is denied")
                    })?;
                }
                ComponentItem::Resource(_) => {
                    linked.resource(item, ResourceType::host::<Denied>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// What nobody ever gets one of.
struct Denied;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_provides_what_its_name_says() {
        for (name, import, matches) in [
            ("a:b/c@0.1.0", "a:b/c@0.1.0", true),
            ("a:b/c", "a:b/c@0.1.0", true),
            ("a:b/c", "a:b/c", true),
            ("a:b", "a:b/c@0.1.0", true),
            ("a:b@0.1.0", "a:b/c@0.1.0", true),
            ("c", "c", true),
            ("a:b/c@0.1.0", "a:b/c", false),
            ("a:b/c@0.1.0", "a:b/c@0.1.1", false),
            ("a:b/c", "a:b/d", false),
            ("a:b", "a:d/c", false),
            ("c", "d", false),
        ] {
            assert_eq!(
                Name::parse(name).matches(import),
                matches,
                "{name} {import}"
            );
        }
    }

    #[test]
    fn a_dependency_reaches_nothing() {
        for denied in [
            "spin:redis/redis@3.0.0",
            "fermyon:spin/http",
            "wasi:http/client@0.3.0",
            "wasi:http/outgoing-handler@0.2.6",
        ] {
            assert!(is_denied(denied), "{denied}");
        }
        for allowed in ["wasi:clocks/wall-clock@0.2.6", "wasi:http/types@0.3.0"] {
            assert!(!is_denied(allowed), "{allowed}");
        }
    }
}
