//! Which pods may talk to which, computed from NetworkPolicies by the rules of the Kubernetes API: a pod that no
//! policy selects is open, one that some policy selects is open for what any of these allows, and a
//! connection needs both ends. Source: kubernetes.io/docs/concepts/services-networking/network-policies

use std::collections::BTreeMap;

use serde_json::Value;

use crate::object::{Object, list};

/// One end of a connection: a pod of ours, or somebody outside, with the labels of its namespace.
#[derive(Debug, Clone)]
pub struct Peer {
    /// What the tests call it.
    pub name: String,
    namespace: String,
    namespace_labels: BTreeMap<String, String>,
    labels: BTreeMap<String, String>,
    /// What is not in the cluster has an address only.
    outside: bool,
}

impl Peer {
    /// A pod in a namespace that has no labels but the one that every namespace has.
    pub fn pod(name: &str, namespace: &str, labels: &[(&str, &str)]) -> Self {
        Self {
            name: name.to_owned(),
            namespace: namespace.to_owned(),
            namespace_labels: [(
                "kubernetes.io/metadata.name".to_owned(),
                namespace.to_owned(),
            )]
            .into(),
            labels: labels
                .iter()
                .map(|&(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
            outside: false,
        }
    }

    /// An address that is no pod's.
    pub fn outside(name: &str) -> Self {
        Self {
            outside: true,
            ..Self::pod(name, "", &[])
        }
    }

    /// One of the rendered pods.
    pub fn of(pod: &Object) -> Self {
        let labels = pod.0["metadata"]["labels"].as_object();
        let labels: Vec<_> = labels
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value.as_str().unwrap_or_default()))
            .collect();
        // Without what makes it this version of it, and this one of several; with its cell.
        let mut parts = pod.name().split('-');
        let name = parts.next().unwrap_or_default();
        match parts.next() {
            Some(cell @ ("two" | "three")) => {
                Self::pod(&format!("{name}-{cell}"), pod.namespace(), &labels)
            }
            _ => Self::pod(name, pod.namespace(), &labels),
        }
    }
}

/// Whether a connection to this port is allowed, by the policies at both ends.
pub fn allowed(policies: &[&Object], from: &Peer, to: &Peer, protocol: &str, port: u64) -> bool {
    passes(policies, from, to, "Egress", protocol, port)
        && passes(policies, to, from, "Ingress", protocol, port)
}

/// Whether the policies that select `subject` let it talk to, or hear from, `other`.
fn passes(
    policies: &[&Object],
    subject: &Peer,
    other: &Peer,
    direction: &str,
    protocol: &str,
    port: u64,
) -> bool {
    if subject.outside {
        return true;
    }
    let (rules, peers) = match direction {
        "Egress" => ("/spec/egress", "to"),
        _ => ("/spec/ingress", "from"),
    };
    let mut selecting = policies
        .iter()
        .filter(|policy| {
            policy.namespace() == subject.namespace
                && selects(&policy.0["spec"]["podSelector"], &subject.labels)
                && policy
                    .list("/spec/policyTypes")
                    .iter()
                    .any(|kind| kind == direction)
        })
        .peekable();
    selecting.peek().is_none()
        || selecting.any(|policy| {
            policy.list(rules).iter().any(|rule| {
                let peers = list(rule, &format!("/{peers}"));
                let ports = list(rule, "/ports");
                (peers.is_empty() || peers.iter().any(|peer| is(peer, other, policy.namespace())))
                    && (ports.is_empty()
                        || ports.iter().any(|allowed| {
                            allowed["protocol"] == protocol && allowed["port"] == port
                        }))
            })
        })
}

/// Whether the peer of a rule is this one. An address range is taken to hold everything outside, and no pod.
fn is(peer: &Value, other: &Peer, own_namespace: &str) -> bool {
    if peer.get("ipBlock").is_some() {
        return other.outside;
    }
    if other.outside {
        return false;
    }
    let namespace = match peer.get("namespaceSelector") {
        Some(selector) => selects(selector, &other.namespace_labels),
        None => other.namespace == own_namespace,
    };
    namespace
        && peer
            .get("podSelector")
            .is_none_or(|selector| selects(selector, &other.labels))
}

/// Whether a label selector selects these labels; an empty one does.
pub fn selects(selector: &Value, labels: &BTreeMap<String, String>) -> bool {
    let equal = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str());
    equal
        && list(selector, "/matchExpressions")
            .iter()
            .all(|expression| {
                let key = expression["key"].as_str().unwrap_or_default();
                let value = labels.get(key);
                let is_listed = || {
                    list(expression, "/values")
                        .iter()
                        .any(|listed| listed.as_str() == value.map(String::as_str))
                };
                match expression["operator"].as_str() {
                    Some("Exists") => value.is_some(),
                    Some("DoesNotExist") => value.is_none(),
                    Some("In") => value.is_some() && is_listed(),
                    Some("NotIn") => !is_listed(),
                    _ => false,
                }
            })
}
