//! Answers that many ask for at the same time, and that may be a moment old.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::sleep;

/// What an instance was told of late. Of those who ask for the same at the same time one goes and asks, and all take
/// what it brings, be that a failure. What was asked for longer ago than `age` is asked for again.
pub struct Recent<K, V> {
    // Never locked across an await.
    answers: Mutex<HashMap<K, Answers<V>>>,
    age: Duration,
}

struct Answers<V> {
    /// Whether somebody went to ask, and is not back.
    is_asked: bool,
    /// The last that came, and when it was asked for.
    last: Option<(Instant, V)>,
}

/// How often one who waits for another looks. It may not be woken by it: see [`crate::connection`].
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// More answers than these are not kept: an instance serves about as many requests.
const MOST: usize = 200;

impl<K: Clone + Eq + Hash, V: Clone> Recent<K, V> {
    /// Nothing yet.
    pub fn new(age: Duration) -> Self {
        Self {
            answers: Mutex::new(HashMap::new()),
            age,
        }
    }

    /// The answer for a key: one that was asked for of late, else what `ask` brings.
    pub async fn get(&self, key: &K, ask: impl Future<Output = V>) -> V {
        let now = Instant::now();
        let since = now.checked_sub(self.age).unwrap_or(now);
        self.get_since(key, since, ask).await
    }

    /// Likewise, but one that was asked for from now on.
    pub async fn get_newest(&self, key: &K, ask: impl Future<Output = V>) -> V {
        self.get_since(key, Instant::now(), ask).await
    }

    async fn get_since(&self, key: &K, since: Instant, ask: impl Future<Output = V>) -> V {
        let asked = loop {
            {
                let mut answers = self.answers();
                if answers.len() >= MOST {
                    answers.retain(|_, it| it.is_asked);
                }
                let answers = answers.entry(key.clone()).or_insert(Answers {
                    is_asked: false,
                    last: None,
                });
                match &answers.last {
                    Some((asked, answer)) if *asked >= since => return answer.clone(),
                    _ if !answers.is_asked => {
                        answers.is_asked = true;
                        break Instant::now();
                    }
                    _ => {}
                }
            }
            sleep(BETWEEN_LOOKS).await;
        };
        let _asking = Asking { of: self, key };
        let answer = ask.await;
        if let Some(answers) = self.answers().get_mut(key) {
            answers.last = Some((asked, answer.clone()));
        }
        answer
    }
}

impl<K, V> Recent<K, V> {
    fn answers(&self) -> MutexGuard<'_, HashMap<K, Answers<V>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That somebody asks. Should they be gone without an answer, the next one may.
struct Asking<'a, K: Eq + Hash, V> {
    of: &'a Recent<K, V>,
    key: &'a K,
}

impl<K: Eq + Hash, V> Drop for Asking<'_, K, V> {
    fn drop(&mut self) {
        if let Some(answers) = self.of.answers().get_mut(self.key) {
            answers.is_asked = false;
        }
    }
}
