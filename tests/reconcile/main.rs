//! `reconcile` against an API server that loses requests and answers: whichever write it is, nothing is done twice and
//! nothing is forgotten. The cache of pods stays empty throughout: what it says must not matter.

#![cfg(test)]

mod fake;
mod fences;

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use fake::{Fault, Server};
use kube::core::{DeserializeGuard, PartialObjectMeta};
use kube::runtime::{reflector, watcher};
use lazarus::api::{AgentState, Ceilings, MissionCell};
use lazarus::apply::Outfit;
use lazarus::apply::guard::Guarded;
use lazarus::apply::permits::Permits;
use lazarus::controllers::{Concern, Context, Enforcement, Fences, Heartbeats, Memory, reconcile};
use lazarus::decide::{Expected, Terms};
use lazarus::gateway::ledger::Ledger;
use lazarus::observe::{Cell, Known, Reader, Stores};
use lazarus::report::Publisher;
use lazarus::report::metrics::Metrics;
use lazarus::runtime::clock::{Clock, ManualClock};
use lazarus::runtime::config::Config;
use lazarus::runtime::leadership::Leadership;
use serde_json::{Value, json};

const FAULTS: [Fault; 5] = [Fault::LostRequest, Fault::LostAnswer, Fault::ServerError, Fault::Timeout, Fault::ForeignChange];

fn mission() -> Value {
    let agents = ["scout", "relay", "scribe"].map(|name| json!({ "name": name, "image": "i" }));
    json!({
        "apiVersion": "lazarus-pit.io/v1alpha1",
        "kind": "MissionCell",
        "metadata": { "name": "cell", "namespace": "missions", "uid": "cell-uid", "generation": 1 },
        "spec": {
            "mission": "m",
            "revive": "Always",
            "agents": agents,
        },
    })
}

/// A new operator: it remembers nothing.
fn operator(server: &Server, clock: &ManualClock, leadership: Leadership) -> Arc<Context> {
    let client = server.client();
    let metrics = Arc::new(Metrics::new());
    let guarded = Guarded::new(client.clone(), leadership.clone(), Duration::from_secs(5), Arc::clone(&metrics));
    // The mission itself is cached, or there would be no reconcile; its pods never are.
    let (cells, mut writer) = reflector::store();
    for event in [watcher::Event::Init, watcher::Event::InitApply((*object(server)).clone()), watcher::Event::InitDone] {
        writer.apply_watcher_event(&event);
    }
    let (policies, pods) = (reflector::store().0, reflector::store().0);
    let (nodes, requests) = (reflector::store().0, reflector::store().0);
    let (namespaces, mut writer) = reflector::store();
    let mut namespace = PartialObjectMeta::default();
    namespace.metadata.name = Some("missions".into());
    for event in [watcher::Event::Init, watcher::Event::InitApply(namespace), watcher::Event::InitDone] {
        writer.apply_watcher_event(&event);
    }
    let stores = Stores { cells, policies, pods, nodes, requests, namespaces };
    let ledger = Arc::new(Mutex::new(Ledger::new(clock.monotonic())));
    let (heartbeats, _) = Heartbeats::new(ledger, Arc::new(clock.clone()));
    Arc::new(Context {
        reader: Reader::new(client, stores.clone(), Config::default().defaults, Config::default().ceilings),
        stores,
        publisher: Publisher::new(guarded.clone(), "test"),
        fences: Fences::new(guarded.clone(), Ceilings::default()),
        guarded,
        leadership,
        clock: Arc::new(clock.clone()),
        metrics,
        memory: Memory::default(),
        permits: Permits::new(clock.monotonic()),
        gateway: None,
        outfit: Outfit { pulse_image: "lazarus".into(), network_check_seconds: 300, proxy: None },
        heartbeats,
        enforcement: Enforcement::of(Concern::Approvals, None),
        isolation: Enforcement::of(Concern::Isolation, None),
        log_decisions: false,
        synced: AtomicBool::new(true),
    })
}

fn object(server: &Server) -> Arc<DeserializeGuard<MissionCell>> {
    Arc::new(serde_json::from_value(server.state.lock().unwrap().cell.clone()).unwrap())
}

/// Reconciles until it succeeds, with a new operator whenever the last one died.
async fn recover(server: &Server, clock: &ManualClock) {
    for _ in 0..4 {
        let context = operator(server, clock, Leadership::always());
        if reconcile(object(server), context).await.is_ok() {
            return;
        }
        server.state.lock().unwrap().dead = false;
    }
    panic!("does not recover");
}

fn status(server: &Server) -> lazarus::api::MissionCellStatus {
    serde_json::from_value(server.state.lock().unwrap().cell["status"].clone()).unwrap()
}

fn start() -> (Server, ManualClock) {
    (Server::new(mission()), ManualClock::new("2026-01-01T00:00:00Z".parse().unwrap()))
}

#[tokio::test]
async fn a_mission_starts_with_one_write_per_agent_two_of_the_status_and_one_that_closes_the_network() {
    let (server, clock) = start();
    recover(&server, &clock).await;
    server.state.lock().unwrap().run_all();
    recover(&server, &clock).await;
    let writes = server.state.lock().unwrap().writes.clone();
    assert_eq!(writes, ["create policy lazarus-level1", "create scout", "create relay", "create scribe", "status", "status"]);
    recover(&server, &clock).await;
    assert_eq!(server.state.lock().unwrap().writes.len(), 6, "at rest nothing is written");
    assert!(server.state.lock().unwrap().events.iter().any(|event| event == "MissionReady"));
}

#[tokio::test]
async fn nobody_of_a_deleted_mission_is_heard_though_nothing_else_happens() {
    let (server, clock) = start();
    let context = operator(&server, &clock, Leadership::always());
    let snapshot = context.reader.cached(object(&server).0.as_ref().unwrap(), Known::default());
    let gone = Cell { uid: "gone-uid".into(), ..snapshot.cell.clone() };
    for (cell, uid) in [(&snapshot.cell, 1), (&gone, 2)] {
        let uid = format!("00000000-0000-0000-0000-{uid:012}");
        let expected =
            Expected { uid, terms: Terms::default(), running: true, holds: Vec::new(), elsewhere: true, closed: false };
        context.heartbeats.expect(cell, &[expected]);
        assert_eq!(context.heartbeats.pulses(&cell.uid).len(), 1);
    }
    context.heartbeats.open();
    context.scan();
    assert_eq!(context.heartbeats.pulses("cell-uid").len(), 1);
    assert_eq!(context.heartbeats.pulses("gone-uid").len(), 0);
}

#[tokio::test]
async fn whichever_write_fails_every_agent_runs_once_and_every_death_counts_once() {
    // A policy, a start, a death and a restart are ten writes; a fault at each of them, of each kind.
    for fault in FAULTS {
        for number in 0..10 {
            let (server, clock) = start();
            server.state.lock().unwrap().fault = Some((number, fault));
            recover(&server, &clock).await;
            recover(&server, &clock).await;
            server.state.lock().unwrap().run_all();
            recover(&server, &clock).await;
            clock.advance(Duration::from_mins(1));
            server.state.lock().unwrap().exit("relay", 1, "2026-01-01T00:01:00Z");
            recover(&server, &clock).await;
            clock.advance(Duration::from_secs(30));
            // Twice: what the server refused is tried again later.
            recover(&server, &clock).await;
            recover(&server, &clock).await;
            server.state.lock().unwrap().run_all();
            recover(&server, &clock).await;

            let case = format!("{fault:?} at write {number}");
            let status = status(&server);
            let pods = server.state.lock().unwrap().pods.clone();
            assert_eq!(pods.len(), 3, "{case}: {:?}", pods.keys());
            for agent in &status.agents {
                let (attempt, deaths) = if agent.name == "relay" { (2, 1) } else { (1, 0) };
                assert_eq!(
                    (agent.state, agent.attempt, agent.deaths),
                    (AgentState::Alive, attempt, deaths),
                    "{case}: {agent:#?}"
                );
                let pod = &pods[agent.pod_name.as_ref().unwrap()];
                assert_eq!(pod["metadata"]["uid"].as_str(), agent.pod_uid.as_deref(), "{case}: the pod is the committed one");
            }
            assert_eq!(status.incidents.len(), 1, "{case}: {:#?}", status.incidents);
            assert_eq!(status.counts.unwrap().revived, 1, "{case}");
            let writes = server.state.lock().unwrap().writes.clone();
            assert!(writes.len() <= 12, "{case}: {writes:?}");
        }
    }
}

#[tokio::test]
async fn a_refused_pod_holds_its_agent_and_no_other() {
    let (server, clock) = start();
    server.state.lock().unwrap().refuse = Some("relay".into());
    let context = operator(&server, &clock, Leadership::always());
    reconcile(object(&server), Arc::clone(&context)).await.unwrap();
    let held = status(&server);
    let relay = held.agents.iter().find(|agent| agent.name == "relay").unwrap();
    assert_eq!(relay.reason, Some(lazarus::api::conditions::Reason::PodRefused));
    assert!(relay.message.as_deref().unwrap().contains("exceeded quota"), "{relay:#?}");
    assert_eq!(server.state.lock().unwrap().pods.len(), 2);
    // Not tried again at once, and no write for a refusal that repeats.
    let writes = |server: &Server| server.state.lock().unwrap().writes.iter().filter(|write| *write == "status").count();
    let before = writes(&server);
    reconcile(object(&server), Arc::clone(&context)).await.unwrap();
    clock.advance(Duration::from_secs(6));
    reconcile(object(&server), Arc::clone(&context)).await.unwrap();
    let tries = server.state.lock().unwrap().writes.iter().filter(|write| *write == "create relay").count();
    assert_eq!((tries, writes(&server)), (2, before));
    server.state.lock().unwrap().refuse = None;
    clock.advance(Duration::from_secs(11));
    reconcile(object(&server), context).await.unwrap();
    assert_eq!(server.state.lock().unwrap().pods.len(), 3);
}

#[tokio::test]
async fn a_replica_that_does_not_lead_asks_and_writes_nothing() {
    let (server, clock) = start();
    let context = operator(&server, &clock, Leadership::none(Arc::new(clock.clone())));
    reconcile(object(&server), context).await.unwrap();
    assert!(server.state.lock().unwrap().writes.is_empty());
}

#[tokio::test]
async fn an_object_that_cannot_be_understood_is_said_once_and_left_alone() {
    let (server, clock) = start();
    server.state.lock().unwrap().cell["spec"]["agents"] = json!("none");
    let context = operator(&server, &clock, Leadership::always());
    for _ in 0..3 {
        reconcile(object(&server), Arc::clone(&context)).await.unwrap();
    }
    let state = server.state.lock().unwrap();
    assert_eq!(state.events, ["Quarantined"]);
    assert_eq!(state.cell["status"]["conditions"][0]["reason"], "Quarantined");
    assert!(state.pods.is_empty());
}
