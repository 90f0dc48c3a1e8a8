//! The kinds `MissionCell`, `AgentPolicy` and `RevivalRequest`, and the only place where their names, reasons and labels are spelled.

mod agent;
mod agent_policy;
pub mod beat;
pub mod conditions;
mod effective;
pub mod egress;
pub mod external;
mod isolation;
mod mission_cell;
pub mod names;
pub mod quantity;
mod revival_request;
mod schema;
mod status;

pub use agent::{
    AgentHeartbeat, AgentSpec, Completion, ConfigFile, EnvSource, EnvVar, HttpSource, KeyRef, Port, Protocol, Resources, Role,
    Source,
};
pub use agent_policy::{
    AgentPolicy, AgentPolicySpec, Approval, Disruption, Heartbeat, OnExhausted, OnTimeout, Restart, Revive, Storm, Substitution,
};
pub use effective::{EffectiveApproval, EffectiveHeartbeat, EffectivePolicy, EffectiveRestart, EffectiveStorm};
pub use external::External;
pub use isolation::{AccessMode, Ceilings, Egress, EgressProxy, Isolation, IsolationStatus, Retain, Workspace, WorkspaceStatus};
pub use mission_cell::{MissionCell, MissionCellSpec, ObjectName};
pub use revival_request::{
    CellReference, Decision, DecisionVerdict, RequestIncident, RequestOption, RequestSummary, RequestVerb, RevivalRequest,
    RevivalRequestSpec, RevivalRequestStatus,
};
pub use status::{
    AgentState, AgentStatus, Counts, Incident, IncidentOutcome, LastEnd, MissionCellStatus, NextAction, Outcome, Ruling, Verdict,
};
