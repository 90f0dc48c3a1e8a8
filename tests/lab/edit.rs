//! The spec changes while the agents live.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;
use lazarus::api::conditions::ConditionType::{Ready, Reconciling};
use lazarus::api::conditions::Reason;
use lazarus::api::quantity::Amount;
use lazarus::api::{EnvVar, IncidentOutcome, MissionCell, Outcome, Resources, names};

use super::support::scene::{Scene, runs};
use super::support::stage::CELL;
use super::support::{Stage, agent, mission};

fn set(cell: &mut MissionCell, agent: usize, value: &str) {
    let variable = EnvVar { name: "SETTING".into(), value: Some(value.into()), value_from: None };
    cell.spec.agents[agent].env = Some(vec![variable]);
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn only_the_changed_agent_is_replaced() {
    let stage = Stage::new("edit").await;
    let mut cell = mission(CELL, [agent("scout"), agent("relay"), agent("scribe")]);
    stage.apply(&cell).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let before = ["scout", "scribe"].map(|name| stage.uid(name));

    set(&mut cell, 1, "one");
    stage.apply(&cell).await;
    stage.until("the changed agent is replaced", |mission| mission.alive("relay", 2)).await;
    let mut limits = BTreeMap::new();
    limits.insert("memory".into(), Amount::Text("64Mi".into()));
    cell.spec.agents[1].resources = Some(Resources { requests: None, limits: Some(limits) });
    stage.apply(&cell).await;
    stage.until("it is replaced again", |mission| mission.alive("relay", 3)).await;
    // The same image under its other name: a digest would be replaced in the same way.
    cell.spec.agents[1].image = "library/lazarus-pit:dev".into();
    stage.apply(&cell).await;
    stage.until("it is replaced once more", |mission| mission.alive("relay", 4)).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;

    assert_eq!(before, ["scout", "scribe"].map(|name| stage.uid(name)), "nobody touches the others");
    stage.look(|mission| {
        let agent = mission.agent("relay");
        assert_eq!((agent.deaths, agent.revived), (0, 0), "a change is no death");
        assert_eq!(agent.last_end.unwrap().outcome, Outcome::Replaced);
        assert_eq!(mission.status().incidents.len(), 0);
        assert!(mission.lacks(Reconciling));
        let container = mission.pods_of("relay")[0].spec.as_ref().unwrap().containers[0].clone();
        assert_eq!(container.image.as_deref(), Some("library/lazarus-pit:dev"));
    });
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn living_agents_are_replaced_one_at_a_time() {
    let stage = Stage::new("turns").await;
    let names = ["scout", "relay", "scribe", "captain"];
    let mut cell = mission(CELL, names.map(agent));
    stage.apply(&cell).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.never(Box::new(|scene: &Scene| {
        let running = scene.pods.values().filter(|pod| runs(pod));
        let agents: BTreeSet<_> = running.filter_map(|pod| pod.labels().get(names::AGENT)).collect();
        (agents.len() < 3).then(|| format!("of four agents only {agents:?} run"))
    }));
    for agent in 0..names.len() {
        set(&mut cell, agent, "two");
    }
    stage.apply(&cell).await;
    stage.until("all agents are replaced", |mission| names.iter().all(|name| mission.alive(name, 2))).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn what_no_pod_is_made_from_replaces_nothing() {
    let stage = Stage::new("words").await;
    let mut cell = mission(CELL, [agent("scout"), agent("relay")]);
    stage.apply(&cell).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let before = ["scout", "relay"].map(|name| stage.uid(name));
    cell.spec.mission = "to be tested in other words".into();
    cell.spec.revive = Some(lazarus::api::Revive::Never);
    cell.spec.agents.reverse();
    stage.apply(&cell).await;
    stage.until("the new spec is looked at", |mission| mission.is_current() && mission.status().agents[0].name == "relay").await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    assert_eq!(before, ["scout", "relay"].map(|name| stage.uid(name)));
    assert_eq!(stage.look(|mission| mission.pods().len()), 2);
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn agents_come_and_go_with_the_spec() {
    let stage = Stage::new("agents").await;
    let mut cell = mission(CELL, [agent("scout"), agent("relay")]);
    stage.apply(&cell).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let kept = stage.uid("scout");

    cell.spec.agents.push(agent("scribe"));
    stage.apply(&cell).await;
    stage.until("the new agent is alive", |mission| mission.alive("scribe", 1)).await;
    cell.spec.agents.remove(1);
    stage.apply(&cell).await;
    stage
        .until("the removed agent is gone", |mission| {
            mission.pods_of("relay").is_empty() && mission.status().agents.iter().all(|agent| agent.name != "relay")
        })
        .await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    assert_eq!(stage.uid("scout"), kept);

    // One of that name that comes later is a new agent; nothing that its predecessor did counts.
    cell.spec.agents.push(agent("relay"));
    stage.apply(&cell).await;
    stage.until("an agent of the old name is alive", |mission| mission.alive("relay", 1)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_changed_agent_need_not_wait_for_its_backoff() {
    let stage = Stage::new("mended").await;
    let mut policy = super::support::quick(3);
    if let Some(restart) = &mut policy.restart {
        (restart.backoff_seconds, restart.max_backoff_seconds) = (Some(600), Some(600));
    }
    stage.policy("default", policy).await;
    let mut cell = mission(CELL, [agent("scout")]);
    stage.apply(&cell).await;
    stage.until("the agent is alive", |mission| mission.alive("scout", 1)).await;
    stage.tell("scout", "crash");
    stage.until("it waits", |mission| mission.is_in("scout", lazarus::api::AgentState::Waiting, Reason::Backoff)).await;
    set(&mut cell, 0, "mended");
    stage.apply(&cell).await;
    stage.until("the mended agent is alive", |mission| mission.alive("scout", 2)).await;
    stage.look(|mission| {
        assert_eq!(mission.agent("scout").deaths, 0, "attempts were used by another program");
        let outcome = mission.status().incidents[0].outcome;
        assert!(matches!(outcome, IncidentOutcome::Revived | IncidentOutcome::Superseded), "{outcome:?}");
    });
}
