//! The NetworkPolicies allow the connections that are needed, and no others, in either direction.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, too

use std::collections::BTreeSet;

use cluster_tests::{
    network::{Peer, allowed},
    object::Object,
    operator::{pods, reconcile},
    render::Manifests,
};

/// All ports that anybody serves, and one that nobody does.
const PORTS: [(&str, u64); 9] = [
    ("TCP", 53),
    ("UDP", 53),
    ("TCP", 80),
    ("TCP", 443),
    ("TCP", 4318),
    ("TCP", 5432),
    ("TCP", 6379),
    ("TCP", 8000),
    ("TCP", 9999),
];

/// What else is around, besides our pods.
fn strangers() -> Vec<Peer> {
    vec![
        Peer::pod("dns", "kube-system", &[("k8s-app", "kube-dns")]),
        Peer::pod(
            "traefik",
            "kube-system",
            &[("app.kubernetes.io/name", "traefik")],
        ),
        Peer::pod(
            "gateway",
            "envoy-gateway-system",
            &[("app.kubernetes.io/name", "envoy")],
        ),
        Peer::pod("keda", "keda", &[("app", "keda-operator")]),
        Peer::pod("keda-other", "keda", &[("app", "keda-metrics-apiserver")]),
        Peer::pod(
            "prometheus",
            "monitoring",
            &[("app.kubernetes.io/name", "prometheus")],
        ),
        Peer::pod(
            "grafana",
            "monitoring",
            &[("app.kubernetes.io/name", "grafana")],
        ),
        Peer::pod(
            "otel",
            "observability",
            &[("app.kubernetes.io/name", "opentelemetry-collector")],
        ),
        Peer::pod(
            "cnpg",
            "cnpg-system",
            &[("app.kubernetes.io/name", "cloudnative-pg")],
        ),
        // Labels of ours, in a namespace that is not.
        Peer::pod(
            "impostor",
            "default",
            &[
                ("core.spinkube.dev/app-name", "vote"),
                ("app.kubernetes.io/name", "migrations"),
            ],
        ),
        Peer::outside("world"),
    ]
}

/// Every "from → to protocol/port" that the policies of this rendering allow, strangers among themselves left out.
fn matrix(objects: &[Object]) -> BTreeSet<String> {
    let objects = reconcile(objects);
    let policies: Vec<_> = objects
        .iter()
        .filter(|object| object.kind() == "NetworkPolicy")
        .collect();
    let ours: Vec<_> = pods(&objects).iter().map(Peer::of).collect();
    let is_ours = |peer: &Peer| ours.iter().any(|own| own.name == peer.name);
    let everybody: Vec<_> = ours.iter().cloned().chain(strangers()).collect();
    let mut matrix = BTreeSet::new();
    for from in &everybody {
        for to in &everybody {
            if from.name == to.name || !(is_ours(from) || is_ours(to)) {
                continue;
            }
            for (protocol, port) in PORTS {
                if allowed(&policies, from, to, protocol, port) {
                    matrix.insert(format!("{} → {} {protocol}/{port}", from.name, to.name));
                }
            }
        }
    }
    matrix
}

/// What is allowed in the base, whatever is mixed in.
fn base() -> BTreeSet<String> {
    let mut expected = outgoing(
        &[
            "web",
            "vote",
            "results",
            "polls",
            "tally",
            "sweep",
            "redis",
            "postgres",
            "migrations",
        ],
        "dns TCP/53",
    );
    expected.extend(outgoing(
        &[
            "web",
            "vote",
            "results",
            "polls",
            "tally",
            "sweep",
            "redis",
            "postgres",
            "migrations",
        ],
        "dns UDP/53",
    ));
    expected.extend(outgoing(
        &["vote", "polls", "tally", "sweep"],
        "redis TCP/6379",
    ));
    expected.extend(outgoing(
        &["results", "polls", "tally", "sweep", "migrations"],
        "postgres TCP/5432",
    ));
    expected
}

fn outgoing(from: &[&str], to: &str) -> BTreeSet<String> {
    from.iter().map(|from| format!("{from} → {to}")).collect()
}

fn incoming(from: &str, to: &[&str]) -> BTreeSet<String> {
    to.iter()
        .map(|to| format!("{from} → {to} TCP/80"))
        .collect()
}

fn rendered(components: &[&str]) -> Option<BTreeSet<String>> {
    let manifests = Manifests::copy().unwrap()?;
    let overlay = manifests.combine(components).unwrap();
    Some(matrix(&manifests.overlay(&overlay).unwrap()))
}

/// What is allowed in the overlay `production`.
fn production() -> BTreeSet<String> {
    let mut expected = base();
    expected.extend(incoming("gateway", &["web", "vote", "results", "polls"]));
    expected.insert("keda → redis TCP/6379".to_owned());
    expected.insert("prometheus → sweep TCP/80".to_owned());
    expected.extend(outgoing(
        &["web", "vote", "results", "polls", "tally", "sweep"],
        "otel TCP/4318",
    ));
    expected
}

#[test]
fn in_production_those_talk_who_must_and_nobody_else() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    assert_eq!(
        matrix(&manifests.overlay("production").unwrap()),
        production()
    );
}

#[test]
fn a_cell_reaches_its_own_redis_and_the_one_postgresql() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let mut expected = production();
    for cell in ["two", "three"] {
        let [vote, tally, sweep, redis] =
            ["vote", "tally", "sweep", "redis"].map(|part| format!("{part}-{cell}"));
        for dns in ["dns TCP/53", "dns UDP/53"] {
            expected.extend(outgoing(&[&vote, &tally, &sweep, &redis], dns));
        }
        expected.extend(outgoing(
            &[&vote, &tally, &sweep],
            &format!("{redis} TCP/6379"),
        ));
        expected.extend(outgoing(&[&tally, &sweep], "postgres TCP/5432"));
        expected.extend(outgoing(&[&vote, &tally, &sweep], "otel TCP/4318"));
        expected.extend(incoming("gateway", &[&vote]));
        expected.extend(incoming("prometheus", &[&sweep]));
        expected.insert(format!("keda → {redis} TCP/6379"));
    }
    assert_eq!(matrix(&manifests.overlay("cells").unwrap()), expected);
}

#[test]
fn locally_the_ingress_controller_is_the_only_way_in() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let mut expected = base();
    expected.extend(incoming("traefik", &["web", "vote", "results", "polls"]));
    assert_eq!(matrix(&manifests.overlay("local").unwrap()), expected);
}

#[test]
fn without_a_way_in_nobody_gets_in() {
    if let Some(matrix) = rendered(&[]) {
        assert_eq!(matrix, base());
    }
}

#[test]
fn spintainer_lets_the_apps_fetch_the_artifact() {
    if let Some(matrix) = rendered(&["spintainer"]) {
        let mut expected = base();
        expected.extend(outgoing(
            &["web", "vote", "results", "polls", "tally", "sweep"],
            "world TCP/443",
        ));
        assert_eq!(matrix, expected);
    }
}

#[test]
fn cloudnative_pg_talks_to_its_operator_and_to_the_api_server() {
    if let Some(matrix) = rendered(&["cloudnative-pg"]) {
        let mut expected = base();
        expected.insert("cnpg → postgres TCP/5432".to_owned());
        expected.insert("cnpg → postgres TCP/8000".to_owned());
        // The API server has no label: by port, to whoever serves it.
        let mut unexpected: BTreeSet<_> = matrix.difference(&expected).cloned().collect();
        unexpected.retain(|line| !(line.starts_with("postgres → ") && line.ends_with(" TCP/443")));
        assert_eq!(unexpected, BTreeSet::new());
        assert!(expected.is_subset(&matrix));
    }
}

#[test]
fn with_external_data_the_same_apps_go_out_and_nobody_else() {
    if let Some(matrix) = rendered(&["external-data"]) {
        let apps = [
            "web",
            "vote",
            "results",
            "polls",
            "tally",
            "sweep",
            "migrations",
        ];
        let mut expected = outgoing(&apps, "dns TCP/53");
        expected.extend(outgoing(&apps, "dns UDP/53"));
        expected.extend(outgoing(
            &["vote", "polls", "tally", "sweep"],
            "world TCP/6379",
        ));
        expected.extend(outgoing(
            &["results", "polls", "tally", "sweep", "migrations"],
            "world TCP/5432",
        ));
        assert_eq!(matrix, expected);
    }
}
