//! The operator's process is killed.

use lazarus::api::AgentState;
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;

use super::harm::{Harm, SHORT_LEASE};
use super::support::operator::{container, kill, leader_other_than, pod_of, pods, well};
use super::support::stage::{CELL, soon};
use super::support::{Stage, agent, lab, mission, quick};

/// When, in the course of a revival, the operator is killed.
const MOMENTS: [&str; 3] = ["before it knows of the death", "while the agent waits", "as the next pod appears"];

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_crash_in_the_middle_of_a_revival_loses_nothing() {
    let client = lab::client().await;
    let mut harm = Harm::begin(&client).await;
    harm.configure(&client, SHORT_LEASE).await;
    let stage = Stage::new("crash").await;
    let mut policy = quick(9);
    if let Some(restart) = &mut policy.restart {
        (restart.backoff_seconds, restart.max_backoff_seconds) = (Some(3), Some(3));
    }
    stage.policy("default", policy).await;
    stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let other = stage.uid("relay");
    let mut leader = well(&client).await;
    for (round, moment) in (1_i64..).zip(MOMENTS) {
        let next = round + 1;
        match round {
            1 => {
                assert!(kill(&client, pod_of(&leader)).await, "{moment}");
                stage.tell("scout", "crash");
            }
            2 => {
                stage.tell("scout", "crash");
                let waits = |mission: &super::support::Mission<'_>| mission.is_in("scout", AgentState::Waiting, Reason::Backoff);
                stage.until("the agent waits", waits).await;
                assert!(kill(&client, pod_of(&leader)).await, "{moment}");
            }
            _ => {
                stage.tell("scout", "crash");
                let name = format!("{CELL}-scout-{next}-");
                stage
                    .until_all("the next pod appears", |scene| {
                        scene.pods.values().any(|pod| pod.metadata.name.as_ref().is_some_and(|found| found.starts_with(&name)))
                    })
                    .await;
                assert!(kill(&client, pod_of(&leader)).await, "{moment}");
            }
        }
        leader = leader_other_than(&client, &[leader]).await;
        stage.until(&format!("the agent is revived; killed {moment}"), |mission| mission.alive("scout", next)).await;
        stage.look(|mission| {
            let agent = mission.agent("scout");
            assert_eq!((agent.deaths, agent.revived), (round, round), "killed {moment}");
            assert_eq!(mission.agent("relay").pod_uid.as_ref(), Some(&other), "killed {moment}");
        });
    }
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_other_replica_takes_over_and_the_mission_goes_on() {
    let client = lab::client().await;
    let _harm = Harm::begin(&client).await;
    let stage = Stage::new("takeover").await;
    stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let before = ["scout", "relay"].map(|name| stage.uid(name));

    let leader = well(&client).await;
    let restarts = |pods: &[k8s_openapi::api::core::v1::Pod]| {
        pods.iter().filter_map(container).map(|container| container.restart_count).sum::<i32>()
    };
    let earlier = restarts(&pods(&client).await);
    assert!(kill(&client, pod_of(&leader)).await);
    let successor = leader_other_than(&client, std::slice::from_ref(&leader)).await;
    assert_ne!(successor, leader);
    soon("the killed process was restarted in its pod", async || restarts(&pods(&client).await) == earlier + 1).await;
    assert_eq!(before, ["scout", "relay"].map(|name| stage.uid(name)), "agents don't notice");

    stage.tell("relay", "crash");
    stage.until("the new leader revives", |mission| mission.alive("relay", 2)).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    assert_eq!(stage.uid("scout"), before[0]);
    well(&client).await;
}
