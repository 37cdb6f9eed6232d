//! Takes the comments out of the Lua scripts, and works out the hash by which Redis knows each.

use std::{env, fs, io, path::Path};

use sha1_smol::Sha1;

const SCRIPTS: &str = "src/stream";

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed={SCRIPTS}");
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    for entry in fs::read_dir(SCRIPTS)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "lua") {
            let name = path.file_name().unwrap_or_default();
            let code = without_comments(&fs::read_to_string(&path)?);
            let file = Path::new(&out).join(name);
            fs::write(
                file.with_extension("lua.sha1"),
                Sha1::from(&code).digest().to_string(),
            )?;
            fs::write(file, code)?;
        }
    }
    Ok(())
}

/// Whole lines only, and no long brackets: nothing else is used.
fn without_comments(script: &str) -> String {
    script
        .lines()
        .map(str::trim_start)
        .filter(|line| !line.is_empty() && !line.starts_with("--"))
        .flat_map(|line| [line, "\n"])
        .collect()
}
