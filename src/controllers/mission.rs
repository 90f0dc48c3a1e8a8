//! `reconcile`: the stages in order, for one mission.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use kube::core::{DeserializeGuard, error_boundary::InvalidObject};
use kube::runtime::controller::Action as Requeue;
use kube::{Resource, ResourceExt};

use super::memory::Memory;
use crate::api::MissionCell;
use crate::apply::guard::{Guarded, WriteError};
use crate::apply::{self, Applied};
use crate::decide::{Action, Plan, decide};
use crate::observe::{self, Reader, Snapshot, Stores};
use crate::report::metrics::{Category, Metrics, ReconcileResult};
use crate::report::{self, Publisher};
use crate::runtime::clock::Clock;
use crate::runtime::leadership::Leadership;

/// Looks again at least this often: a watch may lose an event.
const LONGEST_WAIT: Duration = Duration::from_mins(5);

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
    /// A bug.
    #[error("the reconcile panicked: {0}")]
    Panicked(String),
}

/// Brings one mission a step nearer to its spec; never fails as a whole, so that no object stops the others.
pub async fn reconcile(object: Arc<DeserializeGuard<MissionCell>>, context: Arc<Context>) -> Result<Requeue, Failure> {
    if !context.leadership.is_leader() {
        context.metrics.reconciled(ReconcileResult::NotLeader);
        return Ok(Requeue::await_change());
    }
    if !context.synced.load(Ordering::Acquire) {
        return Ok(Requeue::requeue(Duration::from_millis(200)));
    }
    let cell = match &object.0 {
        Ok(cell) => cell,
        Err(invalid) => return Ok(quarantine(invalid, &context).await),
    };
    let outcome = AssertUnwindSafe(context.steps(cell)).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|panic| Err(Failure::Panicked(text(panic.as_ref()))));
    match &outcome {
        Ok(_) => context.memory.succeeded(&uid(cell)),
        Err(failure) => {
            context.metrics.reconciled(ReconcileResult::Error);
            context.metrics.reconcile_failed(failure.category());
        }
    }
    context.metrics.set_quarantined(context.forget());
    outcome
}

impl Context {
    async fn steps(&self, cell: &MissionCell) -> Result<Requeue, Failure> {
        let refusals = || self.memory.refusals(&uid(cell));
        // The caches may lag behind: they tell that there is nothing to do, never what to do.
        let cached = decide(&self.reader.cached(cell, refusals()), self.clock.now());
        if is_settled(&cached) {
            self.metrics.reconciled(ReconcileResult::Settled);
            return Ok(self.requeue(cached.recheck_at));
        }
        let mut acted = false;
        for _ in 0..ROUNDS {
            let Some((snapshot, version)) = self.reader.consistent(cell, refusals()).await? else {
                return Ok(Requeue::await_change());
            };
            let plan = decide(&snapshot, self.clock.now());
            if is_settled(&plan) {
                self.metrics.reconciled(if acted { ReconcileResult::Acted } else { ReconcileResult::Settled });
                return Ok(self.requeue(plan.recheck_at));
            }
            acted = true;
            self.carry_out(&snapshot, &version, plan).await?;
        }
        self.metrics.reconciled(ReconcileResult::Acted);
        Ok(Requeue::requeue(Duration::from_secs(1)))
    }

    async fn carry_out(&self, snapshot: &Snapshot, version: &str, plan: Plan) -> Result<(), Failure> {
        let cell = &snapshot.cell;
        for action in &plan.actions {
            match (apply::apply(&self.guarded, cell, action).await?, action) {
                (Applied::Refused { agent, message }, _) => {
                    tracing::warn!(namespace = cell.namespace, cell = cell.name, agent, message, "the pod was refused");
                    self.memory.refused(&cell.uid, &agent, message, self.clock.now());
                }
                (Applied::Done, Action::Create { agent, .. }) => self.memory.accepted(&cell.uid, agent),
                (Applied::Done, Action::Delete { .. }) => {}
            }
        }
        if let Some(status) = &plan.status {
            match report::patch(&self.guarded, cell, version, status).await {
                Ok(()) => self.publisher.publish(&reference(cell), report::between(&cell.status, status)).await,
                // Somebody changed the object since it was read: the next round reads it again.
                Err(error) if error.is_conflict() => self.metrics.reconcile_failed(Category::Conflict),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    fn requeue(&self, recheck_at: Option<DateTime<Utc>>) -> Requeue {
        let wait = recheck_at.map_or(LONGEST_WAIT, |at| (at - self.clock.now()).to_std().unwrap_or(Duration::ZERO));
        // A little more, so that the moment has come also when the timer is early.
        Requeue::requeue(wait.min(LONGEST_WAIT) + Duration::from_millis(10))
    }

    fn forget(&self) -> usize {
        let cells = self.stores.cells.state();
        let uids: std::collections::HashSet<_> = cells.iter().filter_map(|cell| cell.meta().uid.as_deref()).collect();
        self.memory.retain(|uid| uids.contains(uid))
    }
}

impl Failure {
    fn category(&self) -> Category {
        match self {
            Self::Observe(_) => Category::Unavailable,
            Self::Write(error) => error.category(),
            Self::Panicked(_) => Category::Panicked,
        }
    }
}

/// The object can't be understood: said once in an Event and its status, and looked at again when it changes.
async fn quarantine(invalid: &InvalidObject, context: &Context) -> Requeue {
    let meta = &invalid.metadata;
    let (namespace, name) = (meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default());
    if context.memory.quarantine(meta.uid.as_deref().unwrap_or_default()) {
        tracing::error!(namespace, cell = name, error = invalid.error, "quarantined: the object can't be understood");
        let message = format!("this operator can't understand the object: {}", invalid.error);
        if let Err(error) = report::quarantine(&context.guarded, meta, &message, context.clock.now()).await {
            tracing::warn!(%error, namespace, cell = name, "cannot say in its status that the object is quarantined");
        }
        let object = k8s_openapi::api::core::v1::ObjectReference {
            api_version: Some(MissionCell::api_version(&()).into()),
            kind: Some(MissionCell::kind(&()).into()),
            namespace: meta.namespace.clone(),
            name: meta.name.clone(),
            uid: meta.uid.clone(),
            ..Default::default()
        };
        context.publisher.publish(&object, vec![report::quarantined(&message)]).await;
        context.metrics.set_quarantined(context.forget());
    }
    Requeue::requeue(LONGEST_WAIT)
}

fn is_settled(plan: &Plan) -> bool {
    plan.actions.is_empty() && plan.status.is_none()
}

fn uid(cell: &MissionCell) -> String {
    cell.uid().unwrap_or_default()
}

fn reference(cell: &observe::Cell) -> k8s_openapi::api::core::v1::ObjectReference {
    k8s_openapi::api::core::v1::ObjectReference {
        api_version: Some(MissionCell::api_version(&()).into()),
        kind: Some(MissionCell::kind(&()).into()),
        namespace: Some(cell.namespace.clone()),
        name: Some(cell.name.clone()),
        uid: Some(cell.uid.clone()),
        ..Default::default()
    }
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
