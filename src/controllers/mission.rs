//! `reconcile`: the stages in order, for one mission.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::DeserializeGuard;
use kube::runtime::controller::Action as Requeue;
use kube::{Resource, ResourceExt};

use super::enforcement::Enforcement;
use super::fences::Fences;
use super::heartbeats::Heartbeats;
use super::memory::Memory;
use crate::api::{Isolation, MissionCell};
use crate::apply::guard::{Guarded, WriteError};
use crate::apply::network;
use crate::apply::permits::Permits;
use crate::apply::{self, Applied, Outfit};
use crate::decide::{Action, Plan, REFUSED_CLAIM, Why, cooldown_seconds, decide, expected};
use crate::gateway::Gateway;
use crate::observe::{self, Known, Neighbour, Reader, Snapshot, Stores, Unrest};
use crate::report::metrics::{Category, Metrics, ReconcileResult};
use crate::report::{self, Publisher};
use crate::runtime::clock::Clock;
use crate::runtime::leadership::Leadership;

/// Looks again at least this often: a watch may lose an event.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

/// A replica that does not lead looks this often whether it does.
const STANDBY_WAIT: Duration = Duration::from_secs(30);

/// A mission that still changes after this many writes in a row lets the others go first.
const ROUNDS: usize = 16;

/// What a reconcile works with.
pub struct Context {
    /// Writes.
    pub guarded: Guarded,
    /// Reads.
    pub reader: Reader,
    /// The caches.
    pub stores: Stores,
    /// Events.
    pub publisher: Publisher,
    /// Whether this replica leads.
    pub leadership: Leadership,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Waits after failures.
    pub memory: Memory,
    /// Who may act now.
    pub permits: Permits,
    /// Where sidecars report; `None`: nowhere, which is for tests.
    pub gateway: Option<Gateway>,
    /// What agents' pods are made with.
    pub outfit: Outfit,
    /// The network around agents.
    pub fences: Fences,
    /// Reports of sidecars.
    pub heartbeats: Heartbeats,
    /// Whether the cluster checks who approves.
    pub enforcement: Enforcement,
    /// Whether it checks how far agents are isolated.
    pub isolation: Enforcement,
    /// Whether decisions are written to stdout.
    pub log_decisions: bool,
    /// Whether every cache was filled once.
    pub synced: AtomicBool,
}

/// Why a reconcile failed; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The state could not be read.
    #[error(transparent)]
    Observe(#[from] observe::Error),
    /// Something could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The network around an agent could not be closed.
    #[error("cannot close the network for agents: {0}")]
    Fence(#[from] network::Error),
    /// A bug.
    #[error("the reconcile panicked: {0}")]
    Panicked(String),
}

/// Brings one mission a step nearer to its spec; never fails as a whole, so that no object stops the others.
pub async fn reconcile(object: Arc<DeserializeGuard<MissionCell>>, context: Arc<Context>) -> Result<Requeue, Failure> {
    if !context.leadership.is_leader() {
        context.metrics.reconciled(ReconcileResult::NotLeader);
        // Not only on the next acquisition: a token that lapsed for a moment comes back without one.
        return Ok(Requeue::requeue(STANDBY_WAIT));
    }
    if !context.synced.load(Ordering::Acquire) {
        return Ok(Requeue::requeue(Duration::from_secs(1)));
    }
    let cell = match &object.0 {
        Ok(cell) => cell,
        Err(invalid) => {
            let message = format!("this operator can't understand the object: {}", invalid.error);
            return Ok(context.quarantine(&invalid.metadata, &message).await);
        }
    };
    let outcome = AssertUnwindSafe(context.steps(cell)).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|panic| Err(Failure::Panicked(text(panic.as_ref()))));
    match &outcome {
        Ok(_) => context.memory.succeeded(&uid(cell)),
        Err(failure) => {
            context.metrics.reconciled(ReconcileResult::Error);
            context.metrics.reconcile_failed(failure.category());
            if let Failure::Panicked(_) = failure {
                context.quarantine(&cell.metadata, &format!("this operator has a bug: {failure}")).await;
            }
        }
    }
    context.metrics.set_quarantined(context.forget());
    outcome
}

impl Context {
    /// Looks at every report once. A new leader first enters everybody who may report, as far as its caches know.
    pub fn scan(&self) {
        if !self.leadership.is_leader() || !self.synced.load(Ordering::Acquire) {
            return;
        }
        if !self.heartbeats.is_open() {
            for cell in self.stores.cells.state().iter().filter_map(|cell| cell.0.as_ref().ok()) {
                let snapshot = self.reader.cached(cell, Known::default());
                self.heartbeats.expect(&snapshot.cell, &expected(&snapshot));
            }
            self.heartbeats.open();
        }
        // The end of a mission makes no reconcile.
        self.metrics.set_quarantined(self.forget());
        self.heartbeats.scan();
        self.metrics.set_open_networks(self.heartbeats.open_networks());
    }

    async fn steps(&self, cell: &MissionCell) -> Result<Requeue, Failure> {
        let known = || Known {
            refusals: self.memory.refusals(&uid(cell)),
            pulses: self.heartbeats.pulses(&uid(cell)),
            unenforced: self.enforcement.lack(),
            unchecked: self.isolation.lack(),
            obstacle: self.gateway.as_ref().and_then(|gateway| gateway.obstacle(&cell.namespace().unwrap_or_default())),
            unfenced: self.fences.unfenced(&uid(cell)),
        };
        // The caches may lag behind: they tell that there is nothing to do, never what to do.
        let snapshot = self.reader.cached(cell, known());
        let cached = decide(&snapshot, self.clock.now());
        if is_settled(&cached) {
            self.heartbeats.expect(&snapshot.cell, &expected(&snapshot));
            self.metrics.reconciled(ReconcileResult::Settled);
            return Ok(self.requeue(cached.recheck_at));
        }
        let mut acted = false;
        for _ in 0..ROUNDS {
            let Some((mut snapshot, version)) = self.reader.consistent(cell, known()).await? else {
                return Ok(Requeue::requeue(LONGEST_WAIT));
            };
            // The read may have taken long: who has reported meanwhile is not to be judged by what was known before.
            snapshot.pulses = self.heartbeats.pulses(&uid(cell));
            self.heartbeats.expect(&snapshot.cell, &expected(&snapshot));
            let mut plan = decide(&snapshot, self.clock.now());
            if is_settled(&plan) {
                self.metrics.reconciled(if acted { ReconcileResult::Acted } else { ReconcileResult::Settled });
                return Ok(self.requeue(plan.recheck_at));
            }
            // Only now, as it looks at every mission: is this one of many troubles?
            snapshot.unrest = self.unrest(&snapshot);
            let now = self.clock.now();
            plan = decide(&snapshot, now);
            while !self.may_try(&snapshot, &plan) {
                // Another mission's agent tries: for this one it is as if that one had died just now. Then an agent that is in
                // none of these storms may be next to try, in others.
                for unrest in snapshot.unrest.iter_mut().filter(|unrest| plan.canaries.contains(&unrest.scope)) {
                    unrest.last_death = Some(now);
                }
                plan = decide(&snapshot, now);
            }
            if is_settled(&plan) {
                return Ok(self.requeue(plan.recheck_at));
            }
            let revives = |action: &Action| matches!(action, Action::Delete { why: Why::Succeed, .. });
            if plan.actions.iter().any(revives)
                && let Err(wait) = self.permits.revival(self.clock.monotonic())
            {
                return Ok(Requeue::requeue(wait));
            }
            acted = true;
            if self.log_decisions {
                report::decision::write(&report::decision::Record::of(&snapshot, now, &plan));
            }
            self.carry_out(&snapshot, &version, plan).await?;
        }
        self.metrics.reconciled(ReconcileResult::Acted);
        Ok(Requeue::requeue(Duration::from_secs(1)))
    }

    fn unrest(&self, snapshot: &Snapshot) -> Vec<Unrest> {
        let cells = self.stores.cells.state();
        let others = cells.iter().filter_map(|cell| {
            let cell = cell.0.as_ref().ok().filter(|cell| uid(cell) != snapshot.cell.uid)?;
            let namespace = cell.metadata.namespace.as_deref()?;
            Some(Neighbour { namespace, spec: &cell.spec, status: cell.status.as_ref()? })
        });
        let (now, window) = (self.clock.now(), TimeDelta::seconds(cooldown_seconds(snapshot)));
        observe::unrest(&snapshot.cell, others, &self.heartbeats.troubled(), &(now - window..=now + window))
    }

    /// Whether the agents that a plan takes for dead in a storm may be the ones that try.
    fn may_try(&self, snapshot: &Snapshot, plan: &Plan) -> bool {
        let cooldown = Duration::from_secs(cooldown_seconds(snapshot).unsigned_abs());
        self.permits.canaries(&plan.canaries, &snapshot.cell.uid, cooldown, self.clock.monotonic())
    }

    async fn carry_out(&self, snapshot: &Snapshot, version: &str, plan: Plan) -> Result<(), Failure> {
        let cell = &snapshot.cell;
        let mut failure: Option<Failure> = None;
        let creates = plan.actions.iter().any(|action| matches!(action, Action::Create { .. } | Action::Account { .. }));
        if let Some(gateway) = self.gateway.as_ref().filter(|_| creates)
            && let Err(error) = gateway.ensure_published(&cell.namespace).await
        {
            // The gateway tries again by itself; until then the agents wait for their admission, and the status says so.
            tracing::warn!(%error, namespace = cell.namespace, "the sidecars can't find the gateway yet");
        }
        for answer in &plan.answers {
            match report::answer(&self.guarded, &cell.namespace, answer).await {
                Ok(()) => {}
                // A person decided since it was read, or it is gone: the next round reads it again.
                Err(error) if error.is_conflict() || error.not_found() => self.metrics.reconcile_failed(Category::Conflict),
                Err(error) => return Err(error.into()),
            }
        }
        // Held until the pods are made: nobody takes their policies away meanwhile.
        let mut held = Vec::new();
        for level in levels(&plan) {
            match self.fences.ensure(cell, level).await {
                Ok(fenced) => held.push(fenced),
                Err(error) => failure = failure.or(Some(error.into())),
            }
        }
        let is_fenced = failure.is_none();
        for action in &plan.actions {
            if !is_fenced && matches!(action, Action::Create { .. }) {
                continue;
            }
            match (apply::apply(&self.guarded, cell, action, &self.outfit).await, action) {
                (Ok(Applied::Refused { agent, message }), _) => {
                    tracing::warn!(
                        namespace = cell.namespace,
                        cell = cell.name,
                        agent,
                        message,
                        "what was to be made was refused"
                    );
                    self.memory.refused(&cell.uid, &agent, cell.generation, message, self.clock.now());
                }
                (Ok(Applied::Done), Action::Create { agent, .. } | Action::Account { agent }) => {
                    self.memory.accepted(&cell.uid, agent);
                }
                (Ok(Applied::Done), Action::Claim(_)) => self.memory.accepted(&cell.uid, REFUSED_CLAIM),
                (Ok(Applied::Done), Action::Delete { .. } | Action::Ask { .. } | Action::Forget { .. }) => {}
                // One agent's trouble must not keep the others from what is due to them.
                (Err(error), _) => failure = failure.or(Some(error.into())),
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        if let Some(status) = &plan.status {
            match report::patch(&self.guarded, cell, version, status).await {
                Ok(()) => {
                    let object = reference(&cell.namespace, &cell.name, &cell.uid);
                    self.publisher.publish(&object, report::between(&cell.status, status)).await;
                }
                // Somebody changed the object since it was read: the next round reads it again.
                Err(error) if error.is_conflict() => self.metrics.reconcile_failed(Category::Conflict),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The object can't be processed: said once in an Event and its status, and looked at again when it changes.
    async fn quarantine(&self, meta: &ObjectMeta, message: &str) -> Requeue {
        let (namespace, name) = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
        let uid = meta.uid.as_deref().unwrap_or_default();
        if self.memory.is_quarantined(uid) {
            return Requeue::requeue(LONGEST_WAIT);
        }
        tracing::error!(namespace, cell = name, message, "quarantined");
        if let Err(error) = report::quarantine(&self.guarded, meta, message, self.clock.now()).await {
            tracing::warn!(%error, namespace, cell = name, "cannot say in its status that the object is quarantined");
            return Requeue::requeue(self.memory.failed(uid));
        }
        self.memory.quarantine(uid);
        self.publisher.publish(&reference(namespace, name, uid), vec![report::quarantined(message)]).await;
        self.metrics.set_quarantined(self.forget());
        Requeue::requeue(LONGEST_WAIT)
    }

    fn requeue(&self, recheck_at: Option<DateTime<Utc>>) -> Requeue {
        let wait = recheck_at.map_or(LONGEST_WAIT, |at| (at - self.clock.now()).to_std().unwrap_or(Duration::ZERO));
        // A little more, so that the moment has come also when the timer is early.
        Requeue::requeue(wait.min(LONGEST_WAIT) + Duration::from_millis(10))
    }

    fn forget(&self) -> usize {
        let cells = self.stores.cells.state();
        let uids: std::collections::HashSet<_> = cells.iter().filter_map(|cell| cell.meta().uid.as_deref()).collect();
        self.heartbeats.retain(|uid| uids.contains(uid));
        self.memory.retain(|uid| uids.contains(uid))
    }
}

impl Failure {
    fn category(&self) -> Category {
        match self {
            Self::Observe(_) => Category::Unavailable,
            Self::Write(error) => error.category(),
            Self::Fence(error) => error.category(),
            Self::Panicked(_) => Category::Panicked,
        }
    }
}

/// The levels of the pods that a plan makes.
fn levels(plan: &Plan) -> BTreeSet<Isolation> {
    let level = |action: &Action| match action {
        Action::Create { level, .. } => Some(*level),
        Action::Account { .. } | Action::Claim(_) | Action::Delete { .. } | Action::Ask { .. } | Action::Forget { .. } => None,
    };
    plan.actions.iter().filter_map(level).collect()
}

fn is_settled(plan: &Plan) -> bool {
    plan.actions.is_empty() && plan.status.is_none() && plan.answers.is_empty()
}

fn uid(cell: &MissionCell) -> String {
    cell.uid().unwrap_or_default()
}

fn reference(namespace: &str, name: &str, uid: &str) -> ObjectReference {
    ObjectReference {
        api_version: Some(MissionCell::api_version(&()).into()),
        kind: Some(MissionCell::kind(&()).into()),
        namespace: Some(namespace.into()),
        name: Some(name.into()),
        uid: Some(uid.into()),
        ..ObjectReference::default()
    }
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
