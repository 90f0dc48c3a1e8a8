//! Who plays whose part: an agent that can't be brought back is held by another, which may be held by a third.

use crate::api::{AgentSpec, AgentStatus, Role};
use crate::observe::Cell;

use super::request::is_to_return;

fn status<'a>(agents: &'a [AgentStatus], name: &str) -> Option<&'a AgentStatus> {
    agents.iter().find(|agent| agent.name == name)
}

/// The agent that has a part now: the last of those that took it over from each other.
pub(super) fn player<'a>(agents: &'a [AgentStatus], agent: &'a AgentStatus) -> &'a AgentStatus {
    let mut player = agent;
    // No part goes round: whoever takes one over is alive or was never started. A damaged status must not make a loop of it.
    for _ in 0..agents.len() {
        let Some(next) = player.holder.as_ref().and_then(|holder| status(agents, holder)) else { break };
        player = next;
    }
    player
}

/// The agents whose parts an agent has taken over, apart from those that come back and need theirs.
pub(super) fn held<'a>(specs: &[AgentSpec], agents: &'a [AgentStatus], name: &str) -> Vec<&'a AgentStatus> {
    let is_held = |agent: &&AgentStatus| {
        let has_part = specs.iter().any(|spec| spec.name == agent.name && !is_standby(spec));
        has_part && agent.holder.is_some() && !is_to_return(agent) && player(agents, agent).name == name
    };
    agents.iter().filter(is_held).collect()
}

/// Whether a part went to this agent, also if another has it by now.
pub(super) fn is_in_use(specs: &[AgentSpec], agents: &[AgentStatus], name: &str) -> bool {
    let next = |agent: &AgentStatus| agent.holder.as_ref().and_then(|holder| status(agents, holder));
    let leads_here = |original: &AgentStatus| {
        let mut chain = std::iter::successors(next(original), |agent| next(agent)).take(agents.len());
        let has_part = specs.iter().any(|spec| spec.name == original.name && !is_standby(spec));
        has_part && !is_to_return(original) && chain.any(|agent| agent.name == name)
    };
    agents.iter().any(leads_here)
}

/// Whether an agent is started only to take over another's part.
pub(super) fn is_standby(spec: &AgentSpec) -> bool {
    spec.standby.unwrap_or_default()
}

/// The role that an agent plays now: a standby that of the agent whose part it has taken over.
#[must_use]
pub fn role(cell: &Cell, spec: &AgentSpec) -> Role {
    let own = spec.role.unwrap_or_default();
    if !is_standby(spec) {
        return own;
    }
    let held = held(&cell.spec.agents, &cell.status.agents, &spec.name);
    let original = held.first().and_then(|held| cell.spec.agents.iter().find(|spec| spec.name == held.name));
    original.map_or(own, |original| original.role.unwrap_or_default())
}
