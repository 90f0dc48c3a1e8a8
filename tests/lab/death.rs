//! Agents die, and what follows.

use lazarus::api::conditions::ConditionType::{Ready, Reconciling, Stalled};
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentSpec, AgentState, Completion, EnvVar, IncidentOutcome, Outcome, Restart, Revive};
use lazarus::runtime::time::from_time;

use super::support::stage::CELL;
use super::support::{Mission, Stage, agent, agent_that, mission, quick};

/// An agent that dies as soon as it starts.
fn doomed(name: &str) -> AgentSpec {
    agent_that(name, &["--work-seconds", "0", "--exit-code", "3"])
}

fn given_up(mission: &Mission<'_>, name: &str, attempt: i64) -> bool {
    mission.is_in(name, AgentState::Dead, Reason::AttemptsExhausted) && mission.agent(name).attempt == attempt
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_dead_agent_waits_and_is_revived() {
    let stage = Stage::new("death").await;
    let mut policy = quick(3);
    policy.restart =
        Some(Restart { backoff_seconds: Some(6), max_backoff_seconds: Some(60), ..policy.restart.unwrap_or_default() });
    stage.policy("default", policy).await;
    stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let [dying, other] = ["scout", "relay"].map(|name| stage.uid(name));

    stage.tell("scout", "crash");
    stage.until("the dead agent waits", |mission| mission.is_in("scout", AgentState::Waiting, Reason::Backoff)).await;
    stage.look(|mission| {
        assert!(mission.has(Ready, "False", Reason::Backoff) && mission.has(Reconciling, "True", Reason::Backoff));
        let status = mission.status();
        assert_eq!(status.counts.unwrap().summary, "1/2");
        let next = status.next_action.unwrap();
        assert_eq!((next.what.as_ref(), next.agent.as_str()), ("Restart", "scout"));
        let end = mission.agent("scout").last_end.unwrap();
        assert_eq!((end.pod_uid, end.outcome, end.exit_code), (dying.clone(), Outcome::Died, Some(1)));
    });

    stage.until("the agent is revived", |mission| mission.alive("scout", 2)).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.look(|mission| {
        let agent = mission.agent("scout");
        assert_eq!((agent.deaths, agent.revived), (1, 1));
        assert_ne!(agent.pod_uid, Some(dying.clone()));
        assert_eq!(mission.agent("relay").pod_uid, Some(other.clone()), "nobody touches the other agent");
        assert!(mission.lacks(Reconciling));
        let status = mission.status();
        assert_eq!(status.counts.unwrap().revived, 1);
        let [incident] = &status.incidents[..] else { panic!("one incident: {:?}", status.incidents) };
        assert_eq!((incident.agent.as_str(), incident.exit_code, incident.outcome), ("scout", Some(1), IncidentOutcome::Revived));
        assert!(incident.duration_seconds.is_some_and(|seconds| seconds >= 5), "{incident:?}");
        assert!(incident.log.as_ref().is_some_and(|log| log.contains("told to crash")), "{incident:?}");
        // Six seconds, less at most a tenth.
        let [pod] = mission.pods_of("scout")[..] else { panic!("one pod") };
        let made = from_time(pod.metadata.creation_timestamp.as_ref().unwrap());
        let died = from_time(&agent.last_end.unwrap().at);
        assert!((5..60).contains(&(made - died).num_seconds()), "died {died}, next pod {made}");
    });
    let events = stage.kubectl(&["events", "--for=missioncell/watch"]).unwrap();
    assert!(events.contains("AgentDied") && events.contains("AgentRevived"), "{events}");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn used_attempts_end_in_failure_until_the_spec_changes() {
    let stage = Stage::new("attempts").await;
    stage.policy("default", quick(2)).await;
    let mut cell = mission(CELL, [doomed("scout"), agent("relay")]);
    stage.apply(&cell).await;
    stage.until("the agent is given up", |mission| given_up(mission, "scout", 3)).await;
    stage.look(|mission| {
        assert!(mission.has(Ready, "False", Reason::MissionFailed) && mission.has(Stalled, "True", Reason::MissionFailed));
        assert!(mission.lacks(Reconciling));
        assert_eq!(mission.agent("scout").deaths, 3);
        assert_eq!(mission.status().next_action, None);
        let outcomes: Vec<_> = mission.status().incidents.iter().map(|incident| incident.outcome).collect();
        assert_eq!(outcomes.last(), Some(&IncidentOutcome::GivenUp));
    });

    // Another program has attempts of its own: the same end, three incarnations later.
    cell.spec.agents[0].env = Some(vec![EnvVar { name: "TRY".into(), value: Some("again".into()), value_from: None }]);
    stage.apply(&cell).await;
    stage.until("the changed agent is given up too", |mission| given_up(mission, "scout", 6)).await;
    cell.spec.agents[0].args = None;
    stage.apply(&cell).await;
    stage.until("the mended agent is alive", |mission| mission.alive("scout", 7)).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    assert!(stage.look(|mission| mission.lacks(Stalled)));
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn revive_never_leaves_the_dead_alone() {
    let stage = Stage::new("never").await;
    let mut cell = mission(CELL, [agent("scout"), agent("relay")]);
    cell.spec.revive = Some(Revive::Never);
    // What an agent says itself comes first.
    cell.spec.agents[1].revive = Some(Revive::Always);
    stage.apply(&cell).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.tell("scout", "crash");
    stage.tell("relay", "crash");
    stage.until("one stays dead", |mission| mission.is_in("scout", AgentState::Dead, Reason::RevivalSuppressed)).await;
    stage.until("the other is back", |mission| mission.alive("relay", 2)).await;
    stage.look(|mission| {
        assert!(mission.has(Ready, "False", Reason::RevivalSuppressed));
        assert!(mission.has(Stalled, "True", Reason::RevivalSuppressed));
        assert_eq!(mission.agent("scout").attempt, 1);
        let outcomes: Vec<_> = mission.status().incidents.iter().map(|found| (found.agent.clone(), found.outcome)).collect();
        assert!(outcomes.contains(&("scout".into(), IncidentOutcome::Suppressed)), "{outcomes:?}");
    });
    cell.spec.revive = Some(Revive::Always);
    stage.apply(&cell).await;
    stage.until("it is revived once that is allowed", |mission| mission.alive("scout", 2)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_service_that_ends_has_died() {
    let stage = Stage::new("service").await;
    let service = AgentSpec { completion: Some(Completion::Service), ..agent("library") };
    stage.apply(&mission(CELL, [agent("writer"), service])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.tell("library", "exit");
    stage.until("the service is back", |mission| mission.alive("library", 2)).await;
    stage.look(|mission| {
        let agent = mission.agent("library");
        let end = agent.last_end.unwrap();
        assert_eq!((agent.deaths, end.outcome, end.exit_code), (1, Outcome::Died, Some(0)));
    });
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_dead_optional_agent_only_degrades_the_mission() {
    let stage = Stage::new("optional").await;
    stage.policy("default", quick(0)).await;
    let optional = AgentSpec { completion: Some(Completion::Optional), ..agent("illustrator") };
    stage.apply(&mission(CELL, [agent("writer"), optional])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.tell("illustrator", "crash");
    stage.until("the mission is degraded", |mission| mission.has(Ready, "True", Reason::Degraded)).await;
    stage.look(|mission| {
        assert!(given_up(mission, "illustrator", 1) && mission.alive("writer", 1));
        assert!(mission.lacks(Stalled) && mission.lacks(Reconciling), "{:?}", mission.status().conditions);
        assert_eq!(mission.status().counts.unwrap().summary, "1/2");
    });
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn attempts_come_back_to_an_agent_that_lived_long_enough() {
    let stage = Stage::new("decay").await;
    let mut policy = quick(1);
    policy.restart = Some(Restart { reset_after_seconds: Some(4), ..policy.restart.unwrap_or_default() });
    stage.policy("default", policy).await;
    // It lives for longer than the four seconds each time, so its single attempt never ends.
    stage.apply(&mission(CELL, [agent_that("scout", &["--work-seconds", "6", "--exit-code", "1"])])).await;
    stage.until("it died three times", |mission| mission.alive("scout", 4)).await;
    assert_eq!(stage.look(|mission| mission.agent("scout").deaths), 1);
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn an_agent_killed_on_its_node_has_died() {
    let stage = Stage::new("killed").await;
    stage.apply(&mission(CELL, [agent("scout")])).await;
    stage.until("the agent is alive", |mission| mission.alive("scout", 1)).await;
    // As the kernel does to a process that takes too much memory.
    let container = stage.look(|mission| {
        let pod = mission.pods_of("scout")[0].clone();
        pod.status.unwrap().container_statuses.unwrap()[0].container_id.clone().unwrap()
    });
    let id = container.trim_start_matches("containerd://");
    super::support::lab::script(&["exec-node", "--", "ctr", "tasks", "kill", "--signal", "SIGKILL", id]).unwrap();
    stage.until("the agent is revived", |mission| mission.alive("scout", 2)).await;
    let end = stage.look(|mission| mission.agent("scout").last_end.unwrap());
    assert_eq!((end.outcome, end.exit_code), (Outcome::Died, Some(137)));
}
