//! The shared view of the lease: who may write, and for how long.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::Stream;
use tokio::sync::watch;

use super::clock::{Clock, SystemClock};

/// This process may not write: it does not hold the lease, or not for long enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the leader: the lease is held by another replica or ends too soon for this request")]
pub struct NotLeader;

/// A cheap handle to the token; clones share it.
#[derive(Clone, Debug)]
pub struct Leadership {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    changed: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    token: Token,
    in_flight: usize,
}

#[derive(Clone, Copy, Debug)]
enum Token {
    Always,
    Until(Instant),
    None,
}

/// Marks one write as under way, so that a release can wait for it. Dropped when the write has ended.
#[derive(Debug)]
#[must_use = "the write counts as under way only while this lives"]
pub struct Permit {
    shared: Arc<Shared>,
}

impl Leadership {
    /// Leadership that never ends, for `--leader-elect=false`: the only replica.
    #[must_use]
    pub fn always() -> Self {
        Self::with(Arc::new(SystemClock), Token::Always)
    }

    /// No token yet; the election grants it.
    #[must_use]
    pub fn none(clock: Arc<dyn Clock>) -> Self {
        Self::with(clock, Token::None)
    }

    fn with(clock: Arc<dyn Clock>, token: Token) -> Self {
        let (changed, _) = watch::channel(matches!(token, Token::Always));
        Self { shared: Arc::new(Shared { clock, state: Mutex::new(State { token, in_flight: 0 }), changed }) }
    }

    /// Whether a request that may take as long as `needs` would end before the token does.
    ///
    /// # Errors
    /// [`NotLeader`] when no token is held or it may end first.
    pub fn check(&self, needs: Duration) -> Result<(), NotLeader> {
        self.shared.check(self.shared.state().token, needs)
    }

    /// As [`check`](Self::check), and counts a write as under way until the permit is dropped.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn permit(&self, needs: Duration) -> Result<Permit, NotLeader> {
        // Under one lock with the check: after `revoke` no write can slip in uncounted.
        let mut state = self.shared.state();
        self.shared.check(state.token, needs)?;
        state.in_flight += 1;
        Ok(Permit { shared: Arc::clone(&self.shared) })
    }

    /// Whether a token is held at this moment.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.check(Duration::ZERO).is_ok()
    }

    /// The current value and its changes. It may stay true for a moment after the token ended: ask
    /// [`check`](Self::check) before acting.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<bool> {
        self.shared.changed.subscribe()
    }

    /// Yields at each acquisition, and at once if the token is already held: the trigger to look at everything again.
    pub fn gained(&self) -> impl Stream<Item = ()> + Send + 'static {
        let mut receiver = self.subscribe();
        receiver.mark_changed();
        futures::stream::unfold(receiver, |mut receiver| async move {
            loop {
                receiver.changed().await.ok()?;
                if *receiver.borrow_and_update() {
                    return Some(((), receiver));
                }
            }
        })
    }

    /// Sets or ends the token, and tells subscribers if that is a change.
    pub(crate) fn publish(&self, until: Option<Instant>) {
        self.shared.state().token = until.map_or(Token::None, Token::Until);
        self.shared.changed.send_if_modified(|leading| std::mem::replace(leading, until.is_some()) != until.is_some());
    }

    /// Writes under way.
    pub(super) fn in_flight(&self) -> usize {
        self.shared.state().in_flight
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every update leaves the state whole, so a poisoned lock is still right.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, token: Token, needs: Duration) -> Result<(), NotLeader> {
        match token {
            Token::Always => Ok(()),
            Token::Until(end) if self.clock.monotonic() + needs < end => Ok(()),
            Token::Until(_) | Token::None => Err(NotLeader),
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.in_flight = state.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::clock::ManualClock;
    use super::*;
    use chrono::DateTime;
    use futures::{FutureExt, StreamExt};

    fn secs(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_write_must_end_before_the_token_does() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let leadership = Leadership::none(Arc::new(clock.clone()));
        assert_eq!(leadership.check(Duration::ZERO), Err(NotLeader));
        leadership.publish(Some(clock.monotonic() + secs(10)));
        clock.advance(secs(4));
        assert_eq!(leadership.check(secs(5)), Ok(()));
        clock.advance(secs(1));
        assert_eq!(leadership.check(secs(5)), Err(NotLeader));
        assert!(leadership.is_leader());
        // Nobody told it: the token ends by itself.
        clock.advance(secs(5));
        assert!(!leadership.is_leader());
        assert!(Leadership::always().check(secs(1_000_000)).is_ok());
    }

    #[test]
    fn permits_count_only_while_they_live() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let leadership = Leadership::none(Arc::new(clock.clone()));
        assert!(leadership.permit(Duration::ZERO).is_err());
        leadership.publish(Some(clock.monotonic() + secs(10)));
        let permit = leadership.clone().permit(secs(5)).unwrap();
        leadership.publish(None);
        assert!(leadership.permit(Duration::ZERO).is_err());
        assert_eq!(leadership.in_flight(), 1);
        drop(permit);
        assert_eq!(leadership.in_flight(), 0);
    }

    #[test]
    fn each_acquisition_is_told_once() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let leadership = Leadership::none(Arc::new(clock.clone()));
        let mut gained = Box::pin(leadership.gained());
        let token = Some(clock.monotonic() + secs(10));
        assert_eq!(gained.next().now_or_never(), None);
        for _ in 0..2 {
            leadership.publish(token);
            assert_eq!(gained.next().now_or_never(), Some(Some(())));
            leadership.publish(token);
            assert_eq!(gained.next().now_or_never(), None, "a renewal is not an acquisition");
            leadership.publish(None);
            assert_eq!(gained.next().now_or_never(), None);
        }
        let mut always = Box::pin(Leadership::always().gained());
        assert_eq!(always.next().now_or_never(), Some(Some(())));
    }
}
