//! What the operator reports about a mission. Written by the operator alone, on transitions only.

use std::borrow::Cow;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::conditions::Reason;
use super::effective::EffectivePolicy;
use super::isolation::{IsolationStatus, WorkspaceStatus};
use super::revival_request::DecisionVerdict;

/// What the operator knows and does about a mission.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::schema::tidy)]
pub struct MissionCellStatus {
    /// The `metadata.generation` of the spec that this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// State of the mission as conditions: `Ready` and `PolicyResolved` always; `Reconciling`, `Stalled` and `Succeeded` while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// State of each agent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub agents: Vec<AgentStatus>,
    /// What the operator will do next by itself, if anything is planned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_action: Option<NextAction>,
    /// The last ten deaths and disruptions, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incidents: Vec<Incident>,
    /// Numbers of agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts: Option<Counts>,
    /// How far its agents are isolated; the condition `IsolationVerified` says whether that is so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<IsolationStatus>,
    /// The volume that the agents share. Absent: each has an empty directory of its own, that ends with its pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceStatus>,
    /// The policy as it applies to this mission, with every default filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_policy: Option<EffectivePolicy>,
}

/// One agent: where it is in its life, its pod, and how the last one ended.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AgentStatus {
    /// Name of the agent.
    pub name: String,
    /// Where the agent is in its life.
    pub state: AgentState,
    /// The finer state, as one word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub reason: Option<Reason>,
    /// The state in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Number of the current incarnation, from 1, part of the pod's name, or of the token's audience where the agent runs
    /// elsewhere; 0 before the first.
    pub attempt: i64,
    /// Pod of the current incarnation. An agent that runs elsewhere has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_name: Option<String>,
    /// UID of that pod. Only the pod with this UID is the agent: any other one of the same agent is removed. Where there is no
    /// pod it stands for the incarnation: only reports with a token that is made for it are taken.
    #[serde(default, rename = "podUID", skip_serializing_if = "Option::is_none")]
    pub pod_uid: Option<String>,
    /// Hash of the fields of the spec that the pod was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Node the pod runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// When the process of the current incarnation started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// Since when the agent is in this state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Time>,
    /// Deaths in a row, each of which used one attempt; disruptions don't count.
    pub deaths: i64,
    /// Disruptions in a row, each of an incarnation that ran for less than the policy's longest wait.
    pub disruptions: i64,
    /// The current incarnation is made from a changed spec that has not proven itself: should it stay dead, no other
    /// agent is replaced.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trial: bool,
    /// How often the agent was brought back after a death or a disruption.
    pub revived: i64,
    /// How the last incarnation ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_end: Option<LastEnd>,
    /// What a person, or the policy's `onTimeout`, decided about the dead incarnation. Written before it is acted on, so that
    /// it is acted on once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ruling: Option<Ruling>,
    /// The agent that has taken over this one's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// Agents whose parts this one has taken over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<String>,
    /// The rule that decided this state, and its evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

impl AgentStatus {
    /// Whether the current incarnation runs elsewhere, not in a pod.
    #[must_use]
    pub fn is_elsewhere(&self) -> bool {
        self.pod_uid.is_some() && self.pod_name.is_none()
    }
}

/// Where an agent is in its life.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AgentState {
    /// Has no node yet, or no pod.
    #[default]
    Pending,
    /// Has a node; its container is not running yet.
    Starting,
    /// Its container is running, and nothing says that it does not work.
    Alive,
    /// Its container is running, but its sidecar sees it silent, or its node is not well.
    Stale,
    /// Ended or taken for dead; the reason says what follows.
    Dead,
    /// Something has to happen first; the reason says what.
    Waiting,
    /// Did its work, or was stopped because the mission succeeded.
    Done,
    /// Is not started: it waits to take over another agent's part.
    Standby,
}

/// What was decided about a dead incarnation.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Ruling {
    /// Name of the RevivalRequest.
    pub request: String,
    /// UID of the pod that died.
    #[serde(rename = "podUID")]
    pub pod_uid: String,
    /// What was decided.
    pub verdict: DecisionVerdict,
    /// What is to be done: `Revive`, `Substitute` (the first one that is there) or `Substitute/<agent>`. Absent after a `Deny`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub option: Option<String>,
    /// Who decided, such as `k8s:alice`; `timeout` where nobody did in time.
    pub by: String,
    /// When the operator took note of it.
    pub at: Time,
}

/// How an incarnation ended.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct LastEnd {
    /// UID of the pod that ended.
    #[serde(rename = "podUID")]
    pub pod_uid: String,
    /// What kind of end it was.
    pub outcome: Outcome,
    /// Why, as one word of the kubelet or the operator: `Error`, `OOMKilled`, `Evicted`, `PodDeleted`, …
    pub cause: String,
    /// Exit code of the agent's process, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// When the agent's process started, where it is known; otherwise when its pod was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When it ended, or when the end was noticed.
    pub at: Time,
    /// Hash of the fields of the spec that the incarnation was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
}

impl LastEnd {
    /// The operator's own verdicts on agents whose process still ran.
    pub const VERDICTS: [Reason; 5] = [Reason::Hung, Reason::NeverBeat, Reason::Stalled, Reason::LinkLost, Reason::Silent];

    /// Cause of an end for the sake of the isolation level.
    pub const LEVEL_CHANGED: &str = "LevelChanged";

    /// Whether nobody wanted it: a death or a disruption.
    #[must_use]
    pub fn is_undesired(&self) -> bool {
        match self.outcome {
            Outcome::Died | Outcome::Disrupted => true,
            Outcome::Completed | Outcome::Replaced | Outcome::Stopped => false,
        }
    }

    /// The verdict by which the incarnation was taken for dead while its process ran, if it was.
    #[must_use]
    pub fn verdict(&self) -> Option<Reason> {
        Self::VERDICTS.into_iter().find(|reason| self.cause == reason.as_str())
    }

    /// Whether it was taken for dead while its process ran.
    #[must_use]
    pub fn by_verdict(&self) -> bool {
        self.verdict().is_some()
    }
}

/// What kind of end it was.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Ended by itself with exit code 0.
    Completed,
    /// Failed: uses one attempt.
    Died,
    /// Its pod or node was taken away: uses no attempt.
    Disrupted,
    /// Ended by the operator because the spec changed.
    Replaced,
    /// Ended by the operator because the mission succeeded.
    Stopped,
}

/// A rule and what it saw.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Name of the rule.
    pub rule: Cow<'static, str>,
    /// What the rule saw, at most 200 characters.
    pub evidence: String,
    /// When the operator looks again although nothing has changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recheck_at: Option<Time>,
}

/// What the operator will do next by itself.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct NextAction {
    /// What: `Restart`, `Recreate`, `Replace`, `Create`, `Substitute` or `Ask`.
    pub what: Cow<'static, str>,
    /// The agent it is about.
    pub agent: String,
    /// Not before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
    /// Why.
    pub because: String,
}

/// One death or disruption, and what became of it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Incident {
    /// When the incarnation ended.
    pub at: Time,
    /// The agent.
    pub agent: String,
    /// The pod that ended.
    pub pod_name: String,
    /// Why, as one word: `Error`, `OOMKilled`, `Evicted`, `PodDeleted`, …
    pub cause: String,
    /// Exit code of the agent's process, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// What became of it.
    pub outcome: IncidentOutcome,
    /// Seconds from the end until the agent was alive again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<i64>,
    /// The end of the agent's output, at most 1 KiB, with control characters removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
}

/// What became of a death or a disruption.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum IncidentOutcome {
    /// The agent is to come back.
    Open,
    /// The agent came back.
    Revived,
    /// All attempts are used: the agent stays dead.
    GivenUp,
    /// The policy says `Never`: the agent stays dead.
    Suppressed,
    /// A person decided that the agent stays dead.
    Denied,
    /// Another agent took over its part.
    Substituted,
    /// The next end of the agent came before it was seen alive again.
    Superseded,
}

/// Numbers of agents.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Agents that should be alive: those of the spec without the standbys that hold nothing.
    pub desired: i64,
    /// Agents that are alive.
    pub alive: i64,
    /// Agents brought back since the mission began.
    pub revived: i64,
    /// Agents about which a person is asked.
    #[serde(default)]
    pub asks: i64,
    /// The first two as people write them, such as 2/3.
    pub summary: String,
}
