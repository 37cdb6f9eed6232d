//! The application: its components, compiled and linked to what they may import.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use manifest::Manifest;
use wasmtime::{
    Cache, CacheConfig, Config, Engine, Store,
    component::{Component, InstancePre, Linker},
};

use crate::{
    bindings::Imports,
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

        let mut compiled = BTreeMap::new();
        let mut components = BTreeMap::new();
        for (id, declared) in manifest.components {
            let linked = async {
                let source = folder.join(&declared.source);
                let code = match compiled.get(&source) {
                    Some(code) => InstancePre::clone(code),
                    None => {
                        let code = linker.instantiate_pre(&compile(&engine, &source)?)?;
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

/// All that a component may import: WASI 0.3, of WASI 0.2 what Rust's standard library is built on,
/// and Spin's interfaces.
fn linker(engine: &Engine) -> Result<Linker<Instance>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    wasmtime_wasi::p3::add_to_linker(&mut linker)?;
    wasmtime_wasi_http::p3::add_to_linker(&mut linker)?;
    Imports::add_to_linker::<_, Spin>(&mut linker, |instance| instance)?;
    Ok(linker)
}

fn compile(engine: &Engine, source: &Path) -> Result<Component> {
    let wasm = fs::read(source)
        .with_context(|| format!("{} is not there; is it built?", source.display()))?;
    Component::new(engine, wasm)
        .map_err(anyhow::Error::from)
        .with_context(|| format!("{} is not a component", source.display()))
}
