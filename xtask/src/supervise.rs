//! Keeps the parts running: starts again what ended, later each time it ends at once.

use std::{
    net::SocketAddr,
    process::ExitStatus,
    time::{Duration, Instant},
};

use anyhow::Result;
use futures::future::join_all;
use stack::{App, Postgres, Redis, http};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::cell::{Cell, named};

const LOOK_EVERY: Duration = Duration::from_millis(100);
const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Before a part is started again: at first, and at most.
const FIRST_DELAY: Duration = Duration::from_millis(500);
const LONGEST_DELAY: Duration = Duration::from_secs(10);
/// What ran so long was well: the next delay is the first again.
const WELL_AFTER: Duration = Duration::from_secs(60);

/// What can be supervised.
trait Part {
    fn exited(&mut self) -> Result<Option<ExitStatus>>;
    async fn start(&mut self) -> Result<()>;
    fn stop(&mut self);
}

macro_rules! part {
    ($type:ty) => {
        impl Part for $type {
            fn exited(&mut self) -> Result<Option<ExitStatus>> {
                self.exited()
            }
            async fn start(&mut self) -> Result<()> {
                self.start().await
            }
            fn stop(&mut self) {
                self.stop();
            }
        }
    };
}

part!(App);
part!(Redis);
part!(Postgres);

/// Keeps these running, which run already, for ever.
pub async fn supervise(postgres: &mut Postgres, cells: &mut [Cell]) {
    let mut postgres = Supervised::new("PostgreSQL".to_owned(), postgres);
    // Each by itself: to start a part takes a while, and no cell waits for another.
    let cells = cells.iter_mut().map(async |cell| {
        let mut redis = Supervised::new(named("Redis", cell.number), &mut cell.redis);
        let mut app = Supervised::new(named("the runtime", cell.number), &mut cell.app);
        let mut subscriber =
            Supervised::new(named("the subscriber", cell.number), &mut cell.subscriber);
        loop {
            redis.look().await;
            app.look().await;
            subscriber.look().await;
            sleep(LOOK_EVERY).await;
        }
    });
    let database = async {
        loop {
            postgres.look().await;
            sleep(LOOK_EVERY).await;
        }
    };
    tokio::join!(database, join_all(cells));
}

/// A part that runs, or ran and is due to start again.
struct Supervised<'a, P> {
    name: String,
    part: &'a mut P,
    started: Instant,
    delay: Duration,
    due: Option<Instant>,
}

impl<'a, P: Part> Supervised<'a, P> {
    fn new(name: String, part: &'a mut P) -> Self {
        Self {
            name,
            part,
            started: Instant::now(),
            delay: FIRST_DELAY,
            due: None,
        }
    }

    /// Looks after it once.
    async fn look(&mut self) {
        match self.due {
            None => {
                if let Ok(Some(status)) = self.part.exited() {
                    self.part.stop();
                    self.again_after(&format!("ended ({status})"));
                }
            }
            Some(due) if due <= Instant::now() => {
                self.due = None;
                self.started = Instant::now();
                if let Err(error) = self.part.start().await {
                    self.part.stop();
                    self.again_after(&format!("did not start: {error:#}"));
                } else {
                    say(&format!("{} runs again", self.name));
                }
            }
            Some(_) => {}
        }
    }

    fn again_after(&mut self, what: &str) {
        if self.started.elapsed() >= WELL_AFTER {
            self.delay = FIRST_DELAY;
        }
        say(&format!(
            "{} {what}; starting it again in {:?}",
            self.name, self.delay
        ));
        self.due = Some(Instant::now() + self.delay);
        self.delay = (self.delay * 2).min(LONGEST_DELAY);
    }
}

/// Calls the watchman of a cell for ever, and says when that begins to fail, and when it works again.
pub async fn sweep(cell: u16, address: SocketAddr) {
    let the_sweep = named("the sweep", cell);
    let mut failing = false;
    let mut clock = interval(SWEEP_EVERY);
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        let failure = match http::get(address, "/sweep", SWEEP_EVERY).await {
            Ok(answer) if answer.status == 200 => None,
            Ok(answer) => Some(format!("{} {}", answer.status, answer.body.trim())),
            Err(error) => Some(format!("{error:#}")),
        };
        match &failure {
            Some(reason) if !failing => say(&format!("{the_sweep} fails: {reason}")),
            None if failing => say(&format!("{the_sweep} works again")),
            _ => {}
        }
        failing = failure.is_some();
    }
}

fn say(what: &str) {
    eprintln!("xtask: {what}");
}
