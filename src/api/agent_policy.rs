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
    /// How often and how fast a dead agent is restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<Restart>,
}

/// What is done about a dead agent.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revive {
    /// Brought back, within the limits of `restart`.
    Always,
    /// Reported and left dead.
    Never,
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
