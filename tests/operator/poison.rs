//! One object that the operator can't understand must not stop the others.

use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;

use super::harm::{Harm, install, operator, rolled_out};
use super::support::lab::kubectl;
use super::support::operator::{NAME, container, pods, well};
use super::support::stage::{CELL, soon};
use super::support::{Stage, agent, lab, mission};

const CRD: &str = "missioncells.lazarus-pit.io";
const REVIVE: &str = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/revive/enum";
const POISON: &str = "
apiVersion: lazarus-pit.io/v1alpha1
kind: MissionCell
metadata: {name: poison}
spec:
  mission: to be tested
  revive: Perhaps
  agents:
  - {name: scout, image: 'lazarus-pit:dev', command: [/lazarus, demo-agent]}
";

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn one_poisoned_object_stops_nobody_else() {
    let client = lab::client().await;
    let mut harm = Harm::begin(&client).await;
    let stage = Stage::new("poison").await;
    stage.apply(&mission(CELL, [agent("scout")])).await;
    stage.until("the agent is alive", |mission| mission.alive("scout", 1)).await;

    // Stored as an older or newer version of the kind might have allowed.
    harm.changes();
    let relax = serde_json::json!([{"op": "remove", "path": REVIVE}]).to_string();
    kubectl(&["patch", "crd", CRD, "--type=json", "-p", &relax], "").unwrap();
    soon("the kind takes what it should not", async || {
        kubectl(&["apply", "--server-side", "-n", &stage.namespace, "-f", "-"], POISON).is_ok()
    })
    .await;
    install();
    let reason =
        || stage.kubectl(&["get", "mcell", "poison", "-o", "jsonpath={.status.conditions[?(@.type==\"Ready\")].reason}"]);
    soon("the object says that it can't be understood", async || reason().is_ok_and(|reason| reason == "Quarantined")).await;
    let restarts = pods(&client).await.iter().filter_map(container).map(|container| container.restart_count).sum::<i32>();

    stage.tell("scout", "crash");
    stage.until("the other mission's agent is revived", |mission| mission.alive("scout", 2)).await;
    stage.apply(&mission("later", [agent("scout")])).await;
    stage.until_all("a later mission starts", |scene| scene.mission("later").alive("scout", 1)).await;
    let after = pods(&client).await.iter().filter_map(container).map(|container| container.restart_count).sum::<i32>();
    assert_eq!(restarts, after, "the operator goes on as if nothing had happened");

    // A new process meets the object in its first list.
    operator(&["rollout", "restart", "deployment", NAME]);
    rolled_out();
    well(&client).await;
    stage.tell("scout", "crash");
    stage.until("a new operator revives too", |mission| mission.alive("scout", 3)).await;
    assert_eq!(reason().unwrap(), "Quarantined");

    stage.kubectl(&["patch", "mcell", "poison", "--type=merge", "-p", r#"{"spec":{"revive":"Always"}}"#]).unwrap();
    stage
        .until_all("the mended object is a mission like others", |scene| {
            scene.mission("poison").has(Ready, "True", Reason::AgentsAlive)
        })
        .await;
}
