//! What the leader knows from reports: in memory only, one small entry per committed incarnation.
//!
//! An incarnation that is not entered has no entry, whatever it sends: strangers allocate nothing. There is no timer per
//! report; whoever wants to know looks ([`Ledger::pulse`]).

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};

use super::beat::{Beat, Seen};

/// Reports that an agent may send at once, and then per second.
const BURST: u8 = 10;
const PER_SECOND: u32 = 2;

/// The UID of a pod, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uid(u128);

impl Uid {
    /// Reads `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx`.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let places = [8, 13, 18, 23];
        let dashed = text.len() == 36 && places.iter().all(|place| text.as_bytes().get(*place) == Some(&b'-'));
        let digits: String = text.chars().filter(|character| *character != '-').collect();
        // Rust's own parser also takes a sign.
        let strict = dashed && digits.len() == 32 && digits.chars().all(|digit| digit.is_ascii_hexdigit());
        let number = u128::from_str_radix(&digits, 16).ok().filter(|_| strict)?;
        Some(Self(number))
    }
}

/// What is known of one incarnation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pulse {
    /// Time since the last report, or since it was entered.
    pub age: Duration,
    /// Whether it has reported since this replica leads.
    pub reported: bool,
    /// Whether it was ever seen well.
    pub ever_healthy: bool,
    /// What the sidecar last saw.
    pub seen: Seen,
    /// How long the agent has been silent by now.
    pub silent: Duration,
    /// How long cycle, task and status have not changed.
    pub unchanged: Duration,
    /// Until when it asked to be left alone.
    pub busy_until: Option<DateTime<Utc>>,
}

/// Why a report changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The incarnation is not entered: it is not committed, or no longer.
    Gone,
    /// More reports than one agent may send.
    TooMany,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    entered: u32,
    last: u32,
    silent_seconds: u32,
    progressed: u32,
    progress: u64,
    busy_until: i64,
    refilled: u32,
    tokens: u8,
    seen: Seen,
    reported: bool,
    ever_healthy: bool,
}

/// Every incarnation that may report.
#[derive(Debug)]
pub struct Ledger {
    origin: Instant,
    hasher: RandomState,
    entries: HashMap<Uid, Entry>,
}

impl Ledger {
    /// An empty ledger, whose times count from `origin`.
    #[must_use]
    pub fn new(origin: Instant) -> Self {
        Self { origin, hasher: RandomState::new(), entries: HashMap::new() }
    }

    /// Enters a committed incarnation; one that is there keeps what is known of it.
    pub fn enter(&mut self, uid: Uid, now: Instant) {
        let now = self.seconds(now);
        self.entries.entry(uid).or_insert(Entry {
            entered: now,
            last: now,
            silent_seconds: 0,
            progressed: now,
            progress: 0,
            busy_until: i64::MIN,
            refilled: now,
            tokens: BURST,
            seen: Seen::Unobserved,
            reported: false,
            ever_healthy: false,
        });
    }

    /// Keeps only these incarnations.
    pub fn retain(&mut self, keep: impl Fn(Uid) -> bool) {
        self.entries.retain(|uid, _| keep(*uid));
        self.entries.shrink_to(self.entries.len() * 2);
    }

    /// Takes note of a report.
    ///
    /// # Errors
    /// The incarnation is not entered, or reports too often; nothing is changed then.
    pub fn note(&mut self, uid: Uid, beat: &Beat, now: Instant) -> Result<(), Refused> {
        let now = self.seconds(now);
        let progress = self.hasher.hash_one((&beat.status, beat.cycle, &beat.task));
        let entry = self.entries.get_mut(&uid).ok_or(Refused::Gone)?;
        let refill = now.saturating_sub(entry.refilled).saturating_mul(PER_SECOND);
        let tokens = u32::from(entry.tokens).saturating_add(refill).min(u32::from(BURST));
        (entry.tokens, entry.refilled) = (u8::try_from(tokens).unwrap_or(BURST), now);
        entry.tokens = entry.tokens.checked_sub(1).ok_or(Refused::TooMany)?;
        if !entry.reported || entry.progress != progress {
            (entry.progress, entry.progressed) = (progress, now);
        }
        entry.last = now;
        entry.reported = true;
        entry.seen = beat.agent;
        entry.ever_healthy |= beat.agent == Seen::Healthy;
        entry.silent_seconds = if beat.agent == Seen::Silent { beat.silent_seconds } else { 0 };
        entry.busy_until = beat.busy_until.map_or(i64::MIN, |until| until.timestamp());
        Ok(())
    }

    /// What is known of an incarnation; `None`: it is not entered.
    #[must_use]
    pub fn pulse(&self, uid: Uid, now: Instant) -> Option<Pulse> {
        let entry = self.entries.get(&uid)?;
        let now = self.seconds(now);
        let since = |then: u32| Duration::from_secs(now.saturating_sub(then).into());
        let age = since(entry.last);
        // Between reports nothing is known: what was silent may have come back, so its silence does not grow by itself.
        let silent = Duration::from_secs(entry.silent_seconds.into());
        Some(Pulse {
            age,
            reported: entry.reported,
            ever_healthy: entry.ever_healthy,
            seen: entry.seen,
            silent,
            unchanged: since(entry.progressed.max(entry.entered)),
            busy_until: DateTime::from_timestamp(entry.busy_until, 0).filter(|_| entry.busy_until != i64::MIN),
        })
    }

    /// Incarnations that are entered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is entered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    // Whole seconds are enough for deadlines of a minute, and a third of the size.
    fn seconds(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.origin).as_secs()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::clock::{Clock, ManualClock};

    fn beat(agent: Seen) -> Beat {
        Beat { protocol: 1, agent, silent_seconds: 90, status: None, cycle: None, task: None, provider: None, busy_until: None }
    }

    fn uid(number: u128) -> Uid {
        Uid(number)
    }

    #[test]
    fn an_entry_is_small() {
        assert!(size_of::<Entry>() + size_of::<Uid>() <= 64, "{}", size_of::<Entry>());
    }

    #[test]
    fn uids_are_read_strictly() {
        let text = "5d1c9f1e-0000-4000-8000-0000000000ff";
        assert_eq!(Uid::read(text), Some(Uid(0x5d1c_9f1e_0000_4000_8000_0000_0000_00ff)));
        for wrong in [
            "",
            "5d1c9f1e",
            &text.replace('-', "0"),
            &text.replace('f', "g"),
            &format!("{text}0"),
            "+d1c9f1e-0000-4000-8000-0000000000ff",
        ] {
            assert_eq!(Uid::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn strangers_change_nothing() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let mut ledger = Ledger::new(clock.monotonic());
        assert_eq!(ledger.note(uid(1), &beat(Seen::Healthy), clock.monotonic()), Err(Refused::Gone));
        assert!(ledger.is_empty());
        ledger.enter(uid(1), clock.monotonic());
        assert_eq!(ledger.note(uid(1), &beat(Seen::Healthy), clock.monotonic()), Ok(()));
        ledger.retain(|_| false);
        assert_eq!(
            ledger.note(uid(1), &beat(Seen::Healthy), clock.monotonic()),
            Err(Refused::Gone),
            "a late report of the old one"
        );
    }

    #[test]
    fn silence_is_what_the_sidecar_says_and_not_the_age_of_its_report() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let mut ledger = Ledger::new(clock.monotonic());
        ledger.enter(uid(1), clock.monotonic());
        ledger.note(uid(1), &beat(Seen::Silent), clock.monotonic()).unwrap();
        clock.advance(Duration::from_mins(10));
        let pulse = ledger.pulse(uid(1), clock.monotonic()).unwrap();
        assert_eq!((pulse.age, pulse.silent), (Duration::from_mins(10), Duration::from_secs(90)));
        ledger.note(uid(1), &beat(Seen::Healthy), clock.monotonic()).unwrap();
        let pulse = ledger.pulse(uid(1), clock.monotonic()).unwrap();
        assert_eq!((pulse.silent, pulse.ever_healthy), (Duration::ZERO, true));
    }

    #[test]
    fn progress_is_a_change_of_cycle_task_or_status() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let mut ledger = Ledger::new(clock.monotonic());
        ledger.enter(uid(1), clock.monotonic());
        let at = |ledger: &Ledger, clock: &ManualClock| ledger.pulse(uid(1), clock.monotonic()).unwrap().unchanged.as_secs();
        for cycle in [1, 1, 1] {
            clock.advance(Duration::from_secs(30));
            ledger.note(uid(1), &Beat { cycle: Some(cycle), ..beat(Seen::Healthy) }, clock.monotonic()).unwrap();
        }
        assert_eq!(at(&ledger, &clock), 60);
        ledger.note(uid(1), &Beat { cycle: Some(2), ..beat(Seen::Healthy) }, clock.monotonic()).unwrap();
        assert_eq!(at(&ledger, &clock), 0);
    }

    #[test]
    fn an_agent_that_reports_too_often_is_slowed_down() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let mut ledger = Ledger::new(clock.monotonic());
        ledger.enter(uid(1), clock.monotonic());
        let taken = |ledger: &mut Ledger| {
            (0..20).filter(|_| ledger.note(uid(1), &beat(Seen::Healthy), clock.monotonic()).is_ok()).count()
        };
        assert_eq!(taken(&mut ledger), 10);
        clock.advance(Duration::from_secs(3));
        assert_eq!(taken(&mut ledger), 6);
    }
}
