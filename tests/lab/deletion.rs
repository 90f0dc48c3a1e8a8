//! Missions are deleted, orphaned and made again, and pods of others get in the way.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, PostParams, PropagationPolicy};
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentSpec, AgentState, Isolation, MissionCell, MissionCellStatus};
use lazarus::observe::Cell;
use lazarus::render::{self, Frame};

use super::support::mission::IMAGE;
use super::support::scene::may_run;
use super::support::stage::CELL;
use super::support::{Stage, agent, agent_that, lab, mission, operator};

/// An agent that only SIGKILL ends, 20 seconds after it was asked to stop.
fn stubborn(name: &str) -> AgentSpec {
    AgentSpec { termination_grace_period_seconds: Some(20), ..agent_that(name, &["--ignore-sigterm"]) }
}

async fn delete(stage: &Stage, parameters: &DeleteParams) {
    stage.api::<MissionCell>().delete(CELL, parameters).await.unwrap();
    stage.until("the mission is gone", |mission| mission.cell().is_none()).await;
}

async fn waits_for_its_predecessor(stage: &Stage) {
    stage
        .until("the agent waits for its predecessor", |mission| {
            mission.is_in("scout", AgentState::Waiting, Reason::PreviousIncarnation)
        })
        .await;
    stage.look(|mission| {
        let [pod] = mission.pods_of("scout")[..] else { panic!("one pod, the old one") };
        assert!(may_run(pod) && mission.agent("scout").pod_uid.is_none());
    });
}

async fn comes_alive_after(stage: &Stage, old: &str) {
    // That the new pod comes only after the old one has ended is what every stage is checked for.
    stage.until("the new agent is alive", |mission| mission.alive("scout", 1)).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    assert_ne!(stage.uid("scout"), old);
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_pods_go_with_the_mission() {
    let stage = Stage::new("gone").await;
    stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    delete(&stage, &DeleteParams::default()).await;
    stage.until("the pods are gone", |mission| mission.pods().is_empty()).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_mission_made_again_waits_for_the_pods_of_the_old_one() {
    let stage = Stage::new("again").await;
    let cell = mission(CELL, [stubborn("scout")]);
    stage.apply(&cell).await;
    stage.until("the agent is alive", |mission| mission.alive("scout", 1)).await;
    let old = stage.uid("scout");
    delete(&stage, &DeleteParams::default()).await;
    stage.apply(&cell).await;
    waits_for_its_predecessor(&stage).await;
    comes_alive_after(&stage, &old).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_mission_made_again_waits_for_an_orphaned_pod() {
    let stage = Stage::new("orphan").await;
    let cell = mission(CELL, [stubborn("scout"), agent("relay")]);
    stage.apply(&cell).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let [old, other] = ["scout", "relay"].map(|name| stage.uid(name));
    let pod = stage.pod("scout");
    delete(&stage, &DeleteParams { propagation_policy: Some(PropagationPolicy::Orphan), ..DeleteParams::default() }).await;
    stage.apply(&cell).await;
    waits_for_its_predecessor(&stage).await;
    // It stays so: the old agent may have work that only a person can judge.
    stage.look(|mission| {
        assert_eq!(mission.pods_of("scout")[0].metadata.deletion_timestamp, None);
        assert_eq!(mission.pods_of("relay")[0].uid().as_ref(), Some(&other));
    });
    stage.delete_pod(&pod).await;
    comes_to_its_turn(&stage, &old).await;
}

async fn comes_to_its_turn(stage: &Stage, old: &str) {
    stage.until("the new agent is alive", |mission| mission.alive("scout", 1)).await;
    assert_ne!(stage.uid("scout"), old);
    stage.until("the other one still waits", |mission| mission.has(Ready, "False", Reason::PreviousIncarnation)).await;
    let other = stage.look(|mission| mission.pods_of("relay")[0].name_any());
    stage.delete_pod(&other).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_pod_of_nobody_is_never_adopted() {
    let stage = Stage::new("foreign").await;
    // Admission lets only the operator write these labels, and only on pods as it makes them: the test borrows its name.
    let borrowed = lab::client_as(Some(operator::USER)).await;
    let MissionCell { metadata: _, spec, status: _ } = mission(CELL, [agent("scout")]);
    let cell = Cell {
        name: CELL.into(),
        namespace: stage.namespace.clone(),
        uid: "of-nobody".into(),
        generation: 1,
        deleting: false,
        spec,
        status: MissionCellStatus::default(),
    };
    let frame = Frame { level: Isolation::None, pulse_image: IMAGE, network_check_seconds: 300, proxy: None };
    let mut pod = render::pod(&cell, &cell.spec.agents[0], 1, frame);
    (pod.metadata.name, pod.metadata.owner_references) = (Some("stranger".into()), None);
    Api::<Pod>::namespaced(borrowed, &stage.namespace).create(&PostParams::default(), &pod).await.unwrap();
    stage.apply(&mission(CELL, [agent("scout")])).await;
    waits_for_its_predecessor(&stage).await;
    let stranger = stage.look(|mission| mission.pods_of("scout")[0].uid().unwrap());
    stage.delete_pod("stranger").await;
    comes_alive_after(&stage, &stranger).await;
}
