//! The gateway is not there when agents start: they start later, and nothing else becomes of them.

use std::time::Duration;

use k8s_openapi::api::core::v1::ContainerStatus;
use kube::ResourceExt;
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentState, names};

use super::ground::{Cut, Ground, incarnation, scale};
use super::support::operator::{pods, well};
use super::support::scene::Scene;
use super::support::stage::{CELL, soon};
use super::support::{Stage, agent, beats, mission};

const NAMES: [&str; 2] = ["scout", "relay"];

/// The operator has its replicas again when this is dropped.
struct Scaled;

impl Drop for Scaled {
    fn drop(&mut self) {
        scale(2);
    }
}

fn restarted(scene: &Scene) -> Option<String> {
    let is_wrong = |container: &&ContainerStatus| {
        let waits = container.state.as_ref().and_then(|state| state.waiting.as_ref()?.reason.as_deref());
        container.restart_count > 0 || waits == Some("CrashLoopBackOff")
    };
    scene.pods.values().find_map(|pod| {
        let status = pod.status.as_ref()?;
        let mut all = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
        all.find(is_wrong).map(|container| format!("{} of {} was started again", container.name, pod.name_any()))
    })
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn agents_wait_for_the_gateway_and_start_when_it_is_there() {
    let ground = Ground::begin().await;
    let stage = Stage::new("nogate").await;
    stage.never(Box::new(restarted));
    let gateway = ground.gateway().await;
    let cuts = [&ground.leads, &ground.away].map(|node| Cut::between(node, &gateway));
    stage.apply(&mission(CELL, [beats::posting("scout"), agent("relay")])).await;
    let waits = |mission: &super::support::Mission<'_>, name| mission.agent(name).state == AgentState::Starting;
    for name in NAMES {
        stage.until(&format!("{name} would start"), |mission| waits(mission, name)).await;
        let pod = stage.pod(name);
        soon("its sidecar asks in vain", async || {
            stage.kubectl(&["logs", &pod, "-c", names::PULSE_CONTAINER]).is_ok_and(|log| log.contains("no answer within"))
        })
        .await;
    }
    let before = NAMES.map(|name| stage.look(|mission| incarnation(mission, name)));

    // The link is whole again, and now nobody is at its end.
    let scaled = Scaled;
    scale(0);
    soon("the operator is gone", async || pods(&ground.client).await.is_empty()).await;
    drop(cuts);
    // As long as a person likes to look: nothing that could be waited for happens.
    let absent = std::env::var("ABSENT_SECONDS").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    tokio::time::sleep(Duration::from_secs(absent)).await;
    stage.look(|mission| assert!(NAMES.iter().all(|name| waits(mission, name))));
    drop(scaled);
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.look(|mission| {
        assert!(NAMES.iter().all(|name| mission.alive(name, 1) && mission.agent(name).deaths == 0));
        assert_eq!(NAMES.map(|name| incarnation(mission, name)), before);
    });
    well(&ground.client).await;
}
