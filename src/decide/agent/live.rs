//! An incarnation that has not ended: its state, its commit, and its end by the operator's own hand.

use chrono::{DateTime, TimeDelta, Utc};

use super::verdict::Verdict;
use super::{Assessment, Look, elsewhere, ended};
use crate::api::conditions::Reason;
use crate::api::{AgentSpec, AgentState, AgentStatus, Completion, DecisionVerdict, EffectivePolicy, LastEnd, Outcome, Revive};
use crate::decide::mission::Phase;
use crate::decide::part::is_standby;
use crate::decide::policy::revive;
use crate::decide::{isolation, phase, template_hash};
use crate::observe::{Container, Pod, Snapshot};
use crate::runtime::time::{from_time, to_time};

const SPEC_CHANGED: &str = "the agent's spec changed";
const LEVEL_CHANGES: &str = "its isolation level changes";

/// What an incarnation was replaced for.
pub(super) fn replaced_for(end: &LastEnd) -> &'static str {
    if end.cause == LastEnd::LEVEL_CHANGED { LEVEL_CHANGES } else { SPEC_CHANGED }
}

/// An agent whose changed spec is bad usually dies at once: the next one waits this long for that.
pub(super) const PROVEN_AFTER: TimeDelta = TimeDelta::seconds(10);

/// Whose turn it is to be replaced: living agents are replaced one at a time.
pub(in crate::decide) struct Turn {
    taken: Option<Taken>,
}

struct Taken {
    by: String,
    until: Option<DateTime<Utc>>,
}

impl Turn {
    /// The turn is taken while an agent that was replaced is not alive again for a while, and by one that its changed
    /// spec killed: a bad change then costs one agent, not all.
    pub(super) fn of(snapshot: &Snapshot, policy: Option<&EffectivePolicy>, now: DateTime<Utc>) -> Self {
        let cell = &snapshot.cell;
        let taken = |spec: &AgentSpec| {
            let agent = cell.status.agents.iter().find(|agent| agent.name == spec.name)?;
            let until = match agent.state {
                AgentState::Pending | AgentState::Starting | AgentState::Waiting => {
                    let replaced = agent.last_end.as_ref().is_some_and(|end| end.outcome == Outcome::Replaced);
                    (replaced || agent.trial || agent.reason == Some(Reason::Backoff)).then_some(None)
                }
                // What is recorded as alive may be ending in this very moment.
                AgentState::Alive if !is_running(snapshot, agent) => Some(None),
                AgentState::Alive if agent.trial => {
                    let proven = agent.since.as_ref().map(|since| from_time(since) + PROVEN_AFTER);
                    proven.filter(|proven| now < *proven).map(Some)
                }
                AgentState::Dead if agent.trial => {
                    let template = agent.last_end.as_ref().and_then(|end| end.template.as_deref());
                    let mended = template != Some(&template_hash(cell, spec));
                    let stays = policy.is_some_and(|policy| revive(policy, spec) == Revive::Never);
                    // Mended but not to be revived: whoever changed it has seen it.
                    (!mended || !stays).then_some(None)
                }
                AgentState::Alive | AgentState::Stale | AgentState::Dead | AgentState::Done | AgentState::Standby => None,
            };
            until.map(|until| Taken { by: agent.name.clone(), until })
        };
        // Nothing that runs here makes an agent elsewhere come back.
        Self { taken: cell.spec.agents.iter().filter(|spec| spec.external.is_none()).find_map(taken) }
    }
}

/// Whether an agent that is recorded as alive still is, as far as its pod says; one that runs elsewhere has none.
pub(super) fn is_running(snapshot: &Snapshot, agent: &AgentStatus) -> bool {
    if agent.is_elsewhere() {
        return true;
    }
    let pod = snapshot.pods.iter().find(|pod| Some(&pod.uid) == agent.pod_uid.as_ref());
    pod.is_some_and(|pod| pod.deletion_requested.is_none() && !pod.terminal && matches!(pod.container, Container::Running(_)))
}

impl Look<'_> {
    /// The committed pod neither ended nor is it being deleted.
    pub(super) fn live(&self, pod: &Pod, turn: &mut Turn) -> Assessment {
        if self.mission == Phase::Over && self.completion() != Completion::Required {
            return self.end_by_hand(pod, Outcome::Stopped, AgentState::Done, Reason::Stopped, "the mission succeeded");
        }
        let verdict =
            if self.old.is_elsewhere() { self.verdict_elsewhere(pod) } else { self.verdict(pod, phase::shown(pod, self.now)) };
        let shown = match verdict {
            Verdict::Shown(shown) => shown,
            Verdict::Dead(end, canaries) => return Assessment { canaries, ..self.record_end(end, "", &pod.name) },
            Verdict::Approved(end, ruling) => {
                let old = AgentStatus { ruling: Some(ruling), ..self.old.clone() };
                return self.with(&old, self.brakes).record_end(end, "", &pod.name);
            }
            Verdict::Denied(ruling, shown) => {
                let mut assessment = self.show(Assessment::of(self.old, self.now), pod, shown).urgent();
                if let Some(status) = &mut assessment.status {
                    status.ruling = Some(ruling);
                }
                return assessment;
            }
        };
        let asked = shown.reason == Some(Reason::AwaitingApproval);
        // While the successor would have to wait, nothing is ended for it.
        let misplaced = isolation::is_misplaced(self.snapshot, pod);
        let differs = misplaced || pod.template.as_deref() != Some(&self.template);
        let postponed = differs.then(|| isolation::postponed(self.snapshot, self.spec, pod)).flatten();
        let outdated = self.policy.is_some() && differs && postponed.is_none();
        let changed = if misplaced { LEVEL_CHANGES } else { SPEC_CHANGED };
        // What is not alive loses nothing, so it need not wait for its turn. A change of the spec is no answer to a question,
        // though, and no way around a denial.
        let well = shown.state == AgentState::Alive && shown.reason.is_none();
        let denied = self.ruling().is_some_and(|ruling| ruling.verdict == DecisionVerdict::Deny);
        let undecided = !well && (asked || denied || self.was_asked(&pod.uid));
        if outdated && shown.state != AgentState::Alive && !undecided {
            return self.end_by_hand(pod, Outcome::Replaced, AgentState::Waiting, Reason::Replacing, changed);
        }
        let recovered = well && self.policy.is_some();
        let mut assessment = self.show(Assessment::of(self.old, self.now), pod, shown);
        if let Some(status) = assessment.status.as_mut().filter(|_| recovered) {
            // Should it hang again, that is another question.
            status.ruling = self.old.ruling.clone().filter(|ruling| ruling.pod_uid != pod.uid);
        }
        if asked {
            assessment = self.with_timeout(assessment).urgent();
        }
        if let Some(why) = postponed.filter(|_| !undecided) {
            let because = format!("{changed}; it is not replaced yet: {why}");
            assessment = assessment.next("Replace", None, because).recheck(self.now + ended::LOOKED_FOR);
        }
        if outdated && !undecided {
            match &turn.taken {
                None => {
                    turn.taken = Some(Taken { by: self.spec.name.clone(), until: None });
                    return self.end_by_hand(pod, Outcome::Replaced, AgentState::Waiting, Reason::Replacing, changed);
                }
                Some(Taken { by, until }) => {
                    let because = format!("{changed}; agent {by} comes first");
                    assessment = assessment.next("Replace", None, because);
                    if let Some(until) = until {
                        assessment = assessment.recheck(*until);
                    }
                }
            }
        }
        assessment
    }

    /// Makes the candidate the agent.
    pub(super) fn commit(&self, pod: &Pod) -> Assessment {
        let mut assessment = Assessment::of(self.old, self.now);
        if let Some(status) = &mut assessment.status {
            status.attempt = pod.attempt;
            let pod_name = Some(pod.name.clone()).filter(|_| self.spec.external.is_none());
            (status.pod_name, status.pod_uid) = (pod_name, Some(pod.uid.clone()));
            (status.template, status.started_at) = (pod.template.clone(), None);
            let previous = self.old.last_end.as_ref().and_then(|end| end.template.as_ref());
            // Attempts were used up by another program.
            if previous.is_some() && previous != pod.template.as_ref() {
                (status.deaths, status.trial) = (0, self.spec.external.is_none());
            }
            // The same program in another world.
            status.trial |= self.old.last_end.as_ref().is_some_and(|end| end.cause == LastEnd::LEVEL_CHANGED);
            if self.old.pod_uid.is_none() && is_standby(self.spec) {
                status.deaths = self.inherited_deaths();
            }
            // It has its part back.
            status.holder = None;
        }
        let shown = if self.spec.external.is_some() { elsewhere::awaiting() } else { phase::shown(pod, self.now) };
        self.show(assessment, pod, shown).urgent()
    }

    #[allow(clippy::unused_self, reason = "one of the looks at an agent")]
    pub(super) fn show(&self, mut assessment: Assessment, pod: &Pod, shown: phase::Shown) -> Assessment {
        let phase::Shown { state, reason, rule, evidence, began, recheck_at } = shown;
        if let Some(status) = &mut assessment.status {
            status.node.clone_from(&pod.node);
            if let Container::Running(Some(started)) = &pod.container {
                status.started_at = Some(to_time(*started));
            }
        }
        let mut assessment = assessment.state(state, reason).since(began).because(rule, &evidence);
        // When the pod is looked at again is no part of the record: it would change with every try.
        assessment.recheck_at = recheck_at;
        if reason.is_some() { assessment.telling() } else { assessment }
    }

    // The record comes first: whoever continues after a crash then knows that the end was no death.
    fn end_by_hand(&self, pod: &Pod, outcome: Outcome, state: AgentState, reason: Reason, evidence: &str) -> Assessment {
        let mut assessment = self.state(state, Some(reason)).because("Ended", evidence);
        if let Some(status) = &mut assessment.status {
            status.last_end = Some(LastEnd {
                pod_uid: pod.uid.clone(),
                outcome,
                cause: if evidence == LEVEL_CHANGES { LastEnd::LEVEL_CHANGED } else { outcome_word(outcome) }.into(),
                exit_code: None,
                started_at: self.old.started_at.clone().or(pod.created.map(to_time)),
                at: to_time(self.now),
                template: pod.template.clone(),
            });
        }
        if outcome == Outcome::Replaced {
            assessment = assessment.next("Replace", None, evidence);
        }
        Assessment { evidence: true, ..assessment }
    }
}

fn outcome_word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Completed => "Completed",
        Outcome::Died => "Died",
        Outcome::Disrupted => "Disrupted",
        Outcome::Replaced => "SpecChanged",
        Outcome::Stopped => "MissionSucceeded",
    }
}
