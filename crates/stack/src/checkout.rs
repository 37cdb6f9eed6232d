//! Where things are in this checkout.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::Result;
use manifest::Manifest;
use toml::Value;

/// The root of the checkout in which one stands, else of the one that this was built in.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        let built_in = Path::new(env!("CARGO_MANIFEST_DIR"));
        std::env::current_dir()
            .ok()
            .and_then(|here| {
                here.ancestors()
                    .find(|directory| directory.join("spin.toml").exists())
                    .map(Path::to_owned)
            })
            .unwrap_or_else(|| built_in.ancestors().nth(2).unwrap_or(built_in).to_owned())
    })
}

/// What the spin.toml of the checkout says.
pub fn manifest() -> Result<Manifest> {
    Manifest::read(&root().join("spin.toml"))
}

/// The name of the import that a policy provides.
const POLICY: &str = "spinvote:policy/eligibility@0.1.0";

/// That spin.toml, with this component for a policy: whatever folder it lies in, for its paths are absolute.
pub fn manifest_with_policy(policy: &Path) -> Result<String> {
    let text = fs::read_to_string(root().join("spin.toml"))?;
    let mut manifest: toml::Table = text.parse()?;
    let components = manifest.get_mut("component").and_then(Value::as_table_mut);
    for (_, component) in components.into_iter().flatten() {
        if let Some(Value::String(source)) = component.get_mut("source") {
            *source = root().join(&source).display().to_string();
        }
        if let Some(dependencies) = component.get_mut("dependencies")
            && let Some(Value::String(path)) = dependencies
                .get_mut(POLICY)
                .and_then(|it| it.get_mut("path"))
        {
            *path = std::path::absolute(policy)?.display().to_string();
        }
    }
    Ok(toml::to_string(&manifest)?)
}

/// Where cargo puts what runs natively, whatever CARGO_TARGET_DIR and cargo's configuration say:
/// we are in it ourselves, and cargo tags it.
pub fn target() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|exe| {
            exe.ancestors()
                .find(|dir| dir.join("CACHEDIR.TAG").exists())
                .map(Path::to_owned)
        })
        .unwrap_or_else(|| root().join("target"))
}
