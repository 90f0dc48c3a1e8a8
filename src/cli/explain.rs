//! `lazarus explain`.

mod fields;

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cluster::{Cluster, Connection};
use super::output::{Output, row, table, when};
use super::status::incidents;
use super::view::{self, Agent, Ask, Mission};
use crate::api::conditions::Reason;
use crate::api::{AgentPolicy, AgentState, Incident, MissionCell, NextAction};
use crate::runtime::clock::{Clock, SystemClock};
use fields::{Field, fields};

/// Explain how agents are: by which rule, from what evidence, by which fields of the policy, and what follows
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The mission
    #[arg(value_name = "MISSION")]
    mission: String,

    /// One of its agents [default: all]
    #[arg(value_name = "AGENT")]
    agent: Option<String>,

    #[command(flatten)]
    connection: Connection,

    #[command(flatten)]
    output: Output,
}

/// What `explain` shows.
#[derive(Serialize, JsonSchema)]
pub(super) struct Explained {
    /// The agents, in the order of the spec.
    agents: Vec<Explanation>,
}

/// Why an agent is as it is.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explanation {
    /// How it is.
    agent: Agent,
    /// What its state and reason mean.
    meaning: String,
    /// Its deaths and disruptions that are remembered, oldest first.
    incidents: Vec<Incident>,
    /// What the operator will do next about it by itself.
    next_action: Option<NextAction>,
    /// When the operator looks again although nothing has changed.
    recheck_at: Option<Time>,
    /// The fields of the policy that led to it, and where each comes from.
    fields: Vec<Field>,
    /// Who decides what follows.
    decides: String,
    /// The requests about it that wait for a decision.
    asks: Vec<Ask>,
    /// The command that changes it, where there is one.
    command: Option<String>,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        let cluster = self.connection.open(program).await?;
        let (cell, requests) = view::mission(&cluster, &self.mission).await?;
        let policy = policy(&cluster, &cell).await;
        let mission = Mission::of(&cluster, &cell, &requests);
        let wanted = |agent: &&Agent| self.agent.as_ref().is_none_or(|name| agent.name == *name);
        let explain = |agent: &Agent| explanation(&cluster, &cell, policy.as_ref(), &mission, agent);
        let agents: Vec<_> = mission.agents.iter().filter(wanted).map(explain).collect();
        if let (true, Some(agent)) = (agents.is_empty(), &self.agent) {
            let names: Vec<_> = mission.agents.iter().map(|agent| agent.name.as_str()).collect();
            return Err(format!("{} has no agent {agent}: it has {}", self.mission, names.join(", ")).into());
        }
        self.output.write(&Explained { agents }, |Explained { agents }| {
            let now = SystemClock.now();
            agents.iter().map(|explanation| text(explanation, now)).collect::<Vec<_>>().join("\n")
        })
    }
}

/// The policy that applies, where it may be read: it tells which fields it sets itself.
async fn policy(cluster: &Cluster, cell: &MissionCell) -> Option<AgentPolicy> {
    let source = &cell.status.as_ref()?.effective_policy.as_ref()?.source;
    let name = source.strip_prefix("AgentPolicy/")?;
    cluster.ask(cluster.objects::<AgentPolicy>().get(name)).await.ok()
}

fn explanation(
    cluster: &Cluster,
    cell: &MissionCell,
    policy: Option<&AgentPolicy>,
    mission: &Mission,
    agent: &Agent,
) -> Explanation {
    let asks: Vec<_> = mission.asks.iter().filter(|ask| ask.agents.contains(&agent.name)).cloned().collect();
    let next_action = mission.next_action.clone().filter(|next| next.agent == agent.name);
    let (decides, command) = decides(cluster, mission, agent, &asks, next_action.as_ref());
    Explanation {
        meaning: meaning(agent),
        incidents: mission.incidents.iter().filter(|incident| incident.agent == agent.name).cloned().collect(),
        recheck_at: agent.verdict.as_ref().and_then(|verdict| verdict.recheck_at.clone()),
        fields: fields(cell, policy, agent),
        agent: agent.clone(),
        next_action,
        decides,
        asks,
        command,
    }
}

fn meaning(agent: &Agent) -> String {
    let state = match agent.state {
        None => "No operator has seen it yet.",
        Some(AgentState::Pending) => "It has no pod yet, or its pod has no node yet.",
        Some(AgentState::Starting) => "Its pod has a node; its container does not run yet.",
        Some(AgentState::Alive) if agent.elsewhere => "It runs elsewhere, and its reports come in time.",
        Some(AgentState::Stale) if agent.elsewhere => "It runs elsewhere, and is not heard of.",
        Some(AgentState::Alive) => "Its container runs, and no report speaks against it.",
        Some(AgentState::Stale) => "Its container runs, but its sidecar sees it silent, or its node is not well.",
        Some(AgentState::Dead) => "It ended, or is taken for dead while its process runs.",
        Some(AgentState::Waiting) => "Something has to happen first.",
        Some(AgentState::Done) => "It did its work, or was stopped because the mission succeeded.",
        Some(AgentState::Standby) => "It is not started: it waits to take over another agent's part.",
    };
    agent.reason.map_or(state, Reason::meaning).into()
}

/// Who decides what follows, and the command that changes it.
fn decides(
    cluster: &Cluster,
    mission: &Mission,
    agent: &Agent,
    asks: &[Ask],
    next: Option<&NextAction>,
) -> (String, Option<String>) {
    let revive = || Some(cluster.command(&format!("revive {} {}", mission.name, agent.name)));
    if let Some(ask) = asks.first() {
        let people = if ask.quorum > 1 {
            format!("{} people who hold the verb approve; {} approved so far", ask.quorum, ask.approvals)
        } else {
            "a person who holds the verb approve".into()
        };
        return (people, Some(ask.command.clone()));
    }
    match agent.reason {
        Some(Reason::RevivalSuppressed) => ("a person: revive is Never".into(), revive()),
        Some(Reason::AttemptsExhausted) if agent.elsewhere => {
            ("a person: it runs elsewhere, and onExhausted is Abandon; it is alive if it reports again".into(), revive())
        }
        Some(Reason::AwaitingReport) => {
            let token = cluster.command(&format!("token {} {} --folder {}", mission.name, agent.name, agent.name));
            ("whoever runs the agent: it needs a token to report".into(), Some(token))
        }
        Some(Reason::GatewayDegraded) => ("the operator, by itself, when others are heard again".into(), None),
        Some(Reason::AttemptsExhausted) => {
            ("a person: all attempts are used; a change of the agent's spec starts it anew as well".into(), revive())
        }
        Some(Reason::Denied) => ("a person: its revival was denied".into(), revive()),
        Some(Reason::Substituted) => {
            let holder = agent.holder.as_deref().unwrap_or("another agent");
            (format!("a person: {holder} has its part, and gives it back when it is revived"), revive())
        }
        Some(Reason::AwaitingApproval) => ("a person who holds the verb approve, as soon as the request is there".into(), None),
        Some(Reason::NodeUncertain) => {
            let node = agent.node.as_deref().unwrap_or("of its pod");
            let decides = "whoever runs the cluster";
            (format!("{decides}: node {node} comes back, is deleted, or is declared out of service"), None)
        }
        Some(Reason::PreviousIncarnation) => ("whoever owns the pod that has to end first".into(), None),
        Some(Reason::PolicyMissing | Reason::PolicyInvalid) => {
            ("whoever writes the AgentPolicy that the mission names".into(), None)
        }
        Some(Reason::NetworkNotEnforced) => {
            ("whoever runs the cluster's network, or wrote the NetworkPolicies of the namespace".into(), None)
        }
        Some(Reason::ImagePull | Reason::ConfigError) => ("the kubelet, which tries again by itself".into(), None),
        Some(Reason::Unschedulable) => ("the scheduler, as soon as a node has room".into(), None),
        Some(Reason::Stale) => ("the operator, by itself, if it stays silent".into(), None),
        // What is next for the mission may be about another agent.
        Some(
            Reason::Backoff
            | Reason::Restarting
            | Reason::Recreating
            | Reason::Replacing
            | Reason::Substituting
            | Reason::Returning
            | Reason::Terminating
            | Reason::PodRefused
            | Reason::StormHold
            | Reason::InFlight
            | Reason::Removed,
        ) => ("the operator, by itself".into(), None),
        Some(_) | None if next.is_some() => ("the operator, by itself".into(), None),
        Some(_) | None => ("nobody: there is nothing to decide".into(), None),
    }
}

fn text(explanation: &Explanation, now: DateTime<Utc>) -> String {
    let Explanation { agent, meaning, incidents: ends, next_action, recheck_at, fields, decides, asks, command } = explanation;
    let since = agent.since.as_ref().map(|since| format!(", since {}", when(since, now))).unwrap_or_default();
    let reason = agent.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
    let mut rows = Vec::new();
    let mut add = |title: &str, value: String| rows.push(row(["", title, &value]));
    add("Meaning", meaning.clone());
    if let Some(message) = &agent.message {
        add("Said", message.clone());
    }
    if let Some(verdict) = &agent.verdict {
        add("Rule", format!("{}: {}", verdict.rule, verdict.evidence));
    }
    if let Some(holder) = &agent.holder {
        add("Part", format!("{holder} has taken over its part"));
    }
    if !agent.holds.is_empty() {
        add("Part", format!("it has taken over the part of {}", agent.holds.join(", ")));
    }
    for (index, line) in incidents(ends, now).lines().enumerate() {
        add(if index == 0 { "Happened" } else { "" }, line.trim_end().into());
    }
    if let Some(next) = next_action {
        let at = next.at.as_ref().map(|at| format!(" at {}", when(at, now))).unwrap_or_default();
        add("Follows", format!("{}{at}, because: {}", next.what, next.because));
    }
    if let Some(at) = recheck_at {
        add("Looks again", when(at, now));
    }
    for (index, field) in fields.iter().enumerate() {
        let value = format!("{}: {} (from {})", field.name, field.value_text(), field.source);
        add(if index == 0 { "Policy" } else { "" }, value);
    }
    add("Decides", decides.clone());
    for ask in asks {
        let expires = ask.expires_at.as_ref().map_or_else(|| "never expires".into(), |at| format!("expires {}", when(at, now)));
        add("Asked", format!("{}: {}; {expires}", ask.request, ask.options.join(" or ")));
    }
    if let Some(command) = command {
        add("Type", command.clone());
    }
    format!("{}/{} {}{reason}{since}\n{}", agent.mission, agent.name, agent.shown(), table(&rows))
}
