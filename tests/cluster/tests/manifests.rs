//! What the rendered objects promise about each other and about spin.toml.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, too

use std::collections::{BTreeMap, BTreeSet};

use cluster_tests::{
    network::selects,
    object::{Object, list, text, values_of},
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
        ("vote", vec!["vote", "bulk", "eligibility", "health"]),
        ("results", vec!["results", "health"]),
        ("polls", vec!["polls", "health"]),
        ("tally", vec!["tally", "health"]),
        ("sweep", vec!["sweep", "health"]),
    ]
    .into();
    let spin = Application::read().unwrap();
    for_each_rendering(|rendering, objects| {
        let apps: BTreeMap<_, _> = of_kind(objects, "SpinApp")
            .into_iter()
            .map(|app| (app.name_in_first_cell(), retained(app)))
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
        (
            "vote",
            &["organizer_tokens", "redis_api_password", "voter_key"],
        ),
        ("results", &["postgres_reader_password"]),
        (
            "polls",
            &[
                "organizer_tokens",
                "postgres_organizer_password",
                "redis_organizer_password",
                "voter_key",
            ],
        ),
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
            let expected = expected[app.name_in_first_cell()];
            assert_eq!(passwords, expected, "{rendering}: {app}");
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
        let path = |name| &readiness("voting-api", name)["httpGet"]["path"];
        assert_eq!(path("results"), "/ready?needs=database");
        // Its pages are there as long as Redis or PostgreSQL is.
        assert_eq!(path("polls"), "/health");
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

/// Whatever a gateway or the Ingress controller makes of the rules, requests end where spin.toml says; and what
/// is inside only ends nowhere.
#[test]
fn from_outside_each_path_reaches_its_component_and_what_is_inside_only_reaches_none() {
    let spin = Application::read().unwrap();
    let everything: Vec<_> = spin.components().collect();
    for_each_rendering(|rendering, objects| {
        let rules = rules(objects);
        if rules.is_empty() {
            return;
        }
        let examples = spin
            .routes()
            .map(|(route, _)| route.replace("/...", "/x").replace(':', ""))
            .chain(rules.iter().map(Rule::example));
        for path in examples.flat_map(|example| around(&example)) {
            let expected = match path.as_str() {
                "/sweep" | "/metrics" | "/ready" => Some("web"),
                path => spin.component_of(&everything, path),
            };
            for proxy in [Proxy::Envoy, Proxy::Traefik] {
                let service = route(&rules, proxy, &path);
                let app = of_kind(objects, "SpinApp")
                    .into_iter()
                    .find(|app| app.name() == service);
                let app = app.unwrap_or_else(|| panic!("{rendering}: {path} goes to {service:?}"));
                let answers = spin.component_of(&retained(app), &path);
                assert_eq!(answers, expected, "{rendering}, {proxy:?}: {path}");
            }
        }
    });
}

/// A path, and others that are almost it.
fn around(path: &str) -> Vec<String> {
    let path = path.trim_end_matches('/');
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let mut paths = vec![format!("{path}/y"), format!("/y{path}")];
    if !path.is_empty() {
        paths.extend([path.to_owned(), format!("{path}y")]);
    }
    paths.push(if parent.is_empty() { "/" } else { parent }.to_owned());
    paths
}

/// What decides where a request goes, of those that docs/kubernetes.md names.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Proxy {
    /// Exact before patterns before prefixes, and then the longest: Envoy Gateway, Contour, Cilium, kgateway.
    Envoy,
    /// The longest rule, whatever it is. Source: traefik/traefik, `pkg/provider/kubernetes`, `loadRouter` of
    /// `ingress` and `buildPathRule` of `gateway`.
    Traefik,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Matcher {
    Prefix,
    Pattern,
    Exact,
}

/// A path that is routed.
struct Rule<'a> {
    matcher: Matcher,
    path: &'a str,
    service: &'a str,
    is_ingress: bool,
    /// Traefik's annotation of an Ingress.
    priority: Option<usize>,
}

/// All that gateways route.
fn rules(objects: &[Object]) -> Vec<Rule<'_>> {
    const TRAEFIK: &str = "traefik.ingress.kubernetes.io/router";
    let mut rules = Vec::new();
    for object in objects {
        let annotation =
            |name: &str| object.0["metadata"]["annotations"][format!("{TRAEFIK}.{name}")].as_str();
        match object.kind() {
            "Ingress" => {
                for rule in values_of(&object.0, "paths") {
                    let matcher = match text(rule, "/pathType") {
                        "Exact" => Matcher::Exact,
                        "Prefix" => Matcher::Prefix,
                        _ => {
                            assert_eq!(annotation("pathmatcher"), Some("PathRegexp"));
                            Matcher::Pattern
                        }
                    };
                    rules.push(Rule {
                        matcher,
                        path: text(rule, "/path"),
                        service: text(rule, "/backend/service/name"),
                        is_ingress: true,
                        priority: annotation("priority").map(|text| text.parse().unwrap()),
                    });
                }
            }
            "HTTPRoute" => {
                for rule in object.list("/spec/rules") {
                    for expected in list(rule, "/matches") {
                        let fields = expected.as_object().unwrap();
                        assert!(fields.keys().eq(["path"]), "{object}: unknown {expected}");
                        let matcher = match text(expected, "/path/type") {
                            "Exact" => Matcher::Exact,
                            "PathPrefix" => Matcher::Prefix,
                            _ => Matcher::Pattern,
                        };
                        rules.push(Rule {
                            matcher,
                            path: text(expected, "/path/value"),
                            service: text(rule, "/backendRefs/0/name"),
                            is_ingress: false,
                            priority: None,
                        });
                    }
                }
            }
            _ => {}
        }
    }
    rules
}

impl Rule<'_> {
    fn matches(&self, proxy: Proxy, path: &str) -> bool {
        let prefix = self.path.trim_end_matches('/');
        match self.matcher {
            Matcher::Exact => path == self.path,
            Matcher::Prefix if self.is_ingress && proxy == Proxy::Traefik => {
                path.starts_with(self.path)
            }
            Matcher::Prefix => path == prefix || path.starts_with(&format!("{prefix}/")),
            Matcher::Pattern => {
                let segments = self.segments();
                segments.split('/').count() == path.split('/').count()
                    && segments
                        .split('/')
                        .zip(path.split('/'))
                        .all(|(expected, given)| {
                            expected == given || expected == "*" && !given.is_empty()
                        })
            }
        }
    }

    /// A pattern with `*` for each segment that may be any. Every dialect of regular expressions has what it is
    /// made of.
    fn segments(&self) -> String {
        let beginning = if self.is_ingress { "/?^" } else { "^" };
        let pattern = self.path.strip_prefix(beginning);
        let pattern = pattern.and_then(|pattern| pattern.strip_suffix('$'));
        let pattern = pattern.unwrap_or_else(|| panic!("{} has no ends", self.path));
        let segments = pattern.replace("[^/]+", "*");
        let is_plain = |letter: char| letter.is_ascii_lowercase() || "/-*".contains(letter);
        assert!(segments.chars().all(is_plain), "{}", self.path);
        segments
    }

    /// A path that it is for.
    fn example(&self) -> String {
        match self.matcher {
            Matcher::Exact => self.path.to_owned(),
            Matcher::Prefix => format!("{}/x", self.path.trim_end_matches('/')),
            Matcher::Pattern => self.segments().replace('*', "x"),
        }
    }

    /// The greatest wins.
    fn rank(&self, proxy: Proxy) -> (usize, usize) {
        let length = self.path.len();
        match (proxy, self.is_ingress) {
            (Proxy::Envoy, _) => (self.matcher as usize, length),
            (Proxy::Traefik, true) => {
                let rule = match self.matcher {
                    Matcher::Exact => "Path(``)",
                    Matcher::Prefix => "PathPrefix(``)",
                    Matcher::Pattern => "PathRegexp(``)",
                };
                (self.priority.unwrap_or(rule.len() + length), 0)
            }
            (Proxy::Traefik, false) => match (self.matcher, self.path) {
                (Matcher::Exact, _) => (2, 0),
                (Matcher::Prefix, "/") => (0, 0),
                _ => (1, length),
            },
        }
    }
}

/// The Service that a request from outside goes to.
fn route<'a>(rules: &[Rule<'a>], proxy: Proxy, path: &str) -> &'a str {
    let matching = || rules.iter().filter(|rule| rule.matches(proxy, path));
    // Which of two would win is each implementation's own.
    let patterns = matching().filter(|rule| rule.matcher == Matcher::Pattern);
    assert!(patterns.count() <= 1, "two patterns for {path}");
    let winner = matching().max_by_key(|rule| rule.rank(proxy));
    winner.map_or("", |rule| rule.service)
}

#[test]
fn no_path_is_routed_that_no_component_serves() {
    let spin = Application::read().unwrap();
    for_each_rendering(|rendering, objects| {
        for rule in rules(objects) {
            let app = of_kind(objects, "SpinApp")
                .into_iter()
                .find(|app| app.name() == rule.service)
                .unwrap();
            let answers = spin.component_of(&retained(app), &rule.example());
            assert!(answers.is_some(), "{rendering}: {}", rule.path);
        }
    });
}

/// A cell that shared the Redis, or the name, of another would count as one of its pods, and count votes under its ids.
#[test]
fn each_cell_has_a_name_a_redis_and_a_share_of_the_votes() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let objects = manifests.overlay("cells").unwrap();
    let variable = |app: &Object, name: &str| {
        let variables = app.list("/spec/variables").iter();
        let mut named = variables.filter(|variable| variable["name"] == name);
        named.next().cloned().unwrap_or_default()
    };
    let mut hosts = BTreeSet::new();
    for cell in ["", "two", "three"] {
        let named = |name: &str| match cell {
            "" => name.to_owned(),
            cell => format!("{name}-{cell}"),
        };
        for (namespace, part) in [
            ("voting-api", "vote"),
            ("voting-consumer", "tally"),
            ("voting-consumer", "sweep"),
        ] {
            let app = find(&objects, "SpinApp", namespace, &named(part)).unwrap();
            let expected = if part == "vote" { "" } else { cell };
            assert_eq!(text(&variable(app, "cell"), "/value"), expected, "{app}");
            let host = variable(app, "redis_host");
            let secret = text(&host, "/valueFrom/secretKeyRef/name");
            let secret = find(&objects, "Secret", namespace, secret).unwrap();
            let host = match secret.text("/stringData/host") {
                "" => "redis.voting-data.svc.cluster.local",
                host => host,
            };
            let service = format!("{}.voting-data.svc.cluster.local", named("redis"));
            assert_eq!(host, service, "{app}");
            hosts.insert(host.to_owned());
        }
    }
    assert_eq!(hosts.len(), 3);
    let route = find(&objects, "HTTPRoute", "voting-api", "api").unwrap();
    let backends: Vec<_> = list(&route.0, "/spec/rules/0/backendRefs")
        .iter()
        .map(|backend| text(backend, "/name"))
        .collect();
    assert_eq!(backends, ["vote", "vote-two", "vote-three"]);
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
    let before = reconcile(&manifests.overlay("local").unwrap());
    let secrets = manifests.read("k8s/secrets/secrets.env").unwrap();
    for (password, users) in [
        (
            "POSTGRES_READER_PASSWORD",
            // The address of PostgreSQL, which polls needs, too, stands in the same Secret.
            &["migrations", "polls", "results"] as &[_],
        ),
        ("POSTGRES_ORGANIZER_PASSWORD", &["migrations", "polls"]),
        ("REDIS_ORGANIZER_PASSWORD", &["polls", "redis"]),
        ("ORGANIZER_TOKENS", &["polls", "vote"]),
        ("VOTER_KEY", &["polls", "vote"]),
    ] {
        let line = secrets.lines().find(|line| line.starts_with(password));
        let changed = secrets.replace(line.unwrap(), &format!("{password}=another"));
        manifests
            .write("k8s/secrets/secrets.env", &changed)
            .unwrap();
        let changed: BTreeSet<_> = reconcile(&manifests.overlay("local").unwrap())
            .iter()
            .filter(|object| ["Deployment", "StatefulSet", "Job"].contains(&object.kind()))
            .filter(|object| !before.contains(object))
            .map(|object| object.name().split('-').next().unwrap().to_owned())
            .collect();
        let expected: BTreeSet<_> = users.iter().map(|&user| user.to_owned()).collect();
        assert_eq!(changed, expected, "{password}");
    }
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
