//! The leader is killed while an agent hangs.

use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentPolicySpec, AgentState, Heartbeat};

use super::harm::Harm;
use super::support::beats::{asked, impatient, never_was, posting, seen_well, went};
use super::support::operator::{kill, leader_other_than, pod_of, well};
use super::support::stage::CELL;
use super::support::{Stage, agent, lab, mission};

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_next_leader_finds_the_hung_agent_and_takes_nobody_else_for_dead() {
    let client = lab::client().await;
    let _harm = Harm::begin(&client).await;
    let stage = Stage::new("beatleader").await;
    // The lease is taken over in less than the time from stale to dead, or it doesn't matter: the sidecar counts on.
    let heartbeat = Heartbeat { dead_after_seconds: Some(20), ..impatient().heartbeat.unwrap() };
    stage.policy("default", AgentPolicySpec { heartbeat: Some(heartbeat), ..impatient() }).await;
    stage.apply(&mission(CELL, [posting("scout"), posting("relay"), asked("library"), agent("scribe")])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let living = ["relay", "library", "scribe"];
    let before = living.map(|name| stage.uid(name));

    seen_well(&stage, "library").await;
    let leader = well(&client).await;
    stage.tell("scout", "hang");
    stage.until("the agent is stale", |mission| mission.agent("scout").state == AgentState::Stale).await;
    assert!(kill(&client, pod_of(&leader)).await);
    leader_other_than(&client, std::slice::from_ref(&leader)).await;
    stage.until("the agent is revived", |mission| mission.alive("scout", 2)).await;
    went(&stage, CELL, "scout", &["Alive", "Stale/Stale #1", "Dead/Hung #1", "Alive"]);
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let scout = stage.look(|mission| mission.agent("scout"));
    assert_eq!((scout.deaths, scout.revived), (1, 1));
    for name in living {
        never_was(&stage, CELL, name, "Dead");
        assert!(stage.look(|mission| mission.alive(name, 1)), "{name}");
    }
    assert_eq!(living.map(|name| stage.uid(name)), before);
    // Reports come to the new leader too.
    stage.tell("relay", "hang");
    stage.until("the new leader revives", |mission| mission.alive("relay", 2)).await;
    well(&client).await;
}
