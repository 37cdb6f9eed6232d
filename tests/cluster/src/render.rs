//! The manifests as kustomize renders them, from a copy: passwords of its own, and no trace in the checkout.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};
use stack::checkout;

use crate::{object::Object, output, tools::Tools};

/// What overlays are made of, besides the base; as docs/kubernetes.md lists them.
pub const COMBINATIONS: [&[&str]; 8] = [
    &["ingress", "spintainer"],
    &["gateway"],
    &["gateway", "autoscaling", "observability"],
    &["gateway", "autoscaling", "observability", "hardened"],
    &[
        "gateway",
        "autoscaling",
        "observability",
        "hardened",
        "cloudnative-pg",
    ],
    &[
        "gateway",
        "autoscaling",
        "observability",
        "hardened",
        "external-data",
    ],
    &["ingress", "external-data", "spintainer"],
    &["ingress", "spintainer", "hardened"],
];

/// A copy of all that kustomize reads, and of spin.toml, by which `cargo xtask` knows a checkout.
pub struct Manifests {
    kubectl: PathBuf,
    directory: PathBuf,
}

impl Manifests {
    /// A new copy, or `None`, said loudly, without a kubectl.
    pub fn copy() -> Result<Option<Self>> {
        static COPIES: AtomicU32 = AtomicU32::new(0);
        let Some(kubectl) = Tools::kubectl()? else {
            return Ok(None);
        };
        let copy = COPIES.fetch_add(1, Ordering::Relaxed);
        let directory =
            std::env::temp_dir().join(format!("spinvote-k8s-{}-{copy}", std::process::id()));
        for part in ["k8s", "migrations", "redis"] {
            copy_directory(&checkout::root().join(part), &directory.join(part))?;
        }
        fs::copy(
            checkout::root().join("spin.toml"),
            directory.join("spin.toml"),
        )?;
        let manifests = Self { kubectl, directory };
        let template = manifests.read("k8s/secrets/template.env")?;
        let secrets: String = template
            .lines()
            .enumerate()
            .map(|(at, line)| match line.split_once("=<random") {
                Some((name, _)) => format!("{name}=test-password-{at}\n"),
                None => format!("{line}\n"),
            })
            .collect();
        manifests.write("k8s/secrets/secrets.env", &secrets)?;
        Ok(Some(manifests))
    }

    /// Where the copy is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// A file of the copy.
    pub fn read(&self, file: &str) -> Result<String> {
        fs::read_to_string(self.directory.join(file)).with_context(|| file.to_owned())
    }

    /// Changes a file of the copy, or adds it.
    pub fn write(&self, file: &str, text: &str) -> Result<()> {
        let file = self.directory.join(file);
        fs::create_dir_all(file.parent().context("no directory")?)?;
        fs::write(&file, text).with_context(|| file.display().to_string())
    }

    /// The names of the overlays.
    pub fn overlays(&self) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.directory.join("k8s/overlays"))? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }

    /// One overlay, as YAML.
    pub fn yaml(&self, overlay: &str) -> Result<String> {
        output(
            Command::new(&self.kubectl)
                .arg("kustomize")
                .arg(self.directory.join("k8s/overlays").join(overlay)),
        )
    }

    /// One overlay.
    pub fn overlay(&self, overlay: &str) -> Result<Vec<Object>> {
        Object::parse_all(&self.yaml(overlay)?).with_context(|| overlay.to_owned())
    }

    /// Adds an overlay of these components, and returns its name.
    pub fn combine(&self, components: &[&str]) -> Result<String> {
        let name = format!("with-{}", components.join("-"));
        let components: String = components
            .iter()
            .map(|component| format!("  - ../../components/{component}\n"))
            .collect();
        self.write(
            &format!("k8s/overlays/{name}/kustomization.yaml"),
            &format!("resources:\n  - ../../base\ncomponents:\n  - ../../secrets\n{components}"),
        )?;
        Ok(name)
    }

    /// All overlays, and all combinations, by name.
    pub fn all(&self) -> Result<BTreeMap<String, Vec<Object>>> {
        let mut names = self.overlays()?;
        for components in COMBINATIONS {
            names.push(self.combine(components)?);
        }
        names
            .into_iter()
            .map(|name| {
                let objects = self.overlay(&name)?;
                Ok((name, objects))
            })
            .collect()
    }
}

impl Drop for Manifests {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn copy_directory(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else if entry.file_name() != "secrets.env" {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
