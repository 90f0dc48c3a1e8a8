//! What the leader knows from reports: in memory only, one small entry per committed incarnation.
//!
//! An incarnation that is not entered has no entry, whatever it sends: strangers allocate nothing. There is no timer per
//! report; whoever wants to know looks ([`Ledger::pulse`]).

mod witness;

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::num::NonZeroU64;
use std::time::Instant;

use crate::api::beat::{Beat, Network, Seen};
use crate::api::external;
use crate::observe::{Asked, Pulse};
pub use witness::CANARY_INTERVAL;
use witness::Run;

/// Requests that an agent's sidecar may send at once, and then per second.
const BURST: u8 = 10;
const PER_SECOND: u32 = 2;

/// What an incarnation was refused for stays known for this long, in seconds: whoever is refused for many things in turn
/// must not have them all written down.
const REFUSAL_LASTS: u32 = 300;

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

impl fmt::Display for Uid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&external::dashed(self.0))
    }
}

/// Why a report changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Not everybody who may report is entered yet.
    Closed,
    /// The incarnation is not entered: it is not committed, or no longer.
    Gone,
    /// More reports than one agent may send.
    TooMany,
}

/// How many incarnations report as they should.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Reported in time, and not that the agent is silent.
    pub healthy: usize,
    /// One report is missing, or the agent is silent.
    pub degraded: usize,
    /// Three reports are missing.
    pub unhealthy: usize,
}

/// One incarnation. `u32` are whole seconds since the ledger's origin: enough for deadlines of a minute, and small.
#[derive(Clone, Copy, Debug)]
struct Entry {
    interval: u32,
    /// The interval that was wanted when it last reported.
    told: u32,
    last: u32,
    /// Since when it reports without a gap; it means nothing before the first report.
    began: u32,
    silent: u32,
    busy: Option<u32>,
    progress: Option<NonZeroU64>,
    progressed: u32,
    running: Option<u32>,
    refilled: u32,
    tokens: u8,
    asked: Asked,
    asked_at: u32,
    seen: Seen,
    reported: bool,
    heard: bool,
    ever_healthy: bool,
    /// What its sidecar says of its network; `None`: it need not be closed, so nobody asks.
    network: Option<Network>,
}

impl Entry {
    /// Whether its agent may start. One that runs already does so whatever its sidecar, started again, finds; and where the
    /// operator is blind, nothing that sidecars find shows that a network is closed.
    fn may_start(&self, blind: bool) -> bool {
        match self.network {
            None => true,
            Some(Network::Closed) if !blind => true,
            Some(Network::Unknown | Network::Closed | Network::Open) => self.running.is_some(),
        }
    }

    fn says(&mut self, network: Network) {
        self.network = self.network.map(|_| network);
    }

    fn run(&self) -> Option<Run> {
        self.reported.then_some(Run { began: self.began, last: self.last, interval: self.told })
    }

    /// Takes one of the requests that this incarnation may send.
    fn spend(&mut self, now: u32) -> Result<(), Refused> {
        let refill = now.saturating_sub(self.refilled).saturating_mul(PER_SECOND);
        let tokens = u32::from(self.tokens).saturating_add(refill).min(u32::from(BURST));
        (self.tokens, self.refilled) = (u8::try_from(tokens).unwrap_or(BURST), now);
        self.tokens = self.tokens.checked_sub(1).ok_or(Refused::TooMany)?;
        (self.asked, self.asked_at) = (Asked::Taken, now);
        Ok(())
    }
}

/// Every incarnation that may report.
#[derive(Debug)]
pub struct Ledger {
    origin: Instant,
    hasher: RandomState,
    entries: HashMap<Uid, Entry>,
    /// Only of those that have taken over a part, which are few.
    holds: HashMap<Uid, Vec<String>>,
    /// The reports of a replica that does not lead.
    canary: Option<Run>,
    /// When one of them last said that it does not reach the port that no agent may reach.
    blind: Option<u32>,
    open: bool,
}

impl Ledger {
    /// An empty ledger, whose times count from `origin`. It is closed.
    #[must_use]
    pub fn new(origin: Instant) -> Self {
        let (hasher, entries, holds) = (RandomState::new(), HashMap::new(), HashMap::new());
        Self { origin, hasher, entries, holds, canary: None, blind: None, open: false }
    }

    /// Enters a committed incarnation that reports every `interval` seconds; one that is there keeps what is known of it.
    pub fn enter(&mut self, uid: Uid, interval: u32, running: bool, now: Instant) {
        let now = self.seconds(now);
        let entry = self.entries.entry(uid).or_insert(Entry {
            interval,
            last: now,
            began: now,
            told: 0,
            silent: 0,
            busy: None,
            progress: None,
            progressed: now,
            running: None,
            refilled: now,
            tokens: BURST,
            asked: Asked::Never,
            asked_at: now,
            seen: Seen::Unobserved,
            reported: false,
            heard: false,
            ever_healthy: false,
            network: None,
        });
        entry.interval = interval;
        entry.running = running.then(|| entry.running.unwrap_or(now));
    }

    /// Whether the incarnation's network is to be closed before its agent may start.
    pub fn confine(&mut self, uid: Uid, closed: bool) {
        if let Some(entry) = self.entries.get_mut(&uid) {
            entry.network = closed.then(|| entry.network.unwrap_or_default());
        }
    }

    /// Forgets an incarnation: whatever it still reports is refused.
    pub fn leave(&mut self, uid: Uid) {
        self.entries.remove(&uid);
        self.holds.remove(&uid);
        if self.entries.len() < self.entries.capacity() / 4 {
            self.entries.shrink_to(self.entries.len() * 2);
        }
    }

    /// Forgets everything and closes, as a replica that no longer leads has to.
    pub fn clear(&mut self) {
        (self.entries, self.holds, self.open) = (HashMap::new(), HashMap::new(), false);
        (self.canary, self.blind) = (None, None);
    }

    /// The agent has the parts of these others.
    pub fn hold(&mut self, uid: Uid, agents: &[String]) {
        if agents.is_empty() {
            self.holds.remove(&uid);
        } else {
            self.holds.insert(uid, agents.to_vec());
        }
    }

    /// The agents whose parts an agent has taken over.
    #[must_use]
    pub fn holds(&self, uid: Uid) -> Vec<String> {
        self.holds.get(&uid).cloned().unwrap_or_default()
    }

    /// Everybody who may report is entered: whoever is not, from now on, may not.
    pub fn open(&mut self) {
        self.open = true;
    }

    /// Whether everybody who may report is entered.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open
    }

    /// How many are entered.
    #[must_use]
    pub fn entered(&self) -> usize {
        self.entries.len()
    }

    /// Whether the agent of this pod may start: only a committed incarnation is entered.
    #[must_use]
    pub fn admits(&self, uid: Uid) -> bool {
        self.open && self.entries.contains_key(&uid)
    }

    /// Takes note of a question for admission, which says what the sidecar found out about its network, and says whether the
    /// agent may start.
    ///
    /// # Errors
    /// The incarnation asks too often.
    pub fn ask(&mut self, uid: Uid, network: Network, now: Instant) -> Result<bool, Refused> {
        let (open, blind, now) = (self.open, self.is_blind(now), self.seconds(now));
        let Some(entry) = self.entries.get_mut(&uid).filter(|_| open) else { return Ok(false) };
        entry.spend(now)?;
        entry.says(network);
        Ok(entry.may_start(blind))
    }

    /// Takes note that a request of this incarnation was refused; of one that is not entered nothing is noted.
    pub fn refuse(&mut self, uid: Uid, why: Asked, now: Instant) {
        let now = self.seconds(now);
        if let Some(entry) = self.entries.get_mut(&uid)
            && (entry.asked == Asked::Never || now.saturating_sub(entry.asked_at) >= REFUSAL_LASTS)
        {
            (entry.asked, entry.asked_at) = (why, now);
        }
    }

    /// Takes note of a report, and says how many seconds later the next one is wanted.
    ///
    /// # Errors
    /// The incarnation is not entered, or reports too often; nothing is changed then.
    pub fn note(&mut self, uid: Uid, beat: &Beat, now: Instant) -> Result<u32, Refused> {
        if !self.open {
            return Err(Refused::Closed);
        }
        let now = self.seconds(now);
        let said = (&beat.status, beat.cycle, &beat.task);
        let progress = (said != (&None, None, &None)).then(|| NonZeroU64::MIN | self.hasher.hash_one(said));
        let entry = self.entries.get_mut(&uid).ok_or(Refused::Gone)?;
        entry.spend(now)?;
        if entry.progress != progress {
            (entry.progress, entry.progressed) = (progress, now);
        }
        // A sidecar that was started again has not heard what its agent told the one before.
        let remembered = entry.busy.map(|busy| busy.saturating_sub(now.saturating_sub(entry.last)));
        entry.began = Run::after(entry.run(), entry.interval, now).began;
        entry.told = entry.interval;
        entry.last = now;
        entry.reported = true;
        entry.seen = beat.agent;
        entry.heard = beat.ever_healthy || beat.agent == Seen::Healthy;
        entry.ever_healthy |= entry.heard;
        entry.silent = if beat.agent == Seen::Silent { beat.silent_seconds } else { 0 };
        entry.busy = beat.busy_seconds.or(remembered);
        entry.says(beat.network);
        Ok(entry.interval)
    }

    /// What is known of an incarnation; `None`: it is not entered.
    #[must_use]
    pub fn pulse(&self, uid: Uid, now: Instant) -> Option<Pulse> {
        let entry = self.entries.get(&uid)?;
        let network = match entry.network.unwrap_or_default() {
            Network::Closed if self.is_blind(now) => Network::Unknown,
            said @ (Network::Unknown | Network::Closed | Network::Open) => said,
        };
        let now = self.seconds(now);
        let age = now.saturating_sub(entry.last);
        Some(Pulse {
            age,
            asked: entry.asked,
            reported: entry.reported,
            ever_healthy: entry.ever_healthy,
            heard: entry.heard,
            seen: entry.seen,
            silent: entry.silent,
            unchanged: entry.progress.map(|_| now.saturating_sub(entry.progressed)),
            busy: entry.busy.map(|busy| busy.saturating_sub(age)),
            running: entry.running.map_or(0, |running| now.saturating_sub(running)),
            witnessed: 0,
            told: entry.told,
            network,
        })
    }

    /// Counts the incarnations by how they report.
    #[must_use]
    pub fn tally(&self, now: Instant) -> Tally {
        let now = self.seconds(now);
        let mut tally = Tally::default();
        for entry in self.entries.values() {
            // Half an interval of grace, as a report may be a little late.
            let missed = now.saturating_sub(entry.last).saturating_add(entry.interval / 2) / entry.interval.max(1);
            match (missed, entry.seen) {
                (0 | 1, Seen::Healthy | Seen::Unobserved) => tally.healthy += 1,
                (0..=2, Seen::Healthy | Seen::Unobserved | Seen::Silent) => tally.degraded += 1,
                (3.., _) => tally.unhealthy += 1,
            }
        }
        tally
    }

    fn seconds(&self, now: Instant) -> u32 {
        u32::try_from(now.saturating_duration_since(self.origin).as_secs()).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests;
