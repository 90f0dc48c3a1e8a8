//! When the next request is due: pure, given the outcome of the last one.

use std::time::Duration;

use crate::api::beat::Reply;

/// The shortest and longest pace that a gateway may ask for, in seconds.
const PACES: (u32, u32) = (1, 300);
/// The longest wait for admission that a gateway may ask for, in seconds.
const LONGEST_ADMISSION_WAIT: u32 = 10;
/// After the first failure in a row, after many, and while only local files are missing: that burdens nobody.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(30);
const LONGEST_LOCAL_BACKOFF: Duration = Duration::from_secs(3);
/// A new leader's cache may lag behind a commit: this often an incarnation that is told to be over reports as before.
const GONE_BELIEVED_AFTER: u32 = 4;
/// How often it still reports then: often enough to notice if that was an error.
const GONE: Duration = Duration::from_mins(1);

/// Why a request failed, as far as the pace is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// There is nothing to connect to or with: nobody was asked.
    Local,
    /// The gateway could not be asked, or could not answer.
    Gateway,
    /// The gateway wants this long a pause, in seconds.
    Slower(u32),
    /// The incarnation is over.
    Gone,
}

/// Paces the requests of one sidecar so that a fleet does not arrive at once.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    failures: u32,
    random: u64,
}

impl Pace {
    /// A pace of `seconds` until the gateway says another; sidecars with different seeds come at different times.
    #[must_use]
    pub fn new(seconds: u32, seed: u64) -> Self {
        Self { interval: interval(seconds), failures: 0, random: seed }
    }

    /// Time from one report to the next while all is well, without the spread.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// The wait after a report that was taken.
    pub fn taken(&mut self, reply: &Reply) -> Duration {
        self.failures = 0;
        self.interval = interval(reply.next_heartbeat_seconds);
        self.around(self.interval)
    }

    /// The wait after the answer that the agent may not start yet.
    pub fn not_yet(&mut self, retry_seconds: u32) -> Duration {
        self.failures = 0;
        self.around(Duration::from_secs(retry_seconds.clamp(1, LONGEST_ADMISSION_WAIT).into()))
    }

    /// The wait after a request that failed: a random part of a bound that doubles with each failure in a row.
    pub fn failed(&mut self, failure: Failure) -> Duration {
        let doublings = self.failures.min(5);
        self.failures = self.failures.saturating_add(1);
        let bound = (FIRST_BACKOFF * (1 << doublings)).min(LONGEST_BACKOFF);
        match failure {
            Failure::Local => self.part_of(bound.min(LONGEST_LOCAL_BACKOFF)),
            Failure::Gateway => self.part_of(bound),
            // The pause is the least: the random part comes on top.
            Failure::Slower(seconds) => Duration::from_secs(seconds.clamp(PACES.0, PACES.1).into()) + self.part_of(bound),
            Failure::Gone if self.failures <= GONE_BELIEVED_AFTER => self.around(self.interval),
            Failure::Gone => self.around(GONE.max(self.interval)),
        }
    }

    /// Up to a tenth less or more.
    fn around(&mut self, time: Duration) -> Duration {
        time.mul_f64(self.fraction().mul_add(0.2, 0.9))
    }

    /// Anything up to `bound`, but never so little that failures spin.
    fn part_of(&mut self, bound: Duration) -> Duration {
        bound.mul_f64(self.fraction()).max(FIRST_BACKOFF / 10)
    }

    /// From 0 to 1, by splitmix64 (Steele, Lea and Flood 2014): spreading a fleet needs no better randomness.
    fn fraction(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let top = u32::try_from((mixed ^ (mixed >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(top) / f64::from(u32::MAX)
    }
}

fn interval(seconds: u32) -> Duration {
    Duration::from_secs(seconds.clamp(PACES.0, PACES.1).into())
}

#[cfg(test)]
mod tests;
