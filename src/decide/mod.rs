//! What to do about a mission: a pure function of a [`Snapshot`] and the time.
//!
//! [`decide`] looks at each agent by itself (`agent`), then at the mission as a whole (`mission`), and then says
//! what is to be done now and when to look again. It never looks at a clock, a cache or a network.

mod agent;
mod backoff;
mod end;
mod heartbeat;
mod isolation;
mod mission;
mod part;
mod phase;
mod policy;
mod record;
mod request;
mod template;
mod workspace;

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::api::quantity::Amount;
use crate::api::{Isolation, MissionCellStatus, RevivalRequestSpec, RevivalRequestStatus};
use crate::observe::{Scope, Snapshot};

pub use agent::Why;
pub use heartbeat::{Expected, Judgement, Terms, cooldown_seconds, expected, judge};
pub use isolation::{Lack, level as isolation_level, node_lack, refusal as isolation_refusal};
pub use part::{part_of, role};
pub use request::{expiry, quorum};
pub use template::hash as template_hash;
pub(crate) use template::sorted;
pub use workspace::REFUSED_CLAIM;

/// What to do now, and when to look again.
///
/// A plan has actions or a status, never both: evidence is written before the pod that holds it is deleted, and pods
/// are made before the status that commits them. Answers follow from what is stored, so they go with either.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Plan {
    /// Objects to make and to delete, in this order.
    pub actions: Vec<Action>,
    /// The status to write, where it differs from the stored one and is due.
    pub status: Option<MissionCellStatus>,
    /// Statuses of RevivalRequests to write.
    pub answers: Vec<Answer>,
    /// Storms in which an agent is taken for dead, to see whether the next one fares better: one at a time may try.
    pub canaries: Vec<Scope>,
    /// When to look again although nothing has changed.
    pub recheck_at: Option<DateTime<Utc>>,
}

/// A write of an object.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum Action {
    /// Make the pod of an incarnation.
    Create {
        /// The agent, one of the spec's.
        agent: String,
        /// Number of the incarnation.
        attempt: i64,
        /// How far it is isolated.
        level: Isolation,
    },
    /// Make the ServiceAccount that the mission's agents elsewhere report with.
    Account {
        /// The first agent that needs it.
        agent: String,
    },
    /// Make the claim of the mission's workspace, or change it.
    Claim(ClaimChange),
    /// Delete a pod, if it still has this UID.
    Delete {
        /// Name of the pod.
        pod: String,
        /// Its UID.
        uid: String,
        /// What for.
        why: Why,
    },
    /// Ask people: make a RevivalRequest.
    Ask {
        /// Its name.
        name: String,
        /// The question.
        spec: Box<RevivalRequestSpec>,
    },
    /// Delete a RevivalRequest that was closed long ago, if it still has this UID.
    Forget {
        /// Its name.
        request: String,
        /// Its UID.
        uid: String,
    },
}

/// What becomes of a claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub enum ClaimChange {
    /// It is made.
    Make,
    /// It goes with the mission from now on, or not.
    Own(bool),
    /// It grows to this size.
    Grow(Amount),
}

/// The status of a RevivalRequest to write, if nobody has changed it since.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// Its name.
    pub request: String,
    /// Its UID.
    pub uid: String,
    /// The resourceVersion that the status follows from.
    pub version: String,
    /// The status.
    pub status: Box<RevivalRequestStatus>,
}

/// Decides what to do about a mission.
///
/// The same snapshot and time always give the same plan. Only a plan made from consistent reads may be carried out.
#[must_use]
pub fn decide(snapshot: &Snapshot, now: DateTime<Utc>) -> Plan {
    if snapshot.cell.deleting {
        // The garbage collector ends the pods; a status would only race with it.
        return Plan::default();
    }
    let policy = policy::effective(snapshot);
    let mission = mission::Phase::of(&snapshot.cell);
    let assessments = agent::assess_all(snapshot, policy.as_ref(), mission, now);
    record::plan(snapshot, policy.as_ref(), assessments, now)
}
