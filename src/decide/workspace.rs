//! The volume that the agents of a mission share: when its claim is to be made, or made otherwise.

use chrono::{DateTime, Utc};

use super::{Action, ClaimChange};
use crate::api::conditions::Reason;
use crate::api::quantity::Amount;
use crate::api::{Retain, Workspace, WorkspaceStatus, names};
use crate::observe::{Claim, Refusal, Snapshot};

/// What stands for the claim among the agents of which something was refused: no agent has this name.
pub const REFUSED_CLAIM: &str = "/workspace";

/// What is said of it in the mission's status.
pub(super) fn status(snapshot: &Snapshot, now: DateTime<Utc>) -> Option<WorkspaceStatus> {
    let workspace = snapshot.cell.spec.workspace.as_ref()?;
    Some(WorkspaceStatus {
        claim: names::workspace(&snapshot.cell.name),
        size: workspace.size.clone(),
        retain: workspace.retain.unwrap_or_default(),
        message: shortfall(workspace, snapshot, now),
    })
}

/// What keeps a volume that is there from being as it is asked for. The agents run all the same.
fn shortfall(workspace: &Workspace, snapshot: &Snapshot, now: DateTime<Utc>) -> Option<String> {
    let Some(Claim::Present { size, .. }) = &snapshot.claim else { return None };
    if let Some(refusal) = refusal(snapshot, now) {
        return Some(format!("the volume stays as it is: the API server says: {}", refusal.message));
    }
    let shrinks = workspace.size.value() < Amount::Text(size.clone()).value();
    shrinks.then(|| format!("the volume has {size}, and none shrinks: write that much, or make a mission of another name"))
}

/// What is to be done about the claim. It never shrinks: no volume can. One that was retained is given to a mission only if its
/// manifest says so: what nobody said must not cost what somebody kept.
pub(super) fn action(snapshot: &Snapshot, now: DateTime<Utc>) -> Option<Action> {
    let workspace = snapshot.cell.spec.workspace.as_ref()?;
    if refusal(snapshot, now).is_some() {
        return None;
    }
    let change = match snapshot.claim.as_ref()? {
        Claim::Missing => ClaimChange::Make,
        Claim::Present { owned: true, .. } if workspace.retain == Some(Retain::Retain) => ClaimChange::Own(false),
        Claim::Present { owned: false, .. } if workspace.retain == Some(Retain::Delete) => ClaimChange::Own(true),
        Claim::Present { size, .. } if workspace.size.value() > Amount::Text(size.clone()).value() => {
            ClaimChange::Grow(workspace.size.clone())
        }
        Claim::Ending | Claim::Foreign | Claim::Present { .. } => return None,
    };
    Some(Action::Claim(change))
}

/// What keeps agents from the volume, and when that is looked at again.
pub(super) fn obstacle(snapshot: &Snapshot, now: DateTime<Utc>) -> Option<(Reason, String, Option<DateTime<Utc>>)> {
    let name = names::workspace(&snapshot.cell.name);
    match snapshot.claim.as_ref()? {
        Claim::Missing => Some(match refusal(snapshot, now) {
            Some(refusal) => {
                let why = format!("the API server says of the workspace's claim: {}", refusal.message);
                (Reason::PodRefused, why, Some(refusal.until))
            }
            None => (Reason::Starting, "the claim of the workspace is made first".into(), None),
        }),
        Claim::Ending => {
            Some((Reason::Terminating, format!("claim {name} of an earlier mission of the same name is being deleted"), None))
        }
        Claim::Foreign => {
            let why =
                format!("there is a claim {name} already that is not this mission's: delete it, or name the mission otherwise");
            Some((Reason::PodRefused, why, None))
        }
        Claim::Present { .. } => None,
    }
}

fn refusal(snapshot: &Snapshot, now: DateTime<Utc>) -> Option<&Refusal> {
    let refusal = snapshot.refusals.get(REFUSED_CLAIM)?;
    (refusal.generation == snapshot.cell.generation && now < refusal.until).then_some(refusal)
}
