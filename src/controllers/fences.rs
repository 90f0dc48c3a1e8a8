//! The NetworkPolicies around agents: in place before a pod is made, kept while one carries their level, removed after.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use futures::stream::unfold;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use tokio::sync::{OwnedRwLockReadGuard, RwLock, watch};

use crate::api::{Ceilings, Isolation};
use crate::apply::guard::Guarded;
use crate::apply::network::{self, Error};
use crate::observe::Cell;
use crate::render::isolation::network as policies;

mod round;

/// Which policies this replica knows to be in place; it may forget that at any time.
pub struct Fences {
    guarded: Guarded,
    ceilings: Ceilings,
    places: Mutex<HashMap<String, Arc<Place>>>,
    /// Why the policies of a mission are not in place, by its UID.
    unfenced: Mutex<HashMap<String, String>>,
    mended: watch::Sender<()>,
}

/// One namespace.
#[derive(Default)]
struct Place {
    made: tokio::sync::Mutex<Made>,
    /// Shared by those that make pods, from before they look whether a policy is there; taken alone to remove one.
    using: Arc<RwLock<()>>,
}

/// The policies that were as they should be when they were last seen.
#[derive(Default)]
struct Made {
    levels: BTreeSet<Isolation>,
    /// By the mission's UID.
    missions: HashMap<String, NetworkPolicy>,
}

/// While this is held no policy of the namespace is removed.
#[must_use]
pub struct Fenced(#[allow(dead_code, reason = "it is held, not read")] OwnedRwLockReadGuard<()>);

impl Fences {
    /// Writes through `guarded`; `ceilings` say where the egress proxy is, and which ways out are admitted.
    #[must_use]
    pub fn new(guarded: Guarded, ceilings: Ceilings) -> Self {
        let (places, unfenced) = (Mutex::default(), Mutex::default());
        Self { guarded, ceilings, places, unfenced, mended: watch::Sender::new(()) }
    }

    /// Sees to it that the policies of this level are in place for the mission. Costs nothing once that is known.
    ///
    /// # Errors
    /// They can't be read or written: a pod that is made now would be open. The reason is remembered.
    pub async fn ensure(&self, cell: &Cell, level: Isolation) -> Result<Fenced, Error> {
        let place = self.place(&cell.namespace);
        let fenced = Fenced(Arc::clone(&place.using).read_owned().await);
        let outcome = self.put(&place, cell, level).await;
        match &outcome {
            Ok(()) => self.mend(&cell.uid),
            Err(error) if error.is_not_leader() => {}
            Err(error) => self.note(cell, error),
        }
        outcome.map(|()| fenced)
    }

    /// Why the policies of a mission are not in place; `None`: they are, or nobody has tried yet.
    #[must_use]
    pub fn unfenced(&self, uid: &str) -> Option<String> {
        self.reasons().get(uid).cloned()
    }

    /// Each time the policies of a mission are in place that were not.
    pub fn mended(&self) -> impl Stream<Item = ()> + Send + 'static {
        unfold(self.mended.subscribe(), |mut mended| async move { mended.changed().await.ok().map(|()| ((), mended)) })
    }

    async fn put(&self, place: &Place, cell: &Cell, level: Isolation) -> Result<(), Error> {
        let mission = policies::mission(cell, level, self.ceilings.max_egress.as_deref());
        let mut made = place.made.lock().await;
        let base_made = made.levels.contains(&level);
        let mission_made = mission.as_ref().is_none_or(|mission| made.missions.get(&cell.uid) == Some(mission));
        if base_made && mission_made {
            return Ok(());
        }
        let found = network::of_namespace(&self.guarded, &cell.namespace).await?;
        self.keep(&found, &self.base(&cell.namespace, level)).await?;
        made.levels.insert(level);
        if let Some(mission) = mission {
            self.keep(&found, &mission).await?;
            made.missions.insert(cell.uid.clone(), mission);
        }
        Ok(())
    }

    async fn keep(&self, found: &[NetworkPolicy], wanted: &NetworkPolicy) -> Result<(), Error> {
        let of_that_name = found.iter().find(|found| found.metadata.name == wanted.metadata.name);
        network::keep(&self.guarded, of_that_name, wanted).await
    }

    fn base(&self, namespace: &str, level: Isolation) -> NetworkPolicy {
        policies::base(namespace, level, self.ceilings.egress_proxy.as_ref())
    }

    fn note(&self, cell: &Cell, error: &Error) {
        let text = error.to_string();
        let known = self.reasons().insert(cell.uid.clone(), text.clone());
        if known.as_ref() != Some(&text) {
            tracing::warn!(error = text, namespace = cell.namespace, cell = cell.name, "the network policies are not in place");
        }
    }

    fn mend(&self, uid: &str) {
        if self.reasons().remove(uid).is_some() {
            self.mended.send_replace(());
        }
    }

    fn place(&self, namespace: &str) -> Arc<Place> {
        Arc::clone(self.places().entry(namespace.into()).or_default())
    }

    // Every change leaves the maps whole, so a poisoned lock is still right.
    fn places(&self) -> MutexGuard<'_, HashMap<String, Arc<Place>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reasons(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.unfenced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
