//! `lazarus ps`.

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Serialize;

use super::Error;
use super::cluster::Connection;
use super::output::{Output, age, row, table};
use super::view::{self, Agent};
use crate::runtime::clock::{Clock, SystemClock};

/// List agents, one a line
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Those of one mission [default: of all missions of the namespace]
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

/// What `ps` lists.
#[derive(Serialize, JsonSchema)]
pub(super) struct Agents {
    /// The agents, mission by mission.
    agents: Vec<Agent>,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        let cluster = self.connection.open(program).await?;
        let missions = view::missions(&cluster, self.mission.as_deref(), self.all_namespaces).await?;
        let agents = Agents { agents: missions.into_iter().flat_map(|mission| mission.agents).collect() };
        self.output.write(&agents, |Agents { agents }| text(agents, self.all_namespaces, SystemClock.now()))
    }
}

fn text(agents: &[Agent], everywhere: bool, now: DateTime<Utc>) -> String {
    if agents.is_empty() {
        return String::new();
    }
    let mut rows = vec![row(["MISSION", "AGENT", "STATE", "REASON", "SINCE", "ATTEMPT", "DEATHS", "REVIVED", "POD", "NODE"])];
    rows.extend(agents.iter().map(|agent| {
        let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".into());
        vec![
            agent.mission.clone(),
            agent.name.clone(),
            agent.shown(),
            agent.reason.map_or_else(|| "–".into(), |reason| reason.to_string()),
            age(agent.since.as_ref(), now),
            agent.attempt.to_string(),
            agent.deaths.to_string(),
            agent.revived.to_string(),
            if agent.elsewhere { "elsewhere".into() } else { or_dash(&agent.pod) },
            or_dash(&agent.node),
        ]
    }));
    if everywhere {
        let namespaces = std::iter::once("NAMESPACE").chain(agents.iter().map(|agent| agent.namespace.as_str()));
        for (row, namespace) in rows.iter_mut().zip(namespaces) {
            row.insert(0, namespace.to_owned());
        }
    }
    table(&rows)
}
