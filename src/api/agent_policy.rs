//! `AgentPolicy`: how the deaths of agents are handled.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the deaths of agents are handled. Every field is optional: what is left out comes from the operator's
/// configuration, and what a mission or an agent sets itself comes first.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "lazarus-pit.io",
    version = "v1alpha1",
    kind = "AgentPolicy",
    plural = "agentpolicies",
    namespaced,
    shortname = "apol",
    category = "lazarus",
    derive = "PartialEq",
    doc = "Says how the deaths of agents are handled. A MissionCell names one in `spec.policyRef`; without that, the AgentPolicy called `default` in the mission's namespace applies, if there is one.",
    printcolumn = r#"{"name":"Revive","type":"string","jsonPath":".spec.revive","description":"What is done about a dead agent"}"#,
    printcolumn = r#"{"name":"Attempts","type":"integer","jsonPath":".spec.restart.maxAttempts","description":"Restarts in a row before an agent is given up"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::schema::tidy)]
pub struct AgentPolicySpec {
    /// What is done about a dead agent: `Always` brings it back, within the limits of `restart`; `Never` only
    /// reports it. Absent: the operator's default, `Never` unless configured otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revive: Option<Revive>,
    /// How agents that report are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// How often and how fast a dead agent is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// What keeps one trouble of many agents from becoming many restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<Storm>,
}

/// What is done about a dead agent.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revive {
    /// Brought back, within the limits of `restart`.
    Always,
    /// Reported and left dead.
    Never,
}

/// How agents that report are judged. Only what the sidecar sees of its agent counts, never the silence of the network.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.staleAfterSeconds) || !has(self.deadAfterSeconds) || self.staleAfterSeconds < self.deadAfterSeconds",
    "`staleAfterSeconds` must be less than `deadAfterSeconds`: lower the first or raise the second"
))]
#[x_kube(validation = (
    "!has(self.intervalSeconds) || !has(self.staleAfterSeconds) || 2 * self.intervalSeconds <= self.staleAfterSeconds",
    "`staleAfterSeconds` must be at least twice `intervalSeconds`, so that one lost report is no alarm"
))]
pub struct Heartbeat {
    /// Seconds between two reports of a sidecar, 1 to 300. Default 15.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 300))]
    pub interval_seconds: Option<i64>,
    /// An agent that its sidecar has seen silent for this many seconds, 2 to 86400, is `Stale`; one whose sidecar has not
    /// reported for as long is held as `LinkLost`. Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 86_400))]
    pub stale_after_seconds: Option<i64>,
    /// An agent that its sidecar has seen silent for this many seconds, 3 to 604800, hangs: it is dead. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3, max = 604_800))]
    pub dead_after_seconds: Option<i64>,
    /// An agent that was never seen well this many seconds after its process started, 1 to 86400, is dead. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub startup_grace_seconds: Option<i64>,
    /// An agent whose cycle, task and status have not changed for this many seconds, 0 to 604800, is dead although it
    /// answers; it must have reported one of them. 0: never. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604_800))]
    pub stalled_after_seconds: Option<i64>,
    /// An agent that says it is busy is left alone until it was silent for this many seconds, 0 to 86400. Default 1800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86_400))]
    pub max_busy_seconds: Option<i64>,
}

/// What keeps one trouble of many agents from becoming many restarts.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Storm {
    /// When at least this percentage of the agents on a node, of an image, of a namespace or of the whole fleet, 1 to 100,
    /// died within `cooldownSeconds` or is silent, none of them is restarted until it calms down. Default 40.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub max_unhealthy_percent: Option<i64>,
    /// Fewer agents than this, 1 to 10000, are no storm. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10_000))]
    pub min_agents: Option<i64>,
    /// Dead agents of one mission that may be on their way back at once, 1 to 64. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 64))]
    pub max_in_flight: Option<i64>,
    /// Seconds, 1 to 86400, for which a death counts towards a storm. Default 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub cooldown_seconds: Option<i64>,
}

/// How often and how fast a dead agent is restarted.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.backoffSeconds) || !has(self.maxBackoffSeconds) || self.backoffSeconds <= self.maxBackoffSeconds",
    "`backoffSeconds` must not be greater than `maxBackoffSeconds`: lower the first or raise the second"
))]
pub struct Restart {
    /// Deaths in a row that are followed by a restart, 0 to 100; at the next death the agent is given up. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_attempts: Option<i64>,
    /// Seconds from the first death to the restart, 1 to 86400; each further death in a row doubles it. Default 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub backoff_seconds: Option<i64>,
    /// The longest wait between a death and the restart in seconds, 1 to 86400. Default 600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 86_400))]
    pub max_backoff_seconds: Option<i64>,
    /// An agent that ran this many seconds, 1 to 604800, before it died starts again with all its attempts. Default 3600.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 604_800))]
    pub reset_after_seconds: Option<i64>,
}
