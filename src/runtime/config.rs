//! The operator's configuration file: optional keys, checked ranges, messages that name the key.

mod defaults;
mod gateway;
mod isolation;

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::lease::{Durations, LONGEST_LEASE_SECONDS as LONGEST_LEASE};
use super::telemetry::Log;
use super::yaml;
use crate::api::{AgentPolicySpec, Ceilings};
use defaults::Defaults;
use gateway::GatewayKeys;
use isolation::IsolationKeys;

/// The checked configuration; `Config::default()` is what an absent file means, and `config/lazarus.yaml` spells it out.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The policy where no `AgentPolicy` says otherwise; every field is set.
    pub defaults: AgentPolicySpec,
    /// Timing of the leader election.
    pub leader_election: Durations,
    /// Reconciles at once, 1 to 256.
    pub concurrency: u16,
    /// The longest time of one API write, whole seconds, below the renew deadline.
    pub request_timeout: Duration,
    /// Names and addresses that the gateway's certificate has beside its own, at most 16.
    pub gateway_sans: Vec<String>,
    /// What holds for the isolation of all missions.
    pub ceilings: Ceilings,
    /// Seconds from one look of a sidecar at its network to the next, 1 to 3600.
    pub network_check_seconds: u32,
    /// What is logged, and how.
    pub log: Log,
}

/// Why the configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be read.
    #[error("cannot read the configuration file {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not YAML, or has an unknown key or a value of the wrong type.
    #[error("configuration file {path}: {source}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// Path of keys, line and what is allowed.
        source: yaml::Error,
    },
    /// A value is out of range.
    #[error("configuration file {path}: {message}")]
    Range {
        /// The file.
        path: PathBuf,
        /// The key, its value and what is allowed.
        message: String,
    },
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// The file is unreadable, not YAML, has an unknown key, or a value is out of its range.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.into(), source })?;
        Self::parse(path, &text)
    }

    /// Checks the text of a file; the path is for the message.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn parse(path: &Path, text: &str) -> Result<Self, Error> {
        // A file of comments only is an empty document: all defaults.
        let file = yaml::from_str::<Option<File>>(text).map_err(|source| Error::Parse { path: path.into(), source })?;
        file.unwrap_or_default().check().map_err(|message| Error::Range { path: path.into(), message })
    }
}

impl Default for Config {
    fn default() -> Self {
        File::default().typed()
    }
}

// The keys as typed in the file. `defaults` is spelled out here because the CRD types must accept unknown
// fields (an older operator reads newer objects), while this file must not.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct File {
    defaults: Defaults,
    leader_election: LeaderElection,
    concurrency: u16,
    request_timeout_seconds: i64,
    gateway: GatewayKeys,
    isolation: IsolationKeys,
    log: Log,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
struct LeaderElection {
    lease_duration_seconds: i64,
    renew_deadline_seconds: i64,
    retry_period_seconds: i64,
}

impl Default for File {
    fn default() -> Self {
        let (defaults, leader_election) = (Defaults::default(), LeaderElection::default());
        let (gateway, isolation, log) = (GatewayKeys::default(), IsolationKeys::default(), Log::default());
        Self { defaults, leader_election, concurrency: 16, request_timeout_seconds: 5, gateway, isolation, log }
    }
}

impl Default for LeaderElection {
    fn default() -> Self {
        Self { lease_duration_seconds: 15, renew_deadline_seconds: 10, retry_period_seconds: 2 }
    }
}

impl File {
    fn check(self) -> Result<Config, String> {
        self.defaults.check()?;
        in_range("concurrency", self.concurrency.into(), 1..=256)?;
        let LeaderElection { lease_duration_seconds, renew_deadline_seconds, retry_period_seconds } = self.leader_election;
        in_range("leaderElection.retryPeriodSeconds", retry_period_seconds, 1..=LONGEST_LEASE)?;
        in_range("leaderElection.leaseDurationSeconds", lease_duration_seconds, 1..=LONGEST_LEASE)?;
        in_range("leaderElection.renewDeadlineSeconds", renew_deadline_seconds, 1..=LONGEST_LEASE)?;
        if lease_duration_seconds <= renew_deadline_seconds {
            return Err(format!(
                "leaderElection.leaseDurationSeconds is {lease_duration_seconds}: \
                 it must be greater than leaderElection.renewDeadlineSeconds ({renew_deadline_seconds})"
            ));
        }
        // In tenths: 1.2 is the jitter that client-go allows for.
        let renew_tenths = 10 * renew_deadline_seconds;
        let retry_tenths = 12 * retry_period_seconds;
        if renew_tenths <= retry_tenths {
            return Err(format!(
                "leaderElection.renewDeadlineSeconds is {renew_deadline_seconds}: \
                 it must be greater than 1.2 times leaderElection.retryPeriodSeconds ({retry_period_seconds})"
            ));
        }
        in_range("requestTimeoutSeconds", self.request_timeout_seconds, 1..=300)?;
        // Otherwise every write just before a renewal would be refused, as the lease could end before it.
        if renew_tenths <= retry_tenths + 10 * self.request_timeout_seconds {
            return Err(format!(
                "requestTimeoutSeconds is {}: together with 1.2 times leaderElection.retryPeriodSeconds ({retry_period_seconds}) \
                 it must be less than leaderElection.renewDeadlineSeconds ({renew_deadline_seconds})",
                self.request_timeout_seconds
            ));
        }
        self.gateway.check()?;
        self.isolation.check()?;
        Ok(self.typed())
    }

    fn typed(self) -> Config {
        let Self { defaults, leader_election, concurrency, request_timeout_seconds, gateway, isolation, log } = self;
        Config {
            defaults: defaults.typed(),
            leader_election: Durations {
                lease: seconds(leader_election.lease_duration_seconds),
                renew_deadline: seconds(leader_election.renew_deadline_seconds),
                retry_period: seconds(leader_election.retry_period_seconds),
            },
            concurrency,
            request_timeout: seconds(request_timeout_seconds),
            network_check_seconds: gateway.network_check_seconds,
            gateway_sans: gateway.typed(),
            ceilings: isolation.typed(),
            log,
        }
    }
}

fn in_range(key: &str, value: i64, range: RangeInclusive<i64>) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(format!("{key} is {value}: it must be between {} and {}", range.start(), range.end()))
}

fn seconds(checked: i64) -> Duration {
    Duration::from_secs(checked.unsigned_abs())
}

#[cfg(test)]
mod tests;
