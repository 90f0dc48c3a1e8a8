//! A cluster that does not enforce NetworkPolicies: agents whose network is to be closed are not started in it.

use lazarus::api::conditions::Reason;
use lazarus::api::{AgentState, Isolation};

use super::ground::Ground;
use super::support::operator::well;
use super::support::stage::{CELL, soon};
use super::support::{Stage, agent, lab, mission};

/// Nobody enforces NetworkPolicies until this is dropped. The lab starts again on its data, both times.
struct Unenforced;

impl Unenforced {
    fn begin() -> Self {
        lab::script(&["up", "--nodes", "2", "--no-network-policy"]).unwrap();
        Self
    }
}

impl Drop for Unenforced {
    fn drop(&mut self) {
        if let Err(complaint) = lab::script(&["up", "--nodes", "2", "--network-policy"]) {
            println!("the lab does not enforce NetworkPolicies any more: {complaint}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn nobody_starts_where_network_policies_do_nothing_until_they_do() {
    let _ground = Ground::begin().await;
    let unenforced = Unenforced::begin();
    well(&lab::client().await).await;
    let stage = Stage::new("unenforced").await;
    stage.apply(&mission(CELL, [agent("scout")])).await;
    let mut free = mission("free", [agent("relay")]);
    free.spec.isolation = Some(Isolation::None);
    stage.apply(&free).await;
    stage.until("it is held", |mission| mission.is_in("scout", AgentState::Waiting, Reason::NetworkNotEnforced)).await;
    stage.look(|mission| {
        let message = mission.agent("scout").message.clone().unwrap_or_default();
        assert!(message.contains("install a network plugin") && message.contains("spec.isolation"), "{message}");
    });
    stage.until_all("what need not be closed runs", |scene| scene.mission("free").alive("relay", 1)).await;

    drop(unenforced);
    // Asked anew each time: the lab's API server was away.
    let shown = ["get", "mcell", CELL, "-o", "jsonpath={.status.agents[0].state}"];
    soon("it starts by itself", async || stage.kubectl(&shown).is_ok_and(|state| state == "Alive")).await;
    well(&lab::client().await).await;
}
