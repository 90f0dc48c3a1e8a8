//! The policy of a mission with every default filled in, as its status shows it.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::agent_policy::{Disruption, OnExhausted, OnTimeout, Revive, Substitution};

/// A policy with every default filled in.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct EffectivePolicy {
    /// Where it comes from: `AgentPolicy/<name>` or `BuiltIn`.
    pub source: String,
    /// What is done about a dead agent, unless the agent says otherwise.
    pub revive: Revive,
    /// No agent is treated more freely than this.
    #[serde(default = "freest")]
    pub minimum_gate: Revive,
    /// What is done about an agent whose pod or node was taken away.
    #[serde(default)]
    pub disruption: Disruption,
    /// How agents that report are judged, unless the agent says otherwise.
    #[serde(default)]
    pub heartbeat: EffectiveHeartbeat,
    /// What keeps one trouble of many agents from becoming many restarts.
    #[serde(default)]
    pub storm: EffectiveStorm,
    /// How often and how fast dead agents are restarted.
    pub restart: EffectiveRestart,
    /// What is done when a restart is no longer possible.
    #[serde(default)]
    pub on_exhausted: OnExhausted,
    /// Substitutes for agents that name none themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["agent".into()]))]
    pub substitutions: Vec<Substitution>,
    /// How people are asked.
    #[serde(default)]
    pub approval: EffectiveApproval,
}

// A status of an earlier version has none; the next look writes it anew.
fn freest() -> Revive {
    Revive::Always
}

/// How people are asked, with every default filled in.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveApproval {
    /// Seconds after which a request that nobody has decided expires; 0: never.
    pub timeout_seconds: i64,
    /// What follows then.
    pub on_timeout: OnTimeout,
    /// How many different people must approve.
    pub quorum: i64,
    /// Seconds for which a request is kept after it was decided.
    pub retain_seconds: i64,
}

/// How agents that report are judged, with every default filled in.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveHeartbeat {
    /// Seconds between two reports.
    pub interval_seconds: i64,
    /// Seconds of silence after which an agent is `Stale`.
    pub stale_after_seconds: i64,
    /// Seconds of silence after which an agent is dead.
    pub dead_after_seconds: i64,
    /// Seconds after its start in which an agent must be seen well.
    pub startup_grace_seconds: i64,
    /// Seconds without progress after which an agent is dead; 0: never.
    pub stalled_after_seconds: i64,
    /// Seconds of silence up to which an agent that says it is busy is left alone.
    pub max_busy_seconds: i64,
    /// Seconds without any report after which a person is asked; 0: never.
    #[serde(default)]
    pub unreachable_after_seconds: i64,
}

/// What keeps one trouble of many agents from becoming many restarts, with every default filled in.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveStorm {
    /// Percentage of unhealthy agents from which on it is a storm.
    pub max_unhealthy_percent: i64,
    /// Fewest unhealthy agents that are a storm.
    pub min_agents: i64,
    /// Dead agents of the mission that may be on their way back at once.
    pub max_in_flight: i64,
    /// Seconds for which a death counts.
    pub cooldown_seconds: i64,
}

/// How often and how fast dead agents are restarted, with every default filled in.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct EffectiveRestart {
    /// Deaths in a row that are followed by a restart.
    pub max_attempts: i64,
    /// Seconds from the first death to the restart.
    pub backoff_seconds: i64,
    /// The longest wait between a death and the restart in seconds.
    pub max_backoff_seconds: i64,
    /// Seconds after which an agent that ran without dying has all its attempts again.
    pub reset_after_seconds: i64,
}
