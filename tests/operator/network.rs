//! The network of a running agent is opened by somebody: its sidecar notices, and nothing is done to the agent.

use kube::Client;
use lazarus::api::conditions::ConditionType::{IsolationVerified, Ready};
use lazarus::api::conditions::Reason;
use lazarus::api::names;

use super::harm::Harm;
use super::support::stage::{CELL, soon};
use super::support::{Mission, Stage, agent, fence, lab, mission};

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_policy_that_opens_the_network_is_noticed_beside_a_running_agent() {
    let client: Client = lab::client().await;
    let mut harm = Harm::begin(&client).await;
    harm.configure(&client, "gateway: {networkCheckSeconds: 1}").await;
    let stage = Stage::new("opened").await;
    stage.apply(&mission(CELL, [agent("scout")])).await;
    stage.until("it is alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let (uid, pod) = (stage.uid("scout"), stage.pod("scout"));
    let said = |words: &str| {
        let log = stage.kubectl(&["logs", &pod, "-c", names::PULSE_CONTAINER]).unwrap_or_default();
        log.matches(words).count()
    };
    soon("its network was found closed", async || said("network is closed") == 1).await;
    fence::open(&stage);
    soon("it is found open", async || said("network is open") == 1).await;
    let verified = |mission: &Mission<'_>, status: &str, reason| mission.has(IsolationVerified, status, reason);
    stage.until("the mission says so", |mission| verified(mission, "False", Reason::NetworkNotEnforced)).await;
    fence::open_no_more(&stage);
    soon("it is found closed again", async || said("network is closed") == 2).await;
    stage.until("the mission is verified again", |mission| verified(mission, "True", Reason::IsolationEnforced)).await;
    assert_eq!(stage.uid("scout"), uid);
    stage.until("it is alive", |mission| mission.alive("scout", 1)).await;
}
