//! The only place that reads a clock; everything else is given one, or the instant itself.

use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

/// A source of wall-clock and monotonic time.
pub trait Clock: Debug + Send + Sync {
    /// Wall-clock time, with sub-second digits: truncate with [`super::time::whole_seconds`] before writing it to the API.
    fn now(&self) -> DateTime<Utc>;

    /// Monotonic time, for everything that measures a span. On Linux it stands still while the machine is suspended.
    fn monotonic(&self) -> Instant;
}

/// The clocks of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one reader of the wall clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    #[allow(clippy::disallowed_methods, reason = "the one reader of the monotonic clock")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// A clock that moves only when told to, for tests and simulations. Clones share the time.
#[derive(Clone, Debug)]
pub struct ManualClock {
    origin: Instant,
    time: Arc<Mutex<Time>>,
}

#[derive(Clone, Copy, Debug)]
struct Time {
    wall: DateTime<Utc>,
    elapsed: Duration,
}

impl ManualClock {
    /// A clock whose wall time is `wall`.
    #[must_use]
    pub fn new(wall: DateTime<Utc>) -> Self {
        let time = Time { wall, elapsed: Duration::ZERO };
        Self { origin: SystemClock.monotonic(), time: Arc::new(Mutex::new(time)) }
    }

    /// Moves both clocks forward by `span`; the wall clock stops at the end of chrono's range.
    pub fn advance(&self, span: Duration) {
        let mut time = self.time.lock().unwrap_or_else(PoisonError::into_inner);
        time.elapsed = time.elapsed.saturating_add(span);
        let step = chrono::Duration::from_std(span).unwrap_or(chrono::Duration::MAX);
        time.wall = time.wall.checked_add_signed(step).unwrap_or(DateTime::<Utc>::MAX_UTC);
    }

    /// Sets the wall clock, forwards or backwards, as NTP or a person would; monotonic time does not move.
    pub fn set_wall(&self, wall: DateTime<Utc>) {
        self.time.lock().unwrap_or_else(PoisonError::into_inner).wall = wall;
    }

    fn time(&self) -> Time {
        *self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.time().wall
    }

    fn monotonic(&self) -> Instant {
        self.origin + self.time().elapsed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_the_wall_clock_leaves_monotonic_time_alone() {
        let clock = ManualClock::new(DateTime::<Utc>::UNIX_EPOCH);
        let start = clock.monotonic();
        clock.advance(Duration::from_secs(7));
        assert_eq!(clock.monotonic() - start, Duration::from_secs(7));
        assert_eq!(clock.now().timestamp(), 7);
        clock.set_wall(DateTime::<Utc>::UNIX_EPOCH);
        assert_eq!(clock.monotonic() - start, Duration::from_secs(7));
        assert_eq!(clock.now().timestamp(), 0);
    }
}
