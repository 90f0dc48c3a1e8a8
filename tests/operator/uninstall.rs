//! Taking the operator away, with missions there, must not hang.

use k8s_openapi::api::core::v1::{Namespace, Pod};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::ListParams;
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;

use super::harm::{Harm, MANIFEST, install};
use super::support::lab::kubectl;
use super::support::operator::{NAMESPACE, well};
use super::support::stage::{CELL, soon};
use super::support::{Stage, agent, agent_that, lab, mission};

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn uninstalling_with_missions_there_never_hangs() {
    let client = lab::client().await;
    let mut harm = Harm::begin(&client).await;
    {
        let stage = Stage::new("uninstall").await;
        stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
        stage.apply(&mission("failed", [agent_that("scout", &["--work-seconds", "0", "--exit-code", "1"])])).await;
        stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
        harm.changes();
        kubectl(&["delete", "-f", MANIFEST, "--timeout=150s"], "").unwrap();
        let kinds = Api::<CustomResourceDefinition>::all(client.clone());
        assert!(kinds.get_opt("missioncells.lazarus-pit.io").await.unwrap().is_none());
        assert!(Api::<Namespace>::all(client.clone()).get_opt(NAMESPACE).await.unwrap().is_none());
        let pods = stage.api::<Pod>();
        soon("the agents are gone too", async || pods.list(&ListParams::default()).await.unwrap().items.is_empty()).await;
    }
    install();
    well(&client).await;
    let stage = Stage::new("reinstall").await;
    stage.apply(&mission(CELL, [agent("scout")])).await;
    stage.until("a mission starts after all that", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}
