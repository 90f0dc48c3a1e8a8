//! `MissionCell`: a mission and the agents that work on it.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::agent::AgentSpec;
use super::agent_policy::Revive;
use super::isolation::{Egress, Isolation, Workspace};
use super::status::MissionCellStatus;

/// What a mission is and which agents work on it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[kube(
    group = "lazarus-pit.io",
    version = "v1alpha1",
    kind = "MissionCell",
    namespaced,
    status = "MissionCellStatus",
    shortname = "mcell",
    category = "lazarus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A mission and its agents: several long-lived processes that work together. The operator keeps one pod per agent, notices when an agent dies and does what the mission's AgentPolicy says.",
    validation = (
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 30",
        "`metadata.name` must be at most 30 characters: small letters, digits and `-`, starting with a letter and not ending with `-`, because the names of the agents' pods start with it"
    ),
    validation = (
        "!has(self.spec.isolation) || !(self.spec.isolation in ['Level2', 'Level3']) || self.spec.agents.all(agent, !has(agent.image) || agent.image.contains('@sha256:'))",
        "`isolation: Level2` and `Level3` need every `image` by digest: write NAME@sha256:…, as `kubectl get pod POD -o jsonpath='{.status.containerStatuses[*].imageID}'` shows it of one that runs"
    ),
    validation = (
        "!has(self.spec.isolation) || self.spec.isolation != 'Level3' || self.spec.agents.all(agent, !has(agent.env) || agent.env.all(variable, !has(variable.valueFrom) || !has(variable.valueFrom.secretKeyRef)))",
        "`isolation: Level3` has no secret in a pod: remove each `env.valueFrom.secretKeyRef`, and let the egress proxy hold the credentials"
    ),
    validation = (
        "!has(self.spec.isolation) || self.spec.isolation != 'Level3' || !has(self.spec.egress)",
        "`isolation: Level3` reaches nothing but the gateway and the egress proxy: remove `egress`, or use Level2"
    ),
    printcolumn = r#"{"name":"Ready","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].status","description":"Whether every agent the mission needs is alive, or the mission has succeeded"}"#,
    printcolumn = r#"{"name":"Reason","type":"string","jsonPath":".status.conditions[?(@.type==\"Ready\")].reason","description":"Why"}"#,
    printcolumn = r#"{"name":"Agents","type":"string","jsonPath":".status.counts.summary","description":"Agents alive, of those that should be"}"#,
    printcolumn = r#"{"name":"Revived","type":"integer","jsonPath":".status.counts.revived","description":"Agents brought back since the mission began"}"#,
    printcolumn = r#"{"name":"Asks","type":"integer","jsonPath":".status.counts.asks","description":"Agents about which a person is asked"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Isolation","type":"string","priority":1,"jsonPath":".status.isolation.level","description":"How far the agents are isolated"}"#,
    printcolumn = r#"{"name":"Policy","type":"string","priority":1,"jsonPath":".status.effectivePolicy.source","description":"Where the policy comes from"}"#,
    printcolumn = r#"{"name":"Next","type":"string","priority":1,"jsonPath":".status.nextAction.what","description":"What the operator will do next by itself"}"#,
    printcolumn = r#"{"name":"Message","type":"string","priority":1,"jsonPath":".status.conditions[?(@.type==\"Ready\")].message","description":"The state in words"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::schema::tidy)]
pub struct MissionCellSpec {
    /// What the agents are to achieve, in one line of at most 200 characters. For people; nothing depends on it.
    #[schemars(length(min = 1, max = 200), regex(pattern = r"^[^\r\n]*$"))]
    pub mission: String,
    /// The AgentPolicy of this mission, in the same namespace. Absent: the one called `default`, if there is one, else
    /// the operator's built-in policy. If the named one is missing, nothing is started or revived until it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_ref: Option<ObjectName>,
    /// What is done about a dead agent of this mission: `Always` brings it back, within the limits of the policy's
    /// `restart`; `Ask` waits for a person; `Never` only reports it. Comes before the policy's value, but not before its
    /// `minimumGate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revive: Option<Revive>,
    /// How far the agents are kept from each other, from the node and from the network: `None` (for development), `Level1`,
    /// `Level2` or `Level3`; each keeps all that the one before does. It may rise while agents live, who are then replaced one by
    /// one; it falls only for those that start later, when none lives. Absent: `Level1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
    /// The volume that the agents share, in each at /workspace. Absent: each has an empty directory of its own, that ends with
    /// its pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workspace: Option<Workspace>,
    /// Ways out of the cluster that the agents need beyond their level.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub egress: Option<Vec<Egress>>,
    /// Secrets of the mission's namespace with the credentials for the agents' images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub image_pull_secrets: Option<Vec<ObjectName>>,
    /// Labels a node must have to run the agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "maxProperties" = 32,
        "additionalProperties" = { "type": "string", "maxLength": 63, "pattern": "^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$" }
    ))]
    #[x_kube(validation = ("self.all(key, !format.qualifiedName().validate(key).hasValue())", "the keys of `nodeSelector` must be names of labels, such as kubernetes.io/arch"))]
    pub node_selector: Option<BTreeMap<String, String>>,
    /// The agents, 1 to 64, each with a name of its own.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub agents: Vec<AgentSpec>,
}

/// The name of an object in the same namespace.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectName {
    /// Name of the object.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
}
