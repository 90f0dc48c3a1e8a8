//! The leader is killed in the middle of an approval.

use kube::ResourceExt;
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;

use super::harm::{Harm, SHORT_LEASE};
use super::support::operator::{kill, leader_other_than, pod_of, well};
use super::support::people::asking;
use super::support::stage::CELL;
use super::support::told::Fate;
use super::support::{Stage, agent, lab, mission};

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn what_was_approved_is_done_once_whenever_the_operator_dies() {
    let client = lab::client().await;
    let mut harm = Harm::begin(&client).await;
    harm.configure(&client, SHORT_LEASE).await;
    let stage = Stage::new("approvekill").await;
    stage.policy("default", asking()).await;
    stage.allow("lazarus-approve", &["alice"]).await;
    stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let mut leader = well(&client).await;
    for attempt in 2..=4 {
        stage.tell("scout", "crash");
        let request = stage.asked_about("scout").await.name_any();
        let told = stage.told(CELL, "scout", &["Person: Revive"]).await;
        // Before the approval, right after it, and when the operator has taken note of it.
        if attempt == 2 {
            assert!(kill(&client, pod_of(&leader)).await);
        }
        stage.person("alice", &["approve", &request, "--wait=false"]).unwrap();
        if attempt == 4 {
            stage
                .until("the operator took note", |mission| {
                    mission.agent("scout").ruling.is_some_and(|ruling| ruling.request == request)
                })
                .await;
        }
        if attempt > 2 {
            assert!(kill(&client, pod_of(&leader)).await);
        }
        leader = leader_other_than(&client, &[leader]).await;
        stage.until("the agent is back", |mission| mission.alive("scout", attempt)).await;
        told.came_true(&stage, Fate::Back).await;
        stage.comes_to(&request, "Executed").await;
        stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
        assert_eq!(stage.look(|mission| mission.agent("scout").revived), attempt - 1, "once for each death");
    }
    assert_eq!(stage.requests().await.len(), 3, "one question for each death");
    well(&client).await;
}
