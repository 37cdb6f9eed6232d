//! Redis and PostgreSQL over TLS, with certificates of an authority of one's own: SSL_CERT_FILE of the runtime says
//! which authorities are trusted, as everywhere that OpenSSL is.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use spinvote_tests::{Client, World};
use stack::{App, ports};

/// A certificate and its key.
struct Identity {
    certificate: PathBuf,
    key: PathBuf,
}

impl Identity {
    /// An authority that nobody knows.
    fn authority(directory: &Path) -> Self {
        Self::make(
            directory,
            "authority",
            &["-addext", "basicConstraints=critical,CA:TRUE"],
        )
    }

    /// A server's, which says that it is `name`, such as `IP:127.0.0.1`.
    fn of_server(&self, directory: &Path, name: &str) -> Self {
        let [authority, key] = [&self.certificate, &self.key].map(|path| path.to_str().unwrap());
        let name = format!("subjectAltName={name}");
        let signed_by = ["-CA", authority, "-CAkey", key, "-addext", &name];
        let usage = ["-addext", "basicConstraints=CA:FALSE"];
        Self::make(directory, "server", &[&signed_by[..], &usage].concat())
    }

    fn make(directory: &Path, name: &str, arguments: &[&str]) -> Self {
        let identity = Self {
            certificate: directory.join(format!("{name}.crt")),
            key: directory.join(format!("{name}.key")),
        };
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
            ])
            .args(["-days", "2", "-subj", &format!("/CN={name}"), "-out"])
            .arg(&identity.certificate)
            .arg("-keyout")
            .arg(&identity.key)
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        identity
    }
}

/// The stores of a Spinvote that speak TLS, whose certificates say that they are `name`, and nothing else that runs.
struct Stores {
    world: World,
    authority: Identity,
    redis_port: u16,
}

impl Stores {
    async fn named(name: &str) -> Self {
        let mut world = World::start().await;
        world.stack.app.kill();
        let directory = world.stack.postgres.make_directory("tls").unwrap();
        let authority = Identity::authority(&directory);
        let server = authority.of_server(&directory, name);
        // PostgreSQL reads a key only if it is its own, and nobody else's.
        let owner = fs::metadata(&directory).unwrap();
        chown(&server.key, Some(owner.uid()), Some(owner.gid())).unwrap();
        fs::set_permissions(&server.key, Permissions::from_mode(0o600)).unwrap();
        let [certificate, key] = [&server.certificate, &server.key].map(|path| path.display());

        let redis_port = ports::free().unwrap();
        let authorities = authority.certificate.display();
        let _: String = world
            .command(&format!(
                "CONFIG SET tls-cert-file {certificate} tls-key-file {key} tls-ca-cert-file {authorities} \
                 tls-auth-clients no tls-port {redis_port}"
            ))
            .await;
        let sql = world.sql().await;
        for statement in [
            &format!("alter system set ssl_cert_file = '{certificate}'"),
            &format!("alter system set ssl_key_file = '{key}'"),
            "alter system set ssl = on",
            "select pg_reload_conf()",
        ] {
            sql.batch_execute(statement).await.unwrap();
        }
        spinvote_tests::eventually("PostgreSQL speaks TLS", async || {
            let sql = world.sql().await;
            let on = sql
                .query_one("select current_setting('ssl') = 'on'", &[])
                .await;
            on.unwrap().get(0)
        })
        .await;
        Self {
            world,
            authority,
            redis_port,
        }
    }

    /// An app of these components, all if they are none, that speaks TLS and trusts `authorities`.
    async fn app(&self, components: &[&str], authorities: Option<&Path>) -> (App, Client) {
        let mut app = self
            .world
            .stack
            .another_app(|settings| {
                let set = [
                    ("redis_scheme", "rediss".to_owned()),
                    ("redis_port", self.redis_port.to_string()),
                    ("postgres_sslmode", "require".to_owned()),
                ];
                let set = set.map(|(name, value)| (name.to_owned(), value));
                settings.variables.extend(set);
                settings.components = components.iter().map(|&id| id.to_owned()).collect();
                let file = authorities.map(|path| path.display().to_string());
                settings.environment =
                    BTreeMap::from_iter(file.map(|file| ("SSL_CERT_FILE".to_owned(), file)));
            })
            .unwrap();
        app.start().await.unwrap();
        let client = Client::of(&format!("http://{}", app.address().unwrap()));
        (app, client)
    }
}

#[tokio::test]
async fn over_tls_votes_are_taken_counted_and_shown() {
    let stores = Stores::named("IP:127.0.0.1").await;
    let world = &stores.world;
    let authorities = stores.authority.certificate.as_path();
    let (_app, client) = stores.app(&[], Some(authorities)).await;
    spinvote_tests::eventually("the doorbell is heard", async || {
        let redis = &world.stack.redis;
        redis.subscribers("votes:doorbell").await.unwrap() > 0
    })
    .await;

    // Nothing sweeps: whoever counts it was woken over TLS.
    let vote = client.vote("cats").await;
    client.receipt(&vote).await;
    assert_eq!(client.tallies().await, (1, 0));
    assert_eq!(client.get("/ready").await.status, 200);

    let connections: String = world.command("CLIENT LIST").await;
    let of_components: Vec<_> = connections
        .lines()
        .filter(|line| line.contains(" user=spinvote-"))
        .collect();
    assert!(of_components.len() >= 2, "{connections}");
    let port = format!("laddr=127.0.0.1:{} ", stores.redis_port);
    assert!(
        of_components.iter().all(|line| line.contains(&port)),
        "{connections}"
    );
    let encrypted = "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) where usename like 'spinvote_%'";
    assert!(world.number(&format!("{encrypted} and ssl")).await >= 2);
    assert_eq!(world.number(&format!("{encrypted} and not ssl")).await, 0);
}

/// What an app does that may not believe that the stores are who they say.
async fn is_refused(stores: &Stores, authorities: Option<&Path>) {
    let components = ["vote", "eligibility", "results", "health"];
    let (app, client) = stores.app(&components, authorities).await;
    let vote = client.vote("cats").await;
    vote.problem(503);
    assert!(!vote.header("retry-after").is_empty());
    client.get("/api/results").await.problem(503);
    assert_eq!(client.get("/ready").await.status, 503);
    let entries: i64 = stores.world.command("XLEN votes").await;
    assert_eq!(entries, 0);
    let log = app.output();
    for upstream in ["redis", "postgres"] {
        let said = log.lines().any(|line| {
            line.contains("upstream_failed")
                && line.contains(&format!(r#""upstream":"{upstream}""#))
                && line.to_lowercase().contains("certificate")
        });
        assert!(said, "{upstream}: {log}");
    }
}

#[tokio::test]
async fn a_store_that_an_unknown_authority_vouches_for_is_told_nothing() {
    let stores = Stores::named("IP:127.0.0.1").await;
    is_refused(&stores, None).await;
}

#[tokio::test]
async fn a_store_with_a_certificate_for_another_name_is_told_nothing() {
    let stores = Stores::named("DNS:elsewhere.example").await;
    let authorities = stores.authority.certificate.as_path();
    is_refused(&stores, Some(authorities)).await;
}
