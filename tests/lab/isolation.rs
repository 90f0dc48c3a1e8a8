//! Isolation levels: each of them runs, is verified, rises, and is refused where it can't be had.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, PersistentVolumeClaim};
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use lazarus::api::conditions::ConditionType::{IsolationVerified, Ready};
use lazarus::api::conditions::Reason;
use lazarus::api::quantity::Amount;
use lazarus::api::{AgentSpec, Isolation, MissionCell, Retain, Role, Workspace, names};
use serde_json::json;

use super::support::operator::{NAME, NAMESPACE};
use super::support::stage::{CELL, soon};
use super::support::{Stage, agent, mission};

/// The lab has its image under its digest too.
async fn by_digest(stage: &Stage) -> String {
    let operator = Api::<Deployment>::namespaced(stage.client.clone(), NAMESPACE).get(NAME).await.unwrap();
    format!("lazarus-pit@{}", operator.metadata.annotations.unwrap()["image-digest"])
}

async fn at(stage: &Stage, level: Isolation, names: &[&str]) -> MissionCell {
    let image = by_digest(stage).await;
    let mut cell = mission(CELL, names.iter().map(|name| AgentSpec { image: image.clone(), ..agent(name) }));
    cell.spec.isolation = Some(level);
    cell
}

async fn verified(stage: &Stage, level: Isolation) {
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage
        .until(&format!("{level} is verified"), |mission| {
            let isolation = mission.status().isolation;
            mission.has(IsolationVerified, "True", Reason::IsolationEnforced)
                && isolation.is_some_and(|isolation| isolation.level == level && isolation.verified)
        })
        .await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn level_1_runs() {
    let stage = Stage::new("level1").await;
    stage.apply(&at(&stage, Isolation::Level1, &["scout", "relay"]).await).await;
    verified(&stage, Isolation::Level1).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn level_3_runs() {
    let stage = Stage::new("level3").await;
    stage.apply(&at(&stage, Isolation::Level3, &["scout", "relay"]).await).await;
    verified(&stage, Isolation::Level3).await;
    // By the kernel's word, not the manifest's.
    let map =
        stage.kubectl(&["exec", &stage.pod("scout"), "--", "/lazarus", "demo-agent", "show", "/proc/self/uid_map"]).unwrap();
    let host: i64 = map.split_whitespace().nth(1).unwrap().parse().unwrap();
    assert!(host >= 65_536, "root of the pod is a user of the node that nobody else is: {map}");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_level_of_living_agents_rises_one_by_one_and_never_falls() {
    let stage = Stage::new("rises").await;
    let cell = at(&stage, Isolation::Level1, &["scout", "relay"]).await;
    stage.apply(&cell).await;
    verified(&stage, Isolation::Level1).await;
    stage.never(Box::new(|scene| {
        let mission = scene.mission(CELL);
        let away = ["scout", "relay"].iter().all(|name| mission.pods_of(name).is_empty());
        away.then(|| "both agents are replaced at once".into())
    }));

    let least = |level: Option<&str>| json!({"metadata": {"labels": {names::MINIMUM_LEVEL: level}}});
    let namespaces = Api::<Namespace>::all(stage.client.clone());
    let set = async |level| {
        namespaces.patch(&stage.namespace, &PatchParams::default(), &Patch::Merge(least(level))).await.unwrap();
    };
    set(Some("Level2")).await;
    stage.until("both are replaced", |mission| mission.alive("scout", 2) && mission.alive("relay", 2)).await;
    verified(&stage, Isolation::Level2).await;
    stage.look(|mission| assert!(mission.status().incidents.is_empty(), "that is no death"));

    set(None).await;
    stage
        .until("it says why it stays", |mission| {
            let conditions = mission.status().conditions;
            conditions.iter().any(|found| found.message.contains("a lower level waits until no agent lives"))
        })
        .await;
    verified(&stage, Isolation::Level2).await;
    stage.look(|mission| assert!(mission.alive("scout", 2) && mission.alive("relay", 2)));
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn what_a_level_forbids_is_refused_and_heals() {
    let stage = Stage::new("refused").await;
    let namespaces = Api::<Namespace>::all(stage.client.clone());
    let least = json!({"metadata": {"labels": {names::MINIMUM_LEVEL: "Level2"}}});
    namespaces.patch(&stage.namespace, &PatchParams::default(), &Patch::Merge(least)).await.unwrap();
    // Its own level does not show to the API server that the image has to be pinned.
    let mut cell = mission(CELL, [agent("scout")]);
    stage.apply(&cell).await;
    stage.until("the image is refused", |mission| mission.has(Ready, "False", Reason::IsolationRefused)).await;
    stage.look(|mission| {
        let said = mission.agent("scout").message.unwrap();
        assert!(said.contains("write lazarus-pit@sha256:… instead of a tag"), "{said}");
        assert!(mission.pods_of("scout").is_empty());
    });
    cell.spec.agents[0].image = by_digest(&stage).await;
    stage.apply(&cell).await;
    verified(&stage, Isolation::Level2).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_workspace_is_shared_as_the_level_says_and_survives_its_mission() {
    let stage = Stage::new("workspace").await;
    let mut cell = at(&stage, Isolation::Level2, &["captain", "scribe"]).await;
    cell.spec.agents[0].role = Some(Role::Lead);
    let size = Amount::Text("64Mi".into());
    let workspace = Workspace { size, storage_class_name: None, access_mode: None, retain: Some(Retain::Retain) };
    cell.spec.workspace = Some(workspace);
    stage.apply(&cell).await;
    verified(&stage, Isolation::Level2).await;
    let on = |agent: &str, arguments: &[&str]| {
        let pod = stage.pod(agent);
        stage.kubectl(&[&["exec", &pod, "--", "/lazarus", "demo-agent"], arguments].concat())
    };
    on("captain", &["write", "/workspace/shared/orders", "forward"]).unwrap();
    assert_eq!(on("scribe", &["show", "/workspace/shared/orders"]).unwrap().trim(), "forward");
    let refused = on("scribe", &["write", "/workspace/shared/orders", "back"]).unwrap_err();
    assert!(refused.contains("Read-only file system"), "{refused}");
    on("scribe", &["write", "/workspace/agents/scribe/notes", "mine"]).unwrap();
    let hidden = on("captain", &["show", "/workspace/agents/scribe/notes"]).unwrap_err();
    assert!(hidden.contains("No such file"), "the others' directories are not there at all: {hidden}");
    let root = on("scribe", &["write", "/etc/anything", "x"]).unwrap_err();
    assert!(root.contains("Read-only file system"), "{root}");
    on("scribe", &["write", "/tmp/anything", "x"]).unwrap();

    // Volumes of the lab don't grow; that changes nothing for the agents.
    cell.spec.workspace.as_mut().unwrap().size = Amount::Text("128Mi".into());
    stage.apply(&cell).await;
    stage
        .until("the status says why it does not grow", |mission| {
            let said = mission.status().workspace.and_then(|workspace| workspace.message);
            said.is_some_and(|said| said.contains("the volume stays as it is") && said.contains("resize"))
        })
        .await;
    verified(&stage, Isolation::Level2).await;
    cell.spec.workspace.as_mut().unwrap().size = Amount::Text("64Mi".into());
    stage.apply(&cell).await;
    stage
        .until("nothing is in the way any more", |mission| {
            mission.status().workspace.is_some_and(|workspace| workspace.message.is_none())
        })
        .await;

    stage.api::<MissionCell>().delete(CELL, &DeleteParams::default()).await.unwrap();
    stage.until_all("the mission and its pods are gone", |scene| scene.cells.is_empty() && scene.pods.is_empty()).await;
    let claims = stage.api::<PersistentVolumeClaim>();
    assert!(claims.get(&names::workspace(CELL)).await.unwrap().metadata.deletion_timestamp.is_none());

    // The next one of the same name finds it, and takes it along when it goes.
    cell.spec.workspace.as_mut().unwrap().retain = Some(Retain::Delete);
    stage.apply(&cell).await;
    verified(&stage, Isolation::Level2).await;
    assert_eq!(on("scribe", &["show", "/workspace/shared/orders"]).unwrap().trim(), "forward");
    stage.api::<MissionCell>().delete(CELL, &DeleteParams::default()).await.unwrap();
    soon("the claim goes with it", async || claims.get_opt(&names::workspace(CELL)).await.unwrap().is_none()).await;
}
