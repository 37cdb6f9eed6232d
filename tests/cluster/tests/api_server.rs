//! A real API server takes the manifests, again and in newer versions, and what pods become in it.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, too

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use cluster_tests::{
    object::Object,
    operator::{pods, reconcile},
    output,
    render::Manifests,
    server::Server,
};
use serde_json::Value;

/// Strict: a field that does not exist is an error. How lists merge kubectl knows by itself; to read it from the
/// server costs 3 s each time.
const APPLY: [&str; 5] = [
    "apply",
    "--validate=strict",
    "--openapi-patch=false",
    "-f",
    "-",
];

/// One for all of these tests, and one of them at a time.
static SERVER: Mutex<Option<Server>> = Mutex::new(None);

struct Turn(MutexGuard<'static, Option<Server>>);

impl std::ops::Deref for Turn {
    type Target = Server;
    fn deref(&self) -> &Server {
        self.0.as_ref().unwrap()
    }
}

fn start() -> Option<(Turn, Manifests)> {
    let manifests = Manifests::copy().unwrap()?;
    let mut server = SERVER.lock().unwrap_or_else(PoisonError::into_inner);
    if server.is_none() {
        *server = Server::start().unwrap();
    }
    server.is_some().then_some((Turn(server), manifests))
}

/// Every object of ours as it is stored, but for what only says who wrote it when.
fn stored(server: &Server, objects: &[Object]) -> BTreeMap<String, Value> {
    let mut yaml = String::new();
    for object in objects {
        yaml += &format!("---\n{}\n", object.0);
    }
    let said = server
        .feed(&["get", "-o", "json", "-f", "-"], &yaml)
        .unwrap();
    let mut list: Value = serde_json::from_str(&said).unwrap();
    list["items"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .map(|item| {
            let metadata = item["metadata"].as_object_mut().unwrap();
            metadata.remove("managedFields");
            metadata.remove("resourceVersion");
            (Object(item.clone()).to_string(), item.take())
        })
        .collect()
}

#[test]
fn every_overlay_and_combination_is_accepted_and_applying_it_again_changes_nothing() {
    let Some((server, manifests)) = start() else {
        return;
    };
    for (name, objects) in manifests.all().unwrap() {
        let yaml = manifests.yaml(&name).unwrap();
        server
            .feed(&APPLY, &yaml)
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let before = stored(&server, &objects);
        assert_eq!(before.len(), objects.len(), "{name}");
        server.feed(&APPLY, &yaml).unwrap();
        for (object, now) in stored(&server, &objects) {
            assert_eq!(now, before[&object], "{name}: {object} changed");
        }
    }
}

#[test]
fn a_newer_version_is_applied_over_an_older_one() {
    let Some((server, manifests)) = start() else {
        return;
    };
    for overlay in ["local", "production"] {
        server
            .feed(&APPLY, &manifests.yaml(overlay).unwrap())
            .unwrap();
    }
    let jobs = || {
        output(&mut server.kubectl(&["get", "job", "-n", "voting-data", "-o", "name"]))
            .unwrap()
            .lines()
            .count()
    };
    let before = jobs();
    let list = manifests.read("migrations/kustomization.yaml").unwrap();
    manifests
        .write("migrations/9999_more.sql", "select 1;\n")
        .unwrap();
    manifests
        .write(
            "migrations/kustomization.yaml",
            &(list + "      - 9999_more.sql\n"),
        )
        .unwrap();
    let base = manifests.read("k8s/base/kustomization.yaml").unwrap();
    let base = base
        .replace("17-bookworm", "17.9-bookworm")
        .replace("8.2-bookworm", "8.4-bookworm")
        .replace("newTag: 0.1.0", "newTag: 0.2.0");
    manifests
        .write("k8s/base/kustomization.yaml", &base)
        .unwrap();
    let job = manifests.read("k8s/base/data/migrations.yaml").unwrap();
    manifests
        .write(
            "k8s/base/data/migrations.yaml",
            &job.replace("memory: 128Mi", "memory: 256Mi"),
        )
        .unwrap();
    for overlay in ["local", "production"] {
        server
            .feed(&APPLY, &manifests.yaml(overlay).unwrap())
            .unwrap();
    }
    assert_eq!(jobs(), before + 1);
}

/// The API server learns of a policy that is new, or gone, a moment later. Until then it is asked about a pod
/// such as the operator makes.
fn await_admission_policy(server: &Server, confines: bool) {
    let canary = r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"canary","namespace":"voting-frontend",
        "labels":{"core.spinkube.dev/app-name":"canary"}},
        "spec":{"serviceAccountName":"spinapp","containers":[{"name":"canary","image":"canary"}]}}"#;
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        // Not confined it is refused where the namespace is `restricted`.
        let said = server.feed(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            canary,
        );
        let confined = said.is_ok_and(|said| said.contains("\"runAsUser\": 65532"));
        if confined == confines {
            return;
        }
        assert!(Instant::now() < deadline, "never: confines = {confines}");
        sleep(Duration::from_millis(100));
    }
}

#[test]
fn pod_security_refuses_no_pod_and_production_restricts_all_four_namespaces() {
    let Some((server, manifests)) = start() else {
        return;
    };
    for (name, objects) in manifests.all().unwrap() {
        let admission: String = objects
            .iter()
            .filter(|object| {
                object.kind().starts_with("MutatingAdmission")
                    || ["Namespace", "ServiceAccount"].contains(&object.kind())
            })
            .map(|object| format!("---\n{}\n", object.0))
            .collect();
        server.feed(&APPLY, &admission).unwrap();
        for namespace in objects.iter().filter(|object| object.kind() == "Namespace") {
            let level = namespace.text("/metadata/labels/pod-security.kubernetes.io~1enforce");
            let hardened =
                ["production", "cells"].contains(&name.as_str()) || name.contains("hardened");
            let expected = if hardened || namespace.name() == "voting-data" {
                "restricted"
            } else {
                "baseline"
            };
            assert_eq!(level, expected, "{name}: {namespace}");
        }
        // What is left of another combination would mend pods that this one does not.
        let confines = objects
            .iter()
            .any(|object| object.kind() == "MutatingAdmissionPolicy");
        if !confines {
            output(&mut server.kubectl(&[
                "delete",
                "mutatingadmissionpolicies,mutatingadmissionpolicybindings",
                "--all",
            ]))
            .unwrap();
        }
        await_admission_policy(&server, confines);
        // No controller makes these two here; and the class is SpinKube's.
        let mut all = String::new();
        for pod in pods(&reconcile(&objects))
            .iter_mut()
            .filter(|pod| pod.0["spec"].is_object())
        {
            pod.0["spec"]
                .as_object_mut()
                .unwrap()
                .remove("runtimeClassName");
            if pod.text("/spec/serviceAccountName").is_empty() {
                pod.0["spec"]["serviceAccountName"] = "default".into();
                let account = format!(
                    r#"{{"apiVersion":"v1","kind":"ServiceAccount","metadata":{{"name":"default","namespace":"{}"}}}}"#,
                    pod.namespace()
                );
                server.feed(&["apply", "-f", "-"], &account).unwrap();
            }
            all += &format!("---\n{}\n", pod.0);
        }
        server
            .feed(
                &["create", "--validate=strict", "--dry-run=server", "-f", "-"],
                &all,
            )
            .unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_admission_policy_confines_the_pods_of_spin_apps_and_no_others() {
    let Some((server, manifests)) = start() else {
        return;
    };
    let objects = manifests.overlay("production").unwrap();
    server
        .feed(&APPLY, &manifests.yaml("production").unwrap())
        .unwrap();
    let all = pods(&reconcile(&objects));
    let mut app = all
        .iter()
        .find(|pod| pod.name() == "vote-0")
        .unwrap()
        .clone();
    app.0["spec"]
        .as_object_mut()
        .unwrap()
        .remove("runtimeClassName");
    let create = |pod: &Object| -> Value {
        let said = server.feed(
            &["create", "--dry-run=server", "-o", "json", "-f", "-"],
            &pod.0.to_string(),
        );
        serde_json::from_str(&said.unwrap()).unwrap()
    };
    await_admission_policy(&server, true);
    let pod = create(&app);
    assert_eq!(pod["spec"]["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["spec"]["securityContext"]["runAsUser"], 65532);
    assert_eq!(
        pod["spec"]["securityContext"]["seccompProfile"]["type"],
        "RuntimeDefault"
    );
    let container = &pod["spec"]["containers"][0];
    assert_eq!(
        container["securityContext"]["allowPrivilegeEscalation"],
        false
    );
    assert_eq!(
        container["securityContext"]["capabilities"]["drop"][0],
        "ALL"
    );
    assert_eq!(container["lifecycle"]["preStop"]["sleep"]["seconds"], 5);
    let spread: Vec<_> = pod["spec"]["topologySpreadConstraints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|constraint| constraint["topologyKey"].as_str().unwrap())
        .collect();
    assert_eq!(
        spread,
        ["kubernetes.io/hostname", "topology.kubernetes.io/zone"]
    );
    let volumes = pod["spec"]["volumes"].as_array().unwrap();
    assert!(
        volumes
            .iter()
            .all(|volume| volume.get("projected").is_none()),
        "no token for the API server"
    );

    let account = r#"{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":"voting-data"}}"#;
    server.feed(&["apply", "-f", "-"], account).unwrap();
    let job = all
        .iter()
        .find(|pod| pod.name().starts_with("migrations"))
        .unwrap();
    assert_eq!(create(job)["spec"]["securityContext"]["runAsUser"], 999);
}
