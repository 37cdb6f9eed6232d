//! What docs/kubernetes.md says is so.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, too

use std::{collections::BTreeSet, fs};

use cluster_tests::render::{COMBINATIONS, Manifests};
use stack::checkout;

fn page() -> String {
    fs::read_to_string(checkout::root().join("docs/kubernetes.md")).unwrap()
}

#[test]
fn the_combinations_that_it_names_are_those_that_are_tested() {
    let named: Vec<_> = page()
        .lines()
        .filter_map(|line| {
            line.strip_prefix("- `")?
                .strip_suffix('`')
                .map(str::to_owned)
        })
        .collect();
    let tested: Vec<_> = COMBINATIONS
        .iter()
        .map(|components| components.join("`, `"))
        .collect();
    assert_eq!(named, tested);
}

#[test]
fn it_explains_every_component() {
    let page = page();
    for entry in fs::read_dir(checkout::root().join("k8s/components")).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        assert!(page.contains(&format!("| `{name}` |")), "{name}");
    }
}

/// An operator who brings their own secrets makes just those that the manifests refer to.
#[test]
fn it_lists_the_secrets_and_their_keys() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let page = page();
    let listed: BTreeSet<_> = page
        .lines()
        .filter(|line| line.starts_with("| `voting-"))
        .filter_map(|line| {
            let mut cells = line.split('|').map(str::trim).skip(1);
            let unquoted = |cell: &str| cell.trim_matches('`').to_owned();
            let (namespace, name) = (unquoted(cells.next()?), unquoted(cells.next()?));
            let keys: BTreeSet<_> = cells
                .next()?
                .split(';')
                .next()?
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect();
            (!keys.is_empty()).then_some((namespace, name, keys))
        })
        .collect();
    let rendered: BTreeSet<_> = manifests
        .overlay("local")
        .unwrap()
        .iter()
        .filter(|object| object.kind() == "Secret" && !object.name().starts_with("migrations-"))
        .map(|secret| {
            let keys = secret.0["data"]
                .as_object()
                .unwrap()
                .keys()
                .cloned()
                .collect();
            let name = secret.name().rsplit_once('-').unwrap().0;
            (secret.namespace().to_owned(), name.to_owned(), keys)
        })
        .collect();
    assert_eq!(listed, rendered);
}

/// As an operator would add it to an overlay, with their authorities' certificates beside it.
#[test]
fn the_apps_that_speak_to_the_stores_get_the_authorities_that_it_adds() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let page = page();
    let block = page.split_once("```yaml\nsecretGenerator:").unwrap().1;
    let addition = format!("secretGenerator:{}", block.split_once("```").unwrap().0);
    let overlay = manifests.combine(&["external-data"]).unwrap();
    let kustomization = format!("k8s/overlays/{overlay}/kustomization.yaml");
    let whole = format!("{}{addition}", manifests.read(&kustomization).unwrap());
    manifests.write(&kustomization, &whole).unwrap();
    let authorities = format!("k8s/overlays/{overlay}/ca-certificates.crt");
    manifests.write(&authorities, "a certificate").unwrap();

    let objects = manifests.overlay(&overlay).unwrap();
    let secrets: BTreeSet<_> = objects
        .iter()
        .filter(|object| {
            object.kind() == "Secret" && object.0["data"]["ca-certificates.crt"].is_string()
        })
        .map(|secret| (secret.namespace(), secret.name()))
        .collect();
    let named: BTreeSet<_> = objects
        .iter()
        .filter(|object| object.kind() == "SpinAppExecutor")
        .map(|executor| {
            (
                executor.namespace(),
                executor.text("/spec/deploymentConfig/caCertSecret"),
            )
        })
        .filter(|(_, name)| !name.is_empty())
        .collect();
    assert_eq!(named, secrets);
    let namespaces: Vec<_> = named.iter().map(|(namespace, _)| *namespace).collect();
    assert_eq!(namespaces, ["voting-api", "voting-consumer"]);
}
