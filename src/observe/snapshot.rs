//! What a decision is made from: plain values, one mission at one moment.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Ground, Obstacle, Pulse, Unrest};
use crate::api::{AgentPolicySpec, Isolation, MissionCellSpec, MissionCellStatus, RevivalRequestSpec, RevivalRequestStatus};

/// Everything a decision about one mission depends on, apart from the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The mission.
    pub cell: Cell,
    /// The policy it names, or what stands for it.
    pub policy: PolicySource,
    /// The operator's own policy, every field set: it fills what the policy leaves out.
    pub defaults: AgentPolicySpec,
    /// Every pod that carries the mission's label, whoever made it.
    pub pods: Vec<Pod>,
    /// The nodes of these pods, by name; one that is not there does not exist.
    pub nodes: BTreeMap<String, Node>,
    /// What the gateway knows of the mission's incarnations, by the UID of the pod.
    pub pulses: BTreeMap<String, Pulse>,
    /// What keeps the mission's sidecars from being admitted, as far as the operator knows.
    #[serde(default)]
    pub obstacle: Option<Obstacle>,
    /// The ServiceAccount that the mission's agents elsewhere report with; `None`: not looked for.
    #[serde(default)]
    pub account: Option<Account>,
    /// The claim of the mission's workspace; `None`: not looked for.
    #[serde(default)]
    pub claim: Option<Claim>,
    /// Agents whose pod the API server refused lately.
    pub refusals: BTreeMap<String, Refusal>,
    /// What the mission's agents share with others, and how many are in trouble there.
    pub unrest: Vec<Unrest>,
    /// The mission's RevivalRequests, the oldest first.
    #[serde(default)]
    pub requests: Vec<Request>,
    /// What the cluster lacks to make sure that only those approve who may; while it lacks anything no approval counts.
    #[serde(default)]
    pub unenforced: Option<String>,
    /// What the cluster and its administrators say about isolation.
    #[serde(default)]
    pub ground: Ground,
}

/// A RevivalRequest as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// Its resourceVersion: whoever writes its status must have seen all decisions.
    pub version: String,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// What is asked.
    pub spec: RevivalRequestSpec,
    /// Answers, and where it stands.
    pub status: RevivalRequestStatus,
}

/// A mission as it is stored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// Name of the `MissionCell`.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its UID: another mission of the same name has another one.
    pub uid: String,
    /// Generation of the spec.
    pub generation: i64,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// What is wanted.
    pub spec: MissionCellSpec,
    /// What was reported last.
    pub status: MissionCellStatus,
}

/// Where the policy of a mission comes from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum PolicySource {
    /// An AgentPolicy of this name.
    Found(String, Box<AgentPolicySpec>),
    /// None is named and there is none called `default`.
    BuiltIn,
    /// The one that the mission names does not exist.
    Missing(String),
    /// The one of this name is stored, but this operator does not understand it; the field and what is wrong.
    Invalid(String, String),
}

/// A pod with the mission's label, as far as decisions need it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Pod {
    /// Name of the pod.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// The agent it is labelled with.
    pub agent: String,
    /// The number of the incarnation it is labelled with.
    pub attempt: i64,
    /// UID of its controlling owner.
    pub owner: Option<String>,
    /// Hash of the user's fields it was made from.
    pub template: Option<String>,
    /// The isolation level it was made with; `None`: it was made by an operator that knew no levels.
    #[serde(default)]
    pub level: Option<Isolation>,
    /// When it was made.
    pub created: Option<DateTime<Utc>>,
    /// When its deletion was asked for, if it was: the deletion timestamp less the grace period.
    pub deletion_requested: Option<DateTime<Utc>>,
    /// Whether its phase is Succeeded or Failed: no container of it runs again.
    pub terminal: bool,
    /// Why the kubelet failed the pod as a whole (`Evicted`, …).
    pub failure: Option<String>,
    /// Reason of a true `DisruptionTarget` condition.
    pub disruption: Option<String>,
    /// Why and since when no node takes it.
    pub unschedulable: Option<(String, DateTime<Utc>)>,
    /// Its node.
    pub node: Option<String>,
    /// When it got its node.
    pub scheduled: Option<DateTime<Utc>>,
    /// State of the agent's container.
    pub container: Container,
    /// State of the sidecar; `None`: the pod was made without one.
    pub sidecar: Option<Sidecar>,
}

/// State of the sidecar that reports for the agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sidecar {
    /// Since when it runs, if it does.
    pub running: Option<DateTime<Utc>>,
    /// Whether its startup probe has passed: the gateway admitted the agent, whose container starts then.
    pub admitted: bool,
    /// Why it does not run; the kubelet's reason and message.
    pub waiting: Option<(String, String)>,
    /// Whether the kubelet lost it, with the pod's sandbox: in a pod that is never restarted it does not come back.
    #[serde(default)]
    pub lost: bool,
}

/// A node, as far as decisions need it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Since when it is not ready, if it is not.
    pub not_ready: Option<DateTime<Utc>>,
    /// Whether a person declared it out of service: nothing runs there any more.
    pub out_of_service: bool,
}

/// A ServiceAccount of a certain name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Account {
    /// There is none.
    Missing,
    /// It belongs to an earlier mission of the same name, and goes with it.
    Ending,
    /// It is there.
    Present,
}

/// The claim of a mission's workspace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Claim {
    /// There is none.
    Missing,
    /// It is being deleted, perhaps with an earlier mission of the same name.
    Ending,
    /// One of that name is somebody else's.
    Foreign,
    /// It is there.
    Present {
        /// Whether it goes with the mission.
        owned: bool,
        /// How much it asks for.
        size: String,
    },
}

/// State of the agent's container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Container {
    /// The kubelet has not reported it.
    #[default]
    Unknown,
    /// Not running yet; the kubelet's reason and message.
    Waiting(String, String),
    /// Running since.
    Running(Option<DateTime<Utc>>),
    /// Ended.
    Ended {
        /// Exit code of the process.
        exit_code: i64,
        /// The kubelet's word for it: `Completed`, `Error`, `OOMKilled`, …
        reason: String,
        /// The end of the agent's output.
        log: String,
        /// When the process started.
        started: Option<DateTime<Utc>>,
        /// When it ended.
        finished: Option<DateTime<Utc>>,
    },
}

/// The API server refused to make an agent's pod.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// What it said.
    pub message: String,
    /// Generation of the spec that was refused; another one is tried at once.
    pub generation: i64,
    /// Not tried again before.
    pub until: DateTime<Utc>,
}

impl Pod {
    /// Whether the agent's process may be running or may still start.
    #[must_use]
    pub fn may_run(&self) -> bool {
        !self.terminal
    }
}
