//! The policy as it applies: built-in values, then the AgentPolicy's, then the mission's, then the agent's.

use crate::api::{
    AgentPolicySpec, AgentSpec, Approval, EffectiveApproval, EffectiveHeartbeat, EffectivePolicy, EffectiveRestart,
    EffectiveStorm, Heartbeat, Restart, Revive, Storm,
};
use crate::observe::{PolicySource, Snapshot};

/// The policy of a mission; `None` while the one it names is missing or can't be understood.
pub(super) fn effective(snapshot: &Snapshot) -> Option<EffectivePolicy> {
    match &snapshot.policy {
        PolicySource::Found(name, policy) => Some(resolved(snapshot, format!("AgentPolicy/{name}"), policy)),
        PolicySource::BuiltIn => Some(built_in(snapshot)),
        PolicySource::Missing(_) | PolicySource::Invalid(..) => None,
    }
}

/// The operator's own policy.
pub(super) fn built_in(snapshot: &Snapshot) -> EffectivePolicy {
    resolved(snapshot, "BuiltIn".into(), &AgentPolicySpec::default())
}

fn resolved(snapshot: &Snapshot, source: String, policy: &AgentPolicySpec) -> EffectivePolicy {
    let AgentPolicySpec { revive, minimum_gate, disruption, heartbeat, restart, on_exhausted, substitutions, storm, approval } =
        policy;
    let defaults = &snapshot.defaults;
    let minimum_gate = minimum_gate.or(defaults.minimum_gate).unwrap_or(Revive::Always);
    let revive = snapshot.cell.spec.revive.or(*revive).or(defaults.revive).unwrap_or(Revive::Ask);
    EffectivePolicy {
        source,
        revive: revive.max(minimum_gate),
        minimum_gate,
        disruption: disruption.or(defaults.disruption).unwrap_or_default(),
        on_exhausted: on_exhausted.or(defaults.on_exhausted).unwrap_or_default(),
        substitutions: substitutions.clone().or(defaults.substitutions.clone()).unwrap_or_default(),
        approval: asked_by(approval.clone(), defaults.approval.clone()),
        heartbeat: judged_by(heartbeat.clone(), defaults.heartbeat.clone()),
        restart: restarted_by(restart.clone(), defaults.restart.clone()),
        storm: braked_by(storm.clone(), defaults.storm.clone()),
    }
}

fn judged_by(policy: Option<Heartbeat>, defaults: Option<Heartbeat>) -> EffectiveHeartbeat {
    let (policy, defaults) = (policy.unwrap_or_default(), defaults.unwrap_or_default());
    let Heartbeat {
        interval_seconds,
        stale_after_seconds,
        dead_after_seconds,
        startup_grace_seconds,
        stalled_after_seconds,
        max_busy_seconds,
        unreachable_after_seconds,
    } = policy;
    consistent(EffectiveHeartbeat {
        interval_seconds: interval_seconds.or(defaults.interval_seconds).unwrap_or(15),
        stale_after_seconds: stale_after_seconds.or(defaults.stale_after_seconds).unwrap_or(60),
        dead_after_seconds: dead_after_seconds.or(defaults.dead_after_seconds).unwrap_or(300),
        startup_grace_seconds: startup_grace_seconds.or(defaults.startup_grace_seconds).unwrap_or(300),
        stalled_after_seconds: stalled_after_seconds.or(defaults.stalled_after_seconds).unwrap_or(0),
        max_busy_seconds: max_busy_seconds.or(defaults.max_busy_seconds).unwrap_or(1800),
        unreachable_after_seconds: unreachable_after_seconds.or(defaults.unreachable_after_seconds).unwrap_or(0),
    })
}

/// One value may be set without its neighbour, whose default may not fit: the one that kills later is meant.
fn consistent(heartbeat: EffectiveHeartbeat) -> EffectiveHeartbeat {
    let stale_after_seconds = heartbeat.stale_after_seconds.max(heartbeat.interval_seconds.saturating_mul(2));
    let dead_after_seconds = heartbeat.dead_after_seconds.max(stale_after_seconds.saturating_add(1));
    EffectiveHeartbeat { stale_after_seconds, dead_after_seconds, ..heartbeat }
}

fn restarted_by(policy: Option<Restart>, defaults: Option<Restart>) -> EffectiveRestart {
    let (policy, defaults) = (policy.unwrap_or_default(), defaults.unwrap_or_default());
    let Restart { max_attempts, backoff_seconds, max_backoff_seconds, reset_after_seconds } = policy;
    let backoff_seconds = backoff_seconds.or(defaults.backoff_seconds).unwrap_or(30);
    EffectiveRestart {
        max_attempts: max_attempts.or(defaults.max_attempts).unwrap_or(3),
        backoff_seconds,
        // A policy may set one of the two only, and the other's default may not fit: the longer one is meant.
        max_backoff_seconds: max_backoff_seconds.or(defaults.max_backoff_seconds).unwrap_or(600).max(backoff_seconds),
        reset_after_seconds: reset_after_seconds.or(defaults.reset_after_seconds).unwrap_or(3600),
    }
}

fn braked_by(policy: Option<Storm>, defaults: Option<Storm>) -> EffectiveStorm {
    let (policy, defaults) = (policy.unwrap_or_default(), defaults.unwrap_or_default());
    let Storm { max_unhealthy_percent, min_agents, max_in_flight, cooldown_seconds } = policy;
    EffectiveStorm {
        max_unhealthy_percent: max_unhealthy_percent.or(defaults.max_unhealthy_percent).unwrap_or(40),
        min_agents: min_agents.or(defaults.min_agents).unwrap_or(3),
        max_in_flight: max_in_flight.or(defaults.max_in_flight).unwrap_or(1),
        cooldown_seconds: cooldown_seconds.or(defaults.cooldown_seconds).unwrap_or(300),
    }
}

fn asked_by(policy: Option<Approval>, defaults: Option<Approval>) -> EffectiveApproval {
    let (policy, defaults) = (policy.unwrap_or_default(), defaults.unwrap_or_default());
    let Approval { timeout_seconds, on_timeout, quorum, retain_seconds } = policy;
    EffectiveApproval {
        timeout_seconds: timeout_seconds.or(defaults.timeout_seconds).unwrap_or(0),
        on_timeout: on_timeout.or(defaults.on_timeout).unwrap_or_default(),
        quorum: quorum.or(defaults.quorum).unwrap_or(1),
        retain_seconds: retain_seconds.or(defaults.retain_seconds).unwrap_or(604_800),
    }
}

/// How one agent is judged.
pub(super) fn heartbeat(policy: &EffectivePolicy, agent: &AgentSpec) -> EffectiveHeartbeat {
    let Some(own) = &agent.heartbeat else { return policy.heartbeat };
    consistent(EffectiveHeartbeat {
        stale_after_seconds: own.stale_after_seconds.unwrap_or(policy.heartbeat.stale_after_seconds),
        dead_after_seconds: own.dead_after_seconds.unwrap_or(policy.heartbeat.dead_after_seconds),
        ..policy.heartbeat
    })
}

/// What is done about the death of one agent.
pub(super) fn revive(policy: &EffectivePolicy, agent: &AgentSpec) -> Revive {
    agent.revive.unwrap_or(policy.revive).max(policy.minimum_gate)
}

/// Who may take over an agent's part, the best first: its own list, else the policy's.
pub(super) fn candidates<'a>(policy: &'a EffectivePolicy, agent: &'a AgentSpec) -> &'a [String] {
    let by_policy = || policy.substitutions.iter().find(|substitution| substitution.agent == agent.name);
    agent.substitutes.as_deref().or_else(|| by_policy().map(|found| found.candidates.as_slice())).unwrap_or_default()
}
