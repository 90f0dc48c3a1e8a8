//! Who plays whose part: an agent that can't be brought back is held by another, which may be held by a third.

use super::policy;
use super::request::is_to_return;
use crate::api::{AgentSpec, AgentStatus, Completion, EffectivePolicy, Role};
use crate::observe::Cell;

fn status<'a>(agents: &'a [AgentStatus], name: &str) -> Option<&'a AgentStatus> {
    agents.iter().find(|agent| agent.name == name)
}

/// Those who took a part over from each other, up to one that comes back and needs it again.
fn takers<'a>(agents: &'a [AgentStatus], original: &'a AgentStatus) -> impl Iterator<Item = &'a AgentStatus> {
    let next = |agent: &AgentStatus| agent.holder.as_ref().and_then(|holder| status(agents, holder));
    let after = move |agent: &&'a AgentStatus| if is_to_return(agent) { None } else { next(agent) };
    // No part goes round, as whoever takes one over runs or was never started. A damaged status must not make a loop of it.
    std::iter::successors(next(original), after).take(agents.len())
}

/// The agent that has a part now.
pub(super) fn player<'a>(agents: &'a [AgentStatus], agent: &'a AgentStatus) -> &'a AgentStatus {
    takers(agents, agent).last().unwrap_or(agent)
}

/// Whether an agent has a part of its own.
fn has_part(specs: &[AgentSpec], agent: &AgentStatus) -> bool {
    specs.iter().any(|spec| spec.name == agent.name && !is_standby(spec))
}

/// The agents whose parts an agent has taken over, apart from those that come back and need theirs.
pub(super) fn held<'a>(specs: &[AgentSpec], agents: &'a [AgentStatus], name: &str) -> Vec<&'a AgentStatus> {
    let is_held = |agent: &&AgentStatus| {
        // Few have given their part away, and this is asked about each agent in each decision.
        let gave = agent.holder.is_some() && !is_to_return(agent);
        gave && has_part(specs, agent) && player(agents, agent).name == name
    };
    agents.iter().filter(is_held).collect()
}

/// Whether a part went to this agent, also if another has it by now.
pub(super) fn is_in_use(specs: &[AgentSpec], agents: &[AgentStatus], name: &str) -> bool {
    let leads_here = |original: &AgentStatus| {
        has_part(specs, original) && !is_to_return(original) && takers(agents, original).any(|agent| agent.name == name)
    };
    agents.iter().any(leads_here)
}

/// The deaths of the parts that came to an agent, with those of everybody who had them before.
pub(super) fn inherited_deaths(agents: &[AgentStatus], name: &str) -> i64 {
    let before = |agent: &&AgentStatus| takers(agents, agent).any(|taker| taker.name == name);
    agents.iter().filter(before).map(|agent| agent.deaths).max().unwrap_or(0)
}

/// Who may take over from an agent, the best first: its own substitutes, then those of the agents whose parts it has.
pub(super) fn candidates<'a>(cell: &'a Cell, policy: &'a EffectivePolicy, spec: &'a AgentSpec) -> Vec<&'a String> {
    let (specs, agents) = (&cell.spec.agents, &cell.status.agents);
    let originals = held(specs, agents, &spec.name);
    let theirs = specs.iter().filter(|spec| originals.iter().any(|original| original.name == spec.name));
    let theirs = theirs.flat_map(|original| policy::candidates(policy, original));
    policy::candidates(policy, spec).iter().chain(theirs).collect()
}

/// Whether an agent is started only to take over another's part.
pub(super) fn is_standby(spec: &AgentSpec) -> bool {
    spec.standby.unwrap_or_default()
}

/// The role that an agent plays now: a standby that of the agent whose part it has taken over.
#[must_use]
pub fn role(cell: &Cell, spec: &AgentSpec) -> Role {
    played(cell, spec).role.unwrap_or_default()
}

/// The name of the agent whose part an agent plays: a standby's is that of the one whose part it has taken over.
#[must_use]
pub fn part_of<'a>(cell: &'a Cell, spec: &'a AgentSpec) -> &'a str {
    &played(cell, spec).name
}

/// What an agent's exit code 0 means: a standby's what it would of the agent whose part it has taken over.
pub(super) fn completion(cell: &Cell, spec: &AgentSpec) -> Completion {
    played(cell, spec).completion()
}

fn played<'a>(cell: &'a Cell, spec: &'a AgentSpec) -> &'a AgentSpec {
    let held = if is_standby(spec) { held(&cell.spec.agents, &cell.status.agents, &spec.name) } else { Vec::new() };
    let original = held.first().and_then(|held| cell.spec.agents.iter().find(|spec| spec.name == held.name));
    original.unwrap_or(spec)
}
