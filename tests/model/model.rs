//! The model: which steps there are, and what must hold in every state.

use std::sync::atomic::{AtomicBool, Ordering};

use lazarus::api::Revive;
use stateright::{Model, Property};

use super::configuration::{Configuration, Deletion, Variant};
use super::coverage::Coverage;
use super::production::{Production, View};
use super::rest::Rests;
use super::state::{Answer, Cell, End, Phase, Stage, State};

/// The cluster with two replicas of the operator.
#[derive(Debug)]
pub struct Lazarus {
    /// What is checked.
    pub configuration: Configuration,
    /// The operator's own functions.
    pub production: Production,
    /// What was seen on the way.
    pub coverage: Coverage,
    /// Where things come to rest.
    pub rests: Rests,
    broken: [AtomicBool; 5],
}

/// A step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A replica reads the mission.
    Read(usize),
    /// A replica reads the pods, and decides.
    Look(usize, View),
    /// A replica's next write is carried out.
    Send(usize),
    /// A replica forgets what it was about to do: it crashes, or loses the lease, or the write is refused or lost.
    Forget(usize),
    /// A replica gives up a write that is still under way.
    Lose(usize),
    /// Such a write lands.
    Land(usize),
    /// The gateway says yes to a pod's sidecar.
    Admit(u8),
    /// The kubelet starts the agent.
    Start(u8),
    /// The agent dies.
    Die(u8),
    /// The kubelet ends the process of a pod that is being deleted, or lets the pod go.
    Stop(u8),
    /// Somebody deletes a pod.
    Evict(u8),
    /// The garbage collector deletes a pod.
    Collect(u8),
    /// A person deletes the mission.
    Delete(Deletion),
    /// The mission's pods are gone, so it goes.
    Vanish,
    /// A person makes the mission anew.
    Return,
    /// A person changes the agent's spec.
    Edit,
    /// A person answers what was asked about the pod with this UID.
    Answer(u8, Answer),
}

/// Names of the properties.
pub const AT_MOST_ONE: &str = "at most one incarnation of the agent runs";
/// No act without permission.
pub const PERMISSION: &str = "a dead agent is not brought back without permission";
/// No end without an end.
pub const NOT_GONE: &str = "an agent that is there is not taken for gone";
/// No end by the operator without a reason.
pub const NO_HARM: &str = "while no write is late, an agent that is well is not ended";
/// Nothing gets stuck.
pub const STARTS: &str = "left alone, the agent comes to run";

impl Lazarus {
    /// Ready to be checked.
    pub fn new(configuration: Configuration) -> Self {
        let asked = configuration.variant != Variant::NoPermission;
        let production = Production::new(if asked { configuration.revive } else { Revive::Always });
        Self { configuration, production, coverage: Coverage::default(), rests: Rests::default(), broken: <_>::default() }
    }

    /// Whether the policy, or a person, permits that an agent is brought back of which the pod with this UID is dead.
    pub fn permits(&self, state: &State, uid: Option<u8>) -> bool {
        match self.configuration.revive {
            Revive::Always => true,
            Revive::Ask => state.request(uid).is_some_and(|request| request.answer == Some(Answer::Approve)),
            Revive::Never => false,
        }
    }

    /// Stateright keeps the last history that breaks a rule; the first is the shortest.
    fn keeps(&self, rule: usize, holds: bool) -> bool {
        holds || self.broken[rule].swap(true, Ordering::Relaxed)
    }

    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Read(replica) => self.read(state, replica)?,
            Action::Look(replica, view) => {
                state.left.verdicts -= u8::from(view == View::Hung);
                state.left.clocks -= u8::from(view == View::Early);
                self.look(state, replica, view)?;
            }
            Action::Send(replica) => self.send(state, replica)?,
            Action::Forget(replica) => state.replicas[replica].phase = Phase::Idle,
            Action::Lose(replica) => {
                state.left.ghosts -= 1;
                Self::lose(state, replica)?;
            }
            Action::Land(index) => {
                let write = state.ghosts.remove(index);
                state.store(write, self.configuration.variant, &self.production);
            }
            Action::Admit(uid) => state.advance(uid, Stage::Admitted),
            Action::Start(uid) => state.advance(uid, Stage::Runs),
            Action::Die(uid) => {
                state.left.deaths -= 1;
                state.advance(uid, Stage::Died);
            }
            Action::Stop(uid) => state.stop(uid),
            Action::Evict(uid) => {
                state.left.evictions -= 1;
                state.request_deletion(uid);
                state.forget_the_impossible();
            }
            Action::Collect(uid) => {
                state.request_deletion(uid);
                state.forget_the_impossible();
            }
            Action::Delete(way) => {
                state.left.deletions -= 1;
                state.delete_mission(way);
            }
            Action::Vanish => state.delete_mission(Deletion::Background),
            Action::Return => {
                state.left.returns -= 1;
                state.make_mission();
            }
            Action::Edit => {
                state.left.edits -= 1;
                state.cell.iter_mut().for_each(|cell| cell.spec += 1);
                state.changed();
                state.forget_the_impossible();
            }
            Action::Answer(uid, answer) => {
                state.left.answers -= 1;
                state.answer(uid, answer);
            }
        }
        for replica in state.replicas.iter_mut().filter(|replica| replica.phase == Phase::Idle) {
            replica.late = false;
        }
        Some(())
    }

    fn replica_actions(state: &State, replica: usize, actions: &mut Vec<Action>) {
        match &state.replicas[replica].phase {
            Phase::Idle => actions.extend(state.cell.as_ref().map(|_| Action::Read(replica))),
            phase @ (Phase::Read { .. } | Phase::Listed(_)) => {
                actions.push(Action::Look(replica, View::Plain));
                let waits = |cell: &Cell| state.left.clocks > 0 && cell.status.end.is_some();
                if matches!(phase, Phase::Read { cell, .. } if waits(cell)) {
                    actions.push(Action::Look(replica, View::Early));
                }
                let may_miss = |cell: &Cell| {
                    let lists_none = cell.status.ruling.is_none() && !cell.status.waits;
                    lists_none && state.request(cell.status.pod).is_some()
                };
                if matches!(phase, Phase::Read { cell, .. } if may_miss(cell)) {
                    actions.push(Action::Look(replica, View::Unaware));
                }
                let runs = state.committed().is_some_and(|pod| pod.stage == Stage::Runs && !pod.deleting);
                if state.left.verdicts > 0 && runs {
                    actions.push(Action::Look(replica, View::Hung));
                }
            }
            Phase::Writes(_) => {
                actions.extend([Action::Send(replica), Action::Forget(replica)]);
                if state.left.ghosts > 0 {
                    actions.push(Action::Lose(replica));
                }
            }
        }
    }

    fn pod_actions(state: &State, actions: &mut Vec<Action>) {
        for pod in &state.pods {
            match pod.stage {
                // Also while the pod is being deleted: the kubelet may not know yet.
                Stage::Asks if pod.expected => actions.push(Action::Admit(pod.uid)),
                Stage::Admitted => actions.push(Action::Start(pod.uid)),
                Stage::Runs if state.left.deaths > 0 && !pod.deleting => actions.push(Action::Die(pod.uid)),
                Stage::Asks | Stage::Runs | Stage::Died | Stage::Stopped => {}
            }
            if pod.deleting {
                actions.push(Action::Stop(pod.uid));
            } else if state.left.evictions > 0 {
                actions.push(Action::Evict(pod.uid));
            }
            if state.is_garbage(*pod) {
                actions.push(Action::Collect(pod.uid));
            }
        }
    }
}

impl Model for Lazarus {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        let mut state = State {
            cell: None,
            cells: 0,
            pods: Vec::new(),
            uids: 0,
            requests: Vec::new(),
            replicas: <_>::default(),
            ghosts: Vec::new(),
            left: self.configuration.faults,
            trespass: false,
            harm: false,
            names: Vec::new(),
        };
        state.make_mission();
        vec![state]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        Self::replica_actions(state, 0, actions);
        // Which replica is which does not matter.
        if state.replicas[0] != state.replicas[1] {
            Self::replica_actions(state, 1, actions);
        }
        actions.extend((0..state.ghosts.len()).map(Action::Land));
        Self::pod_actions(state, actions);
        // Once for each question, however late.
        if state.left.answers > 0 {
            let open = state.requests.iter().filter(|request| request.answer.is_none());
            let answers = |uid| [Answer::Approve, Answer::Deny].map(|answer| Action::Answer(uid, answer));
            actions.extend(open.flat_map(|request| answers(request.pod)));
        }
        match &state.cell {
            Some(cell) if cell.deleting => actions.extend(state.is_empty().then_some(Action::Vanish)),
            Some(_) => {
                if state.left.deletions > 0 {
                    actions.extend(self.configuration.ways.iter().copied().map(Action::Delete));
                }
                actions.extend((state.left.edits > 0).then_some(Action::Edit));
            }
            None => actions.extend((state.left.returns > 0).then_some(Action::Return)),
        }
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        self.step(&mut next, action)?;
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(AT_MOST_ONE, |model: &Self, state: &State| {
                model.coverage.see(state);
                model.keeps(0, state.running() <= 1)
            }),
            Property::always(PERMISSION, |model: &Self, state: &State| model.keeps(1, !state.trespass)),
            Property::always(NOT_GONE, |model: &Self, state: &State| {
                let taken = state.cell.as_ref().is_some_and(|cell| cell.status.end == Some(End::Disrupted));
                model.keeps(2, !taken || state.committed().is_none_or(|pod| pod.deleting || pod.is_over()))
            }),
            Property::always(NO_HARM, |model: &Self, state: &State| model.keeps(4, !state.harm)),
            Property::always(STARTS, |model: &Self, state: &State| {
                model.keeps(3, !state.is_quiet() || model.comes_to_rest(state))
            }),
        ]
    }
}
