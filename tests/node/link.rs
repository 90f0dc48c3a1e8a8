//! The way to the gateway is cut: nothing is known of the agents behind it, so nothing is done.

use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentState, MissionCell};

use super::ground::{Cut, Ground, incarnation, on, terms};
use super::support::beats::{asked, never_was, posting};
use super::support::stage::CELL;
use super::support::{Stage, agent, mission};

async fn all_alive(stage: &Stage, missions: &[&str]) {
    for name in missions {
        stage.until_all("all agents are alive", |scene| scene.mission(name).has(Ready, "True", Reason::AgentsAlive)).await;
    }
}

/// An agent of the mission [`CELL`] hangs, and dies of it: whoever was cut off before has been silent for longer.
async fn as_long_as_kills_another(stage: &Stage) {
    stage.tell("clock", "hang");
    stage.until("the same silence of one that is seen is its death", |mission| mission.alive("clock", 2)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn one_agent_that_is_cut_off_is_left_alone() {
    let ground = Ground::begin().await;
    let stage = Stage::new("cutone").await;
    stage.policy("default", terms()).await;
    stage.apply(&mission(CELL, [posting("scout"), posting("clock"), posting("relay")])).await;
    all_alive(&stage, &[CELL]).await;
    let before = stage.look(|mission| incarnation(mission, "scout"));
    let address = stage.look(|mission| mission.pods_of("scout")[0].status.clone().unwrap().pod_ip.unwrap());

    let cut = Cut::between(&address, &ground.gateway().await);
    stage.until("its link is lost", |mission| mission.is_in("scout", AgentState::Alive, Reason::LinkLost)).await;
    assert!(cut.dropped() > 0);
    as_long_as_kills_another(&stage).await;
    stage.look(|mission| {
        assert!(mission.is_in("scout", AgentState::Alive, Reason::LinkLost));
        assert!(mission.has(Ready, "True", Reason::AgentsAlive), "what is not known is no trouble");
    });

    drop(cut);
    stage.until("it is heard again", |mission| mission.agent("scout").reason.is_none()).await;
    stage.look(|mission| {
        assert!(mission.alive("scout", 1) && mission.agent("scout").deaths == 0);
        assert_eq!(incarnation(mission, "scout"), before, "it does not notice");
        assert!(mission.alive("relay", 1));
    });
    for wrong in ["Stale", "Dead", "Waiting"] {
        never_was(&stage, CELL, "scout", wrong);
        never_was(&stage, CELL, "relay", wrong);
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn when_all_agents_of_a_mission_are_cut_off_nobody_dies() {
    const FAR: &str = "far";
    const NAMES: [&str; 3] = ["scout", "relay", "scribe"];
    let ground = Ground::begin().await;
    let stage = Stage::new("cutall").await;
    stage.policy("default", terms()).await;
    // On the node of the leader, which is not cut off.
    stage.apply(&on(&ground.leads, mission(CELL, [posting("clock")]))).await;
    let far: MissionCell = on(&ground.away, mission(FAR, [posting("scout"), asked("relay"), agent("scribe")]));
    stage.apply(&far).await;
    all_alive(&stage, &[CELL, FAR]).await;
    let before = NAMES.map(|name| stage.look_at_all(|scene| incarnation(&scene.mission(FAR), name)));

    let cut = Cut::between(&ground.away, &ground.gateway().await);
    let lost = |name: &str, mission: &super::support::Mission<'_>| mission.is_in(name, AgentState::Alive, Reason::LinkLost);
    stage.until_all("all their links are lost", |scene| NAMES.iter().all(|name| lost(name, &scene.mission(FAR)))).await;
    as_long_as_kills_another(&stage).await;
    stage.look_at_all(|scene| assert!(NAMES.iter().all(|name| lost(name, &scene.mission(FAR)))));

    drop(cut);
    let heard = |name: &&str, mission: &super::support::Mission<'_>| mission.agent(name).reason.is_none();
    stage.until_all("all are heard again", |scene| NAMES.iter().all(|name| heard(name, &scene.mission(FAR)))).await;
    stage.look_at_all(|scene| {
        let mission = scene.mission(FAR);
        let agents = mission.status().agents;
        assert!(agents.iter().all(|agent| agent.deaths == 0 && agent.attempt == 1), "{agents:#?}");
        assert!(mission.status().incidents.is_empty());
        assert_eq!(NAMES.map(|name| incarnation(&mission, name)), before);
    });
    for name in NAMES {
        never_was(&stage, FAR, name, "Stale");
        never_was(&stage, FAR, name, "Dead");
    }
}
