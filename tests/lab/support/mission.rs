//! Missions and policies as tests need them: small, and quick to act.

use lazarus::api::{AgentPolicySpec, AgentSpec, MissionCell, MissionCellSpec, OnExhausted, Restart, Revive, Storm};

/// The image of the operator, in which the demo agent is too.
pub const IMAGE: &str = "lazarus-pit:dev";

/// An agent that works until it is told otherwise.
pub fn agent(name: &str) -> AgentSpec {
    agent_that(name, &[])
}

/// An agent with these arguments.
pub fn agent_that(name: &str, arguments: &[&str]) -> AgentSpec {
    AgentSpec {
        name: name.into(),
        image: IMAGE.into(),
        command: Some(vec!["/lazarus".into(), "demo-agent".into()]),
        args: (!arguments.is_empty()).then(|| arguments.iter().copied().map(String::from).collect()),
        ..AgentSpec::default()
    }
}

/// A mission of these agents; the policy called `default` applies.
pub fn mission(name: &str, agents: impl IntoIterator<Item = AgentSpec>) -> MissionCell {
    let agents = agents.into_iter().collect();
    MissionCell::new(name, MissionCellSpec { mission: "to be tested".into(), agents, ..MissionCellSpec::default() })
}

/// A policy that restarts after a second or two.
pub fn quick(attempts: i64) -> AgentPolicySpec {
    AgentPolicySpec {
        revive: Some(Revive::Always),
        restart: Some(Restart {
            max_attempts: Some(attempts),
            backoff_seconds: Some(1),
            max_backoff_seconds: Some(2),
            reset_after_seconds: Some(3600),
        }),
        // Tests let many agents die in one namespace; the brake has tests of its own.
        storm: Some(Storm { min_agents: Some(10_000), max_in_flight: Some(64), ..Storm::default() }),
        // Tests of what follows then say so.
        on_exhausted: Some(OnExhausted::Abandon),
        ..AgentPolicySpec::default()
    }
}
