//! What one agent's record and pods say, and what follows: an ordered list of rules, the first that applies wins.

mod assessment;
mod awaiting;
mod elsewhere;
mod ended;
mod live;
mod pods;
mod ruled;
mod storm;
mod substitute;
mod verdict;

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::mission::Phase;
use super::{Action, end, part};
use crate::api::conditions::Reason;
use crate::api::{AgentSpec, AgentState, AgentStatus, Completion, EffectivePolicy};
use crate::observe::{Account, Pod, Snapshot};
use pods::Pods;
use storm::Brakes;

pub(super) use assessment::{Assessment, brief};

/// What a pod is deleted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Why {
    /// It carries the mission's labels, but is not the agent.
    Stray,
    /// It ended, and its successor is due.
    Succeed,
    /// The spec changed.
    Replace,
    /// The mission succeeded, or the standby is not needed any more.
    Stop,
    /// Another agent takes over its part.
    Fence,
    /// The agent is no longer in the spec.
    Remove,
}

/// One agent of the spec and everything about it.
pub(super) struct Look<'a> {
    pub snapshot: &'a Snapshot,
    pub policy: Option<&'a EffectivePolicy>,
    pub mission: Phase,
    pub spec: &'a AgentSpec,
    pub old: &'a AgentStatus,
    pub pods: Pods<'a>,
    pub template: String,
    pub brakes: &'a Brakes,
    pub now: DateTime<Utc>,
}

/// Looks at every agent: those of the spec in its order, then those that were removed from it.
pub(super) fn assess_all(
    snapshot: &Snapshot,
    policy: Option<&EffectivePolicy>,
    mission: Phase,
    now: DateTime<Utc>,
) -> Vec<Assessment> {
    let cell = &snapshot.cell;
    let old = |name: &str| cell.status.agents.iter().find(|agent| agent.name == name);
    let brakes = Brakes::of(snapshot, now);
    let mut turn = live::Turn::of(snapshot, policy, now);
    let mut assessments = Vec::new();
    for spec in &cell.spec.agents {
        let fresh = AgentStatus { name: spec.name.clone(), ..AgentStatus::default() };
        let old = old(&spec.name).unwrap_or(&fresh);
        let pods = Pods::of(snapshot, old);
        let template = super::template_hash(cell, spec);
        let look = Look { snapshot, policy, mission, spec, old, pods, template, brakes: &brakes, now };
        assessments.push(look.assess(&mut turn));
    }
    let wanted = |name: &str| cell.spec.agents.iter().any(|agent| agent.name == name);
    for old in cell.status.agents.iter().filter(|agent| !wanted(&agent.name)) {
        assessments.push(removed(&Pods::of(snapshot, old), old, now));
    }
    // Pods of agents that are in neither: made for a spec that was changed before they were committed.
    let known = |name: &str| wanted(name) || old(name).is_some();
    for pod in snapshot.pods.iter().filter(|pod| pods::is_own(snapshot, pod) && !known(&pod.agent)) {
        assessments.push(Assessment { actions: pods::delete(pod, Why::Stray), ..Assessment::default() });
    }
    assessments
}

impl<'a> Look<'a> {
    /// The same look with another record of the agent.
    fn with<'b>(&'b self, old: &'b AgentStatus, brakes: &'b Brakes) -> Look<'b> {
        Look { old, pods: Pods::of(self.snapshot, old), template: self.template.clone(), brakes, ..*self }
    }

    fn assess(&self, turn: &mut live::Turn) -> Assessment {
        let mut assessment = self.rules(turn);
        // A stray is removed whatever else is to be done about the agent.
        for stray in &self.pods.strays {
            assessment.actions.extend(pods::delete(stray, Why::Stray));
        }
        // Made before something else was decided: it may not run on when the agent is held, dead or done.
        let made = assessment.status.as_ref().and_then(|status| status.pod_uid.as_ref());
        if let Some(candidate) = self.pods.candidate.filter(|candidate| Some(&candidate.uid) != made) {
            assessment.actions.extend(pods::delete(candidate, Why::Stray));
        }
        assessment
    }

    fn rules(&self, turn: &mut live::Turn) -> Assessment {
        if !self.has_part() {
            return self.stand_by();
        }
        let recorded = self.old.last_end.as_ref().filter(|end| Some(&end.pod_uid) == self.old.pod_uid.as_ref());
        match (self.pods.committed, recorded, &self.old.pod_uid) {
            (pod, Some(end), _) => match self.new_ruling(&end.pod_uid).filter(|_| end.is_undesired()) {
                Some(ruling) => self.adopt(ruling, end, pod),
                None => self.after(end, pod),
            },
            (Some(pod), None, _) => self.with_pod(pod, turn),
            (None, None, Some(uid)) if self.old.is_elsewhere() => self.without_pod(uid, turn),
            (None, None, Some(uid)) => self.vanished(uid),
            (None, None, None) => self.first(),
        }
    }

    /// The committed pod is there and its end is not recorded.
    fn with_pod(&self, pod: &'a Pod, turn: &mut live::Turn) -> Assessment {
        if let Some(end::End { mut record, log }) = end::ended(pod, self.completion(), self.now) {
            // Who failed the pod, and in whose name, says less than that its node was not there to say it.
            if record.exit_code.is_none() && self.was_lost() {
                record.cause = end::NODE_LOST.into();
            }
            return self.record_end(record, &log, &pod.name);
        }
        if pod.deletion_requested.is_some() {
            if let Some(hold) = self.node_uncertain(pod, AgentState::Waiting) {
                return self.show(Assessment::of(self.old, self.now), pod, hold).urgent();
            }
            return self
                .state(AgentState::Waiting, Some(Reason::Terminating))
                .because("Terminating", "the deletion of the agent's pod was asked for")
                .urgent();
        }
        self.live(pod, turn)
    }

    /// The incarnation runs elsewhere and its end is not recorded.
    fn without_pod(&self, uid: &str, turn: &mut live::Turn) -> Assessment {
        let elsewhere = self.elsewhere(self.old.attempt);
        if elsewhere.uid != uid {
            return self.vanished(uid);
        }
        // Without its account the agent could not renew its token.
        let missing = self.snapshot.account == Some(Account::Missing);
        self.live(&elsewhere, turn).act(missing.then(|| Action::Account { agent: self.spec.name.clone() }))
    }

    fn vanished(&self, uid: &str) -> Assessment {
        let pod = self.old.pod_name.clone().unwrap_or_default();
        let cause = if self.was_lost() { end::NODE_LOST } else { "PodDeleted" };
        self.record_end(end::vanished(uid, cause, self.old.started_at.clone(), self.now), "", &pod)
    }

    /// Whether the last that was known of the incarnation is that its node was not heard of.
    fn was_lost(&self) -> bool {
        self.old.reason == Some(Reason::NodeUncertain)
    }

    fn first(&self) -> Assessment {
        if self.mission == Phase::Over && self.completion() != Completion::Required {
            return self.done(Reason::Stopped);
        }
        let evidence = if self.spec.external.is_some() { "the agent has no incarnation yet" } else { "the agent has no pod yet" };
        self.start(AgentState::Pending, None, "Create", evidence)
    }

    fn completion(&self) -> Completion {
        part::completion(&self.snapshot.cell, self.spec)
    }
}

fn removed(pods: &Pods<'_>, old: &AgentStatus, now: DateTime<Utc>) -> Assessment {
    let own: Vec<_> = pods.own().collect();
    if own.is_empty() {
        return Assessment::default();
    }
    let actions = own.iter().flat_map(|pod| pods::delete(pod, Why::Remove)).collect();
    let mut assessment = Assessment::of(old, now).state(AgentState::Waiting, Some(Reason::Removed));
    assessment.actions = actions;
    assessment.because("Removed", "the agent is no longer in the spec")
}
