//! What the status of missions and requests says, as the commands show it: the fields of their JSON.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cluster::{Cluster, Failure};
use super::standing::{Standing, approvals, standing};
use crate::api::conditions::Reason;
use crate::api::{
    AgentState, AgentStatus, EffectiveApproval, Incident, IsolationStatus, LastEnd, MissionCell, NextAction, OnTimeout,
    RevivalRequest, Revive, Verdict, WorkspaceStatus,
};
use crate::decide::{expiry, quorum};
use crate::runtime::time::{from_time, to_time};

/// A mission.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Mission {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What it is to achieve.
    pub mission: String,
    /// Status of the condition Ready: `True`, `False` or `Unknown`; absent: no operator has seen the mission.
    pub ready: Option<String>,
    /// Reason of the condition Ready.
    pub reason: Option<String>,
    /// Message of the condition Ready.
    pub message: Option<String>,
    /// Whether the spec was changed since the operator looked.
    pub outdated: bool,
    /// Where the policy comes from: `AgentPolicy/<name>` or `BuiltIn`; absent: there is none.
    pub policy: Option<String>,
    /// How far the agents are isolated.
    pub isolation: Option<IsolationStatus>,
    /// Message of the condition IsolationVerified.
    pub isolation_message: Option<String>,
    /// The volume that the agents share.
    pub workspace: Option<WorkspaceStatus>,
    /// What the policy does about dead agents.
    pub revive: Option<Revive>,
    /// Deaths in a row after which an agent is not restarted any more.
    pub max_attempts: Option<i64>,
    /// Agents alive, of those that should be, such as `2/3`.
    pub agents_alive: String,
    /// Agents brought back since the mission began.
    pub revived: i64,
    /// When it was made.
    pub created: Option<Time>,
    /// What the operator will do next by itself.
    pub next_action: Option<NextAction>,
    /// Its agents.
    pub agents: Vec<Agent>,
    /// Requests that wait for a decision.
    pub asks: Vec<Ask>,
    /// The last deaths and disruptions, oldest first.
    pub incidents: Vec<Incident>,
}

/// An agent of a mission.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agent {
    /// Namespace of the mission.
    pub namespace: String,
    /// Name of the mission.
    pub mission: String,
    /// Name of the agent.
    pub name: String,
    /// Where it is in its life; absent: no operator has seen it.
    pub state: Option<AgentState>,
    /// The finer state.
    #[schemars(with = "Option<String>")]
    pub reason: Option<Reason>,
    /// The state in words.
    pub message: Option<String>,
    /// Since when.
    pub since: Option<Time>,
    /// Number of its incarnation.
    pub attempt: i64,
    /// Deaths in a row.
    pub deaths: i64,
    /// How often it was brought back.
    pub revived: i64,
    /// Its pod.
    pub pod: Option<String>,
    /// Whether it runs elsewhere, in no pod of the mission.
    pub elsewhere: bool,
    /// The pod's node.
    pub node: Option<String>,
    /// The agent that has taken over its part.
    pub holder: Option<String>,
    /// Agents whose parts it has taken over.
    pub holds: Vec<String>,
    /// How the last incarnation ended.
    pub last_end: Option<LastEnd>,
    /// The rule that decided the state, and its evidence.
    pub verdict: Option<Verdict>,
}

/// A request that waits for a decision.
#[derive(Serialize, JsonSchema, Clone, Debug)]
#[serde(rename_all = "camelCase")]
pub(super) struct Ask {
    /// Its name.
    pub request: String,
    /// The agents it is about.
    pub agents: Vec<String>,
    /// Why they are dead, or taken for dead.
    pub cause: String,
    /// What can be approved; the first one unless said otherwise.
    pub options: Vec<String>,
    /// When it was asked.
    pub requested_at: Time,
    /// The person who ordered it; absent: the operator asks.
    pub requested_by: Option<String>,
    /// When `onTimeout` applies; absent: never.
    pub expires_at: Option<Time>,
    /// What follows then.
    pub on_timeout: OnTimeout,
    /// How many people must approve.
    pub quorum: i64,
    /// The most approvals that one of the options has.
    pub approvals: usize,
    /// Why the operator does not act on decisions, where it can't.
    pub held: Option<String>,
    /// The command that approves it.
    pub command: String,
}

impl Mission {
    /// The mission with those of the requests that are about it and wait for a decision.
    pub fn of(cluster: &Cluster, cell: &MissionCell, requests: &[RevivalRequest]) -> Self {
        let status = cell.status.clone().unwrap_or_default();
        let (namespace, name) = (cell.namespace().unwrap_or_default(), cell.name_any());
        let ready = condition(&status.conditions, "Ready");
        let counts = status.counts.unwrap_or_default();
        let mut agents: Vec<_> = cell
            .spec
            .agents
            .iter()
            .map(|spec| {
                let known = status.agents.iter().find(|agent| agent.name == spec.name);
                Agent::of(&namespace, &name, &spec.name, known)
            })
            .collect();
        // Those that are on their way out come last.
        let removed = status.agents.iter().filter(|agent| !cell.spec.agents.iter().any(|spec| spec.name == agent.name));
        agents.extend(removed.map(|agent| Agent::of(&namespace, &name, &agent.name, Some(agent))));
        let approval = status.effective_policy.as_ref().map(|policy| policy.approval);
        let about = |request: &&RevivalRequest| is_about(request, cell) && standing(request).is_open();
        Self {
            mission: cell.spec.mission.clone(),
            ready: ready.map(|ready| ready.status.clone()),
            reason: ready.map(|ready| ready.reason.clone()),
            message: ready.map(|ready| ready.message.clone()),
            outdated: status.observed_generation != cell.metadata.generation,
            policy: status.effective_policy.as_ref().map(|policy| policy.source.clone()),
            isolation: status.isolation,
            isolation_message: condition(&status.conditions, "IsolationVerified").map(|found| found.message.clone()),
            workspace: status.workspace.clone(),
            revive: status.effective_policy.as_ref().map(|policy| policy.revive),
            max_attempts: status.effective_policy.as_ref().map(|policy| policy.restart.max_attempts),
            agents_alive: counts.summary,
            revived: counts.revived,
            created: cell.creation_timestamp(),
            next_action: status.next_action,
            asks: requests.iter().filter(about).map(|request| Ask::of(cluster, request, approval.as_ref())).collect(),
            incidents: status.incidents,
            namespace,
            name,
            agents,
        }
    }
}

impl Agent {
    fn of(namespace: &str, mission: &str, name: &str, known: Option<&AgentStatus>) -> Self {
        let status = known.cloned().unwrap_or_default();
        Self {
            namespace: namespace.into(),
            mission: mission.into(),
            name: name.into(),
            state: known.map(|status| status.state),
            reason: status.reason,
            message: status.message,
            since: status.since,
            attempt: status.attempt,
            deaths: status.deaths,
            revived: status.revived,
            elsewhere: known.is_some_and(AgentStatus::is_elsewhere),
            pod: status.pod_name,
            node: status.node,
            holder: status.holder,
            holds: status.holds,
            last_end: status.last_end,
            verdict: status.verdict,
        }
    }

    /// The state with a mark that is seen from afar.
    pub fn shown(&self) -> String {
        match self.state {
            None => "? unknown",
            Some(AgentState::Pending) => "… pending",
            Some(AgentState::Starting) => "… starting",
            Some(AgentState::Alive) => "✔ alive",
            Some(AgentState::Stale) => "⚠ stale",
            Some(AgentState::Dead) => "✖ dead",
            Some(AgentState::Waiting) => "‖ waiting",
            Some(AgentState::Done) => "✔ done",
            Some(AgentState::Standby) => "○ standby",
        }
        .into()
    }

    /// The reason and the message, and who holds its part.
    pub fn info(&self) -> String {
        let said = match (self.reason, &self.message) {
            (Some(reason), Some(message)) => Some(format!("{reason}: {message}")),
            (Some(reason), None) => Some(reason.to_string()),
            (None, message) => message.clone(),
        };
        let holder = self.holder.as_ref().map(|holder| format!("{holder} holds its part"));
        let holds = Some(&self.holds).filter(|holds| !holds.is_empty());
        let holds = holds.map(|holds| format!("holds the part of {}", holds.join(", ")));
        [said, holder, holds].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}

impl Ask {
    /// What is asked, on the terms of the policy as it is now; without one, on the request's own.
    fn of(cluster: &Cluster, request: &RevivalRequest, approval: Option<&EffectiveApproval>) -> Self {
        let (spec, name) = (&request.spec, request.name_any());
        let created = request.creation_timestamp().unwrap_or_else(|| spec.requested_at.clone());
        let (expires_at, on_timeout) = match approval.map(|approval| expiry(approval, spec, from_time(&created))) {
            Some(Some((at, then))) => (Some(to_time(at)), then),
            Some(None) | None => (spec.expires_at.clone(), spec.on_timeout),
        };
        let held = match standing(request) {
            Standing::Unenforced(message) => Some(message),
            Standing::Open | Standing::Approved | Standing::Executed | Standing::Denied | Standing::Superseded => None,
        };
        Self {
            agents: spec.incidents.iter().map(|incident| incident.agent.clone()).collect(),
            cause: spec.incidents.first().map(|incident| incident.cause.clone()).unwrap_or_default(),
            options: spec.options.clone(),
            requested_at: spec.requested_at.clone(),
            requested_by: spec.requested_by.clone(),
            expires_at,
            on_timeout,
            quorum: approval.map_or(spec.quorum, |approval| quorum(approval, spec)),
            approvals: spec.options.iter().map(|option| approvals(request, option)).max().unwrap_or(0),
            held,
            command: cluster.command_in(&request.namespace().unwrap_or_default(), &format!("approve {name}")),
            request: name,
        }
    }
}

/// Whether the request is about this mission, and not about an earlier one of its name.
pub(super) fn is_about(request: &RevivalRequest, cell: &MissionCell) -> bool {
    Some(&request.spec.cell_ref.uid) == cell.metadata.uid.as_ref() && request.namespace() == cell.namespace()
}

pub(super) fn condition<'a>(conditions: &'a [Condition], r#type: &str) -> Option<&'a Condition> {
    conditions.iter().find(|condition| condition.type_ == r#type)
}

/// One mission, with the requests of its namespace.
pub(super) async fn mission(cluster: &Cluster, name: &str) -> Result<(MissionCell, Vec<RevivalRequest>), Error> {
    let cell = cluster.ask(cluster.objects::<MissionCell>().get(name)).await;
    let cell = cell.map_err(|failure| cluster.about(failure, "mission", name))?;
    Ok((cell, requests(cluster, false).await?))
}

/// Requests that whoever asks may see; that there may be others is said.
pub(super) async fn requests(cluster: &Cluster, everywhere: bool) -> Result<Vec<RevivalRequest>, Error> {
    match cluster.list::<RevivalRequest>(everywhere, "").await {
        Err(Failure::Forbidden(message)) => {
            eprintln!("what is asked is not shown, as the API server forbids it: {message}");
            Ok(Vec::new())
        }
        listed => Ok(listed?),
    }
}

/// The missions that are meant, with the requests in the same namespaces.
pub(super) async fn missions(cluster: &Cluster, name: Option<&str>, everywhere: bool) -> Result<Vec<Mission>, Error> {
    let (cells, requests) = match name {
        Some(name) => {
            let (cell, requests) = mission(cluster, name).await?;
            (vec![cell], requests)
        }
        None => (cluster.list::<MissionCell>(everywhere, "").await?, requests(cluster, everywhere).await?),
    };
    if cells.is_empty() {
        let place = if everywhere { "this cluster".into() } else { format!("namespace {}", cluster.namespace) };
        eprintln!("there are no missions in {place}");
    }
    Ok(cells.iter().map(|cell| Mission::of(cluster, cell, &requests)).collect())
}
