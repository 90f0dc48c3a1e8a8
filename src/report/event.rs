//! Which Events a change of status is worth: a fixed catalogue, derived from the old and the new status alone.

use crate::api::conditions::Reason;
use crate::api::{AgentState, AgentStatus, DecisionVerdict, LastEnd, MissionCellStatus, Outcome, Ruling};

/// Something worth telling, about a mission or one of its agents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// One of the [`catalogue`].
    pub reason: &'static str,
    /// Whether a person may have to do something.
    pub warning: bool,
    /// What happened, in words.
    pub note: String,
    /// The pod it is about, by name and UID.
    pub pod: Option<(String, String)>,
}

/// Every reason of an Event, and when it is given.
#[must_use]
pub fn catalogue() -> &'static [(&'static str, &'static str)] {
    &[
        ("AgentStarted", "An incarnation of an agent became the agent."),
        ("AgentCompleted", "An agent ended by itself with exit code 0."),
        ("AgentDied", "An agent died; says what follows."),
        ("AgentDisrupted", "An agent's pod or node was taken away."),
        ("AgentReplaced", "An agent is replaced because its spec changed, or its isolation level changes."),
        ("AgentStopped", "An agent is stopped because the mission succeeded."),
        ("AgentRemoved", "An agent is removed because the spec no longer has it."),
        ("AgentRevived", "An agent that died or was disrupted is alive again."),
        ("AgentStale", "An agent's sidecar sees it silent; it is taken for dead if that lasts."),
        ("AgentHeld", "An agent can't go on; the reason says what it waits for."),
        ("AttemptsExhausted", "An agent used all its attempts and stays dead."),
        ("RevivalSuppressed", "An agent is dead and stays so, because revive is Never."),
        ("ApprovalRequested", "An agent is dead and a person is asked what to do."),
        ("ApprovalGiven", "A person, or onTimeout, approved what is to be done about a dead agent."),
        ("ApprovalDenied", "A person, or onTimeout, denied the revival of a dead agent."),
        ("AgentSubstituted", "Another agent has taken over a dead agent's part."),
        ("PartReturned", "An agent is alive again and has its part back."),
        ("MissionReady", "Every agent that the mission needs is alive."),
        ("MissionSucceeded", "All required agents did their work."),
        ("MissionFailed", "A required agent stays dead."),
        ("PolicyMissing", "The AgentPolicy that the mission names does not exist."),
        ("PolicyInvalid", "The AgentPolicy can't be understood; the note says why."),
        ("Quarantined", "The object can't be processed; the note names the field."),
    ]
}

/// The Events of one change of status.
#[must_use]
pub fn between(old: &MissionCellStatus, new: &MissionCellStatus) -> Vec<Event> {
    let mut events = Vec::new();
    for agent in &new.agents {
        let before = old.agents.iter().find(|before| before.name == agent.name);
        events.extend(of_agent(before, agent));
    }
    for removed in old.agents.iter().filter(|before| !new.agents.iter().any(|agent| agent.name == before.name)) {
        events.push(event(
            "AgentRemoved",
            false,
            format!("{} is no longer in the spec and its pod is gone", removed.name),
            removed,
        ));
    }
    events.extend(of_mission(old, new));
    events
}

fn of_agent(before: Option<&AgentStatus>, agent: &AgentStatus) -> Vec<Event> {
    let name = &agent.name;
    let mut events = Vec::new();
    let said = agent.message.as_deref().unwrap_or_default();
    if agent.pod_uid.is_some() && before.is_none_or(|before| before.pod_uid != agent.pod_uid) {
        events.push(event("AgentStarted", false, format!("{name} is incarnation {}", agent.attempt), agent));
    }
    if let Some(end) = &agent.last_end
        && before.is_none_or(|before| before.last_end.as_ref() != Some(end))
    {
        let cause = &end.cause;
        events.push(match end.outcome {
            Outcome::Completed => event("AgentCompleted", false, format!("{name} ended with exit code 0"), agent),
            Outcome::Died => {
                let code = end.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
                event("AgentDied", true, format!("{name} died ({cause}{code})"), agent)
            }
            Outcome::Disrupted => event("AgentDisrupted", false, format!("{name} lost its pod ({cause})"), agent),
            Outcome::Replaced => {
                let why = if cause == LastEnd::LEVEL_CHANGED { "its isolation level changes" } else { "its spec changed" };
                event("AgentReplaced", false, format!("{name} is replaced: {why}"), agent)
            }
            Outcome::Stopped => event("AgentStopped", false, format!("{name} is stopped: the mission succeeded"), agent),
        });
    }
    if before.is_some_and(|before| agent.revived > before.revived) {
        events.push(event("AgentRevived", false, format!("{name} is alive again, as incarnation {}", agent.attempt), agent));
    }
    let fresh = before.is_none_or(|before| (before.state, before.reason) != (agent.state, agent.reason));
    events.extend(decided(before, agent, fresh));
    match agent.reason {
        Some(Reason::AttemptsExhausted) if fresh => {
            events.push(event("AttemptsExhausted", true, format!("{name} {said}"), agent));
        }
        Some(Reason::RevivalSuppressed) if fresh => {
            events.push(event("RevivalSuppressed", true, format!("{name} {said}"), agent));
        }
        Some(reason) if fresh && is_hold(agent.state, reason) => {
            events.push(event("AgentHeld", true, format!("{name} is held ({reason}): {said}"), agent));
        }
        Some(Reason::Stale) if fresh => events.push(event("AgentStale", true, format!("{name} {said}"), agent)),
        Some(_) | None => {}
    }
    events
}

/// What people were asked and have decided, and who has whose part.
fn decided(before: Option<&AgentStatus>, agent: &AgentStatus, fresh: bool) -> Vec<Event> {
    let name = &agent.name;
    let mut events = Vec::new();
    if fresh && agent.reason == Some(Reason::AwaitingApproval) {
        let said = agent.message.as_deref().unwrap_or_default();
        events.push(event("ApprovalRequested", true, format!("{name} {said}"), agent));
    }
    if let Some(ruling) =
        agent.ruling.as_ref().filter(|ruling| before.is_none_or(|before| before.ruling.as_ref() != Some(ruling)))
    {
        let Ruling { request, pod_uid: _, verdict, option, by, at: _ } = ruling;
        let what = option.as_deref().unwrap_or_default();
        events.push(match verdict {
            DecisionVerdict::Approve => {
                event("ApprovalGiven", false, format!("{what} of {name} approved by {by} ({request})"), agent)
            }
            DecisionVerdict::Deny => {
                event("ApprovalDenied", true, format!("revival of {name} denied by {by} ({request})"), agent)
            }
        });
    }
    match (before.and_then(|before| before.holder.as_ref()), &agent.holder) {
        (earlier, Some(holder)) if earlier != Some(holder) => {
            events.push(event("AgentSubstituted", true, format!("{holder} has taken over the part of {name}"), agent));
        }
        (Some(holder), None) => {
            events.push(event("PartReturned", false, format!("{name} has its part back from {holder}"), agent));
        }
        (_, _) => {}
    }
    events
}

fn is_hold(state: AgentState, reason: Reason) -> bool {
    let waits = matches!(
        reason,
        Reason::ImagePull
            | Reason::ConfigError
            | Reason::Unschedulable
            | Reason::PreviousIncarnation
            | Reason::PodRefused
            | Reason::IsolationRefused
            | Reason::IsolationUnavailable
            | Reason::NetworkNotEnforced
            | Reason::AwaitingReport
    );
    let unknown = matches!(
        reason,
        Reason::LinkLost | Reason::GatewayDegraded | Reason::NodeUncertain | Reason::StormHold | Reason::AwaitingAdmission
    );
    (state == AgentState::Waiting && waits) || unknown
}

fn of_mission(old: &MissionCellStatus, new: &MissionCellStatus) -> Vec<Event> {
    let condition = |status: &MissionCellStatus, r#type: &str| {
        status
            .conditions
            .iter()
            .find(|condition| condition.type_ == r#type)
            .map(|found| (found.status.clone(), found.reason.clone()))
    };
    let message = |r#type: &str| {
        new.conditions.iter().find(|condition| condition.type_ == r#type).map(|found| found.message.clone()).unwrap_or_default()
    };
    let mission = |reason, warning, note| Event { reason, warning, note, pod: None };
    let turned = |r#type: &str, status: &str, reason: Option<Reason>| {
        let is = |found: Option<(String, String)>| {
            found.is_some_and(|(found, why)| found == status && reason.is_none_or(|reason| why == reason.as_str()))
        };
        is(condition(new, r#type)) && !is(condition(old, r#type))
    };
    let mut events = Vec::new();
    if turned("Succeeded", "True", None) {
        events.push(mission("MissionSucceeded", false, message("Succeeded")));
    } else if turned("Ready", "True", None) {
        events.push(mission("MissionReady", false, message("Ready")));
    }
    if turned("Stalled", "True", Some(Reason::MissionFailed)) {
        events.push(mission("MissionFailed", true, message("Stalled")));
    }
    for reason in [Reason::PolicyMissing, Reason::PolicyInvalid] {
        if turned("PolicyResolved", "False", Some(reason)) {
            events.push(mission(reason.as_str(), true, message("PolicyResolved")));
        }
    }
    events
}

fn event(reason: &'static str, warning: bool, note: String, agent: &AgentStatus) -> Event {
    Event { reason, warning, note, pod: agent.pod_name.clone().zip(agent.pod_uid.clone()) }
}
