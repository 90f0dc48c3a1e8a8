//! `lazarus plan`.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cluster::{Cluster, Connection};
use super::output::{Output, row, table, when};
use super::status::standing;
use super::view::{self, Mission};
use crate::api::conditions::Reason;
use crate::api::{LastEnd, MissionCell, NextAction, OnTimeout, RevivalRequest};
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::time::from_time;

/// Show what will happen next to a mission, when, and who makes it happen
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The mission
    #[arg(value_name = "MISSION")]
    mission: String,

    #[command(flatten)]
    connection: Connection,

    #[command(flatten)]
    output: Output,
}

/// What `plan` shows.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Planned {
    /// Namespace of the mission.
    namespace: String,
    /// Its name.
    mission: String,
    /// Where it stands, in words.
    standing: String,
    /// What will happen, what has a time last.
    steps: Vec<Step>,
}

/// One thing that will happen.
#[derive(Serialize, JsonSchema)]
pub(super) struct Step {
    /// When, not before; absent: as soon as what it waits for has come.
    at: Option<Time>,
    /// Who makes it happen.
    by: Trigger,
    /// What.
    what: String,
    /// The agents it is about.
    agents: Vec<String>,
    /// Why.
    because: String,
    /// The command that makes it happen, where a person does.
    command: Option<String>,
}

/// Who makes something happen.
#[derive(Serialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trigger {
    /// The operator, by itself.
    Operator,
    /// A person.
    Person,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        let cluster = self.connection.open(program).await?;
        let (cell, requests) = view::mission(&cluster, &self.mission).await?;
        let plan = planned(&cluster, &cell, &requests);
        self.output.write(&plan, |plan| text(plan, SystemClock.now()))
    }
}

fn planned(cluster: &Cluster, cell: &MissionCell, requests: &[RevivalRequest]) -> Planned {
    let mission = Mission::of(cluster, cell, requests);
    let operator = |at: Option<Time>, what: &str, agents: Vec<String>, because: String| Step {
        at,
        by: Trigger::Operator,
        what: what.into(),
        agents,
        because,
        command: None,
    };
    let person = |what: &str, agents: Vec<String>, because: String, command: Option<String>| Step {
        at: None,
        by: Trigger::Person,
        what: what.into(),
        agents,
        because,
        command,
    };
    let mut steps = Vec::new();
    if mission.outdated && mission.ready.is_some() {
        steps.push(operator(None, "Look", Vec::new(), "the spec has changed since it looked".into()));
    }
    // What follows when nobody decides is said with the question.
    let is_timeout = |next: &&NextAction| {
        mission.asks.iter().any(|ask| next.at.is_some() && next.at == ask.expires_at && ask.agents.contains(&next.agent))
    };
    if let Some(next) = mission.next_action.as_ref().filter(|next| !is_timeout(next)) {
        steps.push(operator(next.at.clone(), &next.what, vec![next.agent.clone()], next.because.clone()));
    }
    for ask in &mission.asks {
        let missing = ask.quorum - i64::try_from(ask.approvals).unwrap_or(i64::MAX);
        let more = if ask.quorum > 1 { format!("; {missing} of {} approvals are missing", ask.quorum) } else { String::new() };
        steps.push(person(
            &ask.options.join(" or "),
            ask.agents.clone(),
            format!("{} asks, as it is {}{more}{}", ask.request, ask.cause, recovers(&ask.cause)),
            Some(ask.command.clone()),
        ));
        if let Some(at) = &ask.expires_at {
            let (what, because) = match ask.on_timeout {
                OnTimeout::Wait => ("Overdue", "nobody decided, and it can still be decided"),
                OnTimeout::Deny => ("Deny", "nobody decided, and approval.onTimeout is Deny"),
                OnTimeout::Revive => ("Revive", "nobody decided, and approval.onTimeout is Revive"),
                OnTimeout::Substitute => ("Substitute", "nobody decided, and approval.onTimeout is Substitute"),
            };
            steps.push(operator(Some(at.clone()), what, ask.agents.clone(), format!("{}: {because}", ask.request)));
        }
    }
    for agent in &mission.agents {
        let act = mission.next_action.as_ref().filter(|next| next.agent == agent.name).and_then(|next| next.at.as_ref());
        let look = agent.verdict.as_ref().and_then(|verdict| verdict.recheck_at.as_ref());
        if let Some(at) = look.filter(|at| act != Some(at)) {
            // What is next for the mission may be about another agent.
            let what = match agent.reason {
                Some(Reason::Backoff | Reason::Hung | Reason::NeverBeat | Reason::Stalled) => "Restart",
                Some(Reason::Recreating) => "Recreate",
                Some(_) | None => "Look again",
            };
            steps.push(operator(Some(at.clone()), what, vec![agent.name.clone()], agent.info()));
        }
        if agent.reason == Some(Reason::NodeUncertain) {
            steps.push(person("Bring back or give up the node of", vec![agent.name.clone()], agent.info(), None));
        }
        if agent.reason == Some(Reason::AwaitingReport) {
            steps.push(person(
                "Give its token to",
                vec![agent.name.clone()],
                "it runs elsewhere, and reports as this incarnation only with it".into(),
                Some(cluster.command(&format!("token {} {} --folder {}", mission.name, agent.name, agent.name))),
            ));
        }
        let holder = agent.holder.as_deref().unwrap_or("another agent");
        let stays = match agent.reason {
            Some(Reason::RevivalSuppressed) => Some("it stays dead, as revive is Never".into()),
            Some(Reason::AttemptsExhausted) if agent.elsewhere => Some("it runs elsewhere, and onExhausted is Abandon".into()),
            Some(Reason::AttemptsExhausted) => Some("it stays dead, as all attempts are used".into()),
            Some(Reason::Denied) => Some("it stays dead, as its revival was denied".into()),
            Some(Reason::Substituted) => Some(format!("it stays dead, as {holder} has its part, and gives it back then")),
            Some(_) | None => None,
        };
        if let Some(because) = stays {
            steps.push(person(
                "Revive",
                vec![agent.name.clone()],
                because,
                Some(cluster.command(&format!("revive {} {}", mission.name, agent.name))),
            ));
        }
    }
    steps.sort_by_key(|step| step.at.as_ref().map(from_time));
    Planned { standing: standing(&mission), namespace: mission.namespace, mission: mission.name, steps }
}

/// What a process that runs can do about a question.
fn recovers(cause: &str) -> &'static str {
    let runs = LastEnd::VERDICTS.iter().any(|reason| reason.as_str() == cause);
    if runs { "; nothing is left to decide if it recovers" } else { "" }
}

fn text(plan: &Planned, now: DateTime<Utc>) -> String {
    let mut text = format!("{}/{}: {}\n\n", plan.namespace, plan.mission, plan.standing);
    if plan.steps.is_empty() {
        text.push_str("Nothing is planned, and nobody is asked.\n");
        return text;
    }
    let mut rows = vec![row(["WHEN", "WHO", "WHAT", "WHY"])];
    for step in &plan.steps {
        let (at, who) = match (&step.at, step.by) {
            (Some(at), Trigger::Operator) if from_time(at) > now => (when(at, now), "operator"),
            (_, Trigger::Operator) => ("now".into(), "operator"),
            (_, Trigger::Person) => ("when you say so".into(), "a person"),
        };
        rows.push(row([&at, who, format!("{} {}", step.what, step.agents.join(", ")).trim_end(), &step.because]));
        if let Some(command) = &step.command {
            rows.push(row(["", "", "", &format!("→ {command}")]));
        }
    }
    text.push_str(&table(&rows));
    text
}
