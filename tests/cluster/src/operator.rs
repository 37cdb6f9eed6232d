//! What the spin-operator makes of a SpinApp: a Deployment and a Service.
//! Source: `internal/controller/deployment.go` and `service.go` of spinframework/spin-operator.

use serde_json::{Value, json};

use crate::object::Object;

/// Of the container, and of the Service's target.
pub const PORT: &str = "http-app";
const NAME: &str = "core.spinkube.dev/app-name";

/// The objects that exist once the operator has done its work: the given ones, and what it makes of them.
pub fn reconcile(objects: &[Object]) -> Vec<Object> {
    let mut all = objects.to_vec();
    for app in objects.iter().filter(|object| object.kind() == "SpinApp") {
        let executor = objects.iter().find(|object| {
            object.kind() == "SpinAppExecutor"
                && object.namespace() == app.namespace()
                && object.name() == app.text("/spec/executor")
        });
        if let Some(executor) = executor {
            all.push(deployment(app, executor));
            all.push(service(app));
        }
    }
    all
}

fn deployment(app: &Object, executor: &Object) -> Object {
    let name = app.name();
    let status = format!("core.spinkube.dev/app.{name}.status");
    let config = &executor.0["spec"]["deploymentConfig"];
    let env: Vec<Value> = app
        .list("/spec/variables")
        .iter()
        .map(|variable| {
            let name = variable["name"].as_str().unwrap_or_default().to_uppercase();
            let mut env = json!({ "name": format!("SPIN_VARIABLE_{name}") });
            for field in ["value", "valueFrom"] {
                if let Some(value) = variable.get(field) {
                    env[field] = value.clone();
                }
            }
            env
        })
        .collect();
    let probe = |kind: &str| {
        let mut probe = app.0["spec"]["checks"][kind].clone();
        probe["httpGet"]["port"] = json!(80);
        probe
    };
    let mut container = json!({
        "name": name,
        "image": app.text("/spec/image"),
        "command": ["/"],
        "ports": [{ "name": PORT, "containerPort": 80 }],
        "env": env,
        "resources": app.0["spec"]["resources"],
        "livenessProbe": probe("liveness"),
        "readinessProbe": probe("readiness"),
        "volumeMounts": with(app.list("/spec/volumeMounts"), json!({
            "name": "spin-ca", "readOnly": true, "subPath": "ca-certificates.crt",
            "mountPath": "/etc/ssl/certs/ca-certificates.crt",
        })),
    });
    let mut pod = json!({
        "serviceAccountName": app.text("/spec/serviceAccountName"),
        "volumes": with(app.list("/spec/volumes"), json!({ "name": "spin-ca", "secret": {
            "secretName": "spin-ca", "optional": true,
            "items": [{ "key": "ca-certificates.crt", "path": "ca-certificates.crt" }],
        }})),
    });
    if let Some(class) = config.get("runtimeClassName") {
        pod["runtimeClassName"] = class.clone();
    } else {
        container["command"] = Value::Null;
        container["image"] = config["spinImage"].clone();
        container["args"] = json!([
            "up",
            "--listen",
            "0.0.0.0:80",
            "-f",
            app.text("/spec/image")
        ]);
    }
    pod["containers"] = json!([container]);
    let labels = json!({ NAME: name, &status: "ready" });
    let mut template_labels = app.0["spec"].get("podLabels").cloned().unwrap_or(json!({}));
    template_labels[NAME] = json!(name);
    template_labels[&status] = json!("ready");
    Object(json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": app.namespace(), "labels": { NAME: name } },
        "spec": {
            "replicas": app.0["spec"]["replicas"],
            "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": template_labels }, "spec": pod },
        },
    }))
}

/// The app's own, and the operator's.
fn with(own: &[Value], more: Value) -> Vec<Value> {
    own.iter().cloned().chain([more]).collect()
}

fn service(app: &Object) -> Object {
    let name = app.name();
    let status = format!("core.spinkube.dev/app.{name}.status");
    Object(json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": { "name": name, "namespace": app.namespace(), "labels": { NAME: name } },
        "spec": {
            "type": "ClusterIP",
            "ports": [{ "protocol": "TCP", "port": 80, "targetPort": PORT }],
            "selector": { status: "ready" },
        },
    }))
}

/// The pods of all that makes pods, as Pod objects, one of each.
pub fn pods(objects: &[Object]) -> Vec<Object> {
    objects
        .iter()
        .filter_map(|object| match object.kind() {
            "Deployment" | "StatefulSet" | "Job" => {
                let mut pod = object.0["spec"]["template"].clone();
                pod["apiVersion"] = json!("v1");
                pod["kind"] = json!("Pod");
                pod["metadata"]["name"] = json!(format!("{}-0", object.name()));
                pod["metadata"]["namespace"] = json!(object.namespace());
                if object.kind() == "StatefulSet" {
                    // The volumes that its claims become.
                    let claims: Vec<_> = object.list("/spec/volumeClaimTemplates").to_vec();
                    for claim in claims {
                        let volume = json!({ "name": claim["metadata"]["name"], "persistentVolumeClaim": { "claimName": claim["metadata"]["name"] } });
                        if let Some(volumes) = pod["spec"]["volumes"].as_array_mut() {
                            volumes.push(volume);
                        }
                    }
                }
                Some(Object(pod))
            }
            // CloudNativePG's own, as far as policies see them.
            "Cluster" => Some(Object(json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {
                    "name": format!("{}-1", object.name()), "namespace": object.namespace(),
                    "labels": {
                        "cnpg.io/cluster": object.name(),
                        "app.kubernetes.io/name": object.text("/spec/inheritedMetadata/labels/app.kubernetes.io~1name"),
                    },
                },
            }))),
            _ => None,
        })
        .collect()
}
