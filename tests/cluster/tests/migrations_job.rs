//! The script, as the Job runs it, on a real PostgreSQL.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests, too

use std::{
    collections::BTreeMap,
    fs,
    process::{Command, Stdio},
};

use cluster_tests::{object::Object, output, render::Manifests};
use stack::{Postgres, Role, Secrets, ports, postgres::Durability};

/// The rendered Job's command, with its Secret as files and its environment as that Secret's siblings say.
struct Job {
    directory: std::path::PathBuf,
    environment: BTreeMap<String, String>,
}

impl Job {
    fn render(manifests: &Manifests) -> Self {
        let objects = manifests.overlay("local").unwrap();
        let find = |kind: &str, name: &str| {
            objects
                .iter()
                .find(|object| {
                    object.kind() == kind
                        && object.namespace() == "voting-data"
                        && object.name().starts_with(name)
                })
                .unwrap()
        };
        let job = find("Job", "migrations");
        assert_eq!(
            job.0
                .pointer("/spec/template/spec/containers/0/command")
                .unwrap(),
            &serde_json::json!(["sh", "/migrations/migrate.sh"])
        );
        let directory = manifests.directory().join("mounted");
        fs::create_dir_all(&directory).unwrap();
        for (name, content) in find("Secret", job.name()).0["data"].as_object().unwrap() {
            fs::write(directory.join(name), decode(content.as_str().unwrap())).unwrap();
        }
        let environment = job
            .list("/spec/template/spec/containers/0/env")
            .iter()
            .map(|variable| {
                (
                    variable["name"].as_str().unwrap().to_owned(),
                    value(variable, &find),
                )
            })
            .collect();
        Self {
            directory,
            environment,
        }
    }

    fn command(&self, postgres: &Postgres) -> Command {
        let mut command = postgres.client("sh", Role::Operator);
        command.arg(self.directory.join("migrate.sh"));
        for (name, value) in &self.environment {
            // The address and the owner are those of the PostgreSQL that we have.
            if !["PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGSSLMODE"].contains(&name.as_str()) {
                command.env(name, value);
            }
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }
}

fn value<'a>(variable: &serde_json::Value, find: &impl Fn(&str, &str) -> &'a Object) -> String {
    let reference = &variable["valueFrom"]["secretKeyRef"];
    match (
        variable["value"].as_str(),
        reference["name"].as_str(),
        reference["key"].as_str(),
    ) {
        (Some(value), ..) => value.to_owned(),
        (None, Some(name), Some(key)) => {
            let data = find("Secret", name).0["data"][key]
                .as_str()
                .unwrap()
                .to_owned();
            String::from_utf8(decode(&data)).unwrap()
        }
        _ => panic!("{variable}"),
    }
}

/// Base64, by coreutils: a Secret's data.
fn decode(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new("base64")
        .args(["-d", "-i"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let text = text.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(text.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[tokio::test]
async fn two_of_the_job_at_once_do_what_one_does_and_a_third_finds_nothing_to_do() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let job = Job::render(&manifests);
    let directory = manifests.directory().join("postgres");
    fs::create_dir_all(&directory).unwrap();
    let secrets = Secrets::random().unwrap();
    let mut postgres = Postgres::new(
        &directory,
        ports::free().unwrap(),
        Durability::ThrownAway,
        &secrets,
    )
    .unwrap();
    postgres.start().await.unwrap();

    let both: Vec<_> = (0..2)
        .map(|_| job.command(&postgres).spawn().unwrap())
        .collect();
    let mut applied = Vec::new();
    for child in both {
        let said = child.wait_with_output().unwrap();
        assert!(
            said.status.success(),
            "{}",
            String::from_utf8_lossy(&said.stderr)
        );
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(said.contains("schema version"));
        applied.extend(
            said.lines()
                .filter(|line| line.starts_with("applied"))
                .map(str::to_owned),
        );
    }
    let mut once = applied.clone();
    once.sort();
    once.dedup();
    assert_eq!(applied.len(), once.len(), "{applied:?}");
    assert!(!applied.is_empty());

    let said = output(&mut job.command(&postgres)).unwrap();
    assert!(!said.contains("applied"), "{said}");

    // The passwords of its Secrets are those of the roles.
    for (role, password) in [
        (Role::Reader, "SPINVOTE_READER_PASSWORD"),
        (Role::Consumer, "SPINVOTE_CONSUMER_PASSWORD"),
        (Role::Organizer, "SPINVOTE_ORGANIZER_PASSWORD"),
    ] {
        let mut login = postgres.client("psql", role);
        login.env("PGPASSWORD", &job.environment[password]);
        let said = output(login.args(["-X", "-A", "-t", "-c", "select count(*) from polls"]));
        assert_eq!(said.unwrap().trim(), "1", "{password}");
    }
}

/// CloudNativePG gives the owner no more than this.
#[tokio::test]
async fn an_owner_who_may_create_roles_is_enough() {
    let Some(manifests) = Manifests::copy().unwrap() else {
        return;
    };
    let objects = {
        let overlay = manifests.combine(&["cloudnative-pg"]).unwrap();
        manifests.overlay(&overlay).unwrap()
    };
    let cluster = objects
        .iter()
        .find(|object| object.kind() == "Cluster")
        .unwrap();
    let initdb = &cluster.0["spec"]["bootstrap"]["initdb"];
    let owner = initdb["owner"].as_str().unwrap();
    let database = initdb["database"].as_str().unwrap();
    let template = manifests.read("k8s/secrets/template.env").unwrap();
    assert!(template.contains(&format!("POSTGRES_OWNER={owner}\n")));
    assert!(template.contains(&format!("POSTGRES_DATABASE={database}\n")));

    let job = Job::render(&manifests);
    let directory = manifests.directory().join("postgres");
    fs::create_dir_all(&directory).unwrap();
    let secrets = Secrets::random().unwrap();
    let mut postgres = Postgres::new(
        &directory,
        ports::free().unwrap(),
        Durability::ThrownAway,
        &secrets,
    )
    .unwrap();
    postgres.start().await.unwrap();
    let psql = |statement: &str| {
        let mut psql = postgres.client("psql", Role::Operator);
        output(psql.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", statement])).unwrap()
    };
    psql(&format!("create role {owner} login password 'owner'"));
    psql(&format!("alter database {database} owner to {owner}"));
    for statement in initdb["postInitSQL"].as_array().unwrap() {
        psql(statement.as_str().unwrap());
    }
    let mut command = job.command(&postgres);
    command.env("PGUSER", owner).env("PGPASSWORD", "owner");
    let said = output(&mut command).unwrap();
    assert!(said.contains("schema version"), "{said}");
}
