//! `lazarus status`.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cluster::{Cluster, Connection};
use super::output::{Output, age, moment, row, span, table, when};
use super::view::{self, Ask, Mission};
use crate::api::{Incident, IncidentOutcome, IsolationStatus, OnTimeout};
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::time::from_time;

/// Show how missions are, and what is asked about them
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// One mission, in detail [default: all of the namespace, as a table]
    #[arg(value_name = "MISSION")]
    mission: Option<String>,

    /// All namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["mission", "namespace"])]
    all_namespaces: bool,

    #[command(flatten)]
    connection: Connection,

    #[command(flatten)]
    output: Output,
}

/// What `status` shows.
#[derive(Serialize, JsonSchema)]
pub(super) struct Missions {
    /// The missions.
    missions: Vec<Mission>,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        let cluster = self.connection.open(program).await?;
        let missions = view::missions(&cluster, self.mission.as_deref(), self.all_namespaces).await?;
        let now = SystemClock.now();
        self.output.write(&Missions { missions }, |Missions { missions }| match missions.as_slice() {
            [mission] if self.mission.is_some() => detail(&cluster, mission, now),
            missions => overview(missions, self.all_namespaces, now),
        })
    }
}

fn overview(missions: &[Mission], everywhere: bool, now: DateTime<Utc>) -> String {
    if missions.is_empty() {
        return String::new();
    }
    let mut rows = vec![row(["NAME", "READY", "REASON", "AGENTS", "REVIVED", "ASKS", "AGE", "NEXT"])];
    rows.extend(missions.iter().map(|mission| {
        vec![
            mission.name.clone(),
            mission.ready.clone().unwrap_or_else(|| "?".into()),
            mission.reason.clone().unwrap_or_else(|| "not seen by an operator".into()),
            mission.agents_alive.clone(),
            mission.revived.to_string(),
            mission.asks.len().to_string(),
            age(mission.created.as_ref(), now),
            next(mission, now).unwrap_or_default(),
        ]
    }));
    if everywhere {
        let namespaces = std::iter::once("NAMESPACE").chain(missions.iter().map(|mission| mission.namespace.as_str()));
        for (row, namespace) in rows.iter_mut().zip(namespaces) {
            row.insert(0, namespace.to_owned());
        }
    }
    table(&rows)
}

fn detail(cluster: &Cluster, mission: &Mission, now: DateTime<Utc>) -> String {
    let policy = match (&mission.policy, mission.revive) {
        (Some(source), Some(revive)) => format!("{source} (revive: {revive:?})"),
        (source, _) => source.clone().unwrap_or_else(|| "none applies".into()),
    };
    let mut rows = vec![
        row(["Mission", &format!("{}/{} — {}", mission.namespace, mission.name, mission.mission)]),
        row(["Policy", &policy]),
        row(["Isolation", &isolation(mission)]),
        row(["Status", &standing(mission)]),
        row(["Agents", &format!("{} alive, {} brought back so far", or_unknown(&mission.agents_alive), mission.revived)]),
    ];
    if let Some(next) = next(mission, now) {
        rows.push(row(["Next", &next]));
    }
    let mut text = format!("{}\n", table(&rows));
    text.push_str(&agents(mission, now));
    for ask in &mission.asks {
        text.push('\n');
        text.push_str(&asked(ask, now));
    }
    if !mission.incidents.is_empty() {
        text.push_str("\nINCIDENTS\n");
        text.push_str(&incidents(&mission.incidents, now));
    }
    let more = cluster.command(&format!("explain {}", mission.name));
    // Not every reader knows the other commands.
    let _ = writeln!(text, "\nWhy, and what follows: {more}");
    text
}

/// The level, whether it is verified, and if not, why.
fn isolation(mission: &Mission) -> String {
    let Some(IsolationStatus { level, verified }) = mission.isolation else { return "unknown".into() };
    let workspace = mission.workspace.as_ref();
    let workspace =
        workspace.map_or("a directory of each agent's own".into(), |found| format!("{}, {}", found.claim, found.size.to_text()));
    let message = mission.isolation_message.as_deref().unwrap_or("nothing is claimed");
    if verified {
        format!("{level} ✔ verified; workspace: {workspace}")
    } else {
        format!("{level}: {message}; workspace: {workspace}")
    }
}

/// Ready or not, and why.
pub(super) fn standing(mission: &Mission) -> String {
    let words = match mission.ready.as_deref() {
        Some("True") => "✔ Ready",
        Some("False") => "✖ not Ready",
        Some(_) => "… not Ready yet",
        None => return "? no operator has seen this mission: is one running?".into(),
    };
    let reason = mission.reason.as_deref().unwrap_or_default();
    let message = mission.message.as_deref().filter(|message| !message.is_empty());
    let outdated = if mission.outdated { " (the spec has changed since)" } else { "" };
    format!("{words}, {reason}{}{outdated}", message.map(|message| format!(": {message}")).unwrap_or_default())
}

fn next(mission: &Mission, now: DateTime<Utc>) -> Option<String> {
    let next = mission.next_action.as_ref()?;
    let at = next.at.as_ref().map(|at| format!(" {}", when(at, now))).unwrap_or_default();
    Some(format!("{} {}{at} — {}", next.what, next.agent, next.because))
}

fn agents(mission: &Mission, now: DateTime<Utc>) -> String {
    let mut rows = vec![row(["AGENT", "STATE", "SINCE", "ATTEMPT", "DEATHS", "REVIVED", "POD / NODE", "INFO"])];
    rows.extend(mission.agents.iter().map(|agent| {
        let place = match (&agent.pod, &agent.node) {
            (Some(pod), Some(node)) => format!("{pod} / {node}"),
            (Some(pod), None) => pod.clone(),
            (None, _) if agent.elsewhere => "elsewhere".into(),
            (None, _) => "–".into(),
        };
        vec![
            agent.name.clone(),
            agent.shown(),
            age(agent.since.as_ref(), now),
            agent.attempt.to_string(),
            mission.max_attempts.map_or_else(|| agent.deaths.to_string(), |most| format!("{}/{most}", agent.deaths)),
            agent.revived.to_string(),
            place,
            agent.info(),
        ]
    }));
    table(&rows)
}

/// A question, until when, and the command to type.
pub(super) fn asked(ask: &Ask, now: DateTime<Utc>) -> String {
    let what = match &ask.requested_by {
        Some(by) => format!("{} {}, ordered by {by}", ask.options.join(", "), ask.agents.join(", ")),
        None => format!("{}? {} ({})", ask.options.join(" or "), ask.agents.join(", "), ask.cause),
    };
    let until = match (&ask.expires_at, ask.on_timeout) {
        (None, _) => "never expires".into(),
        (Some(at), OnTimeout::Wait) => format!("due {}", when(at, now)),
        (Some(at), then) => format!("{then:?} {}", when(at, now)),
    };
    let count = if ask.quorum > 1 { format!(", {} of {} approvals", ask.approvals, ask.quorum) } else { String::new() };
    let held = ask.held.as_ref().map(|held| format!("      no approval counts: {held}\n")).unwrap_or_default();
    format!(
        "ASKS  {}   {what}   asked {} ago, {until}{count}\n{held}      → {}\n",
        ask.request,
        span(now - from_time(&ask.requested_at)),
        ask.command
    )
}

/// The newest first.
pub(super) fn incidents(incidents: &[Incident], now: DateTime<Utc>) -> String {
    let rows = incidents.iter().rev().map(|incident| {
        let code = incident.exit_code.map(|code| format!(", exit code {code}")).unwrap_or_default();
        row([&moment(&incident.at, now), &incident.agent, &format!("{}{code}", incident.cause), &became(incident)])
    });
    table(&rows.collect::<Vec<_>>())
}

fn became(incident: &Incident) -> String {
    match (incident.outcome, incident.duration_seconds) {
        (IncidentOutcome::Open, _) => "→ not back yet".into(),
        (IncidentOutcome::Revived, Some(seconds)) => format!("→ revived in {}", span(chrono::TimeDelta::seconds(seconds))),
        (IncidentOutcome::Revived, None) => "→ revived".into(),
        (IncidentOutcome::GivenUp, _) => "→ given up: all attempts are used".into(),
        (IncidentOutcome::Suppressed, _) => "→ stays dead: revive is Never".into(),
        (IncidentOutcome::Denied, _) => "→ denied: stays dead".into(),
        (IncidentOutcome::Substituted, _) => "→ another agent took over".into(),
        (IncidentOutcome::Superseded, _) => "→ the next end came first".into(),
    }
}

fn or_unknown(text: &str) -> &str {
    if text.is_empty() { "an unknown number" } else { text }
}
