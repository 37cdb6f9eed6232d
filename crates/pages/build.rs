//! Gives every file in `assets/` a path with the hash of its content, so that a browser may keep it
//! for ever.

use std::error::Error;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use sha2::{Digest, Sha256};

/// The constant, the file, and its type.
const ASSETS: [(&str, &str, &str); 5] = [
    ("STYLE", "page.css", "text/css; charset=utf-8"),
    ("SCRIPT", "page.js", "text/javascript; charset=utf-8"),
    ("TIMES", "times.js", "text/javascript; charset=utf-8"),
    ("ICON", "icon.svg", "image/svg+xml"),
    ("PREVIEW", "preview.png", "image/png"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("assets");
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut code = String::new();
    for (constant, file, content_type) in ASSETS {
        let source = folder.join(file);
        let hash = hash(&fs::read(&source)?)?;
        let (name, extension) = file
            .split_once('.')
            .ok_or("an asset without an extension")?;
        writeln!(
            code,
            "/// `assets/{file}`.\npub const {constant}: Asset = Asset {{ path: \"/assets/{name}.{hash}.{extension}\", \
             content_type: {content_type:?}, bytes: include_bytes!({source:?}) }};"
        )?;
    }
    let names: Vec<_> = ASSETS.iter().map(|(constant, ..)| *constant).collect();
    writeln!(
        code,
        "/// All of them, for the component that serves them.\npub const ALL: [Asset; {}] = [{}];",
        names.len(),
        names.join(", ")
    )?;
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join("assets.rs"), code)?;
    Ok(())
}

/// 64 bits tell the versions of one file apart.
fn hash(bytes: &[u8]) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    for byte in Sha256::digest(bytes).iter().take(8) {
        write!(text, "{byte:02x}")?;
    }
    Ok(text)
}
