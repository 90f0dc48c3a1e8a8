//! Pods are taken away: no agent's fault, so it costs no attempt, and it is no completion either.

use lazarus::api::conditions::ConditionType::{Ready, Succeeded};
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentState, IncidentOutcome, Outcome};

use super::support::stage::CELL;
use super::support::{Stage, agent, mission, quick};

async fn with_one_agent(test: &str) -> Stage {
    let stage = Stage::new(test).await;
    // Nothing is left to spend: a disruption that cost an attempt would be the end.
    stage.policy("default", quick(0)).await;
    stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage
}

async fn comes_back(stage: &Stage, taken: &str, other: &str) {
    stage.until("the agent is back", |mission| mission.alive("scout", 2)).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.look(|mission| {
        let agent = mission.agent("scout");
        assert_eq!((agent.deaths, agent.revived), (0, 1));
        let end = agent.last_end.unwrap();
        assert_eq!((end.outcome, end.pod_uid.as_str()), (Outcome::Disrupted, taken));
        assert!(mission.lacks(Succeeded));
        assert_eq!(mission.agent("relay").pod_uid.as_deref(), Some(other));
        let status = mission.status();
        let [incident] = &status.incidents[..] else { panic!("one incident: {:?}", status.incidents) };
        assert_eq!(incident.outcome, IncidentOutcome::Revived);
    });
    // It ended with exit code 0, as a good agent does when asked to stop; but nobody may take that for its work done.
    stage.look_at_all(|scene| assert!(!scene.history.iter().any(|line| line.contains("Done")), "{:#?}", scene.history));
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn an_evicted_agent_is_neither_dead_nor_done() {
    let stage = with_one_agent("evicted").await;
    let [taken, other] = ["scout", "relay"].map(|name| stage.uid(name));
    stage.evict(&stage.pod("scout")).await;
    comes_back(&stage, &taken, &other).await;
    let events = stage.kubectl(&["events", "--for=missioncell/watch"]).unwrap();
    assert!(events.contains("AgentDisrupted"), "{events}");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_pod_deleted_by_hand_is_made_anew() {
    let stage = with_one_agent("deleted").await;
    let [taken, other] = ["scout", "relay"].map(|name| stage.uid(name));
    stage.delete_pod(&stage.pod("scout")).await;
    comes_back(&stage, &taken, &other).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_pod_that_vanishes_is_made_anew() {
    let stage = with_one_agent("vanished").await;
    let [taken, other] = ["scout", "relay"].map(|name| stage.uid(name));
    stage.kubectl(&["delete", "pod", &stage.pod("scout"), "--force", "--grace-period=0"]).unwrap();
    comes_back(&stage, &taken, &other).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn pods_taken_away_again_and_again_come_back_at_a_bounded_rate() {
    let stage = Stage::new("rate").await;
    let mut policy = quick(3);
    if let Some(restart) = &mut policy.restart {
        (restart.backoff_seconds, restart.max_backoff_seconds) = (Some(8), Some(8));
    }
    stage.policy("default", policy).await;
    stage.apply(&mission(CELL, [agent("scout")])).await;
    stage.until("the agent is alive", |mission| mission.alive("scout", 1)).await;
    let started = stage.look(|mission| mission.pods_of("scout")[0].metadata.creation_timestamp.clone().unwrap().0);
    stage.delete_pod(&stage.pod("scout")).await;
    stage.until("it waits", |mission| mission.is_in("scout", AgentState::Waiting, Reason::Recreating)).await;
    stage.until("it is back", |mission| mission.alive("scout", 2)).await;
    let again = stage.look(|mission| mission.pods_of("scout")[0].metadata.creation_timestamp.clone().unwrap().0);
    let apart = again.as_second() - started.as_second();
    assert!(apart >= 7, "its pods were made {apart} s apart, not 8");
}
