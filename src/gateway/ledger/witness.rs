//! Whether the way to the gateway is free, when one agent is silent: others bear witness by their reports.

use std::time::Instant;

use super::{Ledger, Uid};

/// How often a replica that does not lead reports, in seconds.
pub const CANARY_INTERVAL: u32 = 15;

/// A report may be this late on its way, in seconds, beside one that is missing.
const GRACE: u32 = 5;

/// Reports without a gap, in seconds since the ledger's origin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) began: u32,
    pub(super) last: u32,
    pub(super) interval: u32,
}

impl Run {
    /// The run with one report more: a gap of more than three intervals begins a new one.
    pub(super) fn after(before: Option<Self>, interval: u32, now: u32) -> Self {
        let going_on = before.filter(|run| now.saturating_sub(run.last) <= interval.saturating_mul(3));
        Self { began: going_on.map_or(now, |run| run.began), last: now, interval }
    }

    fn goes_on(self, now: u32) -> bool {
        now.saturating_sub(self.last) <= self.interval.saturating_mul(2).saturating_add(GRACE)
    }
}

/// Who is heard now, as far as it matters for whoever is not: the two incarnations that have reported for longest without a
/// gap, of which one is another than the silent one, and the replica that does not lead.
#[derive(Clone, Copy, Debug)]
pub struct Witnesses {
    now: u32,
    canary: Option<u32>,
    longest: [Option<(u32, Uid)>; 2],
}

impl Witnesses {
    /// For how many seconds up to now the gateway has been reached without a gap by others than this incarnation.
    #[must_use]
    pub fn span(&self, silent: Uid) -> u32 {
        let other = self.longest.into_iter().flatten().find(|(_, uid)| *uid != silent).map(|(began, _)| began);
        let began = self.canary.into_iter().chain(other).min();
        began.map_or(0, |began| self.now.saturating_sub(began))
    }
}

impl Ledger {
    /// Takes note of a report of a replica that does not lead.
    pub fn canary(&mut self, now: Instant) {
        self.canary = Some(Run::after(self.canary, CANARY_INTERVAL, self.seconds(now)));
    }

    /// Looks who is heard now.
    #[must_use]
    pub fn witnesses(&self, now: Instant) -> Witnesses {
        let now = self.seconds(now);
        let canary = self.canary.filter(|run| run.goes_on(now)).map(|run| run.began);
        let running = self.entries.iter().filter_map(|(uid, entry)| {
            let run = entry.run().filter(|run| run.goes_on(now))?;
            Some((run.began, *uid))
        });
        let longest = running.fold([None, None], |[first, second], next| match (first, second) {
            (Some(longest), _) if next >= longest && second.is_none_or(|second| next < second) => [first, Some(next)],
            (Some(longest), _) if next >= longest => [first, second],
            (first, _) => [Some(next), first],
        });
        Witnesses { now, canary, longest }
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
    const SPAN: u32 = 300;

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

        fn witnessed(&self) -> bool {
            self.span(SILENT) >= SPAN
        }

        fn span(&self, silent: Uid) -> u32 {
            self.ledger.witnesses(self.clock.monotonic()).span(silent)
        }
    }

    #[test]
    fn without_others_there_is_no_witness_and_nobody_is_their_own() {
        let mut world = World::new();
        world.pass(1000);
        assert!(!world.witnessed(), "the others have never reported");
        world.report(&[SILENT], 600);
        assert!(!world.witnessed());
        assert_eq!((world.span(SILENT), world.span(OTHER)), (0, 600));
    }

    #[test]
    fn another_that_reports_without_a_gap_is_a_witness_while_it_does() {
        let mut world = World::new();
        world.report(&[OTHER], 285);
        assert!(!world.witnessed(), "it began too late");
        world.report(&[OTHER], 15);
        assert!(world.witnessed());
        world.pass(35);
        assert!(world.witnessed(), "one report is missing");
        world.pass(1);
        assert!(!world.witnessed(), "the gateway may be cut off by now");
    }

    #[test]
    fn a_gap_begins_anew() {
        let mut world = World::new();
        world.report(&[OTHER], 300);
        world.pass(45);
        world.report(&[OTHER], 0);
        assert!(world.witnessed(), "two were lost");
        world.pass(46);
        world.report(&[OTHER], 0);
        assert!(!world.witnessed());
        world.report(&[OTHER], 300);
        assert!(world.witnessed());
    }

    #[test]
    fn whoever_has_reported_longest_counts_in_any_order() {
        let mut world = World::new();
        world.report(&[SILENT, THIRD], 150);
        world.report(&[SILENT, OTHER, THIRD], 150);
        assert!(world.witnessed(), "the third one, beside the silent one itself");
        world.ledger.leave(THIRD);
        assert!(!world.witnessed());
        world.report(&[OTHER], 150);
        assert!(world.witnessed());
        world.ledger.clear();
        assert!(!world.witnessed());
    }

    #[test]
    fn a_replica_that_does_not_lead_is_a_witness_alone() {
        let mut world = World::new();
        let canaries = |world: &mut World, rounds| {
            for _ in 0..rounds {
                world.ledger.canary(world.clock.monotonic());
                world.pass(15);
            }
        };
        canaries(&mut world, 20);
        assert!(world.witnessed());
        world.pass(21);
        assert!(!world.witnessed());
        canaries(&mut world, 1);
        assert!(world.witnessed(), "it went on in time");
        world.ledger.clear();
        assert!(!world.witnessed());
        canaries(&mut world, 1);
        assert!(!world.witnessed(), "it has begun anew");
    }
}
