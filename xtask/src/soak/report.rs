//! What a run has shown, as bench/results has it.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use stack::{Runtime, checkout};

use super::{ledger::Kind, samples::Sample};
use crate::bench::machine::{self, Machine};

#[derive(Serialize, Deserialize)]
pub struct Report {
    /// Whether votes were counted only later.
    pub backlog: bool,
    pub machine: Machine,
    /// In UTC.
    pub date: String,
    /// Of this repository.
    pub commit: String,
    pub runtime: String,
    /// How long the load lasted.
    pub minutes: f64,
    pub checks: Vec<Check>,
    /// Figures in words, each with its name.
    pub figures: Vec<(String, String)>,
    /// Of each part and metric.
    pub uses: Vec<Use>,
    pub requests: BTreeMap<String, Kind>,
    /// From when on it is measured whether something grows, in seconds.
    pub warm_after: f64,
    pub samples: Vec<Sample>,
}

/// Something that must hold.
#[derive(Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    pub holds: bool,
    /// What was seen.
    pub seen: String,
}

/// What a part used of something.
#[derive(Serialize, Deserialize)]
pub struct Use {
    pub part: String,
    pub metric: String,
    pub unit: String,
    /// The first looks after the warm-up, in the middle of them.
    pub first: f64,
    /// The last.
    pub last: f64,
    pub most: f64,
    /// Over all of the time after the warm-up.
    pub growth: f64,
}

impl Check {
    pub fn new(name: impl Into<String>, holds: bool, seen: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            holds,
            seen: seen.into(),
        }
    }
}

impl Report {
    /// One that is empty but for where and when.
    pub fn new(backlog: bool, minutes: f64, runtime: Runtime) -> Result<Self> {
        Ok(Self {
            backlog,
            machine: Machine::this()?,
            date: machine::date()?,
            commit: machine::commit()?,
            runtime: runtime.to_string(),
            minutes,
            checks: Vec::new(),
            figures: Vec::new(),
            uses: Vec::new(),
            requests: BTreeMap::new(),
            warm_after: 0.0,
            samples: Vec::new(),
        })
    }

    pub fn check(&mut self, name: impl Into<String>, holds: bool, seen: impl Into<String>) {
        self.checks.push(Check::new(name, holds, seen));
    }

    pub fn figure(&mut self, name: &str, value: impl ToString) {
        self.figures.push((name.to_owned(), value.to_string()));
    }

    /// Whether all holds.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.holds)
    }

    /// Of its file, its plot and its part of the page.
    pub fn name(&self) -> &'static str {
        name(self.backlog)
    }

    fn file(backlog: bool) -> PathBuf {
        checkout::root().join(format!("bench/results/{}.json", name(backlog)))
    }

    pub fn write(&self) -> Result<()> {
        let text = serde_json::to_string_pretty(self)?;
        // A sample on a line each, not a number.
        let text = one_line_each(&text);
        fs::write(Self::file(self.backlog), text + "\n").context("could not write bench/results")
    }

    /// What the last run has written; none if there was none.
    pub fn read(backlog: bool) -> Result<Option<Self>> {
        match fs::read_to_string(Self::file(backlog)) {
            Ok(text) => Ok(Some(serde_json::from_str(&text).context("bench/results")?)),
            Err(_) => Ok(None),
        }
    }
}

fn name(backlog: bool) -> &'static str {
    if backlog { "soak-backlog" } else { "soak" }
}

/// Puts what stands within `"samples": [` on one line for each sample.
fn one_line_each(text: &str) -> String {
    let Some((head, samples)) = text.split_once("\"samples\": [") else {
        return text.to_owned();
    };
    let mut lines = String::new();
    let mut depth = 0;
    for line in samples.lines() {
        let line = line.trim();
        let closes = line.starts_with(['}', ']']);
        if closes {
            depth -= 1;
        }
        if depth <= 0 && !(closes && depth == 0) {
            lines.push_str("\n  ");
        }
        lines.push_str(line);
        if line.ends_with(['{', '[']) {
            depth += 1;
        }
    }
    format!("{head}\"samples\": [{lines}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_can_be_read() {
        let mut report = Report::new(false, 1.0, Runtime::Host).unwrap();
        report.samples = vec![
            Sample {
                seconds: 5.0,
                parts: [[1.5; 4]; 3],
            };
            3
        ];
        let pretty = serde_json::to_string_pretty(&report).unwrap();
        let text = one_line_each(&pretty);
        assert!(text.lines().count() + 60 < pretty.lines().count(), "{text}");
        let again: Report = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string_pretty(&again).unwrap(), pretty);
    }
}
