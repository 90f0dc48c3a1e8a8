//! A replica of the operator: reads the mission, reads the pods, decides, writes. Each of these is a step of its own, and
//! anything may happen between them.

use super::configuration::Variant;
use super::model::Lazarus;
use super::production::{Decision, View};
use super::state::{Answer, Cell, Phase, Pod, Request, State, Write};

impl Lazarus {
    /// The first read.
    pub fn read(&self, state: &mut State, replica: usize) -> Option<()> {
        let cell = state.cell.clone()?;
        let other = &mut state.replicas[1 - replica];
        if other.phase != Phase::Idle && !other.late {
            state.left.flips = state.left.flips.checked_sub(1)?;
            other.late = true;
        }
        state.replicas[replica].phase = match self.configuration.variant {
            Variant::PodsFirst => Phase::Listed(state.pods.clone()),
            _ => Phase::Read { cell, fresh: true },
        };
        Some(())
    }

    /// The second read, that of pods and requests, and the decision.
    pub fn look(&self, state: &mut State, replica: usize, view: View) -> Option<()> {
        let (cell, fresh, pods) = match &state.replicas[replica].phase {
            Phase::Read { cell, fresh } => (cell.clone(), *fresh, state.pods.clone()),
            Phase::Listed(pods) => (state.cell.clone()?, true, pods.clone()),
            Phase::Idle | Phase::Writes(_) => return None,
        };
        let Decision { mut writes, revives } = self.decide(&cell, &pods, &state.requests, view);
        // The mission was written to since it was read: the patch would be refused.
        writes.retain(|write| fresh || !matches!(write, Write::Patch { .. }));
        state.trespass |= revives && !self.permits(state, cell.status.pod);
        state.replicas[replica].phase = Phase::Writes(writes);
        state.forget_the_impossible();
        Some(())
    }

    /// The next write is sent, carried out and answered.
    pub fn send(&self, state: &mut State, replica: usize) -> Option<()> {
        let write = take_first(&mut state.replicas[replica].phase)?;
        state.harm |= self.configuration.is_punctual() && matches!(write, Write::Delete(uid) if state.is_well(uid));
        state.store(write, self.configuration.variant, &self.production);
        Some(())
    }

    /// The next write gets no answer: the replica gives up, but the write is still under way.
    pub fn lose(state: &mut State, replica: usize) -> Option<()> {
        let write = take_first(&mut state.replicas[replica].phase)?;
        state.ghosts.push(write);
        state.replicas[replica].phase = Phase::Idle;
        Some(())
    }

    /// The real `decide`, or one that a variant has changed before or after.
    fn decide(&self, cell: &Cell, pods: &[Pod], requests: &[Request], view: View) -> Decision {
        let own = |pod: &&Pod| pod.owned && pod.cell == cell.number;
        let seen: Vec<Pod> = match self.configuration.variant {
            Variant::OwnPodsOnly => pods.iter().filter(own).copied().collect(),
            Variant::NoWait => pods.iter().filter(|pod| !pod.deleting || Some(pod.uid) != cell.status.pod).copied().collect(),
            Variant::Real
            | Variant::NamesOnly
            | Variant::NoAdmission
            | Variant::StrayRule
            | Variant::PodsFirst
            | Variant::LateToo
            | Variant::NoPermission
            | Variant::AnyIncarnation
            | Variant::SilenceApproves => pods.to_vec(),
        };
        let mut asked = requests.to_vec();
        for request in &mut asked {
            match self.configuration.variant {
                Variant::AnyIncarnation => request.pod = cell.status.pod.unwrap_or(request.pod),
                Variant::SilenceApproves => request.answer = request.answer.or(Some(Answer::Approve)),
                _ => {}
            }
        }
        if self.configuration.variant == Variant::StrayRule {
            let stray = |pod: &&Pod| own(pod) && Some(pod.uid) != cell.status.pod && !pod.deleting;
            let strays: Vec<_> = pods.iter().filter(stray).map(|pod| Write::Delete(pod.uid)).collect();
            if !strays.is_empty() {
                return Decision { writes: strays, revives: false };
            }
        }
        self.production.decide(cell, &seen, &asked, view)
    }
}

fn take_first(phase: &mut Phase) -> Option<Write> {
    let Phase::Writes(writes) = phase else { return None };
    let write = writes.remove(0);
    if writes.is_empty() {
        *phase = Phase::Idle;
    }
    Some(write)
}
