//! Who may act now, where missions that don't know of each other would act at once: one allocator, one at a time.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::observe::Scope;

/// Revivals that may begin at once, over all missions, and then per second: a fleet that comes back must not take the
/// API server and the registries down with it.
const BURST: u32 = 50;
const PER_SECOND: u32 = 5;

/// The permits given out by this replica. They are forgotten with it; what counts for a storm is also in the status.
#[derive(Debug)]
pub struct Permits {
    given: Mutex<Given>,
}

#[derive(Debug)]
struct Given {
    canaries: HashMap<Scope, Instant>,
    revivals: f64,
    refilled: Instant,
}

impl Permits {
    /// All revivals of a burst are free.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { given: Mutex::new(Given { canaries: HashMap::new(), revivals: f64::from(BURST), refilled: now }) }
    }

    /// In each of these storms one agent may try, if none did within `cooldown`.
    ///
    /// # Errors
    /// How long to wait.
    pub fn canaries(&self, scopes: &[Scope], cooldown: Duration, now: Instant) -> Result<(), Duration> {
        let mut given = self.given();
        given.canaries.retain(|_, at| now.saturating_duration_since(*at) < cooldown.max(Duration::from_hours(24)));
        let wait = |scope| given.canaries.get(scope).and_then(|at| cooldown.checked_sub(now.saturating_duration_since(*at)));
        if let Some(wait) = scopes.iter().filter_map(wait).max().filter(|wait| !wait.is_zero()) {
            return Err(wait);
        }
        // Several agents of one mission may be meant: they are written down together, and the brake sees them next time.
        given.canaries.extend(scopes.iter().map(|scope| (scope.clone(), now)));
        Ok(())
    }

    /// One dead agent may begin its way back.
    ///
    /// # Errors
    /// How long to wait.
    pub fn revival(&self, now: Instant) -> Result<(), Duration> {
        let mut given = self.given();
        let passed = now.saturating_duration_since(given.refilled).as_secs_f64();
        given.revivals = (given.revivals + passed * f64::from(PER_SECOND)).min(f64::from(BURST));
        given.refilled = now;
        if given.revivals < 1.0 {
            return Err(Duration::from_secs(1));
        }
        given.revivals -= 1.0;
        Ok(())
    }

    // Every change leaves it whole, so a poisoned lock is still right.
    fn given(&self) -> MutexGuard<'_, Given> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock::{Clock, SystemClock};

    #[test]
    fn one_agent_of_a_storm_tries_at_a_time() {
        let (start, cooldown) = (SystemClock.monotonic(), Duration::from_secs(300));
        let permits = Permits::new(start);
        let (node, fleet) = (Scope::Node("n1".into()), Scope::Fleet);
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(permits.canaries(std::slice::from_ref(&node), cooldown, at(0)), Ok(()));
        assert_eq!(permits.canaries(&[node.clone(), fleet.clone()], cooldown, at(100)), Err(Duration::from_secs(200)));
        assert_eq!(permits.canaries(std::slice::from_ref(&fleet), cooldown, at(100)), Ok(()), "another scope");
        assert_eq!(permits.canaries(&[node], cooldown, at(300)), Ok(()));
        assert_eq!(permits.canaries(&[], cooldown, at(300)), Ok(()));
    }

    #[test]
    fn revivals_are_slowed_down_after_a_burst() {
        let start = SystemClock.monotonic();
        let permits = Permits::new(start);
        let granted = |at| (0..200).filter(|_| permits.revival(at).is_ok()).count();
        assert_eq!(granted(start), 50);
        assert_eq!(granted(start + Duration::from_secs(4)), 20);
    }
}
