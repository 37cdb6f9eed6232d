//! Renders the page of the API in every language, and makes of everything that is served a smaller version for
//! each encoding: nothing of that is left to do when somebody asks.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::write::GzEncoder;
use pages::{Language, assets};
use sha2::{Digest, Sha256};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    println!("cargo::rerun-if-changed=static");
    let mut table = Table {
        folder: PathBuf::from(env::var("OUT_DIR")?),
        code: "[".into(),
        count: 0,
    };
    let openapi = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("static/openapi.json");
    let document: serde_json::Value = serde_json::from_slice(&fs::read(openapi)?)?;
    for language in Language::ALL {
        let html = pages::api_page(language, &document);
        let page = format!("Kind::Page(Language::{language:?})");
        table.add("/docs", &page, pages::CONTENT_TYPE, html.as_bytes())?;
    }
    for asset in assets::ALL {
        table.add(
            asset.path,
            "Kind::Immutable",
            asset.content_type,
            asset.bytes,
        )?;
    }
    table.add(
        "/openapi.json",
        "Kind::Document",
        "application/json",
        document.to_string().as_bytes(),
    )?;
    table.code.push(']');
    fs::write(table.folder.join("resources.rs"), table.code)?;
    Ok(())
}

/// The code of the array of resources, and the folder with their bodies.
struct Table {
    folder: PathBuf,
    code: String,
    count: usize,
}

impl Table {
    fn add(&mut self, path: &str, kind: &str, content_type: &str, body: &[u8]) -> Result<()> {
        let hash = Sha256::digest(body);
        let hash = hash
            .iter()
            .take(8)
            .try_fold(String::new(), |mut text, byte| {
                write!(text, "{byte:02x}").map(|()| text)
            })?;
        writeln!(
            self.code,
            "Resource {{ path: {path:?}, kind: {kind}, content_type: {content_type:?},"
        )?;
        let plain = self.version(&hash, body)?;
        writeln!(self.code, "identity: {plain},")?;
        for (name, tag, packed) in [("brotli", "br", brotli(body)?), ("gzip", "gz", gzip(body)?)] {
            // What is packed already does not get smaller.
            let version = if packed.len() < body.len() / 10 * 9 {
                format!("Some({})", self.version(&format!("{hash}-{tag}"), &packed)?)
            } else {
                "None".to_owned()
            };
            writeln!(self.code, "{name}: {version},")?;
        }
        self.code.push_str("},\n");
        Ok(())
    }

    /// A body under its ETag.
    fn version(&mut self, tag: &str, body: &[u8]) -> Result<String> {
        let file = self.folder.join(format!("body-{}", self.count));
        self.count += 1;
        fs::write(&file, body)?;
        let etag = format!("\"{tag}\"");
        Ok(format!(
            "Version {{ etag: {etag:?}, body: include_bytes!({file:?}) }}"
        ))
    }
}

fn brotli(mut body: &[u8]) -> Result<Vec<u8>> {
    let mut packed = Vec::new();
    let best = brotli::enc::BrotliEncoderParams {
        quality: 11,
        ..Default::default()
    };
    brotli::BrotliCompress(&mut body, &mut packed, &best)?;
    Ok(packed)
}

fn gzip(body: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body)?;
    Ok(encoder.finish()?)
}
