//! The policy as it applies: built-in values, then the AgentPolicy's, then the mission's, then the agent's.

use crate::api::{AgentPolicySpec, AgentSpec, EffectivePolicy, EffectiveRestart, Restart, Revive};
use crate::observe::{PolicySource, Snapshot};

/// The policy of a mission; `None` while the one it names is missing or can't be understood.
pub(super) fn effective(snapshot: &Snapshot) -> Option<EffectivePolicy> {
    let none = AgentPolicySpec::default();
    let (source, policy) = match &snapshot.policy {
        PolicySource::Found(name, policy) => (format!("AgentPolicy/{name}"), policy),
        PolicySource::BuiltIn => ("BuiltIn".into(), &none),
        PolicySource::Missing(_) | PolicySource::Invalid(..) => return None,
    };
    let AgentPolicySpec { revive, restart } = policy;
    let restart = restart.clone().unwrap_or_default();
    let defaults = snapshot.defaults.restart.clone().unwrap_or_default();
    let Restart { max_attempts, backoff_seconds, max_backoff_seconds, reset_after_seconds } = restart;
    let backoff_seconds = backoff_seconds.or(defaults.backoff_seconds).unwrap_or(30);
    Some(EffectivePolicy {
        source,
        revive: snapshot.cell.spec.revive.or(*revive).or(snapshot.defaults.revive).unwrap_or(Revive::Never),
        restart: EffectiveRestart {
            max_attempts: max_attempts.or(defaults.max_attempts).unwrap_or(3),
            backoff_seconds,
            // A policy may set one of the two only, and the other's default may not fit: the longer one is meant.
            max_backoff_seconds: max_backoff_seconds.or(defaults.max_backoff_seconds).unwrap_or(600).max(backoff_seconds),
            reset_after_seconds: reset_after_seconds.or(defaults.reset_after_seconds).unwrap_or(3600),
        },
    })
}

/// What is done about the death of one agent.
pub(super) fn revive(policy: &EffectivePolicy, agent: &AgentSpec) -> Revive {
    agent.revive.unwrap_or(policy.revive)
}
