//! Left alone, a mission comes to rest with its agent running: no step of the operator leads into a dead end.
//!
//! From every state in which nothing is under way, one replica alone goes on, without faults, until nothing is left to do.
//! Here the gateway knows what is stored now, no less and no more.

use std::collections::HashMap;
use std::sync::RwLock;

use lazarus::api::Revive;
use stateright::Model;

use super::model::{Action, Lazarus};
use super::production::View;
use super::state::{Answer, Cell, End, Faults, Phase, Pod, Request, Stage, State};

/// More steps than anything needs to come to rest.
const STEPS: usize = 100;

/// Whether a cluster comes to rest, by mission, pods and requests: the rest is the same in all of these states.
pub type Rests = RwLock<HashMap<(Option<Cell>, Vec<Pod>, Vec<Request>), bool>>;

impl Lazarus {
    /// Whether the agent runs in the end, or it is plain why not.
    pub fn comes_to_rest(&self, state: &State) -> bool {
        let key = (state.cell.clone(), state.pods.clone(), state.requests.clone());
        if let Some(known) = self.rests.read().unwrap().get(&key) {
            return *known;
        }
        let good = self.alone(state, |_, _, _| {}).is_some_and(|end| self.is_good(&end));
        self.rests.write().unwrap().insert(key, good);
        good
    }

    /// One replica goes on alone; where it comes to rest, if it does.
    pub fn alone(&self, state: &State, mut tell: impl FnMut(&State, Action, &State)) -> Option<State> {
        let mut state = State { left: Faults::default(), ..state.clone() };
        for _ in 0..STEPS {
            let Some(action) = self.next(&state) else { return Some(state) };
            let next = self.next_state(&state, action)?;
            tell(&state, action, &next);
            // The cluster has nothing left to do, and neither has the operator.
            if matches!(action, Action::Look(..)) && next.is_quiet() {
                return Some(next);
            }
            state = next;
        }
        None
    }

    /// The cluster goes first, so that the operator sees what has become of its last writes.
    fn next(&self, state: &State) -> Option<Action> {
        let cluster = state.pods.iter().find_map(|pod| {
            let admitted =
                || state.cell.as_ref().is_some_and(|cell| self.production.expected(cell, &state.pods).contains(&pod.uid));
            match pod.stage {
                _ if pod.deleting => Some(Action::Stop(pod.uid)),
                _ if state.is_garbage(*pod) => Some(Action::Collect(pod.uid)),
                Stage::Asks if pod.expected && admitted() => Some(Action::Admit(pod.uid)),
                Stage::Admitted => Some(Action::Start(pod.uid)),
                Stage::Asks | Stage::Runs | Stage::Died | Stage::Stopped => None,
            }
        });
        cluster.or_else(|| state.is_empty().then_some(Action::Vanish)).or_else(|| match &state.replicas[0].phase {
            Phase::Idle => state.cell.as_ref().map(|_| Action::Read(0)),
            Phase::Read { .. } | Phase::Listed(_) => Some(Action::Look(0, View::Plain)),
            Phase::Writes(_) => Some(Action::Send(0)),
        })
    }

    fn is_good(&self, end: &State) -> bool {
        let Some(cell) = &end.cell else { return true };
        // A pod of nobody holds the name, as the status says; a person has to delete it.
        let held = end.pods.iter().any(|pod| !pod.owned && !pod.is_over());
        let stays_dead = match self.configuration.revive {
            Revive::Always => false,
            // Whoever is to decide was asked, and has not; or has said no.
            Revive::Ask => {
                let asked = end.request(cell.status.pod).is_some_and(|request| request.answer.is_none());
                cell.status.end.is_some() && (cell.status.ruling == Some(Answer::Deny) || cell.status.waits && asked)
            }
            Revive::Never => cell.status.end == Some(End::Died),
        };
        held || stays_dead || end.committed().is_some_and(|pod| pod.stage == Stage::Runs)
    }
}
