//! The watches, and which mission each of their objects concerns.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::Api;
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::controller::{Action as Requeue, Config, Error};
use kube::runtime::reflector::store::Writer;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, reflector, watcher};
use kube::{Client, Resource, ResourceExt};
use tokio::time::MissedTickBehavior;

use super::MissionRef;
use super::mission::{Context, Failure, reconcile};
use crate::api::{AgentPolicy, MissionCell, RevivalRequest, names};
use crate::observe::node::SlimNode;
use crate::observe::{Stores, enforcement, pod::SlimPod};
use crate::report::metrics::Kind;
use crate::runtime::shutdown::Shutdown;

/// A connection that went dead in silence is noticed after this time at the latest, in seconds.
const WATCH_TIMEOUT: u32 = 45;

/// The sides of the caches that the watches write.
pub struct Writers {
    cells: Writer<DeserializeGuard<MissionCell>>,
    policies: Writer<DeserializeGuard<AgentPolicy>>,
    pods: Writer<SlimPod>,
    nodes: Writer<SlimNode>,
    requests: Writer<DeserializeGuard<RevivalRequest>>,
    namespaces: Writer<PartialObjectMeta<Namespace>>,
}

/// Reports are looked at this often; the shortest deadline is a few seconds.
const SCAN_EVERY: Duration = Duration::from_secs(1);

/// The rules on who approves are looked at this often.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Empty caches.
#[must_use]
pub fn stores() -> (Stores, Writers) {
    let (cells, cell_writer) = reflector::store();
    let (policies, policy_writer) = reflector::store();
    let (pods, pod_writer) = reflector::store();
    let (nodes, node_writer) = reflector::store();
    let (requests, request_writer) = reflector::store();
    let (namespaces, namespace_writer) = reflector::store();
    let writers = Writers {
        cells: cell_writer,
        policies: policy_writer,
        pods: pod_writer,
        nodes: node_writer,
        requests: request_writer,
        namespaces: namespace_writer,
    };
    (Stores { cells, policies, pods, nodes, requests, namespaces }, writers)
}

/// Watches and reconciles until the shutdown, also what `woken` names; reconciles under way then are finished.
pub async fn run(
    client: Client,
    writers: Writers,
    woken: impl Stream<Item = MissionRef> + Send + 'static,
    context: Arc<Context>,
    concurrency: u16,
    shutdown: Shutdown,
) {
    let Stores { cells, policies: _, pods, nodes: _, requests: _, namespaces: _ } = context.stores.clone();
    let counted = |kind| {
        let metrics = Arc::clone(&context.metrics);
        move || metrics.watched(kind)
    };
    let (seen_cell, seen_policy, seen_pod) = (counted(Kind::MissionCell), counted(Kind::AgentPolicy), counted(Kind::Pod));
    let (seen_node, seen_request) = (counted(Kind::Node), counted(Kind::RevivalRequest));
    let seen_namespace = counted(Kind::Namespace);
    let rules_client = client.clone();
    let config = watcher::Config::default().timeout(WATCH_TIMEOUT);
    let cell_events = watcher(Api::<DeserializeGuard<MissionCell>>::all(client.clone()), config.clone())
        .default_backoff()
        .reflect(writers.cells)
        .applied_objects()
        .inspect_ok(move |_| seen_cell());
    let policy_events = watcher(Api::<DeserializeGuard<AgentPolicy>>::all(client.clone()), config.clone())
        .default_backoff()
        .reflect(writers.policies)
        .touched_objects()
        .inspect_ok(move |_| seen_policy());
    // A node's heartbeat is a Lease, so its object changes only every few minutes.
    let node_events = watcher(Api::<SlimNode>::all(client.clone()), config.clone())
        .default_backoff()
        .reflect(writers.nodes)
        .touched_objects()
        .inspect_ok(move |_| seen_node());
    let request_events = watcher(Api::<DeserializeGuard<RevivalRequest>>::all(client.clone()), config.clone())
        .default_backoff()
        .reflect(writers.requests)
        .touched_objects()
        .inspect_ok(move |_| seen_request());
    let namespace_events = watcher(Api::<PartialObjectMeta<Namespace>>::all(client.clone()), config.clone())
        .default_backoff()
        .modify(keep_labels)
        .reflect(writers.namespaces)
        .touched_objects()
        .inspect_ok(move |_| seen_namespace());
    let pod_events = watcher(Api::<SlimPod>::all(client), config.labels(names::CELL))
        .default_backoff()
        .reflect(writers.pods)
        .touched_objects()
        .inspect_ok(move |_| seen_pod());
    let users = users_of(cells.clone());
    let inhabitants = inhabitants_of(cells.clone());
    let residents = residents_of(pods);
    let ready = mark_synced(Arc::clone(&context));
    let controller = Controller::for_stream(cell_events, cells)
        .with_config(Config::default().concurrency(concurrency))
        .watches_stream(policy_events, users)
        .watches_stream(node_events, residents)
        .watches_stream(namespace_events, inhabitants)
        .watches_stream(request_events, |request| {
            let namespace = request.meta().namespace.clone().unwrap_or_default();
            let request = request.0.ok();
            request.map(|request| ObjectRef::new(&request.spec.cell_ref.name).within(&namespace))
        })
        .reconcile_on(woken)
        .watches_stream(pod_events, |pod| {
            let cell = pod.cell().map(ObjectRef::new);
            cell.map(|cell| cell.within(&pod.namespace().unwrap_or_default()))
        })
        .reconcile_all_on(futures::stream::select_all([
            context.leadership.gained().boxed(),
            context.enforcement.changes().boxed(),
            context.isolation.changes().boxed(),
            context.fences.mended().boxed(),
        ]))
        .graceful_shutdown_on(async move { shutdown.requested().await })
        .run(reconcile, again, Arc::clone(&context))
        .for_each(|result| {
            match result {
                // The watch tries again by itself, later each time; it says why nothing is seen, such as missing kinds or rights.
                Err(Error::QueueError(error)) => tracing::warn!(%error, "cannot watch"),
                Err(Error::RunnerError(error)) => tracing::warn!(%error, "cannot run"),
                // A failure was dealt with in `again`; an object that is gone needs nothing.
                Err(Error::ReconcilerFailed(..) | Error::ObjectNotFound(_)) | Ok(_) => {}
            }
            futures::future::ready(())
        });
    let scans = Arc::clone(&context);
    let scanned = async move {
        let mut ticks = tokio::time::interval(SCAN_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            scans.scan();
        }
    };
    let fenced = async {
        let Context { fences, leadership, reader, stores, synced, .. } = &*context;
        fences.run(leadership, reader, stores, || synced.load(Ordering::Acquire)).await;
    };
    tokio::select! {
        _ = futures::future::join(controller, ready) => {}
        () = scanned => {}
        () = look_at_rules(rules_client, Arc::clone(&context)) => {}
        () = fenced => {}
    }
}

/// The missions that a policy concerns.
fn users_of(
    cells: Store<DeserializeGuard<MissionCell>>,
) -> impl Fn(DeserializeGuard<AgentPolicy>) -> Vec<ObjectRef<DeserializeGuard<MissionCell>>> {
    move |policy| {
        let (namespace, name) = (policy.meta().namespace.clone(), policy.meta().name.clone());
        let uses = |cell: &Arc<DeserializeGuard<MissionCell>>| {
            let Ok(cell) = &cell.0 else { return false };
            let named = cell.spec.policy_ref.as_ref().map_or(names::DEFAULT_POLICY, |reference| reference.name.as_str());
            cell.metadata.namespace == namespace && Some(named) == name.as_deref()
        };
        cells.state().iter().filter(|cell| uses(cell)).map(|cell| ObjectRef::from_obj(cell.as_ref())).collect()
    }
}

/// The missions in a namespace.
fn inhabitants_of(cells: Store<DeserializeGuard<MissionCell>>) -> impl Fn(PartialObjectMeta<Namespace>) -> Vec<MissionRef> {
    move |namespace| {
        let cells = cells.state();
        let inhabitants = cells.iter().filter(|cell| cell.meta().namespace == namespace.metadata.name);
        inhabitants.map(|cell| ObjectRef::from_obj(cell.as_ref())).collect()
    }
}

/// Annotations and managed fields are most of a namespace, and none is read.
fn keep_labels(namespace: &mut PartialObjectMeta<Namespace>) {
    namespace.metadata.managed_fields = None;
    namespace.metadata.annotations = None;
}

/// The missions that have a pod on a node.
fn residents_of(pods: Store<SlimPod>) -> impl Fn(SlimNode) -> Vec<MissionRef> {
    move |node| {
        let name = node.name_any();
        let pods = pods.state();
        let residents = pods.iter().filter(|pod| pod.node() == Some(&name));
        let mut missions: Vec<_> =
            residents.filter_map(|pod| Some(ObjectRef::new(pod.cell()?).within(&pod.namespace().unwrap_or_default()))).collect();
        missions.sort_by(|left: &MissionRef, right| (&left.namespace, &left.name).cmp(&(&right.namespace, &right.name)));
        missions.dedup();
        missions
    }
}

/// Looks again and again whether the cluster checks who approves, and how far agents are isolated.
async fn look_at_rules(client: Client, context: Arc<Context>) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // What was found last still holds after an error; at the start, that nothing counts.
        match enforcement::unenforced(&client).await {
            Ok(lack) => context.enforcement.found(lack),
            Err(error) => tracing::warn!(%error, "cannot see whether the cluster checks who approves"),
        }
        match enforcement::unchecked(&client).await {
            Ok(lack) => context.isolation.found(lack),
            Err(error) => tracing::warn!(%error, "cannot see whether the cluster checks how far agents are isolated"),
        }
    }
}

async fn mark_synced(context: Arc<Context>) {
    let Stores { cells, policies, pods, nodes, requests, namespaces } = context.stores.clone();
    // An error means that the writer is gone: the process is ending.
    let all = futures::try_join!(
        cells.wait_until_ready(),
        policies.wait_until_ready(),
        pods.wait_until_ready(),
        nodes.wait_until_ready(),
        requests.wait_until_ready(),
        namespaces.wait_until_ready()
    );
    // Before it is known no approval counts and no agent starts, and every mission would say so for a moment.
    context.enforcement.known().await;
    context.isolation.known().await;
    if all.is_ok() {
        tracing::info!("the watches are synced");
        context.synced.store(true, Ordering::Release);
    }
}

/// What to do after a failure: wait, longer each time.
#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn again(object: Arc<DeserializeGuard<MissionCell>>, failure: &Failure, context: Arc<Context>) -> Requeue {
    let meta = object.meta();
    let (namespace, cell) = (meta.namespace.as_deref(), meta.name.as_deref());
    match failure {
        Failure::Panicked(_) => tracing::error!(namespace, cell, error = %failure, "reconcile failed: this is a bug"),
        Failure::Observe(_) | Failure::Write(_) | Failure::Fence(_) => {
            tracing::warn!(namespace, cell, error = %failure, "reconcile failed");
        }
    }
    Requeue::requeue(context.memory.failed(meta.uid.as_deref().unwrap_or_default()))
}
