//! The kinds `MissionCell` and `AgentPolicy`, and the only place where their names, reasons and labels are spelled.

mod agent;
mod agent_policy;
pub mod beat;
pub mod conditions;
mod mission_cell;
pub mod names;
pub mod quantity;
mod schema;
mod status;

pub use agent::{
    AgentHeartbeat, AgentSpec, Completion, ConfigFile, EnvSource, EnvVar, HttpSource, KeyRef, Port, Protocol, Resources, Role,
    Source,
};
pub use agent_policy::{AgentPolicy, AgentPolicySpec, Heartbeat, Restart, Revive, Storm};
pub use mission_cell::{MissionCell, MissionCellSpec, ObjectName};
pub use status::{
    AgentState, AgentStatus, Counts, EffectiveHeartbeat, EffectivePolicy, EffectiveRestart, EffectiveStorm, Incident,
    IncidentOutcome, LastEnd, MissionCellStatus, NextAction, Outcome, Verdict,
};
