//! From what was found about each agent to one plan: the actions, the status, and whether it is written now.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::agent::Assessment;
use super::part::{held, is_standby};
use super::{Plan, isolation, mission, request, workspace};
use crate::api::conditions::{ConditionType, Reason};
use crate::api::{
    AgentState, AgentStatus, Counts, EffectivePolicy, Incident, IncidentOutcome, MissionCellStatus, NextAction, Outcome,
};
use crate::observe::Snapshot;
use crate::runtime::time::{from_time, to_time};

/// How many incidents a status keeps.
const INCIDENTS: usize = 10;

/// Progress of one agent waits this long for that of the others: a mission that starts is then one write, not one per agent.
const PROGRESS_WAITS: TimeDelta = TimeDelta::seconds(60);

pub(super) fn plan(
    snapshot: &Snapshot,
    policy: Option<&EffectivePolicy>,
    assessments: Vec<Assessment>,
    now: DateTime<Utc>,
) -> Plan {
    let old = &snapshot.cell.status;
    let status = status(snapshot, policy, &assessments, now);
    let evidence = assessments.iter().any(|assessment| assessment.evidence);
    let (asked, ask_at) = request::questions(snapshot, policy, now);
    let (forgotten, forget_at) = request::forgotten(snapshot, policy, now);
    let answers = request::answers(snapshot, policy, now);
    let looks = assessments.iter().map(|assessment| assessment.recheck_at);
    let recheck_at = looks.chain([ask_at, forget_at]).flatten().min();
    let plan = Plan { answers, recheck_at, ..Plan::default() };
    let claimed = workspace::action(snapshot, now);
    let acts = assessments.iter().any(|assessment| !assessment.actions.is_empty());
    if !evidence && (acts || claimed.is_some() || !asked.is_empty() || !forgotten.is_empty()) {
        let actions = assessments.into_iter().flat_map(|assessment| assessment.actions);
        return Plan { actions: claimed.into_iter().chain(actions).chain(asked).chain(forgotten).collect(), ..plan };
    }
    if status == *old {
        return plan;
    }
    let due = due(old, &status, &assessments, now);
    if due <= now {
        let canaries = assessments.into_iter().flat_map(|assessment| assessment.canaries).collect();
        return Plan { status: Some(status), canaries, ..plan };
    }
    Plan { recheck_at: Some(recheck_at.map_or(due, |earlier| earlier.min(due))), ..plan }
}

/// When a changed status is to be written.
fn due(old: &MissionCellStatus, new: &MissionCellStatus, assessments: &[Assessment], now: DateTime<Utc>) -> DateTime<Utc> {
    let changed = |assessment: &&Assessment| match &assessment.status {
        Some(status) => !old.agents.contains(status),
        None => false,
    };
    let said = |status: &MissionCellStatus| {
        let lasting = |condition: &&Condition| !matches!(condition.type_.as_str(), "Ready" | "Reconciling");
        let lasting: Vec<_> = status.conditions.iter().filter(lasting).cloned().collect();
        (status.observed_generation, status.effective_policy.clone(), lasting)
    };
    let urgent = said(old) != said(new)
        || new.agents.len() != old.agents.len()
        || assessments.iter().filter(changed).any(|assessment| assessment.evidence || assessment.urgent);
    if urgent || !new.agents.iter().any(is_under_way) {
        return now;
    }
    // What has no beginning can't be waited for: the wait would begin anew with every look.
    let began = |assessment: &Assessment| assessment.began.map_or(now, |began| began + PROGRESS_WAITS);
    assessments.iter().filter(changed).map(began).min().unwrap_or(now)
}

/// Whether an agent is on its way to a state that lasts.
fn is_under_way(agent: &AgentStatus) -> bool {
    match agent.state {
        AgentState::Pending | AgentState::Starting => true,
        AgentState::Waiting => matches!(agent.reason, Some(Reason::Restarting | Reason::Recreating | Reason::Replacing)),
        AgentState::Alive | AgentState::Stale | AgentState::Dead | AgentState::Done | AgentState::Standby => false,
    }
}

fn status(
    snapshot: &Snapshot,
    policy: Option<&EffectivePolicy>,
    assessments: &[Assessment],
    now: DateTime<Utc>,
) -> MissionCellStatus {
    let cell = &snapshot.cell;
    let mut incidents = cell.status.incidents.clone();
    for incident in assessments.iter().filter_map(|assessment| assessment.incident.clone()) {
        for earlier in incidents.iter_mut().filter(|earlier| earlier.agent == incident.agent) {
            if earlier.outcome == IncidentOutcome::Open {
                earlier.outcome = IncidentOutcome::Superseded;
            }
        }
        incidents.push(incident);
    }
    let mut agents: Vec<AgentStatus> = assessments.iter().filter_map(|assessment| assessment.status.clone()).collect();
    let held_by = |name: &str| held(&cell.spec.agents, &agents, name).iter().map(|held| held.name.clone()).collect();
    let holds: Vec<Vec<String>> = agents.iter().map(|agent| held_by(&agent.name)).collect();
    for (agent, holds) in agents.iter_mut().zip(holds) {
        let before = cell.status.agents.iter().find(|before| before.name == agent.name);
        agent.holds = holds;
        returned(agent, before, &mut incidents);
        decided(agent, &mut incidents);
    }
    incidents.drain(..incidents.len().saturating_sub(INCIDENTS));
    let replacements = assessments.iter().filter_map(|assessment| assessment.next.as_ref()).filter(|next| next.what == "Replace");
    let rollout = replacements.map(|next| format!("{}: {}", next.agent, next.because)).next();
    let isolated = isolation::verdict(snapshot, &agents);
    let isolation = Some(isolation::status(snapshot, isolated.as_ref()));
    let findings = mission::conditions(cell, &snapshot.policy, &agents, rollout.as_deref());
    MissionCellStatus {
        observed_generation: Some(cell.generation),
        conditions: findings
            .into_iter()
            .chain(isolated)
            .map(|finding| condition(cell.generation, &cell.status.conditions, finding, now))
            .collect(),
        counts: Some(counts(snapshot, &agents)),
        next_action: next(assessments),
        agents,
        incidents,
        isolation,
        workspace: workspace::status(snapshot, now),
        effective_policy: policy.cloned(),
    }
}

/// Closes the incident of an agent that is alive again.
fn returned(agent: &mut AgentStatus, before: Option<&AgentStatus>, incidents: &mut [Incident]) {
    let ran = |before: &AgentStatus| matches!(before.state, AgentState::Alive | AgentState::Stale | AgentState::Dead);
    let ran_before = before.is_some_and(|before| before.pod_uid == agent.pod_uid && ran(before));
    if agent.state != AgentState::Alive || ran_before {
        return;
    }
    let Some(end) = &agent.last_end else { return };
    match end.outcome {
        Outcome::Died | Outcome::Disrupted => {
            agent.revived += 1;
            if let Some(incident) = incidents.iter_mut().rev().find(|incident| incident.agent == agent.name) {
                incident.outcome = IncidentOutcome::Revived;
                let began = agent.since.as_ref().map(from_time);
                incident.duration_seconds = began.map(|began| (began - from_time(&incident.at)).num_seconds().max(0));
            }
        }
        Outcome::Completed | Outcome::Replaced | Outcome::Stopped => {}
    }
}

/// Says in the incident of an agent what people, or its substitutes, have made of it.
fn decided(agent: &AgentStatus, incidents: &mut [Incident]) {
    let outcome = match agent.reason {
        Some(Reason::Denied) => IncidentOutcome::Denied,
        Some(Reason::Substituted) => IncidentOutcome::Substituted,
        _ => return,
    };
    let last = incidents.iter_mut().rev().find(|incident| incident.agent == agent.name);
    if let Some(incident) = last.filter(|incident| incident.outcome == IncidentOutcome::Open) {
        incident.outcome = outcome;
    }
}

fn condition(generation: i64, stored: &[Condition], finding: mission::Finding, now: DateTime<Utc>) -> Condition {
    let mission::Finding { r#type, status, reason, message } = finding;
    let unchanged = stored.iter().find(|stored| stored.type_ == ConditionType::as_str(r#type) && stored.status == status);
    Condition {
        type_: r#type.as_str().into(),
        status: status.into(),
        reason: reason.as_str().into(),
        message,
        observed_generation: Some(generation),
        last_transition_time: unchanged.map_or_else(|| to_time(now), |stored| stored.last_transition_time.clone()),
    }
}

fn counts(snapshot: &Snapshot, agents: &[AgentStatus]) -> Counts {
    let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
    let specs = &snapshot.cell.spec.agents;
    let stands_by = |agent: &AgentStatus| {
        let standby = specs.iter().any(|spec| spec.name == agent.name && is_standby(spec));
        (agent.holder.is_some() && !request::is_to_return(agent)) || (standby && agent.holds.is_empty())
    };
    let idle = agents.iter().filter(|agent| specs.iter().any(|spec| spec.name == agent.name) && stands_by(agent)).count();
    let desired = count(specs.len().saturating_sub(idle));
    let alive = count(agents.iter().filter(|agent| agent.state == AgentState::Alive && !stands_by(agent)).count());
    let asks = count(agents.iter().filter(|agent| agent.reason == Some(Reason::AwaitingApproval)).count());
    // An agent that was removed took its number along; what was counted stays counted.
    let stored = &snapshot.cell.status;
    let counted = stored.counts.as_ref().map_or(0, |counts| counts.revived);
    let before =
        |agent: &AgentStatus| stored.agents.iter().find(|before| before.name == agent.name).map_or(0, |before| before.revived);
    let revived = counted + agents.iter().map(|agent| agent.revived - before(agent)).sum::<i64>();
    Counts { desired, alive, revived, asks, summary: format!("{alive}/{desired}") }
}

/// The next thing that will happen: what has no time comes first, then the earliest.
fn next(assessments: &[Assessment]) -> Option<NextAction> {
    let planned = assessments.iter().filter_map(|assessment| assessment.next.as_ref());
    planned.min_by_key(|next| next.at.as_ref().map(from_time)).cloned()
}
