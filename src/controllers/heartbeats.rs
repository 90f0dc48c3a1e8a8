//! From reports to reconciles: which incarnations may report, and whose mission has to be looked at again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::{self, UnboundedReceiver, UnboundedSender};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::ObjectRef;

use crate::api::MissionCell;
use crate::decide::{Expected, Judgement, Terms, judge};
use crate::gateway::ledger::{Ledger, Uid};
use crate::observe::{Cell, Network, Pulse};
use crate::runtime::clock::Clock;

/// A mission, as the controller names it.
pub type MissionRef = ObjectRef<DeserializeGuard<MissionCell>>;

/// Keeps the gateway's ledger in step with what is committed, and wakes the missions of which reports say something new.
pub struct Heartbeats {
    ledger: Arc<Mutex<Ledger>>,
    missions: Mutex<HashMap<String, Mission>>,
    wake: UnboundedSender<MissionRef>,
    clock: Arc<dyn Clock>,
}

struct Mission {
    reference: MissionRef,
    agents: Vec<Agent>,
}

struct Agent {
    uid: Uid,
    terms: Terms,
    elsewhere: bool,
    /// What the mission was last woken for.
    judged: Judgement,
    network: Network,
}

impl Heartbeats {
    /// Over the gateway's ledger; missions to look at again come out of the other end.
    #[must_use]
    pub fn new(ledger: Arc<Mutex<Ledger>>, clock: Arc<dyn Clock>) -> (Self, UnboundedReceiver<MissionRef>) {
        let (wake, woken) = mpsc::unbounded();
        (Self { ledger, missions: Mutex::default(), wake, clock }, woken)
    }

    /// These incarnations of the mission may report, and no others.
    pub fn expect(&self, cell: &Cell, expected: &[Expected]) {
        let now = self.clock.monotonic();
        let mut missions = self.missions();
        let mut ledger = self.ledger();
        let old = missions.remove(&cell.uid).map(|mission| mission.agents).unwrap_or_default();
        let mut agents = Vec::with_capacity(expected.len());
        for Expected { uid, terms, running, holds, elsewhere, closed } in expected {
            // A pod whose UID is not one can't have a token that says so.
            let Some(uid) = Uid::read(uid) else { continue };
            ledger.enter(uid, u32::try_from(terms.heartbeat.interval_seconds).unwrap_or(15), *running, now);
            ledger.confine(uid, *closed);
            ledger.hold(uid, holds);
            let known = old.iter().find(|agent| agent.uid == uid).map(|agent| (agent.judged, agent.network));
            let (judged, network) = known.unwrap_or((Judgement::Unknown, Network::Unknown));
            agents.push(Agent { uid, terms: *terms, elsewhere: *elsewhere, judged, network });
        }
        for gone in old.iter().filter(|agent| !agents.iter().any(|kept| kept.uid == agent.uid)) {
            ledger.leave(gone.uid);
        }
        if !agents.is_empty() {
            let reference = ObjectRef::new(&cell.name).within(&cell.namespace);
            missions.insert(cell.uid.clone(), Mission { reference, agents });
        }
    }

    /// What is known of a mission's incarnations, by the UID of the pod.
    #[must_use]
    pub fn pulses(&self, cell_uid: &str) -> BTreeMap<String, Pulse> {
        let now = self.clock.monotonic();
        let missions = self.missions();
        let agents = missions.get(cell_uid).map(|mission| mission.agents.as_slice()).unwrap_or_default();
        let ledger = self.ledger();
        let pulse = |agent: &Agent| {
            let patience = u32::try_from(agent.terms.heartbeat.stale_after_seconds).unwrap_or(u32::MAX);
            // It goes through everybody, so only for those that need a witness.
            let witnessed = if agent.elsewhere { ledger.witnessed(agent.uid, patience) } else { 0 };
            Some((agent.uid.to_string(), Pulse { witnessed, ..ledger.pulse(agent.uid, now)? }))
        };
        agents.iter().filter_map(pulse).collect()
    }

    /// Whether everybody who may report was expected since this replica leads.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.ledger().is_open()
    }

    /// Everybody who may report was expected.
    pub fn open(&self) {
        self.ledger().open();
    }

    /// Forgets missions that no longer exist.
    pub fn retain(&self, exists: impl Fn(&str) -> bool) {
        let mut missions = self.missions();
        let mut ledger = self.ledger();
        for (_, mission) in missions.extract_if(|uid, _| !exists(uid)) {
            for agent in mission.agents {
                ledger.leave(agent.uid);
            }
        }
    }

    /// Looks at every incarnation once, and wakes the missions of which reports say something new.
    pub fn scan(&self) {
        let now = self.clock.monotonic();
        let mut woken = Vec::new();
        let mut missions = self.missions();
        for mission in missions.values_mut() {
            let mut news = false;
            for agent in &mut mission.agents {
                let pulse = self.ledger().pulse(agent.uid, now);
                let judged = pulse.map_or(Judgement::Unknown, |pulse| judge(&pulse, &agent.terms));
                let network = pulse.map_or(Network::Unknown, |pulse| pulse.network);
                news |= (judged, network) != (agent.judged, agent.network);
                (agent.judged, agent.network) = (judged, network);
            }
            if news {
                woken.push(mission.reference.clone());
            }
        }
        drop(missions);
        // Only when all are judged: whoever decides about the first has to know how many there are.
        for mission in woken {
            // Nobody listens only while the process ends.
            self.wake.unbounded_send(mission).ok();
        }
    }

    /// The UIDs of the pods that reports spoke against at the last scan.
    #[must_use]
    pub fn troubled(&self) -> BTreeSet<String> {
        let missions = self.missions();
        let agents = missions.values().flat_map(|mission| &mission.agents);
        agents.filter(|agent| agent.judged.is_trouble()).map(|agent| agent.uid.to_string()).collect()
    }

    /// How many incarnations reached, at the last scan, what no agent may reach.
    #[must_use]
    pub fn open_networks(&self) -> usize {
        let missions = self.missions();
        missions.values().flat_map(|mission| &mission.agents).filter(|agent| agent.network == Network::Open).count()
    }

    // Every change leaves the maps whole, so a poisoned lock is still right.
    fn missions(&self) -> MutexGuard<'_, HashMap<String, Mission>> {
        self.missions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::api::beat::{Beat, Seen};
    use crate::runtime::clock::ManualClock;

    #[test]
    fn a_mission_is_looked_at_when_a_network_opens_and_when_it_closes() {
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let ledger = Arc::new(Mutex::new(Ledger::new(clock.monotonic())));
        let (heartbeats, mut woken) = Heartbeats::new(Arc::clone(&ledger), Arc::new(clock.clone()));
        let spec = serde_json::from_value(serde_json::json!({"mission": "m", "agents": []})).unwrap();
        let cell = Cell {
            name: "cell".into(),
            namespace: "missions".into(),
            uid: "cell-uid".into(),
            generation: 1,
            deleting: false,
            spec,
            status: crate::api::MissionCellStatus::default(),
        };
        let uid = "00000000-0000-0000-0000-000000000001".to_owned();
        let terms = Terms::default();
        heartbeats.expect(&cell, &[Expected { uid, terms, running: true, holds: Vec::new(), elsewhere: false, closed: true }]);
        heartbeats.open();
        let said = [(Network::Closed, 0), (Network::Open, 1), (Network::Open, 1), (Network::Closed, 0)];
        let news = said.map(|(network, open)| {
            let beat = Beat { network, ..Beat::of(Seen::Unobserved) };
            ledger
                .lock()
                .unwrap()
                .note(Uid::read("00000000-0000-0000-0000-000000000001").unwrap(), &beat, clock.monotonic())
                .unwrap();
            heartbeats.scan();
            assert_eq!(heartbeats.open_networks(), open);
            woken.try_recv().is_ok()
        });
        assert_eq!(news, [true, true, false, true]);
    }
}
