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
    canaries: HashMap<Scope, (Instant, String)>,
    revivals: f64,
    refilled: Instant,
}

impl Permits {
    /// All revivals of a burst are free.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { given: Mutex::new(Given { canaries: HashMap::new(), revivals: f64::from(BURST), refilled: now }) }
    }

    /// Whether in each of these storms an agent of `mission` may try, as none of another mission did within `cooldown`.
    ///
    /// The same mission may ask again: its write may have failed, and one that did not is in its status, which holds the rest.
    pub fn canaries(&self, scopes: &[Scope], mission: &str, cooldown: Duration, now: Instant) -> bool {
        let mut given = self.given();
        given.canaries.retain(|_, (at, _)| now.saturating_duration_since(*at) < Duration::from_hours(24));
        let taken = |scope| {
            let by_another = given.canaries.get(scope).filter(|(_, holder)| holder != mission);
            by_another.is_some_and(|(at, _)| now.saturating_duration_since(*at) < cooldown)
        };
        if scopes.iter().any(taken) {
            return false;
        }
        given.canaries.extend(scopes.iter().map(|scope| (scope.clone(), (now, mission.to_owned()))));
        true
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
        let (start, cooldown) = (SystemClock.monotonic(), Duration::from_mins(5));
        let permits = Permits::new(start);
        let (node, fleet) = (Scope::Node("n1".into()), Scope::Fleet);
        let at = |seconds| start + Duration::from_secs(seconds);
        let only = std::slice::from_ref;
        assert!(permits.canaries(only(&node), "a", cooldown, at(0)));
        assert!(!permits.canaries(&[node.clone(), fleet.clone()], "b", cooldown, at(299)));
        assert!(permits.canaries(only(&node), "a", cooldown, at(10)), "its write had failed");
        assert!(permits.canaries(only(&fleet), "b", cooldown, at(100)), "another scope");
        assert!(permits.canaries(only(&node), "b", cooldown, at(310)));
        assert!(permits.canaries(&[], "c", cooldown, at(310)));
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
