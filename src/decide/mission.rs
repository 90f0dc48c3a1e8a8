//! The mission as a whole: whether it is over, and what its conditions say.

use super::agent::brief;
use super::part::{is_standby, player};
use crate::api::conditions::{ConditionType, Reason};
use crate::api::{AgentSpec, AgentState, AgentStatus, Completion, Outcome};
use crate::observe::{Cell, PolicySource};

/// Whether there is anything left to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The mission goes on.
    Active,
    /// All required agents did their work, and it is written down.
    Over,
}

impl Phase {
    pub(super) fn of(cell: &Cell) -> Self {
        if is_over(&cell.spec.agents, &cell.status.agents) { Self::Over } else { Self::Active }
    }
}

/// A condition without the parts that follow from what is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub r#type: ConditionType,
    pub status: &'static str,
    pub reason: Reason,
    pub message: String,
}

pub(super) fn finding(r#type: ConditionType, status: &'static str, reason: Reason, message: impl Into<String>) -> Finding {
    Finding { r#type, status, reason, message: message.into() }
}

/// Success is when there is a required agent and each of them is done.
fn is_over(spec: &[AgentSpec], agents: &[AgentStatus]) -> bool {
    let required = |agent: &&AgentSpec| agent.completion() == Completion::Required && !is_standby(agent);
    let mut required = spec.iter().filter(required).peekable();
    let done = |name: &str| {
        // Who has taken over the part does the work.
        let agent = agents.iter().find(|agent| agent.name == name).map(|agent| player(agents, agent));
        // An end of an earlier incarnation says nothing about the current one.
        let end = agent.and_then(|agent| agent.last_end.as_ref().filter(|end| Some(&end.pod_uid) == agent.pod_uid.as_ref()));
        end.is_some_and(|end| end.outcome == Outcome::Completed)
    };
    required.peek().is_some() && required.all(|agent| done(&agent.name))
}

/// The mission's conditions, in the order in which they are stored.
/// `rollout` says which replacement is still to come.
pub(super) fn conditions(cell: &Cell, policy: &PolicySource, agents: &[AgentStatus], rollout: Option<&str>) -> Vec<Finding> {
    let found = match policy {
        PolicySource::Found(name, _) => {
            finding(ConditionType::PolicyResolved, "True", Reason::PolicyFound, format!("AgentPolicy {name} applies"))
        }
        PolicySource::BuiltIn => finding(
            ConditionType::PolicyResolved,
            "True",
            Reason::PolicyFound,
            "spec.policyRef is not set and there is no AgentPolicy default: the operator's own policy applies",
        ),
        PolicySource::Missing(name) => finding(
            ConditionType::PolicyResolved,
            "False",
            Reason::PolicyMissing,
            format!("there is no AgentPolicy {name} in namespace {}: create it or change spec.policyRef", cell.namespace),
        ),
        PolicySource::Invalid(name, message) => finding(
            ConditionType::PolicyResolved,
            "False",
            Reason::PolicyInvalid,
            format!("AgentPolicy {name} can't be understood: {}", brief(message)),
        ),
    };
    let mut conditions = readiness(cell, agents);
    let waiting: Vec<_> = agents.iter().filter(|agent| agent.reason == Some(Reason::AwaitingApproval)).collect();
    if !waiting.is_empty() && !is_over(&cell.spec.agents, agents) {
        let message = format!("{}; see: kubectl get revivalrequests -n {}", tell(&waiting), cell.namespace);
        conditions.push(finding(ConditionType::ApprovalPending, "True", Reason::AwaitingApproval, message));
    }
    let steady = |condition: &Finding| matches!(condition.r#type, ConditionType::Reconciling | ConditionType::Stalled);
    if let Some(message) = rollout.filter(|_| !conditions.iter().any(steady)) {
        conditions.push(finding(ConditionType::Reconciling, "True", Reason::Replacing, message));
    }
    conditions.push(found);
    conditions
}

fn readiness(cell: &Cell, agents: &[AgentStatus]) -> Vec<Finding> {
    use ConditionType::{Ready, Reconciling, Stalled, Succeeded};
    if is_over(&cell.spec.agents, agents) {
        let message = "all required agents did their work";
        return vec![
            finding(Ready, "True", Reason::MissionSucceeded, message),
            finding(Succeeded, "True", Reason::MissionSucceeded, message),
        ];
    }
    let status = |spec: &AgentSpec| agents.iter().find(|agent| agent.name == spec.name);
    let is_well = |agent: &&AgentStatus| {
        let substituted = agent.reason == Some(Reason::Substituted);
        let player = if substituted { player(agents, agent) } else { agent };
        let idle = player.state == AgentState::Standby && !substituted && player.holds.is_empty();
        idle || matches!(player.state, AgentState::Alive | AgentState::Done)
    };
    let needed = |spec: &&AgentSpec| spec.completion() != Completion::Optional;
    let down: Vec<_> = cell.spec.agents.iter().filter(needed).filter_map(status).filter(|agent| !is_well(agent)).collect();
    let optional: Vec<_> =
        cell.spec.agents.iter().filter(|spec| !needed(spec)).filter_map(status).filter(|agent| !is_well(agent)).collect();
    // What a person must do something about comes first, then what is held, then what is merely under way.
    let dead = down.iter().find(|agent| agent.state == AgentState::Dead && stays_dead(agent));
    let waiting = down.iter().find(|agent| agent.state == AgentState::Waiting || agent.state == AgentState::Dead);
    let waiting = waiting.or_else(|| down.iter().find(|agent| agent.state == AgentState::Stale));
    if let Some(agent) = dead {
        let reason =
            if agent.reason == Some(Reason::RevivalSuppressed) { Reason::RevivalSuppressed } else { Reason::MissionFailed };
        let message = tell(&down);
        return vec![finding(Ready, "False", reason, message.clone()), finding(Stalled, "True", reason, message)];
    }
    if let Some(agent) = waiting {
        let (reason, message) = (agent.reason.unwrap_or(Reason::Starting), tell(&down));
        let needs_a_person = matches!(reason, Reason::PolicyMissing | Reason::PolicyInvalid | Reason::IsolationRefused);
        let progress = if needs_a_person { Stalled } else { Reconciling };
        return vec![finding(Ready, "False", reason, message.clone()), finding(progress, "True", reason, message)];
    }
    if !down.is_empty() || agents.is_empty() {
        let message = tell(&down);
        // Nobody can say yet whether a mission that has only begun is well; one that was well before is not now.
        let begun = down.iter().all(|agent| agent.last_end.is_none());
        let ready = if begun { "Unknown" } else { "False" };
        return vec![
            finding(Ready, ready, Reason::Starting, message.clone()),
            finding(Reconciling, "True", Reason::Starting, message),
        ];
    }
    let removed: Vec<_> = agents.iter().filter(|agent| agent.reason == Some(Reason::Removed)).collect();
    let mut findings = if optional.is_empty() {
        vec![finding(Ready, "True", Reason::AgentsAlive, "every agent is alive or done")]
    } else {
        vec![finding(Ready, "True", Reason::Degraded, tell(&optional))]
    };
    if let Some(agent) = optional.iter().find(|agent| !stays_dead(agent)).or(removed.first()) {
        findings.push(finding(Reconciling, "True", agent.reason.unwrap_or(Reason::Starting), tell(&[*agent])));
    }
    findings
}

/// Nothing more happens to it until a person acts.
fn stays_dead(agent: &AgentStatus) -> bool {
    let stays = matches!(agent.reason, Some(Reason::RevivalSuppressed | Reason::AttemptsExhausted | Reason::Denied));
    agent.state == AgentState::Dead && stays
}

/// Up to three agents by name, each with what is known of it.
fn tell(agents: &[&AgentStatus]) -> String {
    let mut parts: Vec<_> = agents
        .iter()
        .take(3)
        .map(|agent| {
            let state = agent.message.clone().unwrap_or_else(|| match agent.reason {
                Some(reason) => reason.meaning().trim_end_matches('.').to_lowercase(),
                None => format!("{:?}", agent.state).to_lowercase(),
            });
            format!("{}: {state}", agent.name)
        })
        .collect();
    if agents.len() > 3 {
        parts.push(format!("and {} more", agents.len() - 3));
    }
    if parts.is_empty() { "agents are being started".into() } else { parts.join("; ") }
}
