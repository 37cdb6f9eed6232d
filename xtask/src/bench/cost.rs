//! What a request, or a vote, costs in CPU time, and where.

use std::time::Duration;

use anyhow::Result;

use super::{
    contenders::{Contender, Running},
    figures::Figures,
    servers::Servers,
};

/// CPU time so far.
pub struct Cost {
    contender: Duration,
    redis: Duration,
    postgres: Duration,
}

impl Cost {
    pub fn so_far(running: &Running, servers: &Servers) -> Result<Self> {
        let [redis, postgres] = servers.cpu()?;
        Ok(Self {
            contender: running.cpu()?,
            redis,
            postgres,
        })
    }

    /// Notes what each of so many requests, or votes, has cost since.
    pub fn add(
        &self,
        before: &Self,
        number: u64,
        contender: Contender,
        case: &str,
        figures: &mut Figures,
    ) {
        for (metric, now, then) in [
            ("CPU µs", self.contender, before.contender),
            ("Redis CPU µs", self.redis, before.redis),
            ("PostgreSQL CPU µs", self.postgres, before.postgres),
        ] {
            let spent = now.saturating_sub(then);
            let each = spent.as_secs_f64() * 1e6 / number as f64;
            figures.add(contender, case, metric, each);
        }
    }
}
