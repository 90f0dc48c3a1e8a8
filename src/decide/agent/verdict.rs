//! What reports and the node say about an agent whose container runs: an ordered list of rules over [`Judgement`].

use chrono::TimeDelta;

use super::Look;
use crate::api::beat::Seen;
use crate::api::conditions::Reason;
use crate::api::{AgentState, DecisionVerdict, EffectivePolicy, LastEnd, OnExhausted, Outcome, Revive, Ruling};
use crate::decide::heartbeat::{Judgement, Terms, judge};
use crate::decide::phase::Shown;
use crate::decide::policy;
use crate::observe::{Container, Node, Pod, Pulse, Scope};
use crate::runtime::time::{from_time, to_time};

/// What follows for a running agent.
pub(super) enum Verdict {
    /// It is shown like this.
    Shown(Shown),
    /// It is dead, and its end is written down; in these storms it is the one that tries.
    Dead(LastEnd, Vec<Scope>),
    /// It is dead because a person decided so.
    Approved(LastEnd, Ruling),
    /// It is shown like this, because a person decided that nothing is done.
    Denied(Ruling, Shown),
}

impl Look<'_> {
    /// Adds to what the pod shows what is known beyond it.
    pub(super) fn verdict(&self, pod: &Pod, shown: Shown) -> Verdict {
        // Before any report: one that came through says little about a node that is not heard of.
        let uncertain = match shown.state {
            AgentState::Alive => self.node_uncertain(pod, AgentState::Stale),
            AgentState::Starting => self.node_uncertain(pod, AgentState::Waiting),
            AgentState::Pending
            | AgentState::Stale
            | AgentState::Waiting
            | AgentState::Dead
            | AgentState::Done
            | AgentState::Standby => None,
        };
        if let Some(hold) = uncertain {
            return Verdict::Shown(hold);
        }
        if let Some(shown) = self.unenforced(pod, &shown) {
            return Verdict::Shown(shown);
        }
        if shown.reason == Some(Reason::AwaitingAdmission) {
            return Verdict::Shown(self.awaiting(pod, shown));
        }
        if shown.state != AgentState::Alive || pod.sidecar.is_none() {
            return Verdict::Shown(shown);
        }
        let Some(policy) = self.policy else { return Verdict::Shown(self.as_before(pod, shown)) };
        let terms = Terms::of(policy, self.spec, pod);
        let pulse = self.snapshot.pulses.get(&pod.uid).copied().unwrap_or_default();
        match self.found_before(&pulse, &terms).unwrap_or_else(|| judge(&pulse, &terms)) {
            Judgement::LinkLost => self.unreachable(&terms, pod, pulse.age),
            judgement => self.judged(judgement, policy, pod, shown, &pulse),
        }
    }

    /// What follows from reports that came.
    pub(super) fn judged(
        &self,
        judgement: Judgement,
        policy: &EffectivePolicy,
        pod: &Pod,
        shown: Shown,
        pulse: &Pulse,
    ) -> Verdict {
        let silent = pulse.silent;
        match judgement {
            Judgement::Unknown | Judgement::LinkLost => Verdict::Shown(self.as_before(pod, shown)),
            Judgement::Well => Verdict::Shown(shown),
            Judgement::Busy => {
                let evidence = format!(
                    "is silent or unchanged for {} s, and may be busy as it said",
                    silent.max(pulse.unchanged.unwrap_or_default())
                );
                Verdict::Shown(known(AgentState::Alive, Reason::Busy, "Busy", evidence))
            }
            Judgement::Stale => {
                let evidence = format!(
                    "is silent for {silent} s, as its sidecar sees it; dead after {} s",
                    crate::decide::policy::heartbeat(policy, self.spec).dead_after_seconds
                );
                Verdict::Shown(known(AgentState::Stale, Reason::Stale, "Stale", evidence))
            }
            Judgement::Hung => self.dead(policy, pod, Reason::Hung, &format!("is silent for {silent} s, as its sidecar sees it")),
            Judgement::NeverBeat => {
                self.dead(policy, pod, Reason::NeverBeat, &format!("was never seen well in {} s since it started", never(pulse)))
            }
            Judgement::Stalled => {
                let unchanged = pulse.unchanged.unwrap_or_default();
                self.dead(policy, pod, Reason::Stalled, &format!("has not changed cycle, task or status for {unchanged} s"))
            }
        }
    }

    /// What people were asked about, or denied, stays as long as it is reported: other numbers in the policy are no answer, and
    /// no way around one.
    fn found_before(&self, pulse: &Pulse, terms: &Terms) -> Option<Judgement> {
        let old = self.old;
        if i64::from(pulse.age) >= terms.heartbeat.stale_after_seconds {
            return None;
        }
        let pod_uid = old.pod_uid.as_ref().filter(|_| old.state == AgentState::Dead && pulse.reported)?;
        let denied = self.ruling().is_some_and(|ruling| ruling.verdict == DecisionVerdict::Deny);
        let since = old.since.as_ref().map_or(self.now, from_time);
        let unchanged = |seconds: u32| self.now - TimeDelta::seconds(seconds.into()) <= since;
        let silent = pulse.seen == Seen::Silent;
        match old.verdict.as_ref().filter(|_| denied || self.was_asked(pod_uid))?.rule.as_ref() {
            "Hung" => silent.then_some(Judgement::Hung),
            "NeverBeat" => (silent && !pulse.ever_healthy).then_some(Judgement::NeverBeat),
            "Stalled" => pulse.unchanged.filter(|seconds| unchanged(*seconds)).map(|_| Judgement::Stalled),
            _ => None,
        }
    }

    // Another replica knew more; until this one has heard of the agent, what was written down holds.
    pub(super) fn as_before(&self, pod: &Pod, shown: Shown) -> Shown {
        let old = self.old;
        let (Some(reason), Some(verdict)) = (old.reason, &old.verdict) else { return shown };
        let kept = matches!(old.state, AgentState::Alive | AgentState::Stale | AgentState::Dead);
        if old.pod_uid.as_ref() != Some(&pod.uid) || !kept || reason == Reason::NodeUncertain {
            return shown;
        }
        let began = old.since.as_ref().map(from_time);
        let (state, reason) = (old.state, Some(reason));
        Shown { state, reason, rule: rule(&verdict.rule), evidence: verdict.evidence.clone(), began, recheck_at: None }
    }

    pub(super) fn dead(&self, policy: &EffectivePolicy, pod: &Pod, cause: Reason, evidence: &str) -> Verdict {
        let started = match &pod.container {
            Container::Running(started) => *started,
            Container::Unknown | Container::Waiting(..) | Container::Ended { .. } => None,
        };
        let started = started.or(pod.created).map(|started| started.min(self.now));
        let ran = started.map_or(TimeDelta::zero(), |started| self.now - started);
        let deaths = if ran >= self.reset_after() { 0 } else { self.old.deaths };
        let held = |state, reason, message: &str| {
            let evidence = format!("{evidence}; {message}");
            Verdict::Shown(known(state, reason, rule(cause.as_str()), evidence))
        };
        let end = LastEnd {
            pod_uid: pod.uid.clone(),
            outcome: Outcome::Died,
            cause: cause.as_str().into(),
            exit_code: None,
            started_at: started.map(to_time),
            at: to_time(self.now),
            template: pod.template.clone(),
        };
        let denied =
            |by: &str| known(AgentState::Dead, Reason::Denied, rule(cause.as_str()), format!("{evidence}; denied by {by}"));
        if let Some(verdict) = self.by_people(&end, denied) {
            return verdict;
        }
        // Nobody here can start again what runs elsewhere.
        let elsewhere = self.old.is_elsewhere();
        let exhausted = elsewhere || deaths >= policy.restart.max_attempts;
        let ask = || held(AgentState::Dead, Reason::AwaitingApproval, "a person decides");
        // What is not brought back keeps its process, and lives again if it recovers: its end is not written down.
        match (policy::revive(policy, self.spec), policy.on_exhausted) {
            (Revive::Never, _) => return held(AgentState::Dead, Reason::RevivalSuppressed, "revive is Never"),
            (Revive::Ask, _) => return ask(),
            (Revive::Always, _) if self.was_asked(&pod.uid) => return ask(),
            (Revive::Always, OnExhausted::Ask) if exhausted => return ask(),
            (Revive::Always, OnExhausted::Substitute) if exhausted && self.substitute().is_none() => return ask(),
            (Revive::Always, OnExhausted::Abandon) if elsewhere => {
                return held(AgentState::Dead, Reason::AttemptsExhausted, "it runs elsewhere, and onExhausted is Abandon");
            }
            (Revive::Always, OnExhausted::Abandon) if exhausted => {
                let message = format!("restart.maxAttempts is {}", policy.restart.max_attempts);
                return held(AgentState::Dead, Reason::AttemptsExhausted, &message);
            }
            (Revive::Always, OnExhausted::Ask | OnExhausted::Substitute | OnExhausted::Abandon) => {}
        }
        let canaries = match self.held_by_storm() {
            Ok(canaries) => canaries,
            Err(storm) => {
                let evidence = format!("{evidence}; {}", storm.because);
                let shown = known(AgentState::Stale, Reason::StormHold, "StormHold", evidence);
                return Verdict::Shown(Shown { recheck_at: Some(storm.until), ..shown });
            }
        };
        Verdict::Dead(end, canaries)
    }

    /// Nothing is heard of the agent: nothing is known, so at most a person is asked.
    fn unreachable(&self, terms: &Terms, pod: &Pod, age: u32) -> Verdict {
        let evidence = format!("is not heard of for {age} s; the kubelet says that it runs");
        let link_lost = |evidence| known(AgentState::Alive, Reason::LinkLost, "LinkLost", evidence);
        let patience = terms.heartbeat.unreachable_after_seconds;
        if patience == 0 {
            return Verdict::Shown(link_lost(evidence));
        }
        if i64::from(age) < patience {
            let recheck_at = Some(self.now + TimeDelta::seconds(patience - i64::from(age)));
            return Verdict::Shown(Shown { recheck_at, ..link_lost(evidence) });
        }
        let end = LastEnd {
            pod_uid: pod.uid.clone(),
            outcome: Outcome::Died,
            cause: Reason::LinkLost.as_str().into(),
            exit_code: None,
            started_at: self.old.started_at.clone(),
            at: to_time(self.now),
            template: pod.template.clone(),
        };
        self.by_people(&end, |_| link_lost(evidence.clone()))
            .unwrap_or_else(|| Verdict::Shown(known(AgentState::Alive, Reason::AwaitingApproval, "LinkLost", evidence)))
    }

    /// What people decided about an agent whose process runs: its end, or that it is shown as `denied` by somebody.
    fn by_people(&self, end: &LastEnd, denied: impl FnOnce(&str) -> Shown) -> Option<Verdict> {
        match (self.new_ruling(&end.pod_uid), self.ruling()) {
            (Some(ruling), _) => Some(match ruling.verdict {
                DecisionVerdict::Approve => Verdict::Approved(end.clone(), ruling),
                DecisionVerdict::Deny => {
                    let shown = denied(&ruling.by);
                    Verdict::Denied(ruling, shown)
                }
            }),
            (None, Some(ruling)) if ruling.verdict == DecisionVerdict::Deny => Some(Verdict::Shown(denied(&ruling.by))),
            (None, _) => None,
        }
    }

    /// The agent's node is not well.
    pub(super) fn node_uncertain(&self, pod: &Pod, state: AgentState) -> Option<Shown> {
        let name = pod.node.as_ref()?;
        let Node { not_ready, out_of_service: _ } = self.snapshot.nodes.get(name)?;
        let evidence = format!("node {name} is not ready; held until it is back, or deleted, or declared out of service");
        let since = (*not_ready)?;
        Some(Shown { began: Some(since), ..known(state, Reason::NodeUncertain, "NodeUncertain", evidence) })
    }
}

pub(super) fn known(state: AgentState, reason: Reason, rule: &'static str, evidence: String) -> Shown {
    Shown { state, reason: Some(reason), rule, evidence, began: None, recheck_at: None }
}

fn never(pulse: &Pulse) -> u32 {
    pulse.running.min(pulse.silent)
}

/// Rules have fixed names.
fn rule(name: &str) -> &'static str {
    let names = ["Alive", "LinkLost", "Busy", "Stale", "Hung", "NeverBeat", "Stalled", "StormHold", "Silent", "GatewayDegraded"];
    names.into_iter().find(|known| *known == name).unwrap_or("Alive")
}
