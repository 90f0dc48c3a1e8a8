//! Agents that run and are not well: what their sidecars see decides.

use chrono::TimeDelta;
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentState, Heartbeat, Source, names};

use super::support::beats::{asked, impatient, never_was, post, posting, seen_well, signal, watched, went};
use super::support::stage::CELL;
use super::support::{Stage, agent, lab, mission};

/// What every agent goes through that hangs.
const HUNG: [&str; 4] = ["Alive", "Stale/Stale #1", "Dead/Hung #1", "Alive"];

async fn all_alive(stage: &Stage) {
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn who_hangs_is_stale_then_dead_then_revived_and_nobody_else() {
    let stage = Stage::new("hang").await;
    stage.policy("default", impatient()).await;
    stage.apply(&mission(CELL, [posting("scout"), asked("relay"), agent("scribe")])).await;
    all_alive(&stage).await;
    seen_well(&stage, "relay").await;
    let scribe = stage.uid("scribe");
    stage.tell("scribe", "hang");
    stage.tell("scout", "hang");
    stage.tell("relay", "hang");
    for name in ["scout", "relay"] {
        stage.until(&format!("{name} is revived"), |mission| mission.alive(name, 2)).await;
        went(&stage, CELL, name, &HUNG);
        stage.look(|mission| {
            let agent = mission.agent(name);
            assert_eq!((agent.deaths, agent.revived), (1, 1));
            let end = agent.last_end.unwrap();
            assert_eq!((end.cause.as_str(), end.exit_code), ("Hung", None));
        });
    }
    // Of an agent with no source only the end of its process counts, and this one hung before the others.
    assert!(stage.look(|mission| mission.alive("scribe", 1)));
    never_was(&stage, CELL, "scribe", "Stale");
    never_was(&stage, CELL, "scribe", "Dead");
    assert_eq!(stage.uid("scribe"), scribe);
    let incidents = stage.look(|mission| mission.status().incidents);
    assert!(incidents.iter().all(|incident| incident.cause == "Hung") && incidents.len() == 2, "{incidents:#?}");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_process_that_is_stopped_hangs_too() {
    let stage = Stage::new("stopped").await;
    stage.policy("default", impatient()).await;
    stage.apply(&mission(CELL, [posting("scout"), asked("relay")])).await;
    all_alive(&stage).await;
    seen_well(&stage, "relay").await;
    for name in ["scout", "relay"] {
        let pod = stage.look(|mission| mission.pods_of(name)[0].clone());
        signal(&pod, names::AGENT_CONTAINER, "SIGSTOP");
    }
    for name in ["scout", "relay"] {
        stage.until(&format!("{name} is revived"), |mission| mission.alive(name, 2)).await;
        went(&stage, CELL, name, &HUNG);
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn who_is_busy_is_left_alone_but_not_for_ever() {
    let stage = Stage::new("busy").await;
    stage.policy("default", impatient()).await;
    stage.apply(&mission(CELL, [posting("scout"), posting("writer"), posting("clock")])).await;
    all_alive(&stage).await;
    let busy = |agent: &str, time: TimeDelta| {
        post(&stage, agent, &serde_json::json!({"busyUntil": (lab::now() + time).to_rfc3339()}));
        stage.tell(agent, "hang");
    };
    busy("scout", TimeDelta::hours(1));
    busy("writer", TimeDelta::seconds(25));
    // The same silence of one that has said nothing tells that the time is over.
    stage.tell("clock", "hang");
    stage.until("the idle one is revived", |mission| mission.alive("clock", 2)).await;
    stage.until("the busy one is left alone", |mission| mission.is_in("scout", AgentState::Alive, Reason::Busy)).await;
    stage.until("whose time has passed is revived", |mission| mission.alive("writer", 2)).await;
    went(&stage, CELL, "writer", &["Alive", "Alive/Busy #1", "Dead/Hung #1", "Alive"]);
    assert!(stage.look(|mission| mission.is_in("scout", AgentState::Alive, Reason::Busy)));
    never_was(&stage, CELL, "scout", "Stale");

    let shorter = Heartbeat { max_busy_seconds: Some(16), ..impatient().heartbeat.unwrap() };
    stage.policy("default", lazarus::api::AgentPolicySpec { heartbeat: Some(shorter), ..impatient() }).await;
    stage.until("nobody may be busy for so long", |mission| mission.alive("scout", 2)).await;
    went(&stage, CELL, "scout", &["Alive", "Alive/Busy #1", "Dead/Hung #1", "Alive"]);
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn who_is_never_seen_well_is_dead_after_its_grace() {
    let stage = Stage::new("neverbeat").await;
    stage.policy("default", impatient()).await;
    // Nobody listens there.
    stage.apply(&mission(CELL, [watched(agent("scout"), Source::Http, Some(9)), posting("relay")])).await;
    stage.until("the agent is tried again", |mission| mission.alive("scout", 2)).await;
    went(&stage, CELL, "scout", &["Alive", "Dead/NeverBeat #1", "Alive"]);
    never_was(&stage, CELL, "scout", "Stale");
    let end = stage.look(|mission| mission.agent("scout").last_end.unwrap());
    assert_eq!((end.cause.as_str(), end.exit_code), ("NeverBeat", None));
    never_was(&stage, CELL, "relay", "Dead");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn who_answers_and_gets_nowhere_is_dead() {
    let stage = Stage::new("stalled").await;
    let stalls = Heartbeat { stalled_after_seconds: Some(15), ..impatient().heartbeat.unwrap() };
    stage.policy("default", lazarus::api::AgentPolicySpec { heartbeat: Some(stalls), ..impatient() }).await;
    // The endpoint that is asked is the sidecar's own: it answers whatever the agent does, while the agent's posts say how far
    // it got.
    let scout = watched(agent("scout"), Source::Http, Some(names::PULSE_PORT.into()));
    stage.apply(&mission(CELL, [scout, posting("relay")])).await;
    all_alive(&stage).await;
    stage.tell("scout", "hang");
    stage.until("the agent is revived", |mission| mission.alive("scout", 2)).await;
    went(&stage, CELL, "scout", &["Alive", "Dead/Stalled #1", "Alive"]);
    never_was(&stage, CELL, "scout", "Stale");
    never_was(&stage, CELL, "relay", "Dead");
    assert_eq!(stage.look(|mission| mission.agent("scout").last_end.unwrap().cause), "Stalled");
}
