//! Which faults come, in which order, and how long it is quiet between them. A seed gives the same schedule for ever.

use std::time::Duration;

use super::faults::Fault;

/// SplitMix64: small, and the same everywhere. Source: <https://prng.di.unimi.it/splitmix64.c>.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Less than `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        (self.number() % end as u64) as usize
    }

    pub fn one_of<'a, T>(&mut self, choice: &'a [T]) -> &'a T {
        &choice[self.below(choice.len())]
    }

    pub fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.number() % (to - from))
    }
}

/// One fault, after a pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub quiet: Duration,
    pub fault: Fault,
    /// For so long the fault lasts, if it is one that lasts.
    pub lasts: Duration,
}

/// Endless rounds, each of every fault once, in an order of its own.
#[derive(Debug)]
pub struct Schedule {
    random: Random,
    round: Vec<Fault>,
}

impl Schedule {
    pub fn new(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            round: Vec::new(),
        }
    }
}

impl Iterator for Schedule {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        if self.round.is_empty() {
            self.round = Fault::ALL.to_vec();
            for last in (1..self.round.len()).rev() {
                self.round.swap(last, self.random.below(last + 1));
            }
        }
        Some(Step {
            quiet: self.random.millis(300, 1500),
            fault: self.round.pop()?,
            lasts: self.random.millis(2000, 4000),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_schedule_and_each_round_has_every_fault() {
        let take = |seed| {
            Schedule::new(seed)
                .take(Fault::ALL.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(take(1), take(1));
        assert_ne!(take(1), take(2));
        let round = take(3);
        for fault in Fault::ALL {
            assert!(round.iter().any(|step| step.fault == fault), "{fault:?}");
        }
    }
}
