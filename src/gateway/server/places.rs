//! How many connections there are: few of strangers, many of those who have proven who they are.
//!
//! A connection begins as a stranger's. Once a request on it came from a committed incarnation, it counts among the proven,
//! of which each incarnation has one. So no flood of strangers takes the place of a sidecar that reports. New sidecars come
//! as strangers too. So a stranger that had its chance makes room for the next one, where there are most of them, and at
//! once for one from an address that has fewer.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

use super::Limits;
use super::patience::Patience;
use crate::gateway::ledger::Uid;
use crate::report::metrics::{Closed, Metrics};
use crate::runtime::clock::Clock;

/// Counts connections; clones share the count.
#[derive(Clone, Debug)]
pub(super) struct Places {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    limits: Limits,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    taken: Mutex<Taken>,
}

#[derive(Debug)]
struct Taken {
    last: u64,
    /// By their addresses, oldest first; an address without any is forgotten, or the map would only grow.
    strangers: HashMap<IpAddr, VecDeque<Stranger>>,
    proven: HashMap<Uid, Proven>,
    patience: Patience,
}

#[derive(Debug)]
struct Stranger {
    number: u64,
    since: Instant,
    leave: Arc<Notify>,
}

#[derive(Debug)]
struct Proven {
    number: u64,
    leave: Arc<Notify>,
}

/// One connection; dropped when it ends.
#[derive(Debug)]
pub(super) struct Place {
    shared: Arc<Shared>,
    source: IpAddr,
    number: u64,
    leave: Arc<Notify>,
    /// Who has proven who they are on it.
    proven: OnceLock<Uid>,
}

impl Places {
    pub(super) fn new(limits: Limits, clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Self {
        let patience = Patience::new(clock.monotonic());
        let taken = Mutex::new(Taken { last: 0, strangers: HashMap::new(), proven: HashMap::new(), patience });
        Self { shared: Arc::new(Shared { limits, clock, metrics, taken }) }
    }

    /// A stranger's place for a connection from `source`; another stranger may have to leave for it.
    ///
    /// # Errors
    /// There is none left, or too much came from there that came to nothing.
    pub(super) fn take(&self, source: IpAddr) -> Result<Place, Closed> {
        // A socket for both families shows IPv4 addresses as IPv6.
        let (source, now) = (source.to_canonical(), self.shared.clock.monotonic());
        let Limits { strangers, strangers_of_source, chance, .. } = self.shared.limits;
        let mut taken = self.shared.taken();
        if taken.patience.is_over(source, now) {
            return Err(Closed::Tiresome);
        }
        let own = taken.strangers.get(&source).map_or(0, VecDeque::len);
        let all: usize = taken.strangers.values().map(VecDeque::len).sum();
        let crowded = if own >= strangers_of_source {
            Some((source, false, Closed::SourceFull))
        } else if all >= strangers {
            let (most, crowd) = taken.crowd().ok_or(Closed::Full)?;
            Some((crowd, most > own + 1, Closed::Full))
        } else {
            None
        };
        if let Some((crowd, anyway, reason)) = crowded {
            let before = if anyway { Some(now) } else { now.checked_sub(chance) };
            if !before.is_some_and(|before| taken.evict(crowd, before)) {
                return Err(reason);
            }
            self.shared.metrics.gateway().refused(Closed::Evicted);
        }
        taken.last += 1;
        let (number, leave) = (taken.last, Arc::new(Notify::new()));
        let stranger = Stranger { number, since: now, leave: Arc::clone(&leave) };
        taken.strangers.entry(source).or_default().push_back(stranger);
        self.shared.metrics.gateway().opened();
        Ok(Place { shared: Arc::clone(&self.shared), source, number, leave, proven: OnceLock::new() })
    }
}

impl Taken {
    /// The address with most strangers, and how many those are; of several the one with the oldest.
    fn crowd(&self) -> Option<(usize, IpAddr)> {
        let oldest = |queue: &VecDeque<Stranger>| queue.front().map(|stranger| Reverse(stranger.number));
        let (source, queue) = self.strangers.iter().max_by_key(|(_, queue)| (queue.len(), oldest(queue)))?;
        Some((queue.len(), *source))
    }

    /// Sends the oldest stranger of an address away, if it came before that time; whether one leaves.
    fn evict(&mut self, source: IpAddr, before: Instant) -> bool {
        let Some(oldest) = self.strangers.get(&source).and_then(VecDeque::front) else { return false };
        if oldest.since > before {
            return false;
        }
        oldest.leave.notify_one();
        let number = oldest.number;
        self.forget(source, number)
    }

    /// Whether the stranger was still there.
    fn forget(&mut self, source: IpAddr, number: u64) -> bool {
        let Some(queue) = self.strangers.get_mut(&source) else { return false };
        let Some(place) = queue.iter().position(|stranger| stranger.number == number) else { return false };
        queue.remove(place);
        if queue.is_empty() {
            self.strangers.remove(&source);
        }
        true
    }
}

impl Shared {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// A request on this connection came from a committed incarnation; whether the connection may stay. Another one of the
    /// same incarnation has to leave: a sidecar has one.
    pub(super) fn prove(&self, who: Uid) -> bool {
        let mut taken = self.shared.taken();
        if let Some(who) = self.proven.get() {
            return taken.proven.get(who).is_some_and(|proven| proven.number == self.number);
        }
        // It came to something, whether there is a place to stay or not.
        let who = *self.proven.get_or_init(|| who);
        let full = taken.proven.len() >= self.shared.limits.connections && !taken.proven.contains_key(&who);
        if full || !taken.forget(self.source, self.number) {
            return false;
        }
        let proven = Proven { number: self.number, leave: Arc::clone(&self.leave) };
        if let Some(before) = taken.proven.insert(who, proven) {
            before.leave.notify_one();
        }
        true
    }

    /// Returns when the connection has to end.
    pub(super) async fn lost(&self) {
        self.leave.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.shared.taken();
        taken.forget(self.source, self.number);
        match self.proven.get() {
            Some(who) if taken.proven.get(who).is_some_and(|proven| proven.number == self.number) => {
                taken.proven.remove(who);
            }
            Some(_) => {}
            None => taken.patience.spend(self.source, self.shared.clock.monotonic()),
        }
        self.shared.metrics.gateway().closed();
    }
}

#[cfg(test)]
mod tests;
