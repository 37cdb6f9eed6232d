//! Each alert fires when it should and stays silent when it should, as promtool computes it.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, too

use std::{fs, process::Command};

use cluster_tests::{
    object::{Object, list},
    output,
    render::Manifests,
    tools,
};
use stack::checkout;

/// The rules of the rendered PrometheusRule, as a file that Prometheus itself takes.
fn rules() -> Option<(std::path::PathBuf, Object)> {
    let Some(promtool) = tools::on_path("promtool") else {
        return tools::skipped("promtool is not installed").unwrap();
    };
    let manifests = Manifests::copy().unwrap()?;
    let objects = manifests.overlay("production").unwrap();
    let rule = objects
        .into_iter()
        .find(|object| object.kind() == "PrometheusRule");
    Some((promtool, rule.unwrap()))
}

#[test]
fn prometheus_takes_the_rules_and_each_alert_fires_when_it_should() {
    let Some((promtool, rule)) = rules() else {
        return;
    };
    let directory = std::env::temp_dir().join(format!("spinvote-alerts-{}", std::process::id()));
    fs::create_dir_all(&directory).unwrap();
    let tests = checkout::root().join("tests/cluster/alerts.yaml");
    fs::write(directory.join("rules.yaml"), rule.0["spec"].to_string()).unwrap();
    fs::copy(&tests, directory.join("alerts.yaml")).unwrap();
    let run = |arguments: &[&str]| {
        output(
            Command::new(&promtool)
                .args(arguments)
                .current_dir(&directory),
        )
    };
    let checked = run(&["check", "rules", "rules.yaml"]);
    let tested = run(&["test", "rules", "alerts.yaml"]);
    fs::remove_dir_all(&directory).unwrap();
    checked.unwrap();
    tested.unwrap();
}

#[test]
fn every_alert_is_tested_explained_and_linked_to_its_explanation() {
    let Some((_, rule)) = rules() else { return };
    let tests = fs::read_to_string(checkout::root().join("tests/cluster/alerts.yaml")).unwrap();
    let page = fs::read_to_string(checkout::root().join("docs/operations.md")).unwrap();
    let groups = rule.list("/spec/groups").iter();
    for alert in groups.flat_map(|group| list(group, "/rules")) {
        let name = alert["alert"].as_str().unwrap();
        assert!(
            tests.contains(&format!("alertname: {name}\n")),
            "{name} has no test"
        );
        assert!(
            page.contains(&format!("### {name}\n")),
            "docs/operations.md does not explain {name}"
        );
        let url = alert["annotations"]["runbook_url"].as_str().unwrap();
        assert!(
            url.ends_with(&format!("docs/operations.md#{}", name.to_lowercase())),
            "{url}"
        );
    }
}

/// A dashboard that asks for a metric that nobody has shows nothing, and nobody notices.
#[test]
fn the_dashboard_asks_for_metrics_that_exist() {
    const METRICS: [&str; 18] = [
        "spinvote_stream_length",
        "spinvote_stream_lag",
        "spinvote_stream_lag_exact",
        "spinvote_stream_added_total",
        "spinvote_stream_clock_lead_seconds",
        "spinvote_stream_trimmed_early_total",
        "spinvote_redis_used_memory_bytes",
        "spinvote_redis_maxmemory_bytes",
        "spinvote_pending_entries",
        "spinvote_oldest_pending_seconds",
        "spinvote_oldest_pending_deliveries",
        "spinvote_consumers",
        "spinvote_doorbell_listeners",
        "spinvote_dead_letters",
        "spinvote_votes_counted_total",
        "spinvote_last_recorded_timestamp_seconds",
        "spinvote_migrations_version",
        "spinvote_upstream_up",
    ];
    let Some((_, rule)) = rules() else { return };
    let file = checkout::root().join("k8s/components/observability/spinvote.json");
    let dashboard: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let expressions = |value: &serde_json::Value| {
        cluster_tests::object::values_of(value, "expr")
            .into_iter()
            .map(|expression| expression.as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let shown = expressions(&dashboard).join("\n");
    for metric in METRICS {
        assert!(
            shown.contains(metric),
            "the dashboard does not show {metric}"
        );
    }
    // One chooses the polls whose votes are shown.
    assert_eq!(dashboard["templating"]["list"][1]["name"], "poll");
    for expression in expressions(&dashboard) {
        let of_votes = expression.contains("spinvote_votes_counted_total");
        assert_eq!(
            of_votes,
            expression.contains("{poll=~\"$poll\"}"),
            "{expression}"
        );
    }
    for expression in expressions(&dashboard).iter().chain(&expressions(&rule.0)) {
        let mut words =
            expression.split(|letter: char| !(letter.is_alphanumeric() || letter == '_'));
        assert!(
            words.all(|word| !word.starts_with("spinvote_") || METRICS.contains(&word)),
            "{expression}"
        );
    }
}
