//! From the stream into PostgreSQL.

use std::ops::Range;
use std::time::Instant;

use ballot::{Cell, Deliveries, Delivery, Entry, Rejection, StreamId};
use futures::future::join;
use platform::log::{self, Level};
use platform::postgres::{ParameterValue, Postgres, column, unexpected};
use platform::settings::{self, InvalidSetting};
use platform::stream::{Consumer, Definitions};
use platform::{Cause, Failure};
use serde_json::json;

/// How many rows of one batch are refused one by one: each takes a dozen statements to find.
const MOST_UNSTORABLE: usize = 32;

pub struct Drain {
    pub cell: Cell,
    pub consumer: Consumer,
    pub definitions: Definitions,
    pub postgres: Postgres,
}

/// What became of a batch.
#[derive(Default)]
struct Batch {
    /// Votes that are in the tally now and were not before.
    counted: usize,
    /// Whether entries of it were given back.
    gave_back: bool,
}

impl Drain {
    pub async fn from_settings() -> Result<Self, InvalidSetting> {
        Ok(Self {
            cell: cell().await?,
            consumer: Consumer::from_settings().await?,
            definitions: Definitions::from_settings().await?,
            postgres: Postgres::from_settings().await?,
        })
    }

    /// From now on an append rings again, so this comes before reading.
    pub async fn answer_doorbell(&self) -> Result<(), Failure> {
        self.consumer.answer_doorbell().await
    }

    /// Counts until nothing is left, or, if a time is given, reads no more after it. Returns how many votes
    /// were counted.
    ///
    /// Where there is more than one batch, two are on their way: Redis reads the one, while PostgreSQL records
    /// the other and the disk takes what it has written.
    pub async fn drain(&self, until: Option<Instant>) -> Result<usize, Failure> {
        let failed = std::cell::Cell::new(false);
        let goes_on = || !failed.get() && until.is_none_or(|until| Instant::now() < until);
        let lane = async |batch: Deliveries| {
            let counted = self.drain_lane(batch, goes_on).await;
            failed.set(failed.get() || counted.is_err());
            counted
        };
        let batch = self.consumer.read().await?;
        let more = batch.more;
        let beside = async {
            if more {
                lane(self.consumer.read().await?).await
            } else {
                Ok(0)
            }
        };
        let (one, other) = join(lane(batch), beside).await;
        Ok(one? + other?)
    }

    async fn drain_lane(
        &self,
        mut batch: Deliveries,
        goes_on: impl Fn() -> bool,
    ) -> Result<usize, Failure> {
        let mut counted = 0;
        loop {
            let done = self.count(batch.entries).await?;
            counted += done.counted;
            // At a high rate of votes this never ends, and a sweep alone would come too late for a Redis that fills.
            self.consumer.tidy_in_passing().await?;
            if !(batch.more || done.gave_back) || !goes_on() {
                return Ok(counted);
            }
            batch = self.consumer.read().await?;
        }
    }

    /// Records a batch, moves what cannot be counted to the dead letters, acknowledges.
    ///
    /// Wherever this stops, nothing is lost: what is not acknowledged is read again, and what is
    /// recorded already does not count again.
    async fn count(&self, deliveries: Vec<Delivery>) -> Result<Batch, Failure> {
        if deliveries.is_empty() {
            return Ok(Batch::default());
        }
        let started = Instant::now();
        let (entries, mut rejected) = parse(&self.cell, deliveries);
        let outcome = match self.record(&entries).await {
            Ok(outcome) => outcome,
            Err(failure) => {
                let parsed = entries.iter().map(|entry| &entry.stream_id);
                let ids = parsed.chain(rejected.iter().map(|(stream_id, _)| stream_id));
                self.release(ids).await;
                return Err(failure);
            }
        };
        rejected.extend(
            outcome
                .refused
                .iter()
                .map(|&(at, reason)| (entries[at].stream_id.clone(), reason)),
        );
        self.reject(&rejected).await?;

        let done: Vec<_> = outcome.done().map(|at| &entries[at].stream_id).collect();
        self.consumer.acknowledge(&done).await?;
        let undecided = outcome.undecided.iter().map(|&at| &entries[at].stream_id);
        self.release(undecided).await;

        if log::enabled(Level::Debug) {
            for entry in outcome.counted.iter().map(|&at| &entries[at]) {
                log::debug(
                    "vote_processed",
                    json!({
                        "poll": entry.poll.as_str(),
                        "option": entry.option.as_str(),
                        "vote_id": entry.vote_id.as_str(),
                        "stream_id": entry.stream_id.as_str(),
                    }),
                );
            }
        }
        log::info(
            "batch_recorded",
            json!({
                "counted": outcome.counted.len(),
                "duplicates": outcome.duplicates.len(),
                "rejected": rejected.len(),
                "duration_ms": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            }),
        );
        Ok(Batch {
            counted: outcome.counted.len(),
            gave_back: !outcome.undecided.is_empty(),
        })
    }

    /// Tidies the stream, and says how many entries are left to count; if any are, it rings.
    pub async fn tidy_up(&self) -> Result<i64, Failure> {
        self.consumer.tidy().await?;
        let left = self.consumer.standing().await?.backlog();
        if left > 0 {
            self.consumer.ring().await?;
        }
        Ok(left)
    }

    /// Records a batch with one statement. If PostgreSQL cannot store something in it, halves of it, and so
    /// on down to the row, which is refused: it must not hold up the others.
    async fn record(&self, entries: &[Entry]) -> Result<Outcome, Failure> {
        let mut outcome = Outcome::default();
        let mut undecided = Vec::from([Range {
            start: 0,
            end: entries.len(),
        }]);
        let mut unstorable = 0;
        while let Some(range) = undecided.pop() {
            match self.record_range(entries, &range, &mut outcome).await {
                Ok(()) => {}
                Err(Failure {
                    cause: Cause::Unstorable(sqlstate),
                    ..
                }) if range.len() == 1 => {
                    log::warning("vote_refused_by_database", json!({ "sqlstate": sqlstate }));
                    outcome.refuse([range.start], Rejection::Unstorable);
                    unstorable += 1;
                }
                Err(Failure {
                    cause: Cause::Unstorable(_),
                    ..
                }) => {
                    let middle = range.start + range.len() / 2;
                    undecided.extend([middle..range.end, range.start..middle]);
                }
                Err(failure) => return Err(failure),
            }
            if unstorable == MOST_UNSTORABLE {
                break;
            }
        }
        outcome.undecided = undecided.into_iter().flatten().collect();
        Ok(outcome)
    }

    /// One statement: all of it is recorded, or nothing.
    async fn record_range(
        &self,
        batch: &[Entry],
        range: &Range<usize>,
        outcome: &mut Outcome,
    ) -> Result<(), Failure> {
        let entries = &batch[range.clone()];
        if entries.is_empty() {
            return Ok(());
        }
        let texts = |text: fn(&Entry) -> Option<&str>| {
            ParameterValue::ArrayStr(
                entries
                    .iter()
                    .map(|entry| text(entry).map(str::to_owned))
                    .collect(),
            )
        };
        let parameters = [
            texts(|entry| Some(entry.poll.as_str())),
            texts(|entry| Some(entry.vote_id.as_str())),
            texts(|entry| Some(entry.first_id.as_str())),
            texts(|entry| Some(entry.option.as_str())),
            texts(|entry| entry.voter.as_ref().map(|voter| voter.as_str())),
            ParameterValue::ArrayInt64(
                entries
                    .iter()
                    .map(|entry| Some(entry.cast_at.as_micros()))
                    .collect(),
            ),
            // Spin has no arrays of booleans.
            ParameterValue::ArrayInt32(
                entries
                    .iter()
                    .map(|entry| Some(entry.accepted.into()))
                    .collect(),
            ),
        ];
        let statement = "select outcome, positions from record_votes($1, $2, $3, $4, $5, $6, $7::int[]::boolean[])";
        for row in self.postgres.query(statement, &parameters).await? {
            let positions: Vec<Option<i32>> = column(&row, "positions")?;
            // PostgreSQL counts from 1.
            let positions = positions
                .into_iter()
                .map(|position| {
                    let at = usize::try_from(position? - 1).ok()?;
                    (at < entries.len()).then_some(range.start + at)
                })
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| unexpected("positions"))?;
            match column::<String>(&row, "outcome")?.as_str() {
                "counted" => outcome.counted.extend(positions),
                "duplicate" => outcome.duplicates.extend(positions),
                "unknown_poll" => outcome.refuse(positions, Rejection::UnknownPoll),
                "unknown_option" => outcome.refuse(positions, Rejection::UnknownOption),
                "poll_not_open" => outcome.refuse(positions, Rejection::PollNotOpen),
                "poll_closed" => outcome.refuse(positions, Rejection::PollClosed),
                "voter_missing" => outcome.refuse(positions, Rejection::Missing { field: "voter" }),
                _ => return Err(unexpected("outcome")),
            }
        }
        Ok(())
    }

    async fn reject(&self, rejected: &[(StreamId, Rejection)]) -> Result<(), Failure> {
        for (stream_id, reason) in rejected {
            log::warning(
                reason.event(),
                json!({ "stream_id": stream_id.as_str(), "reason": reason.to_string() }),
            );
        }
        self.consumer.reject(rejected).await
    }

    /// Gives entries back, so that the next reader need not wait until they are stale.
    async fn release(&self, ids: impl Iterator<Item = &StreamId>) {
        let ids: Vec<_> = ids.collect();
        if ids.is_empty() {
            return;
        }
        // If that fails too, they are claimed when they are stale.
        if let Err(failure) = self.consumer.release(&ids).await {
            failure.log();
        }
    }
}

/// The variable `cell`.
async fn cell() -> Result<Cell, InvalidSetting> {
    let name = "cell";
    Cell::parse(&settings::text(name).await?).map_err(|_| InvalidSetting {
        name,
        problem: "must be empty, or lower-case letters, digits and inner hyphens",
    })
}

/// What PostgreSQL made of a batch, as positions in it.
#[derive(Default)]
struct Outcome {
    counted: Vec<usize>,
    /// Counted before: delivered twice, or sent twice.
    duplicates: Vec<usize>,
    refused: Vec<(usize, Rejection)>,
    /// Not tried yet, after so many had to be refused.
    undecided: Vec<usize>,
}

impl Outcome {
    fn refuse(&mut self, positions: impl IntoIterator<Item = usize>, reason: Rejection) {
        self.refused
            .extend(positions.into_iter().map(|at| (at, reason)));
    }

    /// What may be acknowledged.
    fn done(&self) -> impl Iterator<Item = usize> {
        self.counted.iter().chain(&self.duplicates).copied()
    }
}

fn parse(cell: &Cell, deliveries: Vec<Delivery>) -> (Vec<Entry>, Vec<(StreamId, Rejection)>) {
    let mut entries = Vec::with_capacity(deliveries.len());
    let mut rejected = Vec::new();
    for Delivery { stream_id, raw } in deliveries {
        match Entry::parse(cell, stream_id.clone(), raw) {
            Ok(entry) => entries.push(entry),
            Err(reason) => rejected.push((stream_id, reason)),
        }
    }
    (entries, rejected)
}
