//! Where things are in this checkout.

use std::path::{Path, PathBuf};

/// The root of the workspace.
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
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
