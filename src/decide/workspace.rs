//! The volume that the agents of a mission share: when its claim is to be made, or made otherwise.

use chrono::{DateTime, Utc};

use super::Action;
use crate::api::quantity::Amount;
use crate::api::{Retain, WorkspaceStatus, names};
use crate::observe::{Cell, Claim, Snapshot};

/// What is said of it in the mission's status.
pub(super) fn status(cell: &Cell) -> Option<WorkspaceStatus> {
    let workspace = cell.spec.workspace.as_ref()?;
    Some(WorkspaceStatus {
        claim: names::workspace(&cell.name),
        size: workspace.size.clone(),
        retain: workspace.retain.unwrap_or_default(),
    })
}

/// The claim is to be made, to become larger, or to go with the mission or not. It never shrinks: no volume can.
pub(super) fn action(snapshot: &Snapshot, now: DateTime<Utc>) -> Option<Action> {
    let workspace = snapshot.cell.spec.workspace.as_ref()?;
    let agent = snapshot.cell.spec.agents.first()?.name.clone();
    let refused = snapshot.refusals.get(&agent).filter(|refusal| refusal.generation == snapshot.cell.generation);
    if refused.is_some_and(|refusal| now < refusal.until) {
        return None;
    }
    let wanted = match snapshot.claim.as_ref()? {
        Claim::Missing => true,
        Claim::Ending => false,
        Claim::Present { owned, size } => {
            let goes = workspace.retain.unwrap_or_default() == Retain::Delete;
            *owned != goes || workspace.size.value() > Amount::Text(size.clone()).value()
        }
    };
    wanted.then_some(Action::Claim { agent })
}
