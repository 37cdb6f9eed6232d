//! What was measured, as bench/results has it: a file for each kind, with the median and each round of every figure, and
//! what it was measured on.

use std::{collections::BTreeMap, fs, path::PathBuf};

use anyhow::{Context, Result};
use clap::ValueEnum;
use serde::{Deserialize, Serialize};
use stack::checkout;

use super::{Kind, contenders::Contender, machine::Machine};

#[derive(Serialize, Deserialize)]
pub struct Results {
    pub machine: Machine,
    pub versions: BTreeMap<String, String>,
    /// In UTC.
    pub date: String,
    /// Of this repository.
    pub commit: String,
    /// How long each load lasted.
    pub seconds: u64,
    pub figures: Figures,
}

/// Those of one kind.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Figures(Vec<Figure>);

#[derive(Serialize, Deserialize)]
struct Figure {
    contender: String,
    /// Under which circumstances: "32 connections".
    case: String,
    /// What, with its unit: "votes/s".
    metric: String,
    median: f64,
    rounds: Vec<f64>,
}

impl Figures {
    /// Adds what one more round has shown.
    pub fn add(&mut self, contender: Contender, case: &str, metric: &str, value: f64) {
        // Four digits say more than a measurement knows.
        let value = round_to_digits(value, 4);
        let contender = contender.id();
        let found = self.0.iter_mut().find(|figure| {
            (&*figure.contender, &*figure.case, &*figure.metric) == (&*contender, case, metric)
        });
        match found {
            Some(figure) => {
                figure.rounds.push(value);
                figure.median = median(&figure.rounds);
            }
            None => self.0.push(Figure {
                contender,
                case: case.to_owned(),
                metric: metric.to_owned(),
                median: value,
                rounds: vec![value],
            }),
        }
    }

    fn find(&self, contender: Contender, case: &str, metric: &str) -> Option<&Figure> {
        let contender = contender.id();
        self.0.iter().find(|figure| {
            (&*figure.contender, &*figure.case, &*figure.metric) == (&*contender, case, metric)
        })
    }

    pub fn median(&self, contender: Contender, case: &str, metric: &str) -> Option<f64> {
        self.find(contender, case, metric)
            .map(|figure| figure.median)
    }

    /// Of what both have shown in the same round: what slows the machine down for a while slows both.
    pub fn ratio(
        &self,
        contender: Contender,
        other: Contender,
        case: &str,
        metric: &str,
    ) -> Option<f64> {
        let one = self.find(contender, case, metric)?;
        let other = self.find(other, case, metric)?;
        let ratios: Vec<_> = one
            .rounds
            .iter()
            .zip(&other.rounds)
            .map(|(one, other)| one / other)
            .collect();
        (!ratios.is_empty()).then(|| median(&ratios))
    }

    /// Those that were measured, in the order in which Contender names them.
    pub fn contenders(&self) -> Vec<Contender> {
        let measured = |contender: &Contender| {
            let id = contender.id();
            self.0.iter().any(|figure| figure.contender == id)
        };
        Contender::value_variants()
            .iter()
            .copied()
            .filter(measured)
            .collect()
    }

    /// How many rounds there were.
    pub fn rounds(&self) -> usize {
        self.0
            .iter()
            .map(|figure| figure.rounds.len())
            .max()
            .unwrap_or_default()
    }
}

impl Results {
    fn file(kind: Kind) -> PathBuf {
        checkout::root().join(format!("bench/results/{}.json", kind.id()))
    }

    /// None if this kind was never measured.
    pub fn read(kind: Kind) -> Result<Option<Self>> {
        let file = Self::file(kind);
        if !file.exists() {
            return Ok(None);
        }
        let about = || format!("could not read {}", file.display());
        let text = fs::read_to_string(&file).with_context(about)?;
        serde_json::from_str(&text).map(Some).with_context(about)
    }

    pub fn write(&self, kind: Kind) -> Result<()> {
        let file = Self::file(kind);
        let about = || format!("could not write {}", file.display());
        fs::create_dir_all(file.with_file_name("")).with_context(about)?;
        fs::write(&file, serde_json::to_string_pretty(self)? + "\n").with_context(about)
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = ((sorted.len() - 1) / 2, sorted.len() / 2);
    f64::midpoint(sorted[low], sorted[high])
}

fn round_to_digits(value: f64, digits: i32) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return 0.0;
    }
    let magnitude = value.abs().log10().floor() as i32 + 1;
    let scale = 10f64.powi(digits - magnitude);
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_of_the_same_round() {
        let mut figures = Figures::default();
        for (ours, theirs) in [(200.0, 100.0), (90.0, 30.0), (500.0, 100.0)] {
            figures.add(Contender::SpinvoteSpin, "", "votes/s", ours);
            figures.add(Contender::FastApi1, "", "votes/s", theirs);
        }
        let of = |one, other| figures.ratio(one, other, "", "votes/s");
        assert_eq!(of(Contender::SpinvoteSpin, Contender::FastApi1), Some(3.0));
        assert_eq!(of(Contender::SpinvoteSpin, Contender::Axum), None);
        assert_eq!(
            figures.median(Contender::SpinvoteSpin, "", "votes/s"),
            Some(200.0)
        );
    }

    #[test]
    fn four_digits_are_kept() {
        assert_eq!(round_to_digits(123_456.0, 4), 123_500.0);
        assert_eq!(round_to_digits(0.123_456, 4), 0.123_5);
        assert_eq!(round_to_digits(0.0, 4), 0.0);
    }
}
