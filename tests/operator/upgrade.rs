//! Another version of the operator, another configuration: no agent is restarted for that.

use kube::Client;
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;

use super::harm::{Harm, operator, rolled_out};
use super::support::operator::{NAME, leader_other_than, well};
use super::support::stage::CELL;
use super::support::{Stage, agent, lab, mission, writes};

/// The same program under another name: to Kubernetes it is another version.
fn another_version() -> &'static str {
    let nodes = lab::kubectl(&["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"], "").unwrap();
    for node in nodes.split_whitespace() {
        let ctr = |arguments: &[&str]| lab::script(&[&["exec-node", "--node", node, "--", "ctr", "images"], arguments].concat());
        let images = ctr(&["list", "--quiet"]).unwrap();
        let old = images.lines().find(|name| name.ends_with("/lazarus-pit:dev")).expect("the image of this working tree");
        let new = old.replace(":dev", ":next");
        ctr(&["tag", "--force", old, &new]).unwrap();
    }
    "lazarus-pit:next"
}

async fn untouched(stage: &Stage, before: &[String; 2]) {
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    assert_eq!(before, &["scout", "relay"].map(|name| stage.uid(name)));
    stage.look_at_all(|scene| {
        let ended = |line: &&String| line.contains("is gone") || line.contains("to be deleted");
        assert_eq!(scene.history.iter().find(ended), None, "{:#?}", scene.history);
    });
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn an_upgrade_restarts_no_agent() {
    let client: Client = lab::client().await;
    let mut harm = Harm::begin(&client).await;
    let stage = Stage::new("upgrade").await;
    stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let before = ["scout", "relay"].map(|name| stage.uid(name));
    let began = lab::now();

    let leader = well(&client).await;
    operator(&["rollout", "restart", "deployment", NAME]);
    rolled_out();
    let second = leader_other_than(&client, std::slice::from_ref(&leader)).await;
    untouched(&stage, &before).await;

    harm.changes();
    operator(&["set", "image", "deployment", NAME, &format!("*={}", another_version())]);
    rolled_out();
    let third = leader_other_than(&client, &[leader, second]).await;
    untouched(&stage, &before).await;

    // New defaults are for the next incarnation, and for those whose policy is the operator's own.
    harm.configure(&client, "defaults: {revive: Always, restart: {maxAttempts: 7, backoffSeconds: 1}}").await;
    leader_other_than(&client, &[third]).await;
    untouched(&stage, &before).await;

    let written = writes::since(began, &stage.namespace);
    assert_eq!(written.writes.get("delete pods").map_or(0, |count| count.count), 0, "{written:#?}");
    assert_eq!(written.writes.get("create pods").map_or(0, |count| count.count), 0, "{written:#?}");
    stage.tell("scout", "crash");
    stage.until("the new operator revives", |mission| mission.alive("scout", 2)).await;
}
