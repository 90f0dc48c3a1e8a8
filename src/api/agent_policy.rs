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
    printcolumn = r#"{"name":"Attempts","type":"integer","jsonPath":".spec.restart.maxAttempts","description":"Restarts in a row, after which onExhausted applies"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::schema::tidy)]
pub struct AgentPolicySpec {
    /// What is done about a dead agent: `Always` brings it back, within the limits of `restart`; `Ask` makes a
    /// RevivalRequest and waits for a person; `Never` only reports it. Absent: the operator's default, `Ask` unless
    /// configured otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revive: Option<Revive>,
    /// No mission and no agent is treated more freely than this, whatever it says itself: `Always` limits nothing, `Ask`
    /// turns `Always` into `Ask`, `Never` turns everything into `Never`. Absent: the operator's default, `Always` unless
    /// configured otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum_gate: Option<Revive>,
    /// What is done about an agent whose pod or node was taken away: `Recreate` makes it anew, which uses no attempt and asks
    /// nobody; `Ask` makes a RevivalRequest. Default `Recreate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disruption: Option<Disruption>,
    /// How agents that report are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<Heartbeat>,
    /// How often and how fast a dead agent is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
    /// What is done when a restart is no longer possible under `revive: Always`: `Ask` makes a RevivalRequest; `Substitute`
    /// gives the agent's part to its first substitute that is there, and asks if there is none; `Abandon` leaves it dead
    /// until its spec changes. Default `Ask`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_exhausted: Option<OnExhausted>,
    /// Substitutes for agents that name none themselves. Names that a mission doesn't have are passed over there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["agent".into()]))]
    pub substitutions: Option<Vec<Substitution>>,
    /// What keeps one trouble of many agents from becoming many restarts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storm: Option<Storm>,
    /// How people are asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// What is done about a dead agent, from the freest to the strictest.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revive {
    /// Brought back, within the limits of `restart`.
    Always,
    /// Brought back when a person approves.
    Ask,
    /// Reported and left dead.
    Never,
}

/// What is done about an agent whose pod or node was taken away.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Disruption {
    /// Made anew, without an attempt and without asking.
    #[default]
    Recreate,
    /// Made anew when a person approves.
    Ask,
}

/// What is done when a restart is no longer possible.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExhausted {
    /// A person decides.
    #[default]
    Ask,
    /// The first substitute that is there takes over; where there is none, a person decides.
    Substitute,
    /// It stays dead until its spec changes.
    Abandon,
}

/// Who may take over an agent's part.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Substitution {
    /// The agent that is dead.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub agent: String,
    /// Agents that may take over its part, the best first, 1 to 8.
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 20), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")))]
    pub candidates: Vec<String>,
}

/// How people are asked.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.onTimeout) || self.onTimeout == 'Wait' || (has(self.timeoutSeconds) && self.timeoutSeconds > 0)",
    "`onTimeout` other than `Wait` needs `timeoutSeconds` greater than 0: set it, or leave `onTimeout` out"
))]
pub struct Approval {
    /// Seconds, 0 to 2592000, after which a RevivalRequest that nobody has decided expires; 0: never. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 2_592_000))]
    pub timeout_seconds: Option<i64>,
    /// What follows then: `Wait` only says that it is overdue; `Deny` leaves the agent dead; `Revive` brings it back;
    /// `Substitute` gives its part to the first substitute that is there, and brings it back if there is none. Default `Wait`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<OnTimeout>,
    /// How many different people must approve the same option, 1 to 8. One that denies is enough to deny. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 8))]
    pub quorum: Option<i64>,
    /// Seconds, 0 to 31536000, for which a RevivalRequest is kept after it was decided. Default 604800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 31_536_000))]
    pub retain_seconds: Option<i64>,
}

/// What follows when nobody decides in time.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnTimeout {
    /// It waits on, and is overdue.
    #[default]
    Wait,
    /// The agent stays dead.
    Deny,
    /// The agent is brought back.
    Revive,
    /// The first substitute that is there takes over; where there is none, the agent is brought back.
    Substitute,
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
    /// An agent of which nothing was heard for this many seconds, 0 to 604800, while the kubelet says that it runs, is put
    /// before a person as a RevivalRequest; nothing is ever done to it by itself. 0: never. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 604_800))]
    pub unreachable_after_seconds: Option<i64>,
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
    /// Deaths in a row that are followed by a restart, 0 to 100; at the next death `onExhausted` applies. Default 3.
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
