//! Which fields of the policy led to an agent's state, and where each comes from.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use crate::api::conditions::Reason;
use crate::api::{AgentPolicy, AgentSpec, EffectivePolicy, LastEnd, MissionCell, Outcome, Revive};
use crate::cli::view::Agent;

/// A field of the policy as it applies to an agent.
#[derive(Serialize, JsonSchema, Clone, Debug, PartialEq)]
pub(in crate::cli) struct Field {
    /// Its path in an AgentPolicy's spec.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// Where it comes from.
    pub source: String,
}

impl Field {
    /// The value as people write it.
    pub fn value_text(&self) -> String {
        self.value.as_str().map_or_else(|| self.value.to_string(), str::to_owned)
    }
}

/// The fields that led to the agent's state, the one that tells most first.
pub(super) fn fields(cell: &MissionCell, policy: Option<&AgentPolicy>, agent: &Agent) -> Vec<Field> {
    let Some(effective) = cell.status.as_ref().and_then(|status| status.effective_policy.as_ref()) else { return Vec::new() };
    let spec = cell.spec.agents.iter().find(|spec| spec.name == agent.name);
    let layers = Layers::of(cell, spec, policy, effective);
    let mut found: Vec<_> = names(agent).into_iter().filter_map(|name| layers.field(name)).collect();
    // The strictest of the two counts.
    if let Some(revive) = found.iter_mut().find(|field| field.name == "revive") {
        let own = spec.and_then(|spec| spec.revive).unwrap_or(effective.revive);
        if own < effective.minimum_gate || (own == effective.revive && layers.asks_for(own)) {
            revive.value = word(own.max(effective.minimum_gate));
            revive.source = format!("minimumGate: {:?}, which is stricter than {}", effective.minimum_gate, revive.source);
        }
    }
    found
}

/// What has a say in a state: by its reason, and by the cause of the last end.
fn names(agent: &Agent) -> Vec<&'static str> {
    let end = agent.last_end.as_ref();
    let cause = end.and_then(LastEnd::verdict);
    let mut names = by_reason(agent.reason);
    if cause != agent.reason && (agent.state != Some(crate::api::AgentState::Alive)) {
        names.extend(by_reason(cause));
    }
    let outcome = end.map(|end| end.outcome);
    let mut seen = std::collections::BTreeSet::new();
    if outcome == Some(Outcome::Disrupted) && agent.reason.is_some() {
        names.push("disruption");
    }
    names.retain(|name| seen.insert(*name));
    names
}

fn by_reason(reason: Option<Reason>) -> Vec<&'static str> {
    match reason {
        Some(Reason::Backoff | Reason::Restarting) => {
            vec!["revive", "restart.maxAttempts", "restart.backoffSeconds", "restart.maxBackoffSeconds"]
        }
        Some(Reason::AttemptsExhausted) => vec!["restart.maxAttempts", "restart.resetAfterSeconds", "onExhausted", "revive"],
        Some(Reason::AwaitingApproval) => {
            vec![
                "revive",
                "restart.maxAttempts",
                "onExhausted",
                "approval.quorum",
                "approval.timeoutSeconds",
                "approval.onTimeout",
            ]
        }
        Some(Reason::Denied) => vec!["revive", "approval.quorum", "approval.onTimeout"],
        Some(Reason::Substituting | Reason::Substituted) => vec!["onExhausted", "substitutes", "substitutions"],
        Some(Reason::Recreating) => vec!["disruption", "restart.backoffSeconds", "restart.maxBackoffSeconds"],
        Some(Reason::Stale) => vec!["heartbeat.staleAfterSeconds", "heartbeat.deadAfterSeconds", "revive"],
        Some(Reason::Hung) => vec!["heartbeat.deadAfterSeconds", "revive"],
        Some(Reason::NeverBeat) => vec!["heartbeat.startupGraceSeconds", "revive"],
        Some(Reason::Stalled) => vec!["heartbeat.stalledAfterSeconds", "revive"],
        Some(Reason::Busy) => vec!["heartbeat.maxBusySeconds"],
        Some(Reason::LinkLost) => vec!["heartbeat.staleAfterSeconds", "heartbeat.unreachableAfterSeconds"],
        Some(Reason::GatewayDegraded) => vec!["heartbeat.staleAfterSeconds"],
        Some(Reason::StormHold) => vec!["storm.maxUnhealthyPercent", "storm.minAgents", "storm.cooldownSeconds"],
        Some(Reason::InFlight) => vec!["storm.maxInFlight"],
        None | Some(Reason::RevivalSuppressed) => vec!["revive"],
        Some(_) => Vec::new(),
    }
}

/// The places where a field may stand, the nearest first.
struct Layers {
    agent: Value,
    agent_name: String,
    cell: Value,
    policy: Option<(String, Value)>,
    source: String,
    effective: Value,
}

impl Layers {
    fn of(cell: &MissionCell, spec: Option<&AgentSpec>, policy: Option<&AgentPolicy>, effective: &EffectivePolicy) -> Self {
        // What has no form in JSON sets no field.
        let json = |value: Result<Value, serde_json::Error>| value.unwrap_or_default();
        let name = |policy: &AgentPolicy| policy.metadata.name.clone().unwrap_or_default();
        Self {
            agent: json(serde_json::to_value(spec)),
            agent_name: spec.map(|spec| spec.name.clone()).unwrap_or_default(),
            cell: json(serde_json::to_value(&cell.spec)),
            policy: policy.map(|policy| (name(policy), json(serde_json::to_value(&policy.spec)))),
            source: effective.source.clone(),
            effective: json(serde_json::to_value(effective)),
        }
    }

    fn field(&self, name: &str) -> Option<Field> {
        let pointer = format!("/{}", name.replace('.', "/"));
        let field = |value: &Value, source: String| Some(Field { name: name.into(), value: value.clone(), source });
        if let Some(value) = self.agent.pointer(&pointer) {
            return field(value, format!("the mission's spec.agents[{}].{name}", self.agent_name));
        }
        let value = self.effective.pointer(&pointer).filter(|value| !value.as_array().is_some_and(Vec::is_empty))?;
        if name == "revive" && self.cell.pointer(&pointer).is_some() {
            return field(value, "the mission's spec.revive".into());
        }
        let source = match &self.policy {
            Some((policy, spec)) if spec.pointer(&pointer).is_some() => format!("AgentPolicy {policy}"),
            Some((policy, _)) => format!("the operator's defaults, as AgentPolicy {policy} does not say"),
            None if self.source == "BuiltIn" => "the operator's defaults, as no AgentPolicy applies".into(),
            None => format!("{}, or the operator's defaults", self.source.replace('/', " ")),
        };
        field(value, source)
    }

    /// Whether a freer value than this was asked for, and minimumGate made it stricter.
    fn asks_for(&self, own: Revive) -> bool {
        let said = |layer: &Value| layer.pointer("/revive").cloned();
        let asked = said(&self.agent).or_else(|| said(&self.cell)).or_else(|| said(&self.policy.as_ref()?.1));
        asked.is_some_and(|asked| asked != word(own))
    }
}

fn word(revive: Revive) -> Value {
    serde_json::to_value(revive).unwrap_or_default()
}
