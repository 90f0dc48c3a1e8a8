//! What the sidecar's loops share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::post::Post;
use super::sight::{Sight, Source};
use crate::api::beat::Beat;
use crate::runtime::clock::Clock;

/// What is seen of the agent, whether it may start, and when the gateway last took a report.
#[derive(Debug)]
pub struct State {
    /// The agent's name.
    pub agent: String,
    /// The time.
    pub clock: Arc<dyn Clock>,
    admitted: watch::Sender<bool>,
    now: Mutex<Now>,
}

#[derive(Debug)]
struct Now {
    sight: Sight,
    interval: Duration,
    taken: Option<Instant>,
}

impl State {
    /// Nothing seen and not admitted; reports are to come every `interval`.
    #[must_use]
    pub fn new(agent: String, source: Source, interval: Duration, clock: Arc<dyn Clock>) -> Self {
        let sight = Sight::new(source, clock.monotonic());
        Self { agent, clock, admitted: watch::Sender::new(false), now: Mutex::new(Now { sight, interval, taken: None }) }
    }

    /// Whether the agent may start, now and later.
    #[must_use]
    pub fn admission(&self) -> watch::Receiver<bool> {
        self.admitted.subscribe()
    }

    /// The agent may start.
    pub fn admit(&self) {
        self.now().sight.begin(self.clock.monotonic());
        self.admitted.send_replace(true);
    }

    /// The agent posted.
    pub fn posted(&self, post: Post) {
        self.now().sight.posted(post, self.clock.monotonic());
    }

    /// The agent answered.
    pub fn answered(&self) {
        self.now().sight.answered(self.clock.monotonic());
    }

    /// The report to make now.
    #[must_use]
    pub fn report(&self) -> Beat {
        let now = self.now();
        now.sight.report(now.interval, self.clock.monotonic())
    }

    /// A report was taken, and the next ones are to come every `interval`.
    pub fn taken(&self, interval: Duration) {
        let mut now = self.now();
        now.taken = Some(self.clock.monotonic());
        now.interval = interval;
    }

    /// Time from one report to the next.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.now().interval
    }

    /// What `GET /health` says.
    #[must_use]
    pub fn health(&self) -> Value {
        let since = |taken: Instant| self.clock.monotonic().saturating_duration_since(taken).as_secs();
        let last = self.now().taken.map(since);
        json!({"status": "ok", "admitted": *self.admitted.borrow(), "lastBeatSeconds": last})
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
