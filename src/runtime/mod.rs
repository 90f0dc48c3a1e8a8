//! What the process needs around the data flow: the clock, the configuration file, the lease, signals, logs and probes.
//!
//! Nothing here knows what an agent is. Three foreign vocabularies stop at this folder: jiff times ([`time`]),
//! `serde_yaml` ([`yaml`]) and the ambient clock ([`clock`]).

pub mod clock;
pub mod config;
pub mod election;
pub mod health;
pub mod leadership;
pub mod lease;
pub mod shutdown;
pub mod telemetry;
pub mod time;
pub mod yaml;
