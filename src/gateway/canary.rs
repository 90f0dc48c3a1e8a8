//! A replica that does not lead reports through the Service as a sidecar does: so the leader knows that the way is free, also
//! where no other agent reports. And it tries the port that no agent may reach: what nothing closes for it must be open, or
//! that agents don't reach it says nothing.

use std::path::Path;
use std::time::Duration;

use super::ledger::CANARY_INTERVAL;
use crate::api::beat::{Beat, Network, Seen};
use crate::api::names;
use crate::pulse::folder::{self, Place};
use crate::pulse::link::{Link, Trouble};
use crate::pulse::network;
use crate::runtime::leadership::Leadership;
use crate::runtime::shutdown::Shutdown;

/// Reports until the shutdown while this replica does not lead. `folder` has its token; `place` says where the Service is.
pub(super) async fn keep(folder: &Path, leadership: &Leadership, place: impl Fn() -> Option<Place>, shutdown: &Shutdown) {
    if !folder.join(folder::TOKEN).exists() {
        tracing::info!(folder = %folder.display(), "there is no token of this replica: it does not try the way to the gateway");
        return;
    }
    let (mut complaint, mut blind) = (None, false);
    while !shutdown.is_requested() {
        if !leadership.is_leader()
            && let Some(place) = place()
        {
            let sent = tokio::select! {
                sent = send(folder, place) => sent,
                () = shutdown.requested() => return,
            };
            if let Ok(network) = &sent
                && std::mem::replace(&mut blind, *network == Network::Closed) != blind
            {
                told(blind);
            }
            let failed = sent.err().map(|trouble| trouble.to_string());
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

/// On a connection of its own: one that is kept would not notice where the Service leads now. Returns what was reported of
/// the port that no agent may reach.
async fn send(folder: &Path, place: Place) -> Result<Network, Trouble> {
    let authorization = folder::proof(folder)?;
    let network = network::try_port(&place.port(names::CANARY_PORT)).await;
    let mut link = Link::to(place, authorization);
    link.beat(&Beat { network, ..Beat::of(Seen::Unobserved) }).await.map(|_| network)
}

fn told(blind: bool) {
    if blind {
        tracing::warn!(
            "the leader's port {} is not reached, though its gateway is: whether agents' networks are closed can't be found out; \
             look at NetworkPolicies in this namespace, and at the ports of Service {}",
            names::CANARY_TARGET_PORT,
            names::GATEWAY
        );
    } else {
        tracing::info!("the leader's port {} is reached again", names::CANARY_TARGET_PORT);
    }
}
