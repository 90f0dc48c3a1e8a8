//! `RevivalRequest`: a question to a person about dead agents, its answers, and what became of it.

use std::fmt;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::agent_policy::OnTimeout;
use super::conditions::RequestCondition;

/// What is asked. It never changes: a later death is another question.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "lazarus-pit.io",
    version = "v1alpha1",
    kind = "RevivalRequest",
    namespaced,
    status = "RevivalRequestStatus",
    shortname = "rvr",
    category = "lazarus",
    derive = "PartialEq",
    doc = "A question to a person: what is to be done about dead agents of a mission. The operator asks; whoever holds the verb `approve` on it answers in `status.decisions`, best by `kubectl lazarus approve` or `deny`. Made by a person, it is an order of that person.",
    validation = (
        "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$') && size(self.metadata.name) <= 63",
        "`metadata.name` must be at most 63 characters: small letters, digits and `-`, starting with a letter and not ending with `-`"
    ),
    printcolumn = r#"{"name":"Cell","type":"string","jsonPath":".spec.cellRef.name","description":"The mission"}"#,
    printcolumn = r#"{"name":"Agents","type":"string","jsonPath":".status.summary.agents","description":"The dead agents"}"#,
    printcolumn = r#"{"name":"Cause","type":"string","jsonPath":".spec.incidents[0].cause","description":"Why they are dead"}"#,
    printcolumn = r#"{"name":"Decision","type":"string","jsonPath":".status.summary.decision","description":"Where the question stands"}"#,
    printcolumn = r#"{"name":"By","type":"string","jsonPath":".status.summary.by","description":"Who has decided"}"#,
    printcolumn = r#"{"name":"Expires","type":"string","jsonPath":".spec.expiresAt","description":"When onTimeout applies"}"#,
    printcolumn = r#"{"name":"Age","type":"date","jsonPath":".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name":"Options","type":"string","priority":1,"jsonPath":".spec.options","description":"What can be approved"}"#,
    printcolumn = r#"{"name":"Message","type":"string","priority":1,"jsonPath":".status.summary.message","description":"Where the question stands, in words"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::schema::tidy)]
#[x_kube(validation = ("self == oldSelf", "the spec of a RevivalRequest never changes: delete this one and make another"))]
pub struct RevivalRequestSpec {
    /// The mission.
    pub cell_ref: CellReference,
    /// What is asked for.
    pub verb: RequestVerb,
    /// The dead incarnations that the question is about, 1 to 64.
    #[schemars(length(min = 1, max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["agent".into()]))]
    pub incidents: Vec<RequestIncident>,
    /// What can be approved, the first unless a decision says otherwise: `Revive` brings the agents back; `Substitute` gives
    /// the part of each to its first substitute that is there; `Substitute/<agent>` to that one.
    #[schemars(
        length(min = 1, max = 10),
        inner(length(min = 1, max = 31), regex(pattern = r"^(Revive|Substitute(/[a-z]([-a-z0-9]*[a-z0-9])?)?)$"))
    )]
    pub options: Vec<String>,
    /// When it was asked.
    pub requested_at: Time,
    /// When `onTimeout` applies. Absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// What follows then.
    pub on_timeout: OnTimeout,
    /// How many different people must approve the same option, 1 to 8.
    #[schemars(range(min = 1, max = 8))]
    pub quorum: i64,
    /// The person who made the request, such as `k8s:alice`: an order, which counts as that person's approval. Absent: the
    /// operator asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub requested_by: Option<String>,
    /// What the person who made the request says about it, at most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub comment: Option<String>,
}

/// The mission that a request is about.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct CellReference {
    /// Name of the MissionCell, in the request's namespace.
    #[schemars(length(min = 1, max = 30))]
    pub name: String,
    /// Its UID: a later mission of the same name is another one.
    #[schemars(length(min = 1, max = 64))]
    pub uid: String,
}

/// What is asked for.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestVerb {
    /// To bring the agents back.
    Revive,
    /// To give their parts to other agents.
    Substitute,
}

/// A dead incarnation of an agent.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct RequestIncident {
    /// The agent.
    #[schemars(length(min = 1, max = 20))]
    pub agent: String,
    /// UID of the pod that died: a decision is about this incarnation and no other.
    #[serde(rename = "podUID")]
    #[schemars(length(min = 1, max = 64))]
    pub pod_uid: String,
    /// Why, as one word: `Error`, `OOMKilled`, `Hung`, `Evicted`, …
    #[schemars(length(min = 1, max = 64))]
    pub cause: String,
    /// Exit code of the agent's process, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// Deaths in a row, with this one.
    pub attempts: i64,
    /// The node it ran on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub node: Option<String>,
    /// When it died, or was taken for dead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

impl RequestIncident {
    /// Whether it is about this incarnation of this agent.
    #[must_use]
    pub fn is_about(&self, agent: &str, pod_uid: &str) -> bool {
        self.agent == agent && self.pod_uid == pod_uid
    }
}

/// Answers, and where the question stands.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = super::schema::tidy)]
pub struct RevivalRequestStatus {
    /// Where the question stands: `Pending`, `Approved`, `Denied`, `Expired`, `Superseded` and `Executed`, each while it is true.
    /// Written by the operator alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The same as people read it. Written by the operator alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<RequestSummary>,
    /// What people have decided, at most 16, one for each person; nobody changes another's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["by".into()]))]
    #[schemars(length(max = 16))]
    pub decisions: Vec<Decision>,
}

impl RevivalRequestStatus {
    /// Whether a condition is true.
    #[must_use]
    pub fn holds(&self, condition: RequestCondition) -> bool {
        self.conditions.iter().any(|found| found.type_ == condition.as_str() && found.status == "True")
    }

    /// Whether the question is closed for good.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let closed = [RequestCondition::Denied, RequestCondition::Superseded, RequestCondition::Executed];
        closed.into_iter().any(|condition| self.holds(condition))
    }
}

/// A request in words.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestSummary {
    /// The agents, with commas between them.
    pub agents: String,
    /// The condition that tells most: `Pending`, `Approved`, `Denied`, `Superseded` or `Executed`.
    pub decision: String,
    /// Who has decided, with commas between them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Where the question stands.
    pub message: String,
}

/// One person's decision.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct Decision {
    /// Approve or deny.
    pub verdict: DecisionVerdict,
    /// What is approved, one of the request's options. Absent: the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 31))]
    pub option: Option<String>,
    /// Who decided: `k8s:` and the user's name. The API server refuses any other name than that of the user who writes it.
    #[schemars(length(min = 1, max = 256))]
    pub by: String,
    /// By which means, such as `kubectl`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub via: Option<String>,
    /// What the person says about it, at most 1024 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub comment: Option<String>,
    /// When the person says to have decided. For people: it decides nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Time>,
}

/// Approve or deny.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecisionVerdict {
    /// It shall be done.
    Approve,
    /// The agents stay dead. One that denies is enough.
    Deny,
}

/// What can be approved.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestOption {
    /// The dead agents are brought back.
    Revive,
    /// The part of each goes to its first substitute that is there, or to this one.
    Substitute(Option<String>),
}

/// A text that names no option.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0:?} is no option: say Revive, Substitute or Substitute/<agent>")]
pub struct NoSuchOption(String);

impl FromStr for RequestOption {
    type Err = NoSuchOption;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            None if text == "Revive" => Ok(Self::Revive),
            None if text == "Substitute" => Ok(Self::Substitute(None)),
            Some(("Substitute", agent)) if !agent.is_empty() => Ok(Self::Substitute(Some(agent.into()))),
            None | Some(_) => Err(NoSuchOption(text.chars().take(64).collect())),
        }
    }
}

impl fmt::Display for RequestOption {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Revive => formatter.write_str("Revive"),
            Self::Substitute(None) => formatter.write_str("Substitute"),
            Self::Substitute(Some(agent)) => write!(formatter, "Substitute/{agent}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_they_are_written() {
        for option in [RequestOption::Revive, RequestOption::Substitute(None), RequestOption::Substitute(Some("relay".into()))] {
            assert_eq!(option.to_string().parse(), Ok(option));
        }
        for text in ["", "revive", "Substitute/", "Revive/relay", "Deny"] {
            assert!(text.parse::<RequestOption>().is_err(), "{text}");
        }
    }
}
