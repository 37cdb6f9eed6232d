//! Binds Spin's interfaces. Their definitions (WIT) lie in the `spin-sdk` package, which cargo has
//! fetched for the components: what the guests are built with is what we bind.

use std::{env, fs, path::Path};

use anyhow::{Context, Result};
use cargo_metadata::MetadataCommand;

const INTERFACES: [&str; 3] = [
    "spin-redis@3.0.0",
    "spin-postgres@4.2.0",
    "spin-variables@3.0.0",
];

/// What a component may import.
const IMPORTS: &str = "
    package spinvote:host;
    world imports {
        import spin:redis/redis@3.0.0;
        import spin:postgres/postgres@4.2.0;
        import spin:variables/variables@3.0.0;
    }";

/// What the component of a Redis trigger exports.
const SUBSCRIBER: &str = "
    package spinvote:host;
    world subscriber {
        export spin:redis/inbound-redis@3.0.0;
    }";

fn main() -> Result<()> {
    // Of this platform: that is what is fetched anyway.
    let platform = ["--locked", "--filter-platform", &env::var("HOST")?].map(str::to_owned);
    let metadata = MetadataCommand::new().other_options(platform).exec()?;
    let sdk = metadata
        .packages
        .iter()
        .find(|package| package.name == "spin-sdk")
        .context("spin-sdk is not among the dependencies of this workspace")?;
    let wit = sdk
        .manifest_path
        .parent()
        .context("spin-sdk has no folder")?
        .join("wit/deps");
    let paths: Vec<_> = INTERFACES.iter().map(|name| wit.join(name)).collect();

    let bindings = format!(
        "wasmtime::component::bindgen!({{
            path: {paths:?},
            inline: {IMPORTS:?},
            imports: {{ default: async | trappable }},
            with: {{
                \"spin:redis/redis.connection\": crate::redis::Connection,
                \"spin:postgres/postgres.connection\": crate::postgres::Connection,
            }},
        }});
        pub mod subscriber {{
            wasmtime::component::bindgen!({{
                path: {paths:?},
                inline: {SUBSCRIBER:?},
                exports: {{ default: async }},
                with: {{ \"spin:redis/redis\": super::spin::redis::redis }},
            }});
        }}"
    );
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("bindings.rs"), bindings)?;

    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={wit}");
    println!("cargo::rerun-if-changed=../Cargo.lock");
    Ok(())
}
