//! The key `defaults`: the policy where no `AgentPolicy` says otherwise.

use serde::Deserialize;

use super::in_range;
use crate::api::{AgentPolicySpec, Approval, Disruption, Heartbeat, OnExhausted, OnTimeout, Restart, Revive, Storm};

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Defaults {
    revive: Revive,
    minimum_gate: Revive,
    disruption: Disruption,
    heartbeat: HeartbeatKeys,
    restart: RestartKeys,
    on_exhausted: OnExhausted,
    storm: StormKeys,
    approval: ApprovalKeys,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct HeartbeatKeys {
    interval_seconds: i64,
    stale_after_seconds: i64,
    dead_after_seconds: i64,
    startup_grace_seconds: i64,
    stalled_after_seconds: i64,
    max_busy_seconds: i64,
    unreachable_after_seconds: i64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct RestartKeys {
    max_attempts: i64,
    backoff_seconds: i64,
    max_backoff_seconds: i64,
    reset_after_seconds: i64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct StormKeys {
    max_unhealthy_percent: i64,
    min_agents: i64,
    max_in_flight: i64,
    cooldown_seconds: i64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct ApprovalKeys {
    timeout_seconds: i64,
    on_timeout: OnTimeout,
    quorum: i64,
    retain_seconds: i64,
}

impl Default for Defaults {
    fn default() -> Self {
        Self {
            revive: Revive::Ask,
            minimum_gate: Revive::Always,
            disruption: Disruption::default(),
            heartbeat: HeartbeatKeys::default(),
            restart: RestartKeys::default(),
            on_exhausted: OnExhausted::default(),
            storm: StormKeys::default(),
            approval: ApprovalKeys::default(),
        }
    }
}

impl Default for ApprovalKeys {
    fn default() -> Self {
        Self { timeout_seconds: 0, on_timeout: OnTimeout::default(), quorum: 1, retain_seconds: 604_800 }
    }
}

impl Default for HeartbeatKeys {
    fn default() -> Self {
        Self {
            interval_seconds: 15,
            stale_after_seconds: 60,
            dead_after_seconds: 300,
            startup_grace_seconds: 300,
            stalled_after_seconds: 0,
            max_busy_seconds: 1800,
            unreachable_after_seconds: 0,
        }
    }
}

impl Default for RestartKeys {
    fn default() -> Self {
        Self { max_attempts: 3, backoff_seconds: 30, max_backoff_seconds: 600, reset_after_seconds: 3600 }
    }
}

impl Default for StormKeys {
    fn default() -> Self {
        Self { max_unhealthy_percent: 40, min_agents: 3, max_in_flight: 1, cooldown_seconds: 300 }
    }
}

impl Defaults {
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { revive: _, minimum_gate: _, disruption: _, heartbeat, restart, on_exhausted: _, storm, approval } = self;
        let stale = heartbeat.stale_after_seconds;
        in_range("defaults.heartbeat.intervalSeconds", heartbeat.interval_seconds, 1..=300)?;
        in_range("defaults.heartbeat.staleAfterSeconds", stale, 2 * heartbeat.interval_seconds..=86_400)?;
        in_range("defaults.heartbeat.deadAfterSeconds", heartbeat.dead_after_seconds, stale + 1..=604_800)?;
        in_range("defaults.heartbeat.startupGraceSeconds", heartbeat.startup_grace_seconds, 1..=86_400)?;
        in_range("defaults.heartbeat.stalledAfterSeconds", heartbeat.stalled_after_seconds, 0..=604_800)?;
        in_range("defaults.heartbeat.maxBusySeconds", heartbeat.max_busy_seconds, 0..=86_400)?;
        in_range("defaults.heartbeat.unreachableAfterSeconds", heartbeat.unreachable_after_seconds, 0..=604_800)?;
        in_range("defaults.restart.maxAttempts", restart.max_attempts, 0..=100)?;
        in_range("defaults.restart.backoffSeconds", restart.backoff_seconds, 1..=86_400)?;
        in_range("defaults.restart.maxBackoffSeconds", restart.max_backoff_seconds, restart.backoff_seconds..=86_400)?;
        in_range("defaults.restart.resetAfterSeconds", restart.reset_after_seconds, 1..=604_800)?;
        in_range("defaults.storm.maxUnhealthyPercent", storm.max_unhealthy_percent, 1..=100)?;
        in_range("defaults.storm.minAgents", storm.min_agents, 1..=10_000)?;
        in_range("defaults.storm.maxInFlight", storm.max_in_flight, 1..=64)?;
        in_range("defaults.storm.cooldownSeconds", storm.cooldown_seconds, 1..=86_400)?;
        in_range("defaults.approval.timeoutSeconds", approval.timeout_seconds, 0..=2_592_000)?;
        if approval.on_timeout != OnTimeout::Wait && approval.timeout_seconds == 0 {
            return Err(
                "defaults.approval.onTimeout other than Wait needs defaults.approval.timeoutSeconds greater than 0".into()
            );
        }
        in_range("defaults.approval.quorum", approval.quorum, 1..=8)?;
        in_range("defaults.approval.retainSeconds", approval.retain_seconds, 0..=31_536_000)
    }

    pub(super) fn typed(self) -> AgentPolicySpec {
        let Self { revive, minimum_gate, disruption, heartbeat, restart, on_exhausted, storm, approval } = self;
        AgentPolicySpec {
            revive: Some(revive),
            minimum_gate: Some(minimum_gate),
            disruption: Some(disruption),
            on_exhausted: Some(on_exhausted),
            substitutions: None,
            approval: Some(Approval {
                timeout_seconds: Some(approval.timeout_seconds),
                on_timeout: Some(approval.on_timeout),
                quorum: Some(approval.quorum),
                retain_seconds: Some(approval.retain_seconds),
            }),
            heartbeat: Some(Heartbeat {
                interval_seconds: Some(heartbeat.interval_seconds),
                stale_after_seconds: Some(heartbeat.stale_after_seconds),
                dead_after_seconds: Some(heartbeat.dead_after_seconds),
                startup_grace_seconds: Some(heartbeat.startup_grace_seconds),
                stalled_after_seconds: Some(heartbeat.stalled_after_seconds),
                max_busy_seconds: Some(heartbeat.max_busy_seconds),
                unreachable_after_seconds: Some(heartbeat.unreachable_after_seconds),
            }),
            restart: Some(Restart {
                max_attempts: Some(restart.max_attempts),
                backoff_seconds: Some(restart.backoff_seconds),
                max_backoff_seconds: Some(restart.max_backoff_seconds),
                reset_after_seconds: Some(restart.reset_after_seconds),
            }),
            storm: Some(Storm {
                max_unhealthy_percent: Some(storm.max_unhealthy_percent),
                min_agents: Some(storm.min_agents),
                max_in_flight: Some(storm.max_in_flight),
                cooldown_seconds: Some(storm.cooldown_seconds),
            }),
        }
    }
}
