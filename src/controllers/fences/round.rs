//! The look at all policies, again and again: somebody may have changed them, and nobody may need them any more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::{Resource, ResourceExt};

use super::{Fences, Made};
use crate::api::Isolation;
use crate::apply::network::{self, Error};
use crate::decide::isolation_level;
use crate::observe::{Cell, Known, Reader, Stores};
use crate::render::isolation::network as policies;
use crate::runtime::leadership::Leadership;

/// All policies are looked at this often, and after a failure.
const LOOKED: Duration = Duration::from_secs(30);
const RETRIED: Duration = Duration::from_secs(5);

/// What the caches say about who needs which policies.
#[derive(Default)]
struct Needs {
    missions: Vec<Mission>,
    /// Levels that pods carry, by namespace.
    carried: BTreeSet<(String, Isolation)>,
    /// Levels that missions want for their next pods.
    wanted: BTreeSet<(String, Isolation)>,
    /// Namespaces with missions that this operator can't understand: nobody knows what they need.
    obscure: BTreeSet<String>,
}

struct Mission {
    cell: Cell,
    /// The level of its next pods.
    level: Isolation,
    /// The levels of its pods.
    carried: BTreeSet<Isolation>,
}

/// By namespace and name.
type Found = BTreeMap<(String, String), NetworkPolicy>;

impl Fences {
    /// Keeps all policies right for as long as this replica leads; ends only when it is dropped.
    pub async fn run(&self, leadership: &Leadership, reader: &Reader, stores: &Stores, synced: impl Fn() -> bool) {
        let mut gained = Box::pin(leadership.gained());
        loop {
            let mut wait = LOOKED;
            if !synced() {
                wait = RETRIED;
            } else if leadership.is_leader() {
                let well = self.round(reader, stores).await;
                wait = if well { LOOKED } else { RETRIED };
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                // Another replica may have led meanwhile.
                Some(()) = gained.next() => self.forget().await,
            }
        }
    }

    async fn forget(&self) {
        self.reasons().clear();
        let places: Vec<_> = self.places().values().cloned().collect();
        for place in places {
            *place.made.lock().await = Made::default();
        }
    }

    /// Looks once; whether everything is as it should be.
    pub async fn round(&self, reader: &Reader, stores: &Stores) -> bool {
        let found = match network::of_operator(&self.guarded).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(%error, "cannot see whether the network policies are in place");
                return false;
            }
        };
        let found = found.into_iter().map(|found| ((found.namespace().unwrap_or_default(), found.name_any()), found)).collect();
        // After the policies: a pod or mission that is not seen now has no policy among those that were found.
        let needs = Needs::see(reader, stores);
        self.learn(&needs, &found).await;
        let mut well = true;
        for mission in &needs.missions {
            well &= self.mend_mission(mission, &found).await;
        }
        for (namespace, level) in &needs.carried {
            well &= said(&self.mend_base(namespace, *level).await, namespace);
        }
        for ((namespace, name), policy) in &found {
            let level = Isolation::ALL.into_iter().find(|level| *name == policies::base_name(*level));
            if let Some(level) = level.filter(|level| needs.is_idle(namespace, *level)) {
                well &= said(&self.remove_base(namespace, level, policy).await, namespace);
            }
        }
        well
    }

    /// Corrects what is known by what was found.
    async fn learn(&self, needs: &Needs, found: &Found) {
        let namespaces: BTreeSet<_> = needs.missions.iter().map(|mission| mission.cell.namespace.as_str()).collect();
        self.places().retain(|namespace, place| {
            namespaces.contains(&**namespace) || Arc::strong_count(place) > 1 || Arc::strong_count(&place.using) > 1
        });
        let uids: BTreeSet<_> = needs.missions.iter().map(|mission| &mission.cell.uid).collect();
        self.reasons().retain(|uid, _| uids.contains(uid));
        let is_there = |wanted: &NetworkPolicy| {
            let key = (wanted.namespace().unwrap_or_default(), wanted.name_any());
            found.get(&key).is_some_and(|found| network::is_as(found, wanted))
        };
        for namespace in namespaces {
            let place = self.place(namespace);
            let mut made = place.made.lock().await;
            made.levels = Isolation::ALL.into_iter().filter(|level| is_there(&self.base(namespace, *level))).collect();
            made.missions.retain(|uid, wanted| uids.contains(uid) && is_there(wanted));
        }
    }

    /// What a mission's pods need is put in place; what none of them needs any more goes.
    async fn mend_mission(&self, mission: &Mission, found: &Found) -> bool {
        let Mission { cell, level, carried } = mission;
        // Held back because of it, so nothing else would try.
        let held = self.unfenced(&cell.uid).is_some().then_some(*level);
        for level in carried.iter().copied().chain(held) {
            // Said where it is noted.
            if self.ensure(cell, level).await.is_err() {
                return false;
            }
        }
        let opens = |level| policies::mission(cell, level, self.ceilings.max_egress.as_deref()).is_some();
        let key = (cell.namespace.clone(), policies::mission_name(&cell.name));
        let Some(policy) = found.get(&key).filter(|_| !carried.iter().copied().chain([*level]).any(opens)) else { return true };
        if policy.owner_references().iter().all(|owner| owner.uid != cell.uid) {
            return true;
        }
        let place = self.place(&cell.namespace);
        let mut made = place.made.lock().await;
        made.missions.remove(&cell.uid);
        said(&network::remove(&self.guarded, policy).await, &cell.namespace)
    }

    /// Pods outlive their mission for a while, so each level that one carries is seen to, whoever it belongs to.
    async fn mend_base(&self, namespace: &str, level: Isolation) -> Result<(), Error> {
        let place = self.place(namespace);
        let mut made = place.made.lock().await;
        if !made.levels.contains(&level) {
            let found = network::of_namespace(&self.guarded, namespace).await?;
            self.keep(&found, &self.base(namespace, level)).await?;
            made.levels.insert(level);
        }
        Ok(())
    }

    async fn remove_base(&self, namespace: &str, level: Isolation, policy: &NetworkPolicy) -> Result<(), Error> {
        let place = self.place(namespace);
        // Whoever makes a pod now may need it.
        let Ok(_alone) = place.using.try_write() else { return Ok(()) };
        let mut made = place.made.lock().await;
        made.levels.remove(&level);
        // The caches may lag behind.
        if network::is_carried(&self.guarded, namespace, level).await? {
            return Ok(());
        }
        network::remove(&self.guarded, policy).await
    }
}

impl Needs {
    fn see(reader: &Reader, stores: &Stores) -> Self {
        let mut needs = Self::default();
        for pod in stores.pods.state() {
            let namespace = pod.namespace().unwrap_or_default();
            needs.carried.extend(pod.view().level.map(|level| (namespace, level)));
        }
        for cell in stores.cells.state() {
            let Ok(cell) = &cell.0 else {
                needs.obscure.extend(cell.meta().namespace.clone());
                continue;
            };
            let snapshot = reader.cached(cell, Known::default());
            // Its pods end, and what they need they carry.
            if snapshot.cell.deleting {
                continue;
            }
            let level = isolation_level(&snapshot);
            needs.wanted.insert((snapshot.cell.namespace.clone(), level));
            let carried = snapshot.pods.iter().filter(|pod| pod.may_run()).filter_map(|pod| pod.level).collect();
            needs.missions.push(Mission { cell: snapshot.cell, level, carried });
        }
        needs
    }

    /// Whether the policy of this level is for nobody in the namespace.
    fn is_idle(&self, namespace: &str, level: Isolation) -> bool {
        let key = (namespace.to_owned(), level);
        !self.carried.contains(&key) && !self.wanted.contains(&key) && !self.obscure.contains(namespace)
    }
}

fn said(outcome: &Result<(), Error>, namespace: &str) -> bool {
    if let Err(error) = outcome {
        tracing::warn!(%error, namespace, "cannot keep the network policies of a namespace right; trying again");
    }
    outcome.is_ok()
}
