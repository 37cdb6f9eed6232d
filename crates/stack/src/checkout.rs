//! Where things are in this checkout.

use std::{
    path::{Path, PathBuf},
    sync::OnceLock,
};

use anyhow::Result;
use manifest::Manifest;

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
