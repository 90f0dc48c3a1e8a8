//! The isolation level that applies: the stricter of what everybody says.

use crate::api::Isolation;
use crate::observe::Snapshot;

/// The level that new incarnations of a mission get: the highest of what the mission, its namespace and the operator's
/// configuration say, and of what its living agents already have.
#[must_use]
pub fn level(snapshot: &Snapshot) -> Isolation {
    let ground = &snapshot.ground;
    let wanted = snapshot.cell.spec.isolation.unwrap_or_default();
    let least = ground.minimum_level.max(ground.ceilings.minimum_level).unwrap_or(Isolation::None);
    let living = snapshot.pods.iter().filter(|pod| pod.may_run()).filter_map(|pod| pod.level).max();
    wanted.max(least).max(living.unwrap_or(Isolation::None))
}
