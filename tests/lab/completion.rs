//! Agents finish their work, and with them the mission.

use lazarus::api::conditions::ConditionType::{Ready, Reconciling, Succeeded};
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentSpec, AgentState, Completion, Outcome};

use super::support::scene::may_run;
use super::support::stage::CELL;
use super::support::{Stage, agent, agent_that, mission};

fn kind(completion: Completion, agent: AgentSpec) -> AgentSpec {
    AgentSpec { completion: Some(completion), ..agent }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_mission_succeeds_when_every_required_agent_is_done() {
    let stage = Stage::new("success").await;
    let agents = [
        agent("writer"),
        agent_that("editor", &["--work-seconds", "1"]),
        kind(Completion::Optional, agent("illustrator")),
        kind(Completion::Service, agent("library")),
    ];
    stage.apply(&mission(CELL, agents)).await;
    stage.until("the first is done", |mission| mission.is_in("editor", AgentState::Done, Reason::Completed)).await;
    stage.until("the others are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.look(|mission| {
        assert!(mission.lacks(Succeeded), "one agent is still at work");
        assert_eq!(mission.status().counts.unwrap().summary, "3/3", "who is done is not missing");
    });

    stage.tell("writer", "exit");
    stage.until("the mission has succeeded", |mission| mission.has(Succeeded, "True", Reason::MissionSucceeded)).await;
    stage
        .until("nobody is at work any more", |mission| {
            let stopped = |name| mission.is_in(name, AgentState::Done, Reason::Stopped);
            stopped("illustrator") && stopped("library") && !mission.pods().into_iter().any(may_run)
        })
        .await;
    stage.look(|mission| {
        assert!(mission.has(Ready, "True", Reason::MissionSucceeded) && mission.lacks(Reconciling));
        for (name, outcome) in [("writer", Outcome::Completed), ("editor", Outcome::Completed), ("library", Outcome::Stopped)] {
            assert_eq!(mission.agent(name).last_end.unwrap().outcome, outcome, "{name}");
            assert_eq!((mission.agent(name).deaths, mission.agent(name).attempt), (0, 1), "{name}");
        }
    });
    stage.kubectl(&["wait", "mcell/watch", "--for=condition=Succeeded", "--timeout=60s"]).unwrap();
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_mission_of_services_never_ends() {
    let stage = Stage::new("services").await;
    let agents = [kind(Completion::Service, agent("captain")), kind(Completion::Optional, agent("guest"))];
    stage.apply(&mission(CELL, agents)).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.tell("guest", "exit");
    stage.until("the guest is done", |mission| mission.is_in("guest", AgentState::Done, Reason::Completed)).await;
    stage.until("the mission goes on", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.look(|mission| {
        assert!(mission.alive("captain", 1) && mission.lacks(Succeeded));
        assert_eq!(mission.status().counts.unwrap().summary, "1/1");
    });
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn an_agent_added_after_the_success_is_new_work() {
    let stage = Stage::new("more").await;
    let mut cell = mission(CELL, [agent_that("writer", &["--work-seconds", "0"])]);
    stage.apply(&cell).await;
    stage.until("the mission has succeeded", |mission| mission.has(Succeeded, "True", Reason::MissionSucceeded)).await;
    cell.spec.agents.push(agent("editor"));
    stage.apply(&cell).await;
    stage.until("the new agent is alive", |mission| mission.alive("editor", 1)).await;
    stage.until("the mission goes on", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.look(|mission| {
        assert!(mission.lacks(Succeeded));
        assert_eq!(mission.agent("writer").attempt, 1, "who is done stays done");
    });
}
