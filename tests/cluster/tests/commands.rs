//! The commands of docs/kubernetes.md, in their order and word for word, as far as they need no more than an
//! API server.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, too

use std::{env, fs, os::unix::fs::PermissionsExt};

use cluster_tests::{
    object::Object, operator::reconcile, output, render::Manifests, server::Server,
};
use serde_json::{Value, json};
use stack::checkout;

/// What begins so is not run here, and why.
const ELSEWHERE: [(&str, &str); 7] = [
    ("k3d ", "makes a cluster of containers"),
    ("helm ", "installs the operator, from the internet"),
    ("kubectl apply -f https://", "from the internet"),
    (
        "spin build",
        "the Spin CLI: `spin build` runs the same as `cargo xtask build`",
    ),
    ("spin registry push", "the Spin CLI and a registry"),
    (
        "curl ",
        "asks pods; the tests `http` ask the same of a Spinvote that runs",
    ),
    (
        "kubectl exec",
        "runs in a pod; the end-to-end tests run what it runs there",
    ),
];

/// The lines of the blocks that are for a shell.
fn commands(page: &str) -> Vec<String> {
    page.split("```sh\n")
        .skip(1)
        .flat_map(|block| block.split("```").next().unwrap().lines())
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// Does what in a cluster the operator and the controllers do once an overlay is applied: the operator's
/// objects are there, its pods are ready, and the Job is done.
fn settle(server: &Server, manifests: &Manifests, overlay: &str) {
    let objects = manifests.overlay(overlay).unwrap();
    for object in reconcile(&objects).iter().skip(objects.len()) {
        let yaml = object.0.to_string();
        server.feed(&["apply", "-f", "-"], &yaml).unwrap();
        if object.kind() == "Deployment" {
            let condition = json!({ "type": "Available", "status": "True" });
            set_status(server, object, json!({ "conditions": [condition] }));
        }
    }
    for job in objects.iter().filter(|object| object.kind() == "Job") {
        let now = "2026-01-01T00:00:00Z";
        let condition =
            |kind: &str| json!({ "type": kind, "status": "True", "lastTransitionTime": now });
        let done = json!({
            "startTime": now,
            "completionTime": now,
            "succeeded": 1,
            "conditions": [condition("SuccessCriteriaMet"), condition("Complete")],
        });
        set_status(server, job, done);
    }
}

fn set_status(server: &Server, object: &Object, status: Value) {
    let patch = json!({ "status": status }).to_string();
    output(&mut server.kubectl(&[
        "patch",
        object.kind(),
        object.name(),
        "-n",
        object.namespace(),
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ]))
    .unwrap();
}

#[test]
fn every_command_of_the_page_works_that_can_run_here() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let Some(server) = Server::start().unwrap() else {
        return;
    };
    // The page begins without passwords.
    fs::remove_file(manifests.directory().join("k8s/secrets/secrets.env")).unwrap();
    // `cargo xtask` without building anything: what was built for these tests.
    let programs = manifests.directory().join("bin");
    let xtask = checkout::target().join("debug/xtask");
    let cargo = format!(
        "#!/bin/sh\n[ \"$1\" = xtask ] || exit 1\nshift\nexec {} \"$@\"\n",
        xtask.display()
    );
    manifests.write("bin/cargo", &cargo).unwrap();
    fs::set_permissions(programs.join("cargo"), fs::Permissions::from_mode(0o755)).unwrap();
    let kubectl = server.kubectl(&[]).get_program().to_owned();
    std::os::unix::fs::symlink(kubectl, programs.join("kubectl")).unwrap();
    let path = env::join_paths(
        [programs]
            .into_iter()
            .chain(env::split_paths(&env::var_os("PATH").unwrap())),
    )
    .unwrap();

    let page = fs::read_to_string(checkout::root().join("docs/kubernetes.md")).unwrap();
    let mut ran = Vec::new();
    for command in commands(&page) {
        if ELSEWHERE
            .iter()
            .any(|(prefix, _)| command.starts_with(prefix))
        {
            continue;
        }
        let mut shell = server.shell(&command);
        shell.current_dir(manifests.directory()).env("PATH", &path);
        output(&mut shell).unwrap_or_else(|error| panic!("{command}\n{error:#}"));
        if let Some(overlay) = command.strip_prefix("kubectl apply -k k8s/overlays/") {
            settle(&server, &manifests, overlay);
        }
        ran.push(command);
    }
    assert!(ran.len() >= 7, "{ran:#?}");
    for (prefix, reason) in ELSEWHERE {
        assert!(
            commands(&page)
                .iter()
                .any(|command| command.starts_with(prefix)),
            "no command is left that is not run since {reason}"
        );
    }
}
