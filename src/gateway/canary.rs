//! A replica that does not lead reports through the Service as a sidecar does: so the leader knows that the way is free, also
//! where no other agent reports.

use std::path::Path;
use std::time::Duration;

use super::ledger::CANARY_INTERVAL;
use crate::api::beat::{Beat, Seen};
use crate::pulse::folder::{self, Place};
use crate::pulse::link::{Link, Trouble};
use crate::runtime::leadership::Leadership;
use crate::runtime::shutdown::Shutdown;

/// Reports until the shutdown while this replica does not lead. `folder` has its token; `place` says where the Service is.
pub(super) async fn keep(folder: &Path, leadership: &Leadership, place: impl Fn() -> Option<Place>, shutdown: &Shutdown) {
    if !folder.join(folder::TOKEN).exists() {
        tracing::info!(folder = %folder.display(), "there is no token of this replica: it does not try the way to the gateway");
        return;
    }
    let mut complaint = None;
    while !shutdown.is_requested() {
        if !leadership.is_leader()
            && let Some(place) = place()
        {
            let failed = tokio::select! {
                sent = send(folder, place) => sent.err().map(|trouble| trouble.to_string()),
                () = shutdown.requested() => return,
            };
            match &failed {
                Some(text) if complaint != failed => {
                    tracing::warn!("cannot reach the leader through the Service: {text}; trying on");
                }
                None if complaint.is_some() => tracing::info!("the leader is reached through the Service again"),
                Some(_) | None => {}
            }
            complaint = failed;
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(CANARY_INTERVAL.into())) => {}
            () = shutdown.requested() => return,
        }
    }
}

/// On a connection of its own: one that is kept would not notice where the Service leads now.
async fn send(folder: &Path, place: Place) -> Result<(), Trouble> {
    let mut link = Link::to(place, folder::proof(folder)?);
    link.beat(&Beat::of(Seen::Unobserved)).await.map(drop)
}
