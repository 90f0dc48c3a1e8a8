//! One agent of a mission: a curated part of what a Pod can say.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent_policy::Revive;
use super::external::External;
use super::quantity::Amount;

/// One agent: what runs, and how it is treated.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.substitutes) || self.substitutes.all(name, name != self.name && self.substitutes.exists_one(other, other == name))",
    "`substitutes` must name other agents, each once"
))]
#[x_kube(validation = (
    "has(self.external) != has(self.image)",
    "set `image`, or `external: {}` for an agent that runs elsewhere"
))]
#[x_kube(validation = (
    "!has(self.external) || !(has(self.command) || has(self.args) || has(self.workingDir) || has(self.env) || has(self.configFiles) || has(self.resources) || has(self.ports) || has(self.terminationGracePeriodSeconds) || has(self.runtimeClassName) || has(self.standby))",
    "an agent with `external` runs elsewhere: remove what says how a pod of it is made, and `standby`"
))]
#[x_kube(validation = (
    "!has(self.external) || !has(self.completion) || self.completion == 'Service'",
    "an agent with `external` has no exit code: its `completion` can only be Service"
))]
#[x_kube(validation = (
    "!has(self.external) || !has(self.heartbeat) || !has(self.heartbeat.source) || self.heartbeat.source == 'Self'",
    "an agent with `external` has no sidecar: its `heartbeat.source` can only be Self"
))]
#[x_kube(validation = Rule::new(
    "(has(self.standby) && self.standby) == (has(oldSelf.standby) && oldSelf.standby)"
).message("`standby` can't change: remove the agent and add one of another name"))]
pub struct AgentSpec {
    /// Name of the agent within the mission: at most 20 small letters, digits and `-`, starting with a letter.
    #[schemars(length(min = 1, max = 20), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The agent's part in the mission, given to it as `LAZARUS_ROLE`: `Lead` leads the others, `Write` works on the
    /// mission, `Read` reads and reports, `Audit` checks the others' work. Absent: `Write`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Container image of the agent. Name it by digest to be sure that a revived agent is the same program. Each agent has
    /// either this or `external`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^\S+$"))]
    pub image: String,
    /// The agent runs elsewhere, outside the cluster perhaps, and only reports, with a token of `kubectl lazarus token`. It
    /// can't be restarted: what the policy says of a death without attempts left is done at once. Once another has taken over
    /// its part, or a newer incarnation was approved, its reports are refused; it is not stopped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Program to run instead of the image's entry point; not run in a shell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub command: Option<Vec<String>>,
    /// Arguments of the program, instead of the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(max = 32_768)))]
    pub args: Option<Vec<String>>,
    /// Directory the program starts in, an absolute path. Absent: the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096), regex(pattern = r"^/"))]
    pub working_dir: Option<String>,
    /// Environment variables. Names that start with `LAZARUS_` are set by the operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Option<Vec<EnvVar>>,
    /// ConfigMaps of the mission's namespace that the agent sees as directories of read-only files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["mountPath".into()]))]
    pub config_files: Option<Vec<ConfigFile>>,
    /// Processor, memory and other resources of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Ports the agent listens on. For people and Services; from isolation `Level1` on no other is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub ports: Option<Vec<Port>>,
    /// Seconds, 0 to 3600, that the agent has to end after SIGTERM before it is killed. Absent: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub termination_grace_period_seconds: Option<i64>,
    /// RuntimeClass that runs the agent's container, for sandboxed runtimes such as gVisor or Kata. Absent: the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub runtime_class_name: Option<String>,
    /// How the agent is seen to be well, and when it is taken for dead. Absent: only the end of its process counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat: Option<AgentHeartbeat>,
    /// What is done when this agent dies: `Always` brings it back, within the limits of the policy's `restart`; `Ask` waits for
    /// a person; `Never` only reports it. Comes before the mission's and the policy's value, but not before the policy's
    /// `minimumGate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revive: Option<Revive>,
    /// What exit code 0 means, and whether the mission needs the agent. `Required`: done, and the mission succeeds when all
    /// such agents are done. `Optional`: done, but the mission goes on without it. `Service`: runs as long as the mission
    /// does, so any exit is a death. Absent: `Required`, and `Service` for an agent with `external`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion: Option<Completion>,
    /// Agents of this mission that may take over this one's part when it can't be brought back, the best first. Comes before
    /// the policy's `substitutions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), inner(length(min = 1, max = 20), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$")))]
    pub substitutes: Option<Vec<String>>,
    /// Whether the agent is started only when it takes over the part of another one. Absent: it isn't a standby.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standby: Option<bool>,
}

impl AgentSpec {
    /// What the agent's exit code 0 means; one that runs elsewhere has none, so it is a service.
    #[must_use]
    pub fn completion(&self) -> Completion {
        if self.external.is_some() { Completion::Service } else { self.completion.unwrap_or_default() }
    }
}

/// How an agent is seen to be well, and when it is taken for dead.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.http) == (has(self.source) && self.source == 'Http')",
    "set `http` together with `source: Http`, and only then"
))]
#[x_kube(validation = (
    "!has(self.staleAfterSeconds) || !has(self.deadAfterSeconds) || self.staleAfterSeconds < self.deadAfterSeconds",
    "`staleAfterSeconds` must be less than `deadAfterSeconds`: lower the first or raise the second"
))]
pub struct AgentHeartbeat {
    /// Where the sidecar looks. `Process`: nowhere, only the end of the process counts. `Http`: it asks the agent's own
    /// endpoint. `Self`: the agent posts to the sidecar at `http://127.0.0.1:$LAZARUS_PORT/heartbeat`. Absent: `Process`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The agent's endpoint, for `source: Http`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpSource>,
    /// As in the AgentPolicy, for this agent alone, 2 to 86400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 86_400))]
    pub stale_after_seconds: Option<i64>,
    /// As in the AgentPolicy, for this agent alone, 3 to 604800.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3, max = 604_800))]
    pub dead_after_seconds: Option<i64>,
}

/// Where the sidecar looks to see an agent well.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// Nowhere: only the end of the process counts.
    #[default]
    Process,
    /// At an endpoint of the agent.
    Http,
    /// The agent reports by itself.
    #[serde(rename = "Self")]
    Own,
}

impl Source {
    /// The value as manifests and the sidecar's arguments write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "Process",
            Self::Http => "Http",
            Self::Own => "Self",
        }
    }
}

/// An agent's endpoint: it is well while a GET is answered with 2xx within 5 seconds.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct HttpSource {
    /// The port on which the agent listens, also on loopback, 1 to 65535.
    #[schemars(range(min = 1, max = 65_535))]
    pub port: i64,
    /// The path, starting with `/`. Absent: `/health`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), regex(pattern = r"^/[!-~]*$"))]
    pub path: Option<String>,
}

/// An agent's part in the mission.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// Leads the others.
    Lead,
    /// Works on the mission.
    #[default]
    Write,
    /// Reads and reports.
    Read,
    /// Checks the others' work.
    Audit,
}

impl Role {
    /// The value as manifests and `LAZARUS_ROLE` write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lead => "Lead",
            Self::Write => "Write",
            Self::Read => "Read",
            Self::Audit => "Audit",
        }
    }
}

/// What exit code 0 means, and whether the mission needs the agent.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completion {
    /// Exit code 0 means done; the mission succeeds when all required agents are done.
    #[default]
    Required,
    /// Exit code 0 means done; the mission goes on without it, and its death only degrades the mission.
    Optional,
    /// Runs as long as the mission does: any exit is a death, and it is stopped when the mission has succeeded.
    Service,
}

/// One environment variable: its value as text, or where the value comes from.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = ("!self.name.startsWith('LAZARUS_')", "`name` must not start with LAZARUS_: the operator sets those variables"))]
#[x_kube(validation = ("!(has(self.value) && has(self.valueFrom))", "set either `value` or `valueFrom`, not both"))]
pub struct EnvVar {
    /// Name of the variable.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z][-._a-zA-Z0-9]*$"))]
    pub name: String,
    /// The value as text; `$(NAME)` is replaced by an earlier variable's value. Absent, like `valueFrom`: empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32_768))]
    pub value: Option<String>,
    /// Where the value comes from: exactly one of the two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_from: Option<EnvSource>,
}

/// Where the value of an environment variable comes from: exactly one of the two.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "has(self.secretKeyRef) != has(self.configMapKeyRef)",
    "set exactly one of `secretKeyRef` and `configMapKeyRef`"
))]
pub struct EnvSource {
    /// A key of a Secret of the mission's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<KeyRef>,
    /// A key of a ConfigMap of the mission's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<KeyRef>,
}

/// One key of a Secret or ConfigMap.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
pub struct KeyRef {
    /// Name of the Secret or ConfigMap.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub name: String,
    /// Key in it.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
    /// Whether the agent starts also if the object or the key is missing. Absent: it doesn't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub optional: Option<bool>,
}

/// A ConfigMap as a directory of read-only files.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ConfigFile {
    /// Name of the ConfigMap; each of its keys becomes a file.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub config_map: String,
    /// Directory in the container, an absolute path without `:`.
    #[schemars(length(min = 2, max = 4096), regex(pattern = r"^/[^:]+$"))]
    pub mount_path: String,
}

/// Resources of an agent, as in a Pod.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = (
    "!has(self.requests) || !has(self.limits) || self.requests.all(name, !(name in self.limits) || quantity(string(self.requests[name])).compareTo(quantity(string(self.limits[name]))) <= 0)",
    "no amount in `requests` may be greater than the same one in `limits`: lower the request or raise the limit"
))]
#[x_kube(validation = (
    "!has(self.limits) || ['cpu', 'memory', 'ephemeral-storage'].all(name, !(name in self.limits) || !string(self.limits[name]).matches('^0*[.]?0*([a-zA-Z]+[-+]?[0-9]*)?$'))",
    "a limit of 0 for cpu, memory or ephemeral-storage is none at all: write how much the agent may use, or leave it out"
))]
pub struct Resources {
    /// What the agent is guaranteed, by resource name: `cpu`, `memory`, `nvidia.com/gpu`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 8))]
    pub requests: Option<BTreeMap<String, Amount>>,
    /// What the agent can't exceed, by resource name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxProperties" = 8))]
    pub limits: Option<BTreeMap<String, Amount>>,
}

/// One port: its name, number and protocol.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Name of the port: at most 15 small letters, digits and `-`, with at least one letter.
    #[schemars(length(min = 1, max = 15), regex(pattern = r"^([0-9]+-?)*[a-z](-?[a-z0-9])*$"))]
    pub name: String,
    /// The port, 1 to 65535.
    #[schemars(range(min = 1, max = 65_535))]
    pub container_port: i64,
    /// `TCP` or `UDP`. Absent: `TCP`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}

/// Transport protocol of a port.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "UPPERCASE")]
pub enum Protocol {
    /// The usual one.
    #[default]
    Tcp,
    /// Datagrams.
    Udp,
}
