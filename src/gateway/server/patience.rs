//! How much that came to nothing is borne from an address, in a table of one size: no address costs memory of its own.

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::time::Instant;

/// Connections of an address that may come to nothing at once, and then per second. All sidecars of a node may share an
/// address, and after a change of leaders all of them may be turned away more than once.
const MOST: u32 = 1000;
const PER_SECOND: u32 = 100;
/// Addresses that share a slot share their patience; which ones do is different in each process.
const SLOTS: usize = 4096;

#[derive(Debug)]
pub(super) struct Patience {
    origin: Instant,
    hasher: RandomState,
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    spent: u32,
    /// In whole seconds since the origin.
    at: u32,
}

impl Patience {
    pub(super) fn new(origin: Instant) -> Self {
        Self { origin, hasher: RandomState::new(), slots: vec![Slot::default(); SLOTS].into() }
    }

    /// Whether nothing more is borne from there now.
    pub(super) fn is_over(&mut self, source: IpAddr, now: Instant) -> bool {
        self.slot(source, now).is_some_and(|slot| slot.spent >= MOST)
    }

    /// A connection from there came to nothing.
    pub(super) fn spend(&mut self, source: IpAddr, now: Instant) {
        if let Some(slot) = self.slot(source, now) {
            slot.spent = slot.spent.saturating_add(1).min(MOST);
        }
    }

    fn slot(&mut self, source: IpAddr, now: Instant) -> Option<&mut Slot> {
        let now = u32::try_from(now.saturating_duration_since(self.origin).as_secs()).unwrap_or(u32::MAX);
        let place = self.hasher.hash_one(source) % (SLOTS as u64);
        let slot = self.slots.get_mut(usize::try_from(place).ok()?)?;
        slot.spent = slot.spent.saturating_sub(now.saturating_sub(slot.at).saturating_mul(PER_SECOND));
        slot.at = now;
        Some(slot)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::runtime::clock::{Clock, SystemClock};

    #[test]
    fn what_came_to_nothing_is_forgiven_with_time() {
        let now = SystemClock.monotonic();
        let mut patience = Patience::new(now);
        let [hostile, other] = ["10.0.0.1", "fd00::1"].map(|source| source.parse().unwrap());
        for _ in 0..5 * MOST {
            patience.spend(hostile, now);
        }
        assert!(patience.is_over(hostile, now));
        let shared = patience.hasher.hash_one(hostile) % (SLOTS as u64) == patience.hasher.hash_one(other) % (SLOTS as u64);
        assert_eq!(patience.is_over(other, now), shared);
        let later = now + Duration::from_secs(1);
        for _ in 0..PER_SECOND {
            assert!(!patience.is_over(hostile, later));
            patience.spend(hostile, later);
        }
        assert!(patience.is_over(hostile, later));
        assert!(!patience.is_over(hostile, later + Duration::from_hours(1)));
    }
}
