//! The NetworkPolicies around agents: before any pod, as long as a pod carries their level, and not written for nothing.

use std::sync::Arc;

use kube::runtime::{reflector, watcher};
use lazarus::controllers::{Context, reconcile};
use lazarus::observe::pod::SlimPod;
use lazarus::observe::{Known, Reader, Stores};
use lazarus::runtime::config::Config;
use lazarus::runtime::leadership::Leadership;
use serde_json::{Value, json};

use super::fake::Server;
use super::{object, operator, start};

const BASE: &str = "lazarus-level1";

/// What the operator's caches hold.
#[derive(Clone, Copy, PartialEq)]
enum Seen {
    All,
    Pods,
    Nothing,
}

/// Looks once at all policies; whether all is well.
async fn round(context: &Context, server: &Server, seen: Seen) -> bool {
    let (cells, mut cell_writer) = reflector::store();
    let (pods, mut pod_writer) = reflector::store();
    cell_writer.apply_watcher_event(&watcher::Event::Init);
    pod_writer.apply_watcher_event(&watcher::Event::Init);
    if seen == Seen::All {
        cell_writer.apply_watcher_event(&watcher::Event::InitApply((*object(server)).clone()));
    }
    if seen != Seen::Nothing {
        for pod in server.state.lock().unwrap().pods.values() {
            let pod = serde_json::from_value::<SlimPod>(pod.clone()).unwrap();
            pod_writer.apply_watcher_event(&watcher::Event::InitApply(pod));
        }
    }
    cell_writer.apply_watcher_event(&watcher::Event::InitDone);
    pod_writer.apply_watcher_event(&watcher::Event::InitDone);
    let stores = Stores { cells, pods, ..context.stores.clone() };
    let reader = Reader::new(server.client(), stores.clone(), Config::default().defaults, Config::default().ceilings);
    context.fences.round(&reader, &stores).await
}

fn policies(server: &Server) -> Vec<String> {
    server.state.lock().unwrap().policies.keys().cloned().collect()
}

/// The writes of policies since the last call.
fn written(server: &Server) -> Vec<String> {
    let writes = std::mem::take(&mut server.state.lock().unwrap().writes);
    writes.into_iter().filter(|write| write.contains(" policy ")).collect()
}

/// A mission of which one agent listens, at work.
async fn at_work() -> (Server, Arc<Context>) {
    let (server, clock) = start();
    declare(&server, &json!([{ "name": "http", "containerPort": 8081 }]));
    let context = operator(&server, &clock, Leadership::always());
    reconcile(object(&server), Arc::clone(&context)).await.unwrap();
    server.state.lock().unwrap().run_all();
    reconcile(object(&server), Arc::clone(&context)).await.unwrap();
    assert_eq!(written(&server), ["create policy lazarus-level1", "create policy cell-mission"]);
    (server, context)
}

fn declare(server: &Server, ports: &Value) {
    server.state.lock().unwrap().cell["spec"]["agents"][0]["ports"] = ports.clone();
}

#[tokio::test]
async fn at_rest_no_policy_is_written() {
    let (server, context) = at_work().await;
    for _ in 0..3 {
        assert!(round(&context, &server, Seen::All).await);
    }
    assert_eq!(written(&server), [""; 0]);
    // Nor by a replica that knows nothing yet.
    let (_, clock) = start();
    let next = operator(&server, &clock, Leadership::always());
    assert!(round(&next, &server, Seen::All).await);
    reconcile(object(&server), next).await.unwrap();
    assert_eq!(written(&server), [""; 0]);
}

#[tokio::test]
async fn what_somebody_deleted_or_changed_comes_back() {
    let (server, context) = at_work().await;
    let wanted = server.state.lock().unwrap().policies.clone();
    server.state.lock().unwrap().policies.clear();
    assert!(round(&context, &server, Seen::All).await);
    assert_eq!(written(&server), ["create policy lazarus-level1", "create policy cell-mission"]);
    for (name, policy) in &mut server.state.lock().unwrap().policies {
        assert_eq!(policy["spec"], wanted[name]["spec"]);
        policy["spec"]["ingress"] = json!([{}]);
    }
    server.state.lock().unwrap().policies.get_mut(BASE).unwrap()["metadata"]["ownerReferences"] =
        json!([{ "apiVersion": "v1", "kind": "ConfigMap", "name": "short-lived", "uid": "short-lived" }]);
    assert!(round(&context, &server, Seen::All).await);
    assert_eq!(written(&server), ["replace policy lazarus-level1", "replace policy cell-mission"]);
    for (name, policy) in &server.state.lock().unwrap().policies {
        assert_eq!(policy["spec"], wanted[name]["spec"], "{name}");
        assert_eq!(policy["metadata"]["ownerReferences"], wanted[name]["metadata"]["ownerReferences"], "{name}");
    }
}

#[tokio::test]
async fn the_policy_of_a_mission_follows_its_spec() {
    let (server, context) = at_work().await;
    declare(&server, &json!([{ "name": "http", "containerPort": 9000 }]));
    assert!(round(&context, &server, Seen::All).await);
    assert_eq!(written(&server), ["replace policy cell-mission"]);
    let port = server.state.lock().unwrap().policies["cell-mission"]["spec"]["ingress"][0]["ports"][0]["port"].clone();
    assert_eq!(port, 9000);
    declare(&server, &json!([]));
    assert!(round(&context, &server, Seen::All).await);
    assert_eq!((written(&server), policies(&server)), (vec!["delete policy cell-mission".into()], vec![BASE.into()]));
}

#[tokio::test]
async fn a_deleted_missions_dying_pods_keep_their_policy() {
    let (server, context) = at_work().await;
    // The mission is gone, and its own policy with it; the pods have their grace period.
    server.state.lock().unwrap().policies.remove("cell-mission");
    assert!(round(&context, &server, Seen::Pods).await);
    assert_eq!(policies(&server), [BASE]);
    server.state.lock().unwrap().policies.clear();
    assert!(round(&context, &server, Seen::Pods).await);
    assert_eq!(written(&server), ["create policy lazarus-level1"], "also if somebody deletes it");
    // The cache may have lost them: what counts is what the API server has.
    assert!(round(&context, &server, Seen::Nothing).await);
    assert_eq!((policies(&server), written(&server)), (vec![BASE.into()], vec![]));
    server.state.lock().unwrap().pods.clear();
    assert!(round(&context, &server, Seen::Nothing).await);
    assert_eq!((policies(&server), written(&server)), (vec![], vec!["delete policy lazarus-level1".into()]));
}

#[tokio::test]
async fn no_policy_goes_while_a_pod_may_be_made_under_it() {
    let (server, context) = at_work().await;
    let cell = context.reader.cached(object(&server).0.as_ref().unwrap(), Known::default()).cell;
    server.state.lock().unwrap().pods.clear();
    let held = context.fences.ensure(&cell, lazarus::api::Isolation::Level1).await.unwrap();
    assert!(round(&context, &server, Seen::Nothing).await);
    assert!(policies(&server).contains(&BASE.into()));
    drop(held);
    assert!(round(&context, &server, Seen::Nothing).await);
    assert!(!policies(&server).contains(&BASE.into()));
}

#[tokio::test]
async fn a_level_that_a_mission_wants_keeps_its_policy_without_pods() {
    let (server, context) = at_work().await;
    server.state.lock().unwrap().pods.clear();
    assert!(round(&context, &server, Seen::All).await);
    assert_eq!(written(&server), [""; 0]);
}

#[tokio::test]
async fn without_policies_no_pod_is_made_and_the_reason_is_known() {
    let (server, clock) = start();
    server.state.lock().unwrap().refuse_policies = true;
    let context = operator(&server, &clock, Leadership::always());
    let error = reconcile(object(&server), Arc::clone(&context)).await.unwrap_err();
    assert!(error.to_string().contains("not for you"), "{error}");
    assert_eq!(server.state.lock().unwrap().pods.len(), 0);
    assert!(context.fences.unfenced("cell-uid").unwrap().contains("not for you"));
    let known = Known { unfenced: context.fences.unfenced("cell-uid"), ..Known::default() };
    let snapshot = context.reader.cached(object(&server).0.as_ref().unwrap(), known);
    assert!(snapshot.ground.unfenced.is_some());
    // Though nothing else tries: the agents are held because of it.
    assert!(!round(&context, &server, Seen::All).await);
    server.state.lock().unwrap().refuse_policies = false;
    let mut mended = Box::pin(context.fences.mended());
    assert!(round(&context, &server, Seen::All).await);
    assert_eq!((context.fences.unfenced("cell-uid"), policies(&server)), (None, vec![BASE.into()]));
    assert!(futures::StreamExt::next(&mut mended).await.is_some());
    reconcile(object(&server), context).await.unwrap();
    assert_eq!(server.state.lock().unwrap().pods.len(), 3);
}

#[tokio::test]
async fn the_policy_of_somebody_else_is_left_alone() {
    let (server, clock) = start();
    declare(&server, &json!([{ "name": "http", "containerPort": 8081 }]));
    let theirs = json!({ "metadata": { "name": "cell-mission", "namespace": "missions" }, "spec": { "podSelector": {} } });
    server.state.lock().unwrap().policies.insert("cell-mission".into(), theirs.clone());
    let context = operator(&server, &clock, Leadership::always());
    let error = reconcile(object(&server), Arc::clone(&context)).await.unwrap_err();
    assert!(error.to_string().contains("NetworkPolicy cell-mission already that is not this mission's"), "{error}");
    assert_eq!(server.state.lock().unwrap().policies["cell-mission"], theirs);
    // One that was left by a mission deleted without what belongs to it is taken over.
    let mut orphan = theirs;
    orphan["metadata"]["labels"] = json!({ "app.kubernetes.io/managed-by": "lazarus-operator", "lazarus-pit.io/cell": "cell" });
    server.state.lock().unwrap().policies.insert("cell-mission".into(), orphan);
    // Its agents are held meanwhile, so the next look at the policies is what finds out.
    assert!(round(&context, &server, Seen::All).await);
    reconcile(object(&server), context).await.unwrap();
    assert_eq!(server.state.lock().unwrap().pods.len(), 3);
    let owner = &server.state.lock().unwrap().policies["cell-mission"]["metadata"]["ownerReferences"][0]["uid"];
    assert_eq!(owner, "cell-uid");
}
