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

/// A gap between two looks at the clock that is longer than this is time in which the whole pod stood still, or had no
/// processor: what did not run then can't be blamed for its silence.
const GAP: Duration = Duration::from_secs(5);

#[derive(Debug)]
struct Now {
    /// The last look at the clock, and the time that was lost in gaps.
    looked: Instant,
    lost: Duration,
    sight: Sight,
    interval: Duration,
    taken: Option<Instant>,
    holds: Vec<String>,
}

impl State {
    /// Nothing seen and not admitted; reports are to come every `interval`.
    #[must_use]
    pub fn new(agent: String, source: Source, interval: Duration, clock: Arc<dyn Clock>) -> Self {
        let looked = clock.monotonic();
        let now =
            Now { looked, lost: Duration::ZERO, sight: Sight::new(source, looked), interval, taken: None, holds: Vec::new() };
        Self { agent, clock, admitted: watch::Sender::new(false), now: Mutex::new(now) }
    }

    /// To be called about once a second, so that gaps are seen.
    pub fn tick(&self) {
        self.now().awake(self.clock.monotonic());
    }

    /// Whether the agent may start, now and later.
    #[must_use]
    pub fn admission(&self) -> watch::Receiver<bool> {
        self.admitted.subscribe()
    }

    /// The agent may start.
    pub fn admit(&self) {
        let mut now = self.now();
        let awake = now.awake(self.clock.monotonic());
        now.sight.begin(awake);
        drop(now);
        self.admitted.send_replace(true);
    }

    /// The agent posted.
    pub fn posted(&self, post: Post) {
        let mut now = self.now();
        let awake = now.awake(self.clock.monotonic());
        now.sight.posted(post, awake);
    }

    /// The agent answered.
    pub fn answered(&self) {
        let mut now = self.now();
        let awake = now.awake(self.clock.monotonic());
        now.sight.answered(awake);
    }

    /// The report to make now.
    #[must_use]
    pub fn report(&self) -> Beat {
        let mut now = self.now();
        let awake = now.awake(self.clock.monotonic());
        now.sight.report(now.interval, awake)
    }

    /// A report was taken; the next ones are to come every `interval`, and the agent has the parts of these others.
    pub fn taken(&self, interval: Duration, holds: Vec<String>) {
        let mut now = self.now();
        now.taken = Some(self.clock.monotonic());
        (now.interval, now.holds) = (interval, holds);
    }

    /// The agents whose parts this one has taken over, as the gateway last said.
    #[must_use]
    pub fn holds(&self) -> Vec<String> {
        self.now().holds.clone()
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
        json!({"status": "ok", "admitted": *self.admitted.borrow(), "lastBeatSeconds": last, "holds": self.holds()})
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Now {
    /// The time without the gaps.
    fn awake(&mut self, at: Instant) -> Instant {
        let gap = at.saturating_duration_since(self.looked);
        if gap > GAP {
            self.lost += gap;
        }
        self.looked = at;
        at.checked_sub(self.lost).unwrap_or(at)
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::api::beat::Seen;
    use crate::runtime::clock::ManualClock;

    fn silent_after(clock: &ManualClock, state: &State, seconds: u64) -> u32 {
        for _ in 0..seconds {
            clock.advance(Duration::from_secs(1));
            state.tick();
        }
        state.report().silent_seconds
    }

    #[test]
    fn time_in_which_the_whole_pod_stood_still_is_no_silence() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let state = State::new("scout".into(), Source::Own, Duration::from_secs(15), Arc::new(clock.clone()));
        state.posted(Post::default());
        assert_eq!(silent_after(&clock, &state, 10), 0, "it may be a little late");
        clock.advance(Duration::from_hours(10));
        let beat = state.report();
        assert_eq!((beat.agent, beat.silent_seconds), (Seen::Healthy, 0), "the pod was frozen");
        assert_eq!(silent_after(&clock, &state, 90), 100);
        state.posted(Post::default());
        assert_eq!(silent_after(&clock, &state, 1), 0);
    }
}
