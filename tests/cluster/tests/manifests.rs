//! What the rendered objects promise about each other and about spin.toml.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, too

use std::collections::{BTreeMap, BTreeSet};

use cluster_tests::{
    network::selects,
    object::{Object, text, values_of},
    operator::{pods, reconcile},
    render::Manifests,
    spin::Application,
};
use serde_json::Value;

/// Does this for every overlay and combination, with what the operator adds.
fn for_each_rendering(check: impl Fn(&str, &[Object])) {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    for (name, objects) in manifests.all().unwrap() {
        check(&name, &reconcile(&objects));
    }
}

fn of_kind<'a>(objects: &'a [Object], kind: &str) -> Vec<&'a Object> {
    objects
        .iter()
        .filter(|object| object.kind() == kind)
        .collect()
}

fn find<'a>(objects: &'a [Object], kind: &str, namespace: &str, name: &str) -> Option<&'a Object> {
    objects.iter().find(|object| {
        object.kind() == kind && object.namespace() == namespace && object.name() == name
    })
}

fn retained(app: &Object) -> Vec<&str> {
    app.list("/spec/components")
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

fn pod_labels(pod: &Object) -> BTreeMap<String, String> {
    serde_json::from_value(pod.0["metadata"]["labels"].clone()).unwrap()
}

#[test]
fn no_object_is_rendered_twice() {
    for_each_rendering(|rendering, objects| {
        let mut seen = BTreeSet::new();
        for object in objects {
            assert!(
                seen.insert(object.to_string()),
                "{rendering}: {object} twice"
            );
        }
    });
}

#[test]
fn each_spin_app_retains_what_it_is_for() {
    let expected: BTreeMap<_, _> = [
        ("web", vec!["web"]),
        ("vote", vec!["vote", "health"]),
        ("results", vec!["results", "health"]),
        ("tally", vec!["tally", "health"]),
        ("sweep", vec!["sweep", "health"]),
    ]
    .into();
    let spin = Application::read().unwrap();
    for_each_rendering(|rendering, objects| {
        let apps: BTreeMap<_, _> = of_kind(objects, "SpinApp")
            .into_iter()
            .map(|app| (app.name(), retained(app)))
            .collect();
        assert_eq!(apps, expected, "{rendering}");
        let all: BTreeSet<_> = apps.into_values().flatten().collect();
        for component in spin.components() {
            assert!(
                all.contains(component),
                "{rendering}: {component} runs nowhere"
            );
        }
        assert!(
            all.into_iter()
                .all(|component| spin.has_component(component))
        );
    });
}

#[test]
fn every_app_comes_from_one_artifact_of_this_version() {
    let spin = Application::read().unwrap();
    for_each_rendering(|rendering, objects| {
        let images: BTreeSet<_> = of_kind(objects, "SpinApp")
            .iter()
            .map(|app| app.text("/spec/image").to_owned())
            .collect();
        assert_eq!(images.len(), 1, "{rendering}: {images:?}");
        assert!(
            images
                .iter()
                .all(|image| image.ends_with(&format!(":{}", spin.version())))
        );
    });
}

#[test]
fn every_image_has_a_tag_that_stays() {
    for_each_rendering(|rendering, objects| {
        for object in objects {
            for image in values_of(&object.0, "image")
                .into_iter()
                .filter_map(Value::as_str)
            {
                let tag = image
                    .rsplit_once('/')
                    .map_or(image, |(_, name)| name)
                    .split_once(':');
                assert!(
                    tag.is_some_and(|(_, tag)| tag != "latest" && !tag.is_empty()),
                    "{rendering}: {object}: {image}"
                );
            }
        }
    });
}

#[test]
fn every_variable_is_one_of_spin_toml_and_every_secret_one_comes_from_a_secret() {
    let spin = Application::read().unwrap();
    for_each_rendering(|rendering, objects| {
        for app in of_kind(objects, "SpinApp") {
            let used: BTreeSet<_> = retained(app)
                .into_iter()
                .flat_map(|component| spin.variables_of(component))
                .collect();
            let mut given = BTreeSet::new();
            for variable in app.list("/spec/variables") {
                let name = text(variable, "/name");
                assert!(given.insert(name), "{rendering}: {app} gives {name} twice");
                let is_secret = spin.is_secret(name);
                assert!(
                    is_secret.is_some(),
                    "{rendering}: {app}: {name} is not in spin.toml"
                );
                let from_secret = variable.pointer("/valueFrom/secretKeyRef").is_some();
                assert!(
                    from_secret || is_secret != Some(true),
                    "{rendering}: {app}: {name}"
                );
                assert!(
                    used.contains(name) || name == "upstream_timeout_ms",
                    "{rendering}: no component of {app} uses {name}"
                );
            }
        }
    });
}

/// `health` can ask both stores, and `tally`'s subscription is the manifest's; but each app gets the
/// password of its own stores only.
#[test]
fn each_app_has_just_the_passwords_that_it_needs() {
    let expected: BTreeMap<&str, &[&str]> = [
        ("web", &[] as &[_]),
        ("vote", &["redis_api_password"]),
        ("results", &["postgres_reader_password"]),
        (
            "tally",
            &["postgres_consumer_password", "redis_consumer_password"],
        ),
        (
            "sweep",
            &["postgres_consumer_password", "redis_consumer_password"],
        ),
    ]
    .into();
    let spin = Application::read().unwrap();
    for_each_rendering(|rendering, objects| {
        for app in of_kind(objects, "SpinApp") {
            let mut passwords: Vec<_> = app
                .list("/spec/variables")
                .iter()
                .map(|variable| text(variable, "/name"))
                .filter(|name| spin.is_secret(name) == Some(true))
                .collect();
            passwords.sort_unstable();
            assert_eq!(passwords, expected[app.name()], "{rendering}: {app}");
        }
    });
}

#[test]
fn consumers_are_named_after_their_pods() {
    for_each_rendering(|rendering, objects| {
        for name in ["tally", "sweep"] {
            let app = find(objects, "SpinApp", "voting-consumer", name).unwrap();
            let from = app
                .list("/spec/variables")
                .iter()
                .find(|variable| variable["name"] == "consumer_name")
                .map(|variable| text(variable, "/valueFrom/fieldRef/fieldPath"));
            assert_eq!(from, Some("metadata.name"), "{rendering}: {app}");
        }
    });
}

#[test]
fn every_probe_asks_a_route_of_a_retained_component_with_timings_of_its_own() {
    let spin = Application::read().unwrap();
    for_each_rendering(|rendering, objects| {
        for app in of_kind(objects, "SpinApp") {
            for kind in ["liveness", "readiness"] {
                let probe = &app.0["spec"]["checks"][kind];
                let path = text(probe, "/httpGet/path");
                let component = spin.component_of(&retained(app), path);
                assert!(
                    component.is_some(),
                    "{rendering}: {app}: nobody answers {path}"
                );
                for timing in ["initialDelaySeconds", "periodSeconds", "timeoutSeconds"] {
                    assert!(
                        probe[timing].is_u64(),
                        "{rendering}: {app}: {kind} has no {timing}"
                    );
                }
            }
        }
        let readiness = |namespace, name: &str| {
            &find(objects, "SpinApp", namespace, name).unwrap().0["spec"]["checks"]["readiness"]
        };
        let vote = readiness("voting-api", "vote");
        assert_eq!(vote["httpGet"]["path"], "/ready?needs=redis");
        // Traffic within 3 s of the start.
        assert_eq!(vote["initialDelaySeconds"], 0);
        assert!(vote["periodSeconds"].as_u64() <= Some(2));
        assert_eq!(
            readiness("voting-api", "results")["httpGet"]["path"],
            "/ready?needs=database"
        );
        let sweep = readiness("voting-consumer", "sweep");
        assert_eq!(
            (
                sweep["httpGet"]["path"].as_str(),
                sweep["periodSeconds"].as_u64()
            ),
            (Some("/sweep"), Some(5))
        );
    });
}

#[test]
fn what_is_referenced_exists() {
    // Made by others: the certificate by cert-manager or by hand, the rest by the operator.
    let elsewhere = ["spinvote-tls", "spin-ca"];
    for_each_rendering(|rendering, objects| {
        let namespaces: BTreeSet<_> = of_kind(objects, "Namespace")
            .iter()
            .map(|object| object.name())
            .collect();
        for object in objects {
            let namespace = object.namespace();
            assert!(
                namespace.is_empty() || namespaces.contains(namespace),
                "{rendering}: {object} is in no namespace of ours"
            );
            let exists = |kind: &str, name: &str, key: Option<&str>| {
                if elsewhere.contains(&name) {
                    return;
                }
                let found = find(objects, kind, namespace, name);
                assert!(found.is_some(), "{rendering}: {object} wants {kind} {name}");
                if let (Some(found), Some(key)) = (found, key) {
                    assert!(
                        found.0["data"].get(key).is_some(),
                        "{rendering}: {object} wants {key} of {found}"
                    );
                }
            };
            for (field, kind) in [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")] {
                for reference in values_of(&object.0, field) {
                    let optional = reference["optional"] == true;
                    let key = reference["key"].as_str().filter(|_| !optional);
                    exists(kind, text(reference, "/name"), key);
                }
            }
            for reference in values_of(&object.0, "secretTargetRef") {
                exists(
                    "Secret",
                    text(reference, "/name"),
                    reference["key"].as_str(),
                );
            }
            for volume in values_of(&object.0, "volumes") {
                match (
                    text(volume, "/secret/secretName"),
                    text(volume, "/configMap/name"),
                ) {
                    ("", "") => {}
                    (secret, "") => exists("Secret", secret, None),
                    (_, config_map) => exists("ConfigMap", config_map, None),
                }
            }
            if object.kind() == "Cluster" {
                exists(
                    "Secret",
                    object.text("/spec/bootstrap/initdb/secret/name"),
                    Some("username"),
                );
            }
            for account in values_of(&object.0, "serviceAccountName")
                .into_iter()
                .filter_map(Value::as_str)
            {
                exists("ServiceAccount", account, None);
            }
            for target in values_of(&object.0, "scaleTargetRef") {
                exists(text(target, "/kind"), text(target, "/name"), None);
            }
            for reference in values_of(&object.0, "authenticationRef") {
                exists("TriggerAuthentication", text(reference, "/name"), None);
            }
            if object.kind() == "SpinApp" {
                exists("SpinAppExecutor", object.text("/spec/executor"), None);
            }
            if object.kind() == "StatefulSet" {
                exists("Service", object.text("/spec/serviceName"), None);
            }
            for parent in values_of(&object.0, "parentRefs") {
                let home = parent["namespace"].as_str().unwrap_or(namespace);
                let gateway = find(objects, "Gateway", home, text(parent, "/name"));
                let gateway =
                    gateway.unwrap_or_else(|| panic!("{rendering}: {object} has no parent"));
                assert!(
                    gateway
                        .list("/spec/listeners")
                        .iter()
                        .any(|listener| listener["name"] == parent["sectionName"])
                );
            }
            for (name, port) in backends(object) {
                let service = find(objects, "Service", namespace, name);
                let service =
                    service.unwrap_or_else(|| panic!("{rendering}: {object} wants Service {name}"));
                assert!(
                    service
                        .list("/spec/ports")
                        .iter()
                        .any(|listed| listed["port"] == port)
                );
            }
        }
    });
}

/// The Services, with ports, that an Ingress or a HTTPRoute sends requests to.
fn backends(object: &Object) -> Vec<(&str, u64)> {
    match object.kind() {
        "Ingress" => values_of(&object.0, "service")
            .into_iter()
            .map(|service| {
                (
                    text(service, "/name"),
                    service["port"]["number"].as_u64().unwrap(),
                )
            })
            .collect(),
        "HTTPRoute" => values_of(&object.0, "backendRefs")
            .into_iter()
            .map(|backend| (text(backend, "/name"), backend["port"].as_u64().unwrap()))
            .collect(),
        _ => Vec::new(),
    }
}

#[test]
fn every_selector_selects_some_pod_and_every_port_is_one_of_its() {
    for_each_rendering(|rendering, objects| {
        let pods = pods(objects);
        let selected = |namespace: &str, selector: &Value| {
            pods.iter()
                .filter(|pod| pod.namespace() == namespace && selects(selector, &pod_labels(pod)))
                .collect::<Vec<_>>()
        };
        for object in objects {
            match object.kind() {
                "PodDisruptionBudget" => {
                    let pods = selected(object.namespace(), &object.0["spec"]["selector"]);
                    assert_eq!(pods.len(), 1, "{rendering}: {object}");
                }
                "NetworkPolicy" => {
                    let selector = &object.0["spec"]["podSelector"];
                    let is_for_all = selector.as_object().is_some_and(|fields| fields.is_empty());
                    let pods = selected(object.namespace(), selector);
                    assert!(
                        is_for_all || !pods.is_empty(),
                        "{rendering}: {object} selects nobody"
                    );
                }
                "Service" => {
                    let selector =
                        serde_json::json!({ "matchLabels": object.0["spec"]["selector"] });
                    let pods = selected(object.namespace(), &selector);
                    assert_eq!(pods.len(), 1, "{rendering}: {object}");
                    let target = object.0.pointer("/spec/ports/0/targetPort").unwrap();
                    let has_port = values_of(&pods[0].0, "ports")
                        .iter()
                        .any(|port| port["name"] == *target);
                    assert!(has_port, "{rendering}: {object} has no port {target}");
                }
                "ServiceMonitor" => {
                    let services: Vec<_> = of_kind(objects, "Service")
                        .into_iter()
                        .filter(|service| service.namespace() == object.namespace())
                        .filter(|service| selects(&object.0["spec"]["selector"], &labels(service)))
                        .collect();
                    assert_eq!(services.len(), 1, "{rendering}: {object}");
                    let endpoint = &object.0["spec"]["endpoints"][0];
                    assert_eq!(
                        endpoint["targetPort"],
                        services[0].0["spec"]["ports"][0]["targetPort"]
                    );
                }
                _ => {}
            }
        }
    });
}

fn labels(object: &Object) -> BTreeMap<String, String> {
    serde_json::from_value(object.0["metadata"]["labels"].clone()).unwrap_or_default()
}

#[test]
fn what_is_scaled_has_no_number_of_replicas_and_what_is_not_has_one() {
    for_each_rendering(|rendering, objects| {
        for app in of_kind(objects, "SpinApp") {
            let is_scaled = objects.iter().any(|object| {
                object.namespace() == app.namespace()
                    && object.text("/spec/scaleTargetRef/name") == app.name()
            });
            assert_eq!(
                app.0["spec"]["enableAutoscaling"] == true,
                is_scaled,
                "{rendering}: {app}"
            );
            assert_eq!(
                app.0["spec"]["replicas"].is_u64(),
                !is_scaled,
                "{rendering}: {app}"
            );
        }
    });
}

#[test]
fn keda_reads_the_stream_and_the_group_of_spin_toml() {
    let spin = Application::read().unwrap();
    for_each_rendering(|_, objects| {
        for scaled in of_kind(objects, "ScaledObject") {
            let metadata = &scaled.0["spec"]["triggers"][0]["metadata"];
            assert_eq!(metadata["stream"].as_str(), spin.default("stream"));
            assert_eq!(
                metadata["consumerGroup"].as_str(),
                spin.default("consumer_group")
            );
        }
    });
}

/// Paths of every kind, with the method and whoever answers them by spin.toml.
fn requests(spin: &Application) -> Vec<(&'static str, String)> {
    spin.routes()
        .flat_map(|(route, _)| {
            let path = route.replace("/...", "/x");
            ["GET", "POST"].map(|method| (method, path.clone()))
        })
        .collect()
}

#[test]
fn from_outside_each_path_reaches_its_component_and_what_is_inside_only_reaches_none() {
    let spin = Application::read().unwrap();
    let everything: Vec<_> = spin.components().collect();
    for_each_rendering(|rendering, objects| {
        for (method, path) in requests(&spin) {
            let service = route(objects, method, &path);
            let app = of_kind(objects, "SpinApp")
                .into_iter()
                .find(|app| app.name() == service);
            let app = app.unwrap_or_else(|| panic!("{rendering}: {path} goes to {service}"));
            let answers = spin.component_of(&retained(app), &path);
            let expected = spin.component_of(&everything, &path);
            match path.as_str() {
                "/sweep" | "/metrics" | "/ready" => {
                    assert_eq!(answers, Some("web"), "{rendering}: {path}")
                }
                _ => assert_eq!(answers, expected, "{rendering}: {method} {path}"),
            }
        }
    });
}

#[test]
fn no_path_is_routed_that_no_component_serves() {
    let spin = Application::read().unwrap();
    let served: Vec<_> = spin.routes().map(|(route, _)| route).collect();
    for_each_rendering(|rendering, objects| {
        for (path, exact) in routed(objects) {
            // The catch-all is for what nobody serves, too: web says so.
            let route = match exact {
                true => path.to_owned(),
                false => format!("{}/...", path.trim_end_matches('/')),
            };
            assert!(served.contains(&route.as_str()), "{rendering}: {path}");
        }
    });
}

/// The paths that gateways route, and whether it is just these or all that begins so.
fn routed(objects: &[Object]) -> Vec<(&str, bool)> {
    let mut found = Vec::new();
    for object in objects {
        match object.kind() {
            "Ingress" => found.extend(
                values_of(&object.0, "paths")
                    .into_iter()
                    .map(|rule| (text(rule, "/path"), rule["pathType"] == "Exact")),
            ),
            "HTTPRoute" => {
                for rule in object.list("/spec/rules") {
                    let matches = values_of(rule, "matches").into_iter();
                    found.extend(
                        matches.map(|rule| {
                            (text(rule, "/path/value"), rule["path"]["type"] == "Exact")
                        }),
                    );
                }
            }
            _ => {}
        }
    }
    found
}

/// The Service that a request from outside goes to: the longest match wins, then the one with a method.
fn route<'a>(objects: &'a [Object], method: &str, path: &str) -> &'a str {
    let mut found = Vec::new();
    for object in objects {
        match object.kind() {
            "Ingress" => {
                for rule in values_of(&object.0, "paths") {
                    let exact = rule["pathType"] == "Exact";
                    if is_match(text(rule, "/path"), path, exact) {
                        let rank = (exact, text(rule, "/path").len(), false);
                        found.push((rank, text(rule, "/backend/service/name")));
                    }
                }
            }
            "HTTPRoute" => {
                for rule in object.list("/spec/rules") {
                    let backend = text(rule, "/backendRefs/0/name");
                    for expected in values_of(rule, "matches") {
                        let exact = expected["path"]["type"] == "Exact";
                        let value = text(expected, "/path/value");
                        let wanted = expected["method"].as_str();
                        if is_match(value, path, exact)
                            && wanted.is_none_or(|wanted| wanted == method)
                        {
                            found.push(((exact, value.len(), wanted.is_some()), backend));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    found
        .into_iter()
        .max()
        .map(|(_, service)| service)
        .unwrap_or_default()
}

fn is_match(rule: &str, path: &str, exact: bool) -> bool {
    let prefix = rule.trim_end_matches('/');
    if exact {
        path == rule
    } else {
        path == prefix || path.starts_with(&format!("{prefix}/"))
    }
}

/// A Redis that fills must refuse votes before its pod is killed; how many it takes until then is stated.
#[test]
fn redis_has_the_memory_that_operations_states() {
    let page = stack::checkout::root().join("docs/operations.md");
    let page = std::fs::read_to_string(page).unwrap();
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    for (overlay, stated_for, maxmemory, limit) in [
        ("local", "k8s/base", "384mb", "512Mi"),
        ("production", "k8s/overlays/production", "1536mb", "2Gi"),
    ] {
        let objects = manifests.overlay(overlay).unwrap();
        let redis = find(&objects, "StatefulSet", "voting-data", "redis").unwrap();
        let container = &redis.0["spec"]["template"]["spec"]["containers"][0];
        // Of two options on the command line the last one holds.
        let arguments = container["args"].as_array().unwrap();
        let option = arguments
            .iter()
            .rposition(|argument| argument == "--maxmemory");
        assert_eq!(arguments[option.unwrap() + 1], maxmemory, "{overlay}");
        for kind in ["requests", "limits"] {
            assert_eq!(container["resources"][kind]["memory"], limit, "{overlay}");
        }
        let row = format!("| `{stated_for}` | `{maxmemory}` | `{limit}` |");
        assert!(page.contains(&row), "docs/operations.md has no row {row}");
    }
}

#[test]
fn what_prometheus_scrapes_is_a_route_of_sweep() {
    let spin = Application::read().unwrap();
    for_each_rendering(|_, objects| {
        for monitor in of_kind(objects, "ServiceMonitor") {
            let path = monitor.text("/spec/endpoints/0/path");
            assert_eq!(spin.component_of(&["sweep", "health"], path), Some("sweep"));
        }
    });
}

#[test]
fn no_password_is_written_outside_of_secrets() {
    for_each_rendering(|rendering, objects| {
        for object in objects.iter().filter(|object| object.kind() != "Secret") {
            assert!(
                !object.0.to_string().contains("test-password"),
                "{rendering}: {object}"
            );
        }
    });
    // And no default one in what is tracked.
    let manifests = Manifests::copy().unwrap();
    let template = manifests.map(|manifests| manifests.read("k8s/secrets/template.env").unwrap());
    for line in template.iter().flat_map(|template| template.lines()) {
        assert!(
            !line.contains("_PASSWORD=") || line.ends_with("=<random>"),
            "{line}"
        );
    }
}

#[test]
fn a_changed_password_renames_what_its_pods_refer_to_and_only_that() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let before = manifests.overlay("local").unwrap();
    let secrets = manifests.read("k8s/secrets/secrets.env").unwrap();
    let reader = secrets
        .lines()
        .find(|line| line.starts_with("POSTGRES_READER_PASSWORD"))
        .unwrap();
    manifests
        .write(
            "k8s/secrets/secrets.env",
            &secrets.replace(reader, "POSTGRES_READER_PASSWORD=another"),
        )
        .unwrap();
    let after = manifests.overlay("local").unwrap();
    let changed: BTreeSet<_> = reconcile(&after)
        .iter()
        .filter(|object| ["Deployment", "StatefulSet", "Job"].contains(&object.kind()))
        .filter(|object| !reconcile(&before).contains(object))
        .map(|object| object.name().split('-').next().unwrap().to_owned())
        .collect();
    assert_eq!(
        changed,
        ["migrations".to_owned(), "results".to_owned()].into()
    );
}

#[test]
fn a_changed_variable_rolls_every_app_that_uses_it() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let before = manifests.overlay("production").unwrap();
    let settings = manifests
        .read("k8s/overlays/production/settings.env")
        .unwrap();
    manifests
        .write(
            "k8s/overlays/production/settings.env",
            &(settings + "log_level=debug\n"),
        )
        .unwrap();
    let after = manifests.overlay("production").unwrap();
    for app in of_kind(&after, "SpinApp") {
        assert!(!before.contains(app), "{app} does not notice");
    }
}

#[test]
fn the_job_has_another_name_whenever_it_is_another_job() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let name = |manifests: &Manifests| {
        let objects = manifests.overlay("local").unwrap();
        of_kind(&objects, "Job")[0].name().to_owned()
    };
    let mut names = BTreeSet::from([name(&manifests)]);
    assert!(
        names.contains(&name(&manifests)),
        "the name changes by itself"
    );
    let mut edit = |file: &str, from: &str, to: &str| {
        let text = manifests.read(file).unwrap();
        assert!(text.contains(from), "{file} has no {from}");
        manifests.write(file, &text.replace(from, to)).unwrap();
        assert!(
            names.insert(name(&manifests)),
            "{file}: the Job cannot be applied again"
        );
    };
    edit("migrations/migrate.sh", "set -eu", "set -eu #");
    edit(
        "migrations/0001_polls_votes_events.sql",
        "create table",
        "create  table",
    );
    edit(
        "k8s/base/data/migrations.yaml",
        "backoffLimit: 10",
        "backoffLimit: 11",
    );
    edit("k8s/base/kustomization.yaml", "17-bookworm", "18-bookworm");
    for line in manifests.read("k8s/secrets/template.env").unwrap().lines() {
        if let Some((key, _)) = line
            .split_once('=')
            .filter(|(key, _)| key.starts_with("POSTGRES_"))
        {
            edit(
                "k8s/secrets/secrets.env",
                &format!("{key}="),
                &format!("{key}=x"),
            );
        }
    }
}

#[test]
fn every_migration_is_in_the_job() {
    let root = stack::checkout::root().join("migrations");
    let listed = std::fs::read_to_string(root.join("kustomization.yaml")).unwrap();
    for entry in std::fs::read_dir(root).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        let belongs = name.ends_with(".sql") || name == "migrate.sh";
        assert!(
            !belongs || listed.contains(&format!("- {name}\n")),
            "migrations/kustomization.yaml lacks {name}"
        );
    }
}
