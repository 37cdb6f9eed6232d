//! The commands that build the components, from spin.toml: what `spin build` would run, but one cargo
//! for all of them, which builds what they share at once and in parallel.

use std::{collections::BTreeMap, path::PathBuf, process::Command};

use manifest::Manifest;

use crate::checkout;

/// The commands, in the order in which to run them.
pub fn commands(manifest: &Manifest) -> Vec<Command> {
    // The packages of each cargo build that differs in nothing else; none for any other command.
    let mut plan: BTreeMap<(PathBuf, String), Vec<String>> = BTreeMap::new();
    for build in manifest
        .components
        .values()
        .filter_map(|component| component.build.as_ref())
    {
        let directory = checkout::root().join(build.workdir.clone().unwrap_or_default());
        let (command, wanted) = split_packages(&build.command);
        let packages = plan.entry((directory, command)).or_default();
        for package in wanted {
            if !packages.contains(&package) {
                packages.push(package);
            }
        }
    }
    plan.into_iter()
        .map(|((directory, command), packages)| {
            let packages: String = packages
                .iter()
                .map(|package| format!(" --package {package}"))
                .collect();
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &format!("exec {command}{packages}")])
                .current_dir(directory)
                // Where spin.toml expects the result.
                .env("CARGO_TARGET_DIR", checkout::root().join("target"));
            shell
        })
        .collect()
}

/// The packages that are built for WebAssembly.
pub fn packages(manifest: &Manifest) -> Vec<String> {
    let builds = manifest
        .components
        .values()
        .filter_map(|component| component.build.as_ref());
    builds
        .flat_map(|build| split_packages(&build.command).1)
        .collect()
}

/// Takes each `--package NAME` out of a `cargo build`.
fn split_packages(command: &str) -> (String, Vec<String>) {
    if !command.starts_with("cargo build ") {
        return (command.to_owned(), Vec::new());
    }
    let (mut rest, mut packages) = (Vec::new(), Vec::new());
    let mut words = command.split_whitespace();
    while let Some(word) = words.next() {
        if ["--package", "-p"].contains(&word) {
            packages.extend(words.next().map(str::to_owned));
        } else {
            rest.push(word);
        }
    }
    (rest.join(" "), packages)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_are_taken_out_of_a_cargo_build() {
        let (command, packages) =
            split_packages("cargo build --release --package vote --target wasm32-wasip2 -p x");
        assert_eq!(command, "cargo build --release --target wasm32-wasip2");
        assert_eq!(packages, ["vote", "x"]);
    }

    #[test]
    fn any_other_command_is_left_alone() {
        assert_eq!(
            split_packages("make -p x"),
            ("make -p x".to_owned(), vec![])
        );
    }

    #[test]
    fn one_cargo_builds_all_components() {
        let manifest = checkout::manifest().unwrap();
        assert_eq!(commands(&manifest).len(), 1);
        assert!(packages(&manifest).contains(&"vote".to_owned()));
    }
}
