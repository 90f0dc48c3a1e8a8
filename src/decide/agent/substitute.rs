//! Taking over the part of an agent that can't be brought back, and giving it back.

use super::live::is_running;
use super::{Assessment, Look, Why, pods};
use crate::api::conditions::Reason;
use crate::api::{AgentState, AgentStatus, RequestOption, Ruling};
use crate::decide::part::{candidates, held, inherited_deaths, is_in_use, is_standby, player};

impl Look<'_> {
    /// The first of the agent's substitutes that can take over now.
    pub(super) fn substitute(&self) -> Option<String> {
        let candidates = candidates(&self.snapshot.cell, self.policy?, self.spec);
        candidates.into_iter().find(|name| self.can_take_over(name)).cloned()
    }

    /// Whether an agent is there to take over: it is alive, or a standby that has nothing to do yet.
    pub(super) fn can_take_over(&self, name: &str) -> bool {
        let cell = &self.snapshot.cell;
        let spec = cell.spec.agents.iter().find(|spec| spec.name == name);
        let status = cell.status.agents.iter().find(|agent| agent.name == name);
        let (Some(spec), Some(status)) = (spec, status) else { return false };
        if name == self.spec.name || status.holder.is_some() {
            return false;
        }
        match status.state {
            AgentState::Standby => {
                let runs = self.snapshot.pods.iter().any(|pod| pod.agent == name && pod.may_run());
                is_standby(spec) && !runs && !self.brakes.is_called(name) && self.held(name).is_empty()
            }
            // A standby was made for the one part that it has.
            AgentState::Alive => !is_standby(spec) && status.reason.is_none() && is_running(self.snapshot, status),
            AgentState::Pending
            | AgentState::Starting
            | AgentState::Stale
            | AgentState::Dead
            | AgentState::Waiting
            | AgentState::Done => false,
        }
    }

    /// The substitute that a ruling names, if it is there.
    pub(super) fn substitute_by(&self, ruling: &Ruling) -> Option<String> {
        match ruling.option.as_deref().unwrap_or_default().parse() {
            Ok(RequestOption::Substitute(Some(name))) => Some(name).filter(|name| self.can_take_over(name)),
            Ok(RequestOption::Substitute(None)) => self.substitute(),
            Ok(RequestOption::Revive) | Err(_) => None,
        }
    }

    /// Gives the part of this agent to another: first its own pod goes, so that the two never work side by side.
    pub(super) fn give_part(&self, to: &str, evidence: &str) -> Assessment {
        let running: Vec<_> = self.pods.own().filter(|pod| pod.may_run()).collect();
        if !running.is_empty() {
            let because = format!("{evidence}; {to} takes over");
            let state = self.state(AgentState::Waiting, Some(Reason::Substituting)).next("Substitute", None, &because);
            let actions: Vec<_> = running.into_iter().flat_map(|pod| pods::delete(pod, Why::Fence)).collect();
            return state
                .because("Substitute", &because)
                .message(format!("died ({evidence}); {to} takes over when its pod is gone"))
                .act(actions)
                .urgent();
        }
        if let Some(hold) = self.others_hold() {
            return hold;
        }
        self.brakes.call(to);
        let mut assessment = self.given(to, evidence);
        if let Some(status) = &mut assessment.status {
            status.holder = Some(to.into());
        }
        Assessment { evidence: true, ..assessment }
    }

    /// Another agent has the part of this one.
    pub(super) fn given(&self, to: &str, evidence: &str) -> Assessment {
        let message = format!("died ({evidence}); {to} has taken over its part");
        self.state(AgentState::Dead, Some(Reason::Substituted)).because("Substitute", evidence).message(message).urgent()
    }

    /// An agent that comes back waits until the standby that has its part is gone.
    pub(super) fn awaits_its_part(&self) -> Option<Assessment> {
        let agents = &self.snapshot.cell.status.agents;
        let player = player(agents, self.old);
        if player.name == self.old.name {
            return None;
        }
        let stand_by = self.snapshot.cell.spec.agents.iter().any(|spec| spec.name == player.name && is_standby(spec));
        let runs =
            self.snapshot.pods.iter().any(|pod| pod.agent == player.name && pods::is_own(self.snapshot, pod) && pod.may_run());
        let evidence = format!("{} gives up its part first", player.name);
        (stand_by && runs && self.held(&player.name).is_empty())
            .then(|| self.state(AgentState::Waiting, Some(Reason::Returning)).because("Return", &evidence).telling().urgent())
    }

    /// A standby that nobody needs: it has no pod.
    pub(super) fn stand_by(&self) -> Assessment {
        let own: Vec<_> = self.pods.own().collect();
        let actions: Vec<_> = own.iter().flat_map(|pod| pods::delete(pod, Why::Stop)).collect();
        let mut assessment =
            self.state(AgentState::Standby, None).because("Standby", "waits to take over another agent's part").urgent();
        if let (Some(status), true) = (&mut assessment.status, own.is_empty()) {
            // As if it had never run, but for the number of its incarnations: names of pods are used once.
            *status = AgentStatus {
                name: status.name.clone(),
                state: status.state,
                attempt: status.attempt,
                revived: status.revived,
                since: status.since.clone(),
                verdict: status.verdict.take(),
                ..AgentStatus::default()
            };
        }
        assessment.act(actions)
    }

    fn held(&self, name: &str) -> Vec<&AgentStatus> {
        let cell = &self.snapshot.cell;
        held(&cell.spec.agents, &cell.status.agents, name)
    }

    /// Whether a part is the agent's, or went through its hands.
    pub(super) fn has_part(&self) -> bool {
        let cell = &self.snapshot.cell;
        !is_standby(self.spec) || is_in_use(&cell.spec.agents, &cell.status.agents, &self.spec.name)
    }

    /// Attempts belong to a part: who takes it over has as many left as the one before.
    pub(super) fn inherited_deaths(&self) -> i64 {
        inherited_deaths(&self.snapshot.cell.status.agents, &self.spec.name)
    }
}
