//! A node is not heard of: its agents may run or not, so nothing is done until somebody knows.

use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentPolicySpec, AgentState, ObjectName, OnExhausted, Outcome};

use super::ground::{Cut, Ground, declare_found, declare_lost, in_room, incarnation, leads_on, make_room, on, terms};
use super::support::beats::{never_was, posting, went};
use super::support::stage::{CELL, soon};
use super::support::told::{Fate, Told};
use super::support::{Stage, agent, lab, mission};

const NAMES: [&str; 2] = ["scout", "scribe"];
/// What is planned for the agents of a node that is not heard of.
const HELD: [&str; 1] = ["Person: Bring back or give up the node of"];

async fn all_alive(stage: &Stage) {
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}

async fn uncertain(stage: &Stage) -> [Told; 2] {
    let held = |mission: &super::support::Mission<'_>, name| mission.is_in(name, AgentState::Stale, Reason::NodeUncertain);
    stage.until("nobody knows whether they run", |mission| NAMES.iter().all(|name| held(mission, name))).await;
    stage.until("the mission says why", |mission| mission.has(Ready, "False", Reason::NodeUncertain)).await;
    let [scout, scribe] = NAMES;
    [stage.told(CELL, scout, &HELD).await, stage.told(CELL, scribe, &HELD).await]
}

async fn well_again(stage: &Stage, before: &[(Option<String>, Vec<i32>); 2], told: &[Told; 2]) {
    all_alive(stage).await;
    stage.until("nothing is held against them", |mission| NAMES.iter().all(|name| mission.agent(name).reason.is_none())).await;
    stage.look(|mission| {
        assert!(NAMES.iter().all(|name| mission.alive(name, 1) && mission.agent(name).deaths == 0));
        assert_eq!(&NAMES.map(|name| incarnation(mission, name)), before);
        assert!(mission.status().incidents.is_empty());
    });
    for name in NAMES {
        went(stage, CELL, name, &["Alive #1", "Stale/NodeUncertain #1", "Alive #1"]);
        never_was(stage, CELL, name, "Dead");
    }
    for told in told {
        told.came_true(stage, Fate::Recovered).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_node_that_does_not_reach_the_api_server_keeps_its_agents() {
    let ground = Ground::begin().await;
    let stage = Stage::new("cutnode").await;
    stage.policy("default", terms()).await;
    stage.apply(&on(&ground.away, mission(CELL, [posting("scout"), agent("scribe")]))).await;
    all_alive(&stage).await;
    let before = NAMES.map(|name| stage.look(|mission| incarnation(mission, name)));

    let cut = Cut::between(&ground.away, "api");
    let told = uncertain(&stage).await;
    assert!(cut.dropped() > 0 && !ground.ready(&ground.away).await && ground.ready(&ground.leads).await);
    drop(cut);
    well_again(&stage, &before, &told).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_node_that_stands_still_with_the_leader_on_it_keeps_its_agents() {
    let ground = Ground::begin().await;
    let stage = Stage::new("still").await;
    stage.policy("default", terms()).await;
    stage.apply(&on(&ground.leads, mission(CELL, [posting("scout"), agent("scribe")]))).await;
    all_alive(&stage).await;
    let before = NAMES.map(|name| stage.look(|mission| incarnation(mission, name)));

    lab::script(&["node", "stop", &ground.leads]).unwrap();
    leads_on(&ground.client, &ground.away).await;
    let told = uncertain(&stage).await;
    lab::script(&["node", "start", &ground.leads]).unwrap();
    well_again(&stage, &before, &told).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_agents_of_a_node_that_is_lost_for_good_go_on_elsewhere() {
    let ground = Ground::begin().await;
    let stage = Stage::new("lost").await;
    stage.policy("default", terms()).await;
    make_room(&ground.away);
    stage.apply(&in_room(mission(CELL, [posting("scout"), agent("scribe")]))).await;
    // Another mission has somebody who stands in.
    let substituting = AgentPolicySpec { on_exhausted: Some(OnExhausted::Substitute), ..terms() };
    stage.policy("substituting", substituting).await;
    let mut guarded = in_room(mission("guarded", [agent("captain"), agent("reserve")]));
    guarded.spec.policy_ref = Some(ObjectName { name: "substituting".into() });
    guarded.spec.agents[0].substitutes = Some(vec!["reserve".into()]);
    guarded.spec.agents[1].standby = Some(true);
    stage.apply(&guarded).await;
    all_alive(&stage).await;
    stage.until_all("the other mission is well", |scene| scene.mission("guarded").alive("captain", 1)).await;
    make_room(&ground.leads);
    let before = NAMES.map(|name| stage.uid(name));

    lab::script(&["node", "stop", &ground.away, "--kill"]).unwrap();
    let told = uncertain(&stage).await;
    assert_eq!(NAMES.map(|name| stage.uid(name)), before, "nothing is done before somebody says so");
    stage
        .until_all("the other mission is held too", |scene| {
            scene.mission("guarded").is_in("captain", AgentState::Stale, Reason::NodeUncertain)
        })
        .await;
    assert_eq!(stage.look_at_all(|scene| scene.mission("guarded").agent("reserve").state), AgentState::Standby);
    let captain = stage.told("guarded", "captain", &HELD).await;
    declare_lost(&ground.away);
    for ((name, before), told) in NAMES.into_iter().zip(&before).zip(told) {
        stage.until(&format!("{name} is back"), |mission| mission.alive(name, 2)).await;
        told.came_true(&stage, Fate::Back).await;
        went(&stage, CELL, name, &["Alive #1", "Stale/NodeUncertain #1", "Alive #2"]);
        never_was(&stage, CELL, name, "Dead");
        stage.look(|mission| {
            let agent = mission.agent(name);
            assert_eq!((agent.deaths, agent.revived), (0, 1), "the node's fault is not the agent's");
            let end = agent.last_end.unwrap();
            assert_eq!((end.outcome, &end.pod_uid), (Outcome::Disrupted, before));
            let pods = mission.pods_of(name);
            let nodes: Vec<_> = pods.iter().filter_map(|pod| pod.spec.as_ref()?.node_name.as_deref()).collect();
            assert_eq!(nodes, [&ground.leads]);
        });
    }

    stage
        .until_all("the substitute goes on", |scene| {
            let guarded = scene.mission("guarded");
            guarded.alive("reserve", 1) && guarded.is_in("captain", AgentState::Dead, Reason::Substituted)
        })
        .await;
    captain.came_true(&stage, Fate::Substituted).await;

    // What it held of them does not live again with it.
    let after = NAMES.map(|name| stage.uid(name));
    lab::script(&["node", "start", &ground.away]).unwrap();
    declare_found(&ground.away);
    soon("the node is back", async || ground.ready(&ground.away).await).await;
    soon("it has none of their processes", async || before.iter().all(|uid| processes(&ground.away, uid).is_empty())).await;
    all_alive(&stage).await;
    assert_eq!(NAMES.map(|name| stage.uid(name)), after);
    stage.look(|mission| assert!(NAMES.iter().all(|name| mission.pods_of(name).len() == 1)));
}

/// The processes that the node's containerd runs for a pod.
fn processes(node: &str, pod: &str) -> Vec<String> {
    let ctr = |arguments: &[&str]| lab::script(&[&["exec-node", "--node", node, "--", "ctr"], arguments].concat()).unwrap();
    let containers = ctr(&["containers", "list", "--quiet", &format!("labels.\"io.kubernetes.pod.uid\"=={pod}")]);
    let tasks = ctr(&["tasks", "list"]);
    let runs = |container: &&str| tasks.lines().any(|task| task.starts_with(container) && task.contains("RUNNING"));
    containers.lines().filter(runs).map(String::from).collect()
}
