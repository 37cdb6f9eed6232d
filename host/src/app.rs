//! The application: its components, compiled and linked to what they may import.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use manifest::{Dependency, Manifest};
use wasmtime::{
    Cache, CacheConfig, Config, Engine, Store,
    component::{Component, InstancePre, Linker},
};

use crate::{
    bindings::Imports,
    chaining::Chaining,
    compose,
    instance::{Instance, Spin},
    outbound::AllowedHosts,
    postgres::pool::Pools,
    sandbox::Sandbox,
    variables::Variables,
};

/// A loaded application.
pub struct App {
    engine: Engine,
    components: BTreeMap<String, Linked>,
    /// For the templates of triggers.
    pub variables: Variables,
    /// By which components call each other.
    pub chaining: Chaining,
}

/// A component that can be instantiated at once.
struct Linked {
    code: InstancePre<Instance>,
    sandbox: Arc<Sandbox>,
}

impl App {
    /// Compiles what `manifest`, which was read at `path`, names.
    pub async fn load(manifest: Manifest, path: &Path) -> Result<Self> {
        let engine = engine()?;
        let linker = linker(&engine)?;
        let variables = Variables::resolve(&manifest.variables, |key| env::var(key).ok())?;
        let postgres = Arc::new(Pools::default());
        let folder = path.parent().unwrap_or(Path::new("."));

        let chaining = Chaining::default();
        let mut compiled = BTreeMap::new();
        let mut components = BTreeMap::new();
        for (id, declared) in manifest.components {
            let linked = async {
                let source = (declared.source, declared.dependencies);
                let code = match compiled.get(&source) {
                    Some(code) => InstancePre::clone(code),
                    None => {
                        let component = compile(&engine, folder, &source.0, &source.1)?;
                        let mut linker = linker.clone();
                        compose::deny(&mut linker, &engine, &component)?;
                        let code = linker.instantiate_pre(&component)?;
                        compiled.insert(source, code.clone());
                        code
                    }
                };
                let fill = |template: &String| variables.fill(template);
                let hosts: Vec<_> = declared
                    .allowed_outbound_hosts
                    .iter()
                    .map(fill)
                    .collect::<Result<_>>()?;
                let sandbox = Sandbox {
                    variables: declared
                        .variables
                        .iter()
                        .map(|(name, template)| Ok((name.clone(), fill(template)?)))
                        .collect::<Result<_>>()?,
                    allowed: AllowedHosts::parse(&hosts)?,
                    postgres: postgres.clone(),
                    chaining: chaining.clone(),
                };
                anyhow::Ok(Linked {
                    code,
                    sandbox: Arc::new(sandbox),
                })
            };
            let linked = linked.await.with_context(|| format!("component {id:?}"))?;
            components.insert(id, linked);
        }
        Ok(Self {
            engine,
            components,
            variables,
            chaining,
        })
    }

    /// The code of a component, ready to be instantiated.
    pub fn code(&self, component: &str) -> Result<&InstancePre<Instance>> {
        self.linked(component).map(|linked| &linked.code)
    }

    /// The store for one new instance of a component.
    pub fn store(&self, component: &str) -> Result<Store<Instance>> {
        let sandbox = self.linked(component)?.sandbox.clone();
        Ok(Store::new(&self.engine, Instance::new(sandbox)))
    }

    fn linked(&self, component: &str) -> Result<&Linked> {
        self.components
            .get(component)
            .with_context(|| format!("there is no component {component:?}"))
    }
}

fn engine() -> Result<Engine> {
    let mut config = Config::new();
    config.wasm_component_model_async(true);
    if let Some(directory) = cache_directory() {
        let mut cache = CacheConfig::new();
        cache.with_directory(directory);
        config.cache(Some(Cache::new(cache)?));
    }
    Ok(Engine::new(&config)?)
}

/// Compiled code is kept beside this program, in cargo's target folder: `cargo clean` takes it along.
fn cache_directory() -> Option<PathBuf> {
    let directory = env::current_exe()
        .ok()?
        .parent()?
        .join("spinvote-host-cache");
    fs::create_dir_all(&directory).ok()?;
    Some(directory)
}

/// All that a component may import: WASI 0.3, what WASI 0.2 has of it, and Spin's interfaces.
fn linker(engine: &Engine) -> Result<Linker<Instance>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    Imports::add_to_linker::<_, Spin>(&mut linker, |instance| instance)?;
    Ok(linker)
}

fn compile(
    engine: &Engine,
    folder: &Path,
    source: &Path,
    dependencies: &BTreeMap<String, Dependency>,
) -> Result<Component> {
    let read = |source: &Path| {
        let source = folder.join(source);
        fs::read(&source)
            .with_context(|| format!("{} is not there; is it built?", source.display()))
    };
    let mut wasm = read(source)?;
    if !dependencies.is_empty() {
        let dependencies = dependencies
            .iter()
            .map(|(name, dependency)| Ok((name.clone(), read(&dependency.path)?)))
            .collect::<Result<_>>()?;
        wasm = compose::compose(wasm, &dependencies)?;
    }
    Component::new(engine, wasm)
        .map_err(anyhow::Error::from)
        .with_context(|| format!("{} is not a component", source.display()))
}
