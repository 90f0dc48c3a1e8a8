//! How many agents are in trouble at once, where an agent shares something with others.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::RangeInclusive;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::Cell;
use crate::api::{AgentState, AgentStatus, MissionCellSpec, MissionCellStatus, Outcome};
use crate::runtime::time::from_time;

/// What agents share: one trouble there is the trouble of all.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// They run on this node.
    Node(String),
    /// They run this image.
    Image(String),
    /// They are of this namespace.
    Namespace(String),
    /// They report to the same gateway. Ends that the kubelet saw don't count here: one tenant can't hold another.
    Fleet,
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(formatter, "node {name}"),
            Self::Image(image) => write!(formatter, "image {image}"),
            Self::Namespace(name) => write!(formatter, "namespace {name}"),
            Self::Fleet => formatter.write_str("the fleet"),
        }
    }
}

/// The agents of one scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unrest {
    /// What they share.
    pub scope: Scope,
    /// Agents that were started and are not done.
    pub agents: i64,
    /// Of these, the ones that died in the window or are silent now.
    pub unhealthy: i64,
    /// The last death in the window.
    pub last_death: Option<DateTime<Utc>>,
}

/// A mission with what is known of its agents.
#[derive(Clone, Copy, Debug)]
pub struct Neighbour<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// What it wants.
    pub spec: &'a MissionCellSpec,
    /// What was reported last.
    pub status: &'a MissionCellStatus,
}

/// The scopes of a mission's agents, counted over all missions. A death counts in the window `during`, which ends in the
/// future, as clocks differ: what is beyond was told by a clock that was wrong. And a pod counts that reports now speak
/// against (`troubled`, by UID), whether that is written down already or not.
#[must_use]
pub fn unrest<'a>(
    cell: &'a Cell,
    others: impl Iterator<Item = Neighbour<'a>>,
    troubled: &BTreeSet<String>,
    during: &RangeInclusive<DateTime<Utc>>,
) -> Vec<Unrest> {
    let own = Neighbour { namespace: &cell.namespace, spec: &cell.spec, status: &cell.status };
    let mut counts: BTreeMap<Scope, Unrest> = BTreeMap::new();
    for agent in &own.status.agents {
        for scope in scopes(&own, agent) {
            counts.entry(scope.clone()).or_insert(Unrest { scope, agents: 0, unhealthy: 0, last_death: None });
        }
    }
    for mission in others.chain([own]) {
        for agent in mission.status.agents.iter().filter(|agent| agent.attempt > 0 && agent.state != AgentState::Done) {
            let is_troubled = agent.pod_uid.as_ref().is_some_and(|uid| troubled.contains(uid));
            for scope in scopes(&mission, agent) {
                let Some(unrest) = counts.get_mut(&scope) else { continue };
                let counts_here = |by_verdict: bool| by_verdict || scope != Scope::Fleet;
                let end = agent.last_end.as_ref().filter(|end| end.outcome == Outcome::Died && counts_here(end.by_verdict()));
                let died = end.map(|end| from_time(&end.at)).filter(|at| during.contains(at));
                unrest.agents += 1;
                unrest.unhealthy += i64::from(died.is_some() || is_silent(agent) || is_troubled);
                unrest.last_death = unrest.last_death.max(died);
            }
        }
    }
    counts.into_values().collect()
}

/// What an agent shares with others.
pub fn scopes(mission: &Neighbour<'_>, agent: &AgentStatus) -> Vec<Scope> {
    let spec = mission.spec.agents.iter().find(|spec| spec.name == agent.name && spec.external.is_none());
    let image = spec.map(|spec| Scope::Image(spec.image.clone()));
    let node = agent.node.clone().map(Scope::Node);
    let places = [Scope::Namespace(mission.namespace.to_owned()), Scope::Fleet];
    node.into_iter().chain(image).chain(places).collect()
}

// Whether its sidecar sees it silent: what is only not heard of is not unhealthy.
fn is_silent(agent: &AgentStatus) -> bool {
    use crate::api::conditions::Reason;
    let ended = agent.last_end.as_ref().is_some_and(|end| Some(&end.pod_uid) == agent.pod_uid.as_ref());
    match agent.state {
        AgentState::Stale => agent.reason != Some(Reason::NodeUncertain),
        AgentState::Dead => !ended,
        AgentState::Pending
        | AgentState::Starting
        | AgentState::Alive
        | AgentState::Waiting
        | AgentState::Done
        | AgentState::Standby => false,
    }
}
