//! Leader election on one Lease: client-go's algorithm as a state machine without I/O, clock or randomness.
//!
//! It is `k8s.io/client-go/tools/leaderelection` with three rules made stricter, so that two tokens are never valid
//! at once while clock *rates* differ by less than lease / renew deadline (15 s / 10 s), whatever the wall clocks say:
//! - a token ends one renew deadline after the *sending* of the last renewal, an observation starts at its *answer*;
//! - any change, also a person's edit or a deletion, makes others wait a whole lease from when they saw it; only
//!   the mark that a release leaves (no holder, 1 s) lets them take over at once. So the first start in a
//!   cluster waits one lease too;
//! - a holder that does not renew in time goes back to waiting instead of ending the process.
//!
//! Beyond it: a forged release mark, a Lease that is made and deleted within half a lease, and a suspended machine, whose
//! monotonic clock stands still. Safe start makes such an overlap harmless.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::ObjectMeta;

use super::time::to_micro_time;

/// The longest lease that is respected, in seconds: a longer one was not written by an operator (see `Config`), but by hand.
pub const LONGEST_LEASE_SECONDS: i64 = 300;

/// Timing of the election, whole seconds: lease > renew deadline > 1.2 × retry period, retry period ≥ 1 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Durations {
    /// How long others wait for a silent holder, at most [`LONGEST_LEASE_SECONDS`].
    pub lease: Duration,
    /// How long a holder that can't renew goes on acting.
    pub renew_deadline: Duration,
    /// Time between two tries, before jitter.
    pub retry_period: Duration,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Read the Lease, then call [`Elector::observed`] or [`Elector::failed`].
    Read,
    /// Create this Lease, then call [`Elector::written`], [`Elector::refused`] or [`Elector::failed`].
    Create(Lease),
    /// Replace the Lease, which carries its resourceVersion; then as after `Create`.
    Replace(Lease),
    /// Do nothing for this long, then ask again.
    Wait(Duration),
}

/// One candidate's view of the Lease and of its own token.
#[derive(Debug)]
pub struct Elector {
    namespace: String,
    name: String,
    holder: String,
    durations: Durations,
    /// When the token ends; a past instant is the same as none.
    token: Option<Instant>,
    /// The Lease as last read or written (`None`: absent), and when it was first seen like that.
    seen: Option<(Option<Lease>, Instant)>,
    /// When it was last read: absence counts only while it is looked at, for it has no version to compare.
    looked: Option<Instant>,
    /// The last replacement sent: tells an own write whose answer was lost from a person's edit that names us.
    /// Not a creation: one that lands late has no resourceVersion that would prove it came after everyone else.
    sent: Option<LeaseSpec>,
    transitions: i32,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Begin,
    /// A renewal without a read is under way: refused means look, not rest.
    Renewing,
    Look,
    Judge,
    Writing,
    Rest,
}

impl Elector {
    /// A candidate named `holder`, which must differ between processes, for the Lease `namespace/name`.
    #[must_use]
    pub fn new(namespace: &str, name: &str, holder: &str, durations: Durations) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
            holder: holder.into(),
            durations,
            token: None,
            seen: None,
            looked: None,
            sent: None,
            transitions: 0,
            phase: Phase::Begin,
        }
    }

    /// When the token ends, if it is valid at `now`.
    #[must_use]
    pub fn token(&self, now: Instant) -> Option<Instant> {
        self.token.filter(|end| now < *end)
    }

    /// The holder named by the Lease as last seen; `None` when absent or released.
    #[must_use]
    pub fn seen_holder(&self) -> Option<&str> {
        let (lease, _) = self.seen.as_ref()?;
        let holder = lease.as_ref()?.spec.as_ref()?.holder_identity.as_deref()?;
        Some(holder).filter(|holder| !holder.is_empty())
    }

    /// What to do at `now`; `wall` only fills the times people read, `jitter` in 0..1 spreads the candidates.
    pub fn next(&mut self, now: Instant, wall: DateTime<Utc>, jitter: f64) -> Step {
        let held = self.token(now).is_some();
        match self.phase {
            Phase::Begin if held => self.write(Phase::Renewing, wall),
            Phase::Begin | Phase::Look => Step::Read,
            Phase::Judge if self.judge(now).is_zero() => self.write(Phase::Writing, wall),
            Phase::Judge | Phase::Renewing | Phase::Writing | Phase::Rest => {
                self.phase = Phase::Begin;
                self.rest(now, jitter)
            }
        }
    }

    /// The Lease was read, `None` if it does not exist; `now` is after the answer.
    pub fn observed(&mut self, lease: Option<Lease>, now: Instant) {
        let version = |lease: &Option<Lease>| {
            lease.as_ref().map(|lease| (lease.metadata.uid.clone(), lease.metadata.resource_version.clone()))
        };
        let looked = self.looked.replace(now);
        let unattended =
            lease.is_none() && looked.is_none_or(|looked| now.saturating_duration_since(looked) > self.durations.lease / 2);
        if unattended || self.seen.as_ref().is_none_or(|(seen, _)| version(seen) != version(&lease)) {
            if let Some(spec) = lease.as_ref().and_then(|lease| lease.spec.as_ref()) {
                self.transitions = spec.lease_transitions.unwrap_or(0).max(0);
            }
            self.seen = Some((lease, now));
        }
        // Someone else is named, by their own write or by a person: what is left of the token is void.
        if self.seen_holder().is_some_and(|holder| holder != self.holder) {
            self.token = None;
        }
        self.phase = Phase::Judge;
    }

    /// A write that was sent at `sent` succeeded with this answer, read at `now`.
    pub fn written(&mut self, lease: Lease, sent: Instant, now: Instant) {
        self.transitions = lease.spec.as_ref().and_then(|spec| spec.lease_transitions).unwrap_or(0).max(0);
        self.seen = Some((Some(lease), now));
        self.token = Some(sent + self.durations.renew_deadline);
        self.phase = Phase::Rest;
    }

    /// A write was refused because the Lease is not as we saw it (409, 404).
    pub fn refused(&mut self) {
        self.phase = if self.phase == Phase::Renewing { Phase::Look } else { Phase::Rest };
    }

    /// A request failed or timed out; a write may have happened.
    pub fn failed(&mut self) {
        self.phase = Phase::Rest;
    }

    /// Drops the token; the Lease to write so that others need not wait, if it was ours.
    pub fn release(&mut self, now: Instant, wall: DateTime<Utc>) -> Option<Lease> {
        self.token(now)?;
        self.token = None;
        let mut lease = self.seen.as_ref()?.0.clone()?;
        let spec = lease.spec.get_or_insert_default();
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(to_micro_time(wall));
        spec.acquire_time = Some(to_micro_time(wall));
        Some(lease)
    }

    /// How long to wait before writing our name; zero means now.
    fn judge(&self, now: Instant) -> Duration {
        let Some((lease, since)) = &self.seen else { return self.durations.lease };
        let left = |lease: Duration| (*since + lease).saturating_duration_since(now);
        let Some(spec) = lease.as_ref().and_then(|lease| lease.spec.as_ref()) else {
            // Absent or empty: nobody but us can hold a token that we hold.
            return if self.token(now).is_some() { Duration::ZERO } else { left(self.durations.lease) };
        };
        let recorded = i64::from(spec.lease_duration_seconds.unwrap_or(0)).clamp(0, LONGEST_LEASE_SECONDS).unsigned_abs();
        let holder = spec.holder_identity.as_deref().unwrap_or_default();
        let ours = self.token(now).is_some() && (holder == self.holder || holder.is_empty()) || self.sent.as_ref() == Some(spec);
        let released = holder.is_empty() && recorded == 1;
        if ours || released {
            return Duration::ZERO;
        }
        // A person may have shortened the recorded time while the holder goes by its own: never less than ours.
        left(Duration::from_secs(recorded).max(self.durations.lease))
    }

    fn write(&mut self, phase: Phase, wall: DateTime<Utc>) -> Step {
        let seen = self.seen.as_ref().and_then(|(lease, _)| lease.clone());
        let exists = seen.is_some();
        let mut lease = seen.unwrap_or_else(|| Lease {
            metadata: ObjectMeta {
                namespace: Some(self.namespace.clone()),
                name: Some(self.name.clone()),
                ..ObjectMeta::default()
            },
            spec: None,
        });
        if exists && lease.metadata.resource_version.is_none() {
            // Without a version a replace would be unconditional; the server always sends one.
            self.phase = Phase::Begin;
            return Step::Wait(self.durations.retry_period);
        }
        lease.metadata.managed_fields = None;
        let spec = lease.spec.get_or_insert_default();
        let renewal = spec.holder_identity.as_deref() == Some(self.holder.as_str());
        if !renewal {
            spec.acquire_time = Some(to_micro_time(wall));
            // Saturating: at the end of i32 the count stops, the election goes on.
            let changed_hands = exists || self.transitions > 0;
            spec.lease_transitions = Some(if changed_hands { self.transitions.saturating_add(1) } else { 0 });
            spec.holder_identity = Some(self.holder.clone());
        }
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(0).max(0));
        spec.lease_duration_seconds = Some(i32::try_from(self.durations.lease.as_secs()).unwrap_or(i32::MAX));
        spec.renew_time = Some(to_micro_time(wall));
        self.sent = exists.then(|| spec.clone());
        self.phase = phase;
        if exists { Step::Replace(lease) } else { Step::Create(lease) }
    }

    fn rest(&self, now: Instant, jitter: f64) -> Step {
        let period = self.durations.retry_period;
        let jitter = jitter.clamp(0.0, 1.0);
        if self.token(now).is_some() {
            return Step::Wait(period.mul_f64(1.0 + 0.2 * jitter));
        }
        // Waiting candidates spread as client-go's do, but look again as soon as the lease may have run out.
        let spread = period.mul_f64(1.0 + 1.2 * jitter);
        // The last bound keeps an absent Lease watched when the retry period is long.
        let left = self.judge(now);
        let spread = spread.min(self.durations.lease / 3);
        Step::Wait(if left.is_zero() { spread } else { spread.min(left.max(period / 4)) })
    }
}

#[cfg(test)]
mod tests;
