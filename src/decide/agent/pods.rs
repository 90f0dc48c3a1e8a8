//! Which of the pods with an agent's label is the agent, which may become it, and which must go.

use super::{Action, Why};
use crate::api::{AgentStatus, names};
use crate::observe::{Pod, Snapshot};

/// The pods of one agent.
pub(in crate::decide) struct Pods<'a> {
    /// The one whose UID is in the status: the agent.
    pub committed: Option<&'a Pod>,
    /// The one made as the next incarnation, whose UID is not in the status yet.
    pub candidate: Option<&'a Pod>,
    /// Made by this operator for this mission, but neither of the two.
    pub strays: Vec<&'a Pod>,
    /// With the agent's labels, but of an earlier mission of the same name, or of nobody.
    pub foreign: Vec<&'a Pod>,
}

/// Whether this mission's object controls the pod.
pub(super) fn is_own(snapshot: &Snapshot, pod: &Pod) -> bool {
    pod.owner.as_deref() == Some(&snapshot.cell.uid)
}

impl<'a> Pods<'a> {
    pub(super) fn of(snapshot: &'a Snapshot, old: &AgentStatus) -> Self {
        let cell = &snapshot.cell;
        let next = old.attempt + 1;
        let next_name = names::pod_name(&cell.name, &cell.uid, &old.name, next);
        let mut pods = Self { committed: None, candidate: None, strays: Vec::new(), foreign: Vec::new() };
        for pod in snapshot.pods.iter().filter(|pod| pod.agent == old.name) {
            if !is_own(snapshot, pod) {
                pods.foreign.push(pod);
            } else if Some(&pod.uid) == old.pod_uid.as_ref() {
                pods.committed = Some(pod);
            } else if pod.attempt == next && pod.name == next_name && pod.deletion_requested.is_none() {
                pods.candidate = Some(pod);
            } else {
                pods.strays.push(pod);
            }
        }
        // The next incarnation is made only after the agent's pod is gone; one that is there before was never meant to be.
        if pods.committed.is_some() {
            pods.strays.extend(pods.candidate.take());
        }
        pods
    }

    /// Every pod that this mission's object controls.
    pub(super) fn own(&self) -> impl Iterator<Item = &'a Pod> {
        self.committed.into_iter().chain(self.candidate).chain(self.strays.iter().copied())
    }
}

/// The deletion of a pod, unless it was asked for already.
pub(super) fn delete(pod: &Pod, why: Why) -> Vec<Action> {
    if pod.deletion_requested.is_some() {
        return Vec::new();
    }
    vec![Action::Delete { pod: pod.name.clone(), uid: pod.uid.clone(), why }]
}
