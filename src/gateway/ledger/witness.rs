//! Whether the way to the gateway is free, when one agent is silent: others bear witness by their reports. And whether what
//! sidecars don't reach can be reached at all: a replica that does not lead bears witness.

use std::time::Instant;

use super::{Ledger, Uid};
use crate::api::beat::Network;

/// How often a replica that does not lead reports, in seconds.
pub const CANARY_INTERVAL: u32 = 15;

/// A replica's word that it does not reach the port that no agent may reach holds until it has reported twice since.
const BLIND_FOR: u32 = 2 * CANARY_INTERVAL;

/// Reports without a gap, in seconds since the ledger's origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) began: u32,
    pub(super) last: u32,
    pub(super) interval: u32,
}

impl Run {
    /// The run with one report more: a longer gap begins a new one.
    pub(super) fn after(before: Option<Self>, interval: u32, now: u32) -> Self {
        let going_on = before.filter(|run| now.saturating_sub(run.last) <= run.gap());
        Self { began: going_on.map_or(now, |run| run.began), last: now, interval }
    }

    /// For how long nothing may come, in seconds: two reports may be late or lost.
    fn gap(self) -> u32 {
        self.interval.saturating_mul(3)
    }
}

impl Ledger {
    /// Takes note of a report of a replica that does not lead. Nothing closes its network: if it does not reach the port that
    /// no agent may reach, that an agent doesn't, proves nothing.
    pub fn canary(&mut self, network: Network, now: Instant) {
        let now = self.seconds(now);
        self.canary = Some(Run::after(self.canary, CANARY_INTERVAL, now));
        if network == Network::Closed {
            self.blind = Some(now);
        }
    }

    /// Whether what sidecars say of closed networks is worth nothing.
    #[must_use]
    pub fn is_blind(&self, now: Instant) -> bool {
        self.blind.is_some_and(|blind| self.seconds(now).saturating_sub(blind) <= BLIND_FOR)
    }

    /// For how many seconds of an incarnation's silence another one, or a replica that does not lead, has shown without a gap
    /// that the gateway was reached. Nobody is a witness whose reports may fail for longer than `patience` seconds unnoticed.
    #[must_use]
    pub fn witnessed(&self, silent: Uid, patience: u32) -> u32 {
        let Some(since) = self.entries.get(&silent).map(|entry| entry.last) else { return 0 };
        let others = self.entries.iter().filter(|(uid, _)| **uid != silent).filter_map(|(_, entry)| entry.run());
        let fine = others.chain(self.canary).filter(|run| run.gap() <= patience);
        fine.map(|run| run.last.saturating_sub(run.began.max(since))).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::DateTime;

    use super::*;
    use crate::api::beat::{Beat, Seen};
    use crate::runtime::clock::{Clock, ManualClock};

    const SILENT: Uid = Uid(1);
    const OTHER: Uid = Uid(2);
    const THIRD: Uid = Uid(3);

    struct World {
        clock: ManualClock,
        ledger: Ledger,
    }

    impl World {
        fn new() -> Self {
            let clock = ManualClock::new(DateTime::UNIX_EPOCH);
            let mut ledger = Ledger::new(clock.monotonic());
            for uid in [SILENT, OTHER, THIRD] {
                ledger.enter(uid, 15, false, clock.monotonic());
            }
            ledger.open();
            Self { clock, ledger }
        }

        /// Each of them reports at once and then every 15 s for this long.
        fn report(&mut self, uids: &[Uid], seconds: u64) {
            for round in 0..=seconds / 15 {
                if round > 0 {
                    self.pass(15);
                }
                for uid in uids {
                    self.ledger.note(*uid, &Beat::of(Seen::Healthy), self.clock.monotonic()).unwrap();
                }
            }
        }

        fn pass(&self, seconds: u64) {
            self.clock.advance(Duration::from_secs(seconds));
        }

        /// Of the silence so far.
        fn witnessed(&self) -> u32 {
            self.ledger.witnessed(SILENT, 60)
        }
    }

    #[test]
    fn without_others_there_is_no_witness_and_nobody_is_their_own() {
        let mut world = World::new();
        world.pass(1000);
        assert_eq!(world.witnessed(), 0, "the others have never reported");
        world.report(&[SILENT], 600);
        assert_eq!(world.witnessed(), 0);
        world.report(&[OTHER], 300);
        assert_eq!(world.ledger.witnessed(OTHER, 60), 0);
        world.ledger.leave(SILENT);
        assert_eq!(world.witnessed(), 0, "nobody to be missed");
    }

    #[test]
    fn only_the_silence_counts_and_only_up_to_the_witness_s_last_report() {
        let mut world = World::new();
        world.report(&[SILENT, OTHER], 300);
        assert_eq!(world.witnessed(), 0, "nobody is silent");
        world.pass(15);
        world.report(&[OTHER], 150);
        assert_eq!(world.witnessed(), 165);
        world.pass(1000);
        assert_eq!(world.witnessed(), 165, "since then nobody knows");
        world.report(&[OTHER], 0);
        assert_eq!(world.witnessed(), 0, "the gateway may have been cut off all the while");
        world.report(&[OTHER], 60);
        assert_eq!(world.witnessed(), 60);
    }

    #[test]
    fn a_gap_begins_anew() {
        let mut world = World::new();
        world.report(&[SILENT, OTHER], 0);
        world.pass(45);
        world.report(&[OTHER], 0);
        assert_eq!(world.witnessed(), 45, "two were lost");
        world.pass(46);
        world.report(&[OTHER], 0);
        assert_eq!(world.witnessed(), 0);
    }

    #[test]
    fn who_reports_too_seldom_is_no_witness() {
        let mut world = World::new();
        world.report(&[SILENT], 0);
        world.report(&[OTHER], 150);
        let witnessed = |patience| world.ledger.witnessed(SILENT, patience);
        assert_eq!([60, 45, 44].map(witnessed), [150, 150, 0]);
    }

    #[test]
    fn whoever_has_reported_longest_counts() {
        let mut world = World::new();
        world.report(&[SILENT, THIRD], 0);
        world.pass(15);
        world.report(&[THIRD], 60);
        world.pass(15);
        world.report(&[OTHER, THIRD], 60);
        assert_eq!(world.witnessed(), 150);
        world.ledger.leave(THIRD);
        assert_eq!(world.witnessed(), 60);
        world.ledger.clear();
        assert_eq!(world.witnessed(), 0);
    }

    #[test]
    fn a_replica_that_does_not_lead_is_a_witness_alone() {
        let mut world = World::new();
        for _ in 0..20 {
            world.pass(15);
            world.ledger.canary(Network::Open, world.clock.monotonic());
        }
        assert_eq!(world.witnessed(), 285);
        world.pass(46);
        world.ledger.canary(Network::Open, world.clock.monotonic());
        assert_eq!(world.witnessed(), 0, "it has begun anew");
    }
}
