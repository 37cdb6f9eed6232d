//! The programs of a cluster: those of KUBEBUILDER_ASSETS, as setup-envtest installs them, else built
//! from the Go modules that tools/go.mod pins. And the custom resources that the manifests use.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use stack::checkout;

use crate::output;

/// The oldest Go that builds tools/go.mod: (1, 26).
const OLDEST_GO: (u32, u32) = (1, 26);

/// Set to `required` where a missing tool is a failure: in CI.
const REQUIRED: &str = "SPINVOTE_CLUSTER_TESTS";

/// Where these programs are.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Tools {
    pub apiserver: PathBuf,
    pub etcd: PathBuf,
    pub kubectl: PathBuf,
}

/// One build at a time, however many tests ask.
static BUILDING: Mutex<()> = Mutex::new(());

impl Tools {
    /// All of them; without, and without means to build them, `None`, said loudly.
    pub fn find() -> Result<Option<Self>> {
        let _building = BUILDING.lock();
        let assets = std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from);
        if let Some(directory) = assets {
            let program = |name: &str| {
                let file = directory.join(name);
                file.is_file().then_some(file)
            };
            if let (Some(apiserver), Some(etcd)) = (program("kube-apiserver"), program("etcd")) {
                let kubectl = program("kubectl")
                    .or_else(|| on_path("kubectl"))
                    .context("KUBEBUILDER_ASSETS has no kubectl, and neither has PATH")?;
                return Ok(Some(Self {
                    apiserver,
                    etcd,
                    kubectl,
                }));
            }
        }
        let Some(go) = go() else {
            return skipped(
                "neither KUBEBUILDER_ASSETS nor Go 1.26 or later gives a kube-apiserver",
            );
        };
        let kubectl = match on_path("kubectl") {
            Some(kubectl) => kubectl,
            None => build(&go, "kubectl", "k8s.io/kubernetes/cmd/kubectl")?,
        };
        Ok(Some(Self {
            apiserver: build(
                &go,
                "kube-apiserver",
                "k8s.io/kubernetes/cmd/kube-apiserver",
            )?,
            etcd: build(&go, "etcd", "./etcd")?,
            kubectl,
        }))
    }

    /// kubectl alone, which is all that rendering needs.
    pub fn kubectl() -> Result<Option<PathBuf>> {
        match on_path("kubectl") {
            Some(kubectl) => Ok(Some(kubectl)),
            None => Ok(Self::find()?.map(|tools| tools.kubectl)),
        }
    }
}

/// Says that a test does not run, and why.
pub fn skipped<T>(reason: &str) -> Result<Option<T>> {
    if std::env::var_os(REQUIRED).is_some_and(|value| value == "required") {
        bail!("{reason}, and {REQUIRED}=required");
    }
    eprintln!("SKIPPED, since {reason}");
    Ok(None)
}

/// A program on PATH.
pub fn on_path(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

fn sources() -> PathBuf {
    checkout::root().join("tests/cluster/tools")
}

/// A Go that is new enough, also where its own installer puts it and PATH does not know it.
fn go() -> Option<PathBuf> {
    on_path("go")
        .into_iter()
        .chain([PathBuf::from("/usr/local/go/bin/go")])
        .find(|go| {
            // "go version go1.26.8 linux/amd64"
            let said = output(Command::new(go).args(["env", "GOVERSION"])).unwrap_or_default();
            let mut numbers = said.trim().trim_start_matches("go").split('.');
            let mut number = || numbers.next()?.parse::<u32>().ok();
            number().zip(number()) >= Some(OLDEST_GO)
        })
}

/// Go's own cache makes this quick from the second time on; a program newer than its sources not even asks it.
fn build(go: &Path, name: &str, package: &str) -> Result<PathBuf> {
    let directory = checkout::target().join("cluster-tools");
    std::fs::create_dir_all(&directory)?;
    let program = directory.join(name);
    let modified = |file: &Path| {
        std::fs::metadata(file)
            .and_then(|data| data.modified())
            .ok()
    };
    if modified(&program) > modified(&sources().join("go.sum")) {
        return Ok(program);
    }
    eprintln!("Building {name}, which takes minutes the first time");
    // The API server refuses to run without a version.
    let version = output(
        Command::new(go)
            .args(["list", "-m", "-f", "{{.Version}}", "k8s.io/kubernetes"])
            .current_dir(sources()),
    )?;
    let flags = format!(
        "-s -w -X k8s.io/component-base/version.gitVersion={}",
        version.trim()
    );
    let unfinished = directory.join(format!("{name}.new"));
    output(
        Command::new(go)
            .args(["build", "-trimpath", "-ldflags", &flags, "-o"])
            .arg(&unfinished)
            .arg(package)
            .current_dir(sources()),
    )?;
    std::fs::rename(&unfinished, &program)?;
    Ok(program)
}

/// The files of the CustomResourceDefinitions: those of Go modules, and those in SPINVOTE_CRDS, which no
/// module carries. For the latter a minimal one stands in, which accepts anything.
pub fn custom_resources() -> Result<Vec<PathBuf>> {
    let go = go().context("Go 1.26 or later is needed for the custom resources")?;
    let mut files = Vec::new();
    for (module, directory) in [
        ("sigs.k8s.io/gateway-api", "config/crd/standard"),
        ("github.com/kedacore/keda/v2", "config/crd/bases"),
        (
            "github.com/prometheus-operator/prometheus-operator",
            "example/prometheus-operator-crd",
        ),
    ] {
        files.extend(yaml_files(&module_directory(&go, module)?.join(directory))?);
    }
    // Too many to wait for, and unused: all of Prometheus' operator but two.
    files.retain(|file| {
        let name = file.to_string_lossy();
        !name.contains("monitoring.coreos.com_")
            || name.ends_with("_servicemonitors.yaml")
            || name.ends_with("_prometheusrules.yaml")
    });
    match std::env::var_os("SPINVOTE_CRDS").map(PathBuf::from) {
        Some(directory) => {
            for entry in std::fs::read_dir(&directory)
                .with_context(|| format!("SPINVOTE_CRDS={}", directory.display()))?
            {
                let path = entry?.path();
                if path.is_dir() {
                    files.extend(yaml_files(&path)?);
                }
            }
        }
        None => {
            eprintln!(
                "SPINVOTE_CRDS is not set: SpinKube's and CloudNativePG's objects are not validated"
            );
            files.push(checkout::root().join("tests/cluster/stand-ins.yaml"));
        }
    }
    Ok(files)
}

fn module_directory(go: &Path, module: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Module {
        #[serde(rename = "Dir")]
        directory: PathBuf,
    }
    let said = output(
        Command::new(go)
            .args(["mod", "download", "-json", module])
            .current_dir(sources().join("crds")),
    )?;
    let module: Module =
        serde_json::from_str(&said).with_context(|| format!("{module}: {said}"))?;
    Ok(module.directory)
}

fn yaml_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(directory)
        .with_context(|| format!("could not read {}", directory.display()))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml");
        if is_yaml && !path.ends_with("kustomization.yaml") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
