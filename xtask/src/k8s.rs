//! `cargo xtask k8s …`: what the manifests in k8s/ need from outside.

use std::{collections::BTreeMap, fs, io::ErrorKind};

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use stack::{
    checkout,
    secrets::{password, write_private},
};

/// Lists all that goes into the file, with this for what must be random.
const TEMPLATE: &str = "k8s/secrets/template.env";
const RANDOM: &str = "<random>";
/// Likewise, where several may be good at once, separated by commas.
const RANDOM_LIST: &str = "<random list>";
/// What kustomize reads, and git does not.
const FILE: &str = "k8s/secrets/secrets.env";

#[derive(Subcommand)]
pub enum Command {
    /// Write k8s/secrets/secrets.env with random passwords, from which kustomize makes all Secrets
    ///
    /// What the file has already stays as it is. If you keep secrets elsewhere (External Secrets, Vault, …)
    /// leave k8s/secrets out of the overlay instead: docs/kubernetes.md says which Secrets to bring.
    Secrets {
        /// Give this password a new value; may be repeated. Where several are good at once, the one before it
        /// stays good until the next time
        #[arg(long, value_name = "NAME")]
        rotate: Vec<String>,
    },
}

pub fn k8s(command: Command) -> Result<()> {
    let Command::Secrets { rotate } = command;
    let root = checkout::root();
    let template = fs::read_to_string(root.join(TEMPLATE)).context(TEMPLATE)?;
    let existing = match fs::read_to_string(root.join(FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read.context(FILE)?,
    };
    let text = fill(&template, &existing, &rotate)?;
    write_private(&root.join(FILE), &text).with_context(|| format!("could not write {FILE}"))?;
    if existing.is_empty() {
        println!(
            "Wrote {FILE}, which git ignores: keep a copy where you keep secrets.\n\
             To bring your own instead, see \"Secrets of your own\" in docs/kubernetes.md."
        );
    } else if rotate.is_empty() {
        println!("{FILE} is complete; what it had stays as it was.");
    } else {
        println!(
            "{FILE} has new values for {}. `kubectl apply -k` your overlay: the pods that use them roll.",
            rotate.join(", ")
        );
    }
    Ok(())
}

/// The template with its values, where a file that is there has them, and random ones. What else the
/// file has, an operator's own assignments and comments, follows as it stands.
fn fill(template: &str, existing: &str, rotate: &[String]) -> Result<String> {
    let own = existing;
    let mut existing: BTreeMap<_, _> = assignments(own)
        .map(|(name, value)| (name, value.to_owned()))
        .collect();
    for name in rotate {
        let kind = assignments(template).find(|(known, _)| known == name);
        let former = existing.remove(name.as_str());
        match kind {
            Some((_, RANDOM)) => {}
            Some((name, RANDOM_LIST)) => {
                let former = former.unwrap_or_default();
                let first = former.split(',').next().unwrap_or_default();
                let list = match first {
                    "" => password()?,
                    first => format!("{},{first}", password()?),
                };
                existing.insert(name, list);
            }
            _ => bail!("{name} is not a password of {TEMPLATE}"),
        }
    }
    let mut text = String::new();
    for line in template.lines() {
        match assignments(line).next() {
            Some((name, value)) => {
                let value = match existing.get(name) {
                    Some(value) => value.clone(),
                    None if [RANDOM, RANDOM_LIST].contains(&value) => password()?,
                    None => value.to_owned(),
                };
                text.push_str(&format!("{name}={value}\n"));
            }
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    let known = |line: &&str| match assignments(line).next() {
        Some((name, _)) => assignments(template).any(|(known, _)| known == name),
        None => line.trim().is_empty() || template.lines().any(|known| known == *line),
    };
    for line in own.lines().filter(|line| !known(line)) {
        text.push_str(line);
        text.push('\n');
    }
    Ok(text)
}

/// The lines NAME=VALUE, as kustomize reads them.
fn assignments(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .filter_map(|line| line.split_once('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "# What = why\nHOST=redis\nFIRST=<random>\nSECOND=<random>\n";

    fn values(text: &str) -> BTreeMap<&str, &str> {
        assignments(text).collect()
    }

    #[test]
    fn every_password_is_random() {
        let text = fill(LIST, "", &[]).unwrap();
        let values = values(&text);
        assert_eq!(values["HOST"], "redis");
        assert_eq!(values["FIRST"].len(), 40);
        assert_ne!(values["FIRST"], values["SECOND"]);
    }

    #[test]
    fn what_is_there_stays_and_what_is_missing_is_added() {
        let text = fill(LIST, "HOST=elsewhere\nFIRST=mine=a\n", &[]).unwrap();
        let values = values(&text);
        assert_eq!((values["HOST"], values["FIRST"]), ("elsewhere", "mine=a"));
        assert_eq!(values["SECOND"].len(), 40);
    }

    #[test]
    fn what_the_template_does_not_know_is_kept() {
        let own = "# Ours, for the backup\nBACKUP_KEY=b\n";
        let once = fill(LIST, &format!("FIRST=mine\n{own}"), &[]).unwrap();
        assert!(once.ends_with(own), "{once}");
        assert_eq!(fill(LIST, &once, &[]).unwrap(), once);
    }

    #[test]
    fn only_what_is_rotated_changes() {
        let before = fill(LIST, "", &[]).unwrap();
        let after = fill(LIST, &before, &["FIRST".to_owned()]).unwrap();
        assert_ne!(values(&before)["FIRST"], values(&after)["FIRST"]);
        assert_eq!(values(&before)["SECOND"], values(&after)["SECOND"]);
    }

    #[test]
    fn of_several_that_are_good_at_once_the_last_stays_good() {
        let list = "KEYS=<random list>\n";
        let rotate = |before: &str| fill(list, before, &["KEYS".to_owned()]).unwrap();
        let first = fill(list, "", &[]).unwrap();
        let second = rotate(&first);
        let third = rotate(&second);
        let keys = |text: &str| -> Vec<String> {
            let keys = values(text)["KEYS"].split(',');
            keys.map(str::to_owned).collect()
        };
        assert_eq!(keys(&first).len(), 1);
        assert_eq!(keys(&second)[1], keys(&first)[0]);
        assert_eq!(keys(&third)[1..], keys(&second)[..1]);
        // Emptied on purpose, and wanted again.
        assert_eq!(keys(&rotate("KEYS=\n"))[0].len(), 40);
    }

    #[test]
    fn only_a_password_can_be_rotated() {
        assert!(fill(LIST, "", &["HOST".to_owned()]).is_err());
    }
}
