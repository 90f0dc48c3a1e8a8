//! What the gateway knows of one incarnation at one moment.

use serde::{Deserialize, Serialize};

use crate::api::beat::Seen;

pub use crate::api::beat::Network;

/// What the leader knows of an incarnation from its sidecar's reports. All times are spans by monotonic clocks, in whole
/// seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pulse {
    /// Time since the last report, or since this replica began to expect one.
    pub age: u32,
    /// What came of its requests to this replica.
    #[serde(default)]
    pub asked: Asked,
    /// Whether it has reported to this replica.
    pub reported: bool,
    /// Whether its sidecar, or this replica, has ever seen it well.
    pub ever_healthy: bool,
    /// Whether the sidecar that reports now has seen it well.
    pub heard: bool,
    /// What the sidecar last saw.
    pub seen: Seen,
    /// How long the agent had been silent at the last report. It does not grow by itself: between reports nothing is known.
    pub silent: u32,
    /// How long cycle, task and status have not changed; `None`: the agent has never said any of them.
    pub unchanged: Option<u32>,
    /// How long the agent still asks to be left alone; `None`: it has said nothing of that, as far as is remembered.
    pub busy: Option<u32>,
    /// How long this replica has seen the agent's container running.
    pub running: u32,
    /// For how long of this one's silence another agent, or the other replica, was heard without a gap: so long the gateway
    /// was well. Only told of agents that run elsewhere.
    #[serde(default)]
    pub witnessed: u32,
    /// When the next report was wanted, in seconds after the last one, as it was told then.
    #[serde(default)]
    pub told: u32,
    /// What the sidecar last found out about the pod's network.
    #[serde(default)]
    pub network: Network,
}

/// What came of an incarnation's requests, of those with a token that the cluster signed for its pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Asked {
    /// There was none.
    #[default]
    Never,
    /// They are taken.
    Taken,
    /// The token is of another issuer.
    OtherIssuer,
    /// The token is for another audience.
    OtherAudience,
    /// The token has expired, or is not valid yet.
    NotNow,
    /// The request is not one, or of another version.
    NotUnderstood,
    /// The request did not come in time.
    Slow,
}

/// What keeps sidecars from being admitted, whatever they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Obstacle {
    /// The operator could not read the keys that tokens are checked with.
    NoKeys,
    /// The operator could not tell the mission's namespace where the gateway is.
    Untold,
    /// Another replica does not reach the port that no agent may reach: that an agent doesn't, says nothing then. It keeps
    /// only those that are to have a closed network.
    Blind,
}
