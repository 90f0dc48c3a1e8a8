//! What the leader remembers between reconciles, and may forget at any time: waits after failures.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::observe::Refusal;

const FIRST_WAIT: i64 = 5;
const LONGEST_WAIT: i64 = 300;

/// Waits after refusals and errors, by the mission's UID.
#[derive(Debug, Default)]
pub struct Memory {
    missions: Mutex<HashMap<String, Mission>>,
}

#[derive(Debug, Default)]
struct Mission {
    refusals: BTreeMap<String, (Refusal, u32)>,
    errors: u32,
    quarantined: bool,
}

impl Memory {
    fn missions(&self) -> MutexGuard<'_, HashMap<String, Mission>> {
        // Every change leaves the map whole, so a poisoned lock is still right.
        self.missions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The agents of a mission whose pods were refused.
    #[must_use]
    pub fn refusals(&self, uid: &str) -> BTreeMap<String, Refusal> {
        let missions = self.missions();
        let refusals = missions.get(uid).map(|mission| &mission.refusals).into_iter().flatten();
        refusals.map(|(agent, (refusal, _))| (agent.clone(), refusal.clone())).collect()
    }

    /// The API server refused an agent's pod: the next try waits 5 s, doubling up to 300 s.
    pub fn refused(&self, uid: &str, agent: &str, generation: i64, message: String, now: DateTime<Utc>) {
        let mut missions = self.missions();
        let refusals = &mut missions.entry(uid.into()).or_default().refusals;
        let times = refusals.get(agent).map_or(0, |(_, times)| times + 1);
        let wait = FIRST_WAIT.saturating_mul(1 << times.min(16)).min(LONGEST_WAIT);
        refusals.insert(agent.into(), (Refusal { message, generation, until: now + TimeDelta::seconds(wait) }, times));
    }

    /// An agent's pod was made after all.
    pub fn accepted(&self, uid: &str, agent: &str) {
        if let Some(mission) = self.missions().get_mut(uid) {
            mission.refusals.remove(agent);
        }
    }

    /// A reconcile failed: how long to wait before the next, 1 s doubling up to 64 s.
    pub fn failed(&self, uid: &str) -> Duration {
        let mut missions = self.missions();
        let mission = missions.entry(uid.into()).or_default();
        mission.errors = (mission.errors + 1).min(7);
        Duration::from_secs(1 << (mission.errors - 1))
    }

    /// A reconcile succeeded.
    pub fn succeeded(&self, uid: &str) {
        if let Some(mission) = self.missions().get_mut(uid) {
            (mission.errors, mission.quarantined) = (0, false);
        }
    }

    /// The object can't be processed, and this was said.
    pub fn quarantine(&self, uid: &str) {
        self.missions().entry(uid.into()).or_default().quarantined = true;
    }

    /// Whether it was said that the object can't be processed.
    #[must_use]
    pub fn is_quarantined(&self, uid: &str) -> bool {
        self.missions().get(uid).is_some_and(|mission| mission.quarantined)
    }

    /// Forgets missions that no longer exist, and counts the quarantined ones that do.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) -> usize {
        let mut missions = self.missions();
        missions
            .retain(|uid, mission| exists(uid) && (mission.quarantined || mission.errors > 0 || !mission.refusals.is_empty()));
        missions.values().filter(|mission| mission.quarantined).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_and_are_forgotten_on_success() {
        let memory = Memory::default();
        let now = DateTime::UNIX_EPOCH;
        let waited = |memory: &Memory| {
            memory.refused("uid", "scout", 1, "quota".into(), now);
            (memory.refusals("uid")["scout"].until - now).num_seconds()
        };
        let waits: Vec<_> = (0..8).map(|_| waited(&memory)).collect();
        assert_eq!(waits, [5, 10, 20, 40, 80, 160, 300, 300]);
        memory.accepted("uid", "scout");
        assert!(memory.refusals("uid").is_empty());
        let waits: Vec<_> = (0..8).map(|_| memory.failed("uid").as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 64]);
        memory.succeeded("uid");
        assert_eq!(memory.failed("uid").as_secs(), 1);
    }

    #[test]
    fn only_existing_missions_are_remembered() {
        let memory = Memory::default();
        assert!(!memory.is_quarantined("a"));
        memory.quarantine("a");
        memory.quarantine("b");
        assert!(memory.is_quarantined("a"));
        assert_eq!(memory.retain(|uid| uid == "a"), 1);
        memory.succeeded("a");
        assert_eq!(memory.retain(|_| true), 0);
        assert!(memory.missions().is_empty());
    }
}
