//! An API server of our own, with its etcd: it validates, admits and stores, and nothing ever runs.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use stack::{
    checkout, ports,
    process::{Farewell, Process},
};

use crate::{
    output,
    tools::{self, Tools},
};

/// How long it may take to start, on a machine that has other things to do.
const PATIENCE: Duration = Duration::from_secs(90);

/// A running API server, which ends with this.
pub struct Server {
    tools: Tools,
    directory: PathBuf,
    // Dropped in this order.
    _apiserver: Process,
    _etcd: Process,
    _lock: File,
}

impl Server {
    /// A new one, with the custom resources that the manifests use; `None`, said loudly, without the tools.
    pub fn start() -> Result<Option<Self>> {
        let Some(tools) = Tools::find()? else {
            return Ok(None);
        };
        let client = ports::free()?;
        // One of each checkout at a time; what an earlier one left goes.
        let place = checkout::target().join("cluster-server");
        fs::create_dir_all(&place)?;
        let lock = File::create(place.join("lock"))?;
        lock.lock()?;
        let directory = place.join("state");
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory)?;

        let etcd = Process::spawn(
            Command::new(&tools.etcd)
                .arg("--data-dir")
                .arg(directory.join("etcd"))
                .args([
                    "--listen-client-urls",
                    &format!("http://127.0.0.1:{client}"),
                ])
                .args([
                    "--advertise-client-urls",
                    &format!("http://127.0.0.1:{client}"),
                ])
                .args([
                    "--listen-peer-urls",
                    &format!("http://127.0.0.1:{}", ports::free()?),
                ])
                .args(["--unsafe-no-fsync", "--log-level", "error"])
                .stdout(Stdio::null())
                .stderr(File::create(directory.join("etcd.log"))?),
            Farewell::Terminate,
        )?;

        // Who signs service accounts' tokens matters to nobody here, but there must be a key.
        let key = directory.join("service-accounts.key");
        output(
            Command::new("openssl")
                .args(["genrsa", "-out"])
                .arg(&key)
                .arg("2048"),
        )?;
        fs::write(
            directory.join("tokens.csv"),
            "test,admin,admin,system:masters\n",
        )?;
        let port = ports::free()?;
        let mut apiserver = Process::spawn(
            Command::new(&tools.apiserver)
                .args(["--etcd-servers", &format!("http://127.0.0.1:{client}")])
                .args([
                    "--bind-address",
                    "127.0.0.1",
                    "--secure-port",
                    &port.to_string(),
                ])
                .arg("--cert-dir")
                .arg(directory.join("certificates"))
                .arg("--service-account-key-file")
                .arg(&key)
                .arg("--service-account-signing-key-file")
                .arg(&key)
                .args(["--service-account-issuer", "https://kubernetes.default.svc"])
                .arg("--token-auth-file")
                .arg(directory.join("tokens.csv"))
                .args([
                    "--authorization-mode",
                    "RBAC",
                    "--service-cluster-ip-range",
                    "10.96.0.0/16",
                ])
                .stdout(Stdio::null())
                .stderr(File::create(directory.join("apiserver.log"))?),
            Farewell::Terminate,
        )?;
        fs::write(
            directory.join("kubeconfig"),
            format!(
                r#"{{"apiVersion": "v1", "kind": "Config", "current-context": "test",
                "contexts": [{{"name": "test", "context": {{"cluster": "test", "user": "admin"}}}}],
                "users": [{{"name": "admin", "user": {{"token": "test"}}}}],
                "clusters": [{{"name": "test", "cluster": {{"server": "https://127.0.0.1:{port}", "insecure-skip-tls-verify": true}}}}]}}"#
            ),
        )?;

        let deadline = Instant::now() + PATIENCE;
        while kubectl(&tools.kubectl, &directory)
            .args(["get", "--raw", "/readyz"])
            .output()
            .is_ok_and(|said| !said.status.success())
        {
            let log = || fs::read_to_string(directory.join("apiserver.log")).unwrap_or_default();
            ensure!(
                apiserver.exited()?.is_none(),
                "the API server ended:\n{}",
                log()
            );
            ensure!(
                Instant::now() < deadline,
                "the API server does not get ready:\n{}",
                log()
            );
            sleep(Duration::from_millis(100));
        }
        let server = Self {
            tools,
            directory,
            _apiserver: apiserver,
            _etcd: etcd,
            _lock: lock,
        };
        let mut create = server.kubectl(&["create"]);
        for file in tools::custom_resources()? {
            create.arg("-f").arg(file);
        }
        output(&mut create).context("the custom resources")?;
        output(&mut server.kubectl(&[
            "wait",
            "--for=condition=Established",
            "--timeout=60s",
            "crd",
            "--all",
        ]))?;
        Ok(Some(server))
    }

    /// kubectl, as an administrator.
    pub fn kubectl(&self, arguments: &[&str]) -> Command {
        let mut command = kubectl(&self.tools.kubectl, &self.directory);
        command.args(arguments);
        command
    }

    /// A line as a person types it, in a shell whose kubectl is an administrator here.
    pub fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-ec", line])
            .env("KUBECONFIG", self.directory.join("kubeconfig"));
        command
    }

    /// kubectl, with something to read; returns what it said.
    pub fn feed(&self, arguments: &[&str], input: &str) -> Result<String> {
        let mut child = self
            .kubectl(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        child
            .stdin
            .take()
            .context("no stdin")?
            .write_all(input.as_bytes())?;
        let said = child.wait_with_output()?;
        ensure!(
            said.status.success(),
            "kubectl {}: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&said.stderr)
        );
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }
}

fn kubectl(program: &Path, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("KUBECONFIG", directory.join("kubeconfig"));
    command
}
