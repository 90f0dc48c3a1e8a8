//! What an agent waits for that a new pod would not bring.

use lazarus::api::conditions::ConditionType::{Ready, Reconciling, Stalled};
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentSpec, AgentState, EnvSource, EnvVar, KeyRef, MissionCell};

use super::support::stage::CELL;
use super::support::{Stage, agent, mission};

async fn is_held(stage: &Stage, reason: Reason, evidence: &str) {
    stage.until("the agent is held", |mission| mission.is_in("scout", AgentState::Waiting, reason)).await;
    stage.until("the mission says why", |mission| mission.has(Ready, "False", reason)).await;
    stage.look(|mission| {
        assert!(mission.has(Reconciling, "True", reason) && mission.lacks(Stalled));
        let agent = mission.agent("scout");
        assert_eq!(agent.deaths, 0, "a hold is no death");
        let verdict = agent.verdict.unwrap();
        assert!(verdict.evidence.to_lowercase().contains(evidence), "{verdict:?}");
    });
    let events = stage.kubectl(&["events", "--for=missioncell/watch"]).unwrap();
    assert!(events.contains("AgentHeld"), "{events}");
}

async fn mended(stage: &Stage, cell: &MissionCell, attempt: i64) {
    stage.apply(cell).await;
    stage.until("the agent is alive", |mission| mission.alive("scout", attempt)).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn an_image_that_cannot_be_pulled() {
    let stage = Stage::new("image").await;
    let missing = AgentSpec { image: "registry.invalid/scout:1".into(), ..agent("scout") };
    let mut cell = mission(CELL, [missing, agent("relay")]);
    stage.apply(&cell).await;
    is_held(&stage, Reason::ImagePull, "registry.invalid/scout:1").await;
    stage.until("the other agent is alive all the same", |mission| mission.alive("relay", 1)).await;
    cell.spec.agents[0] = agent("scout");
    mended(&stage, &cell, 2).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_secret_that_is_missing() {
    let stage = Stage::new("config").await;
    let source = KeyRef { name: "keys".into(), key: "API_KEY".into(), optional: None };
    let source = EnvSource { secret_key_ref: Some(source), config_map_key_ref: None };
    let variable = EnvVar { name: "API_KEY".into(), value: None, value_from: Some(source) };
    let cell = mission(CELL, [AgentSpec { env: Some(vec![variable]), ..agent("scout") }]);
    stage.apply(&cell).await;
    is_held(&stage, Reason::ConfigError, "\"keys\" not found").await;
    let pod = stage.uid("scout");
    stage.kubectl(&["create", "secret", "generic", "keys", "--from-literal=API_KEY=sesame"]).unwrap();
    // The kubelet looks again by itself, so the pod stays the same.
    stage.until("the agent is alive", |mission| mission.alive("scout", 1)).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    assert_eq!(stage.uid("scout"), pod);
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_node_that_does_not_exist() {
    let stage = Stage::new("node").await;
    let mut cell = mission(CELL, [agent("scout")]);
    cell.spec.node_selector = Some([("disk".to_owned(), "diamond".to_owned())].into());
    stage.apply(&cell).await;
    is_held(&stage, Reason::Unschedulable, "node").await;
    cell.spec.node_selector = None;
    mended(&stage, &cell, 2).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_quota_that_is_used_up() {
    let stage = Stage::new("quota").await;
    let quota = |pods: u32| {
        stage.apply_yaml(&format!(
            "{{apiVersion: v1, kind: ResourceQuota, metadata: {{name: few}}, spec: {{hard: {{pods: '{pods}'}}}}}}"
        ));
    };
    quota(0);
    super::support::stage::soon("the quota is in force", async || {
        let hard = stage.kubectl(&["get", "resourcequota", "few", "-o", "jsonpath={.status.hard.pods}"]).unwrap();
        hard == "0"
    })
    .await;
    stage.apply(&mission(CELL, [agent("scout")])).await;
    is_held(&stage, Reason::PodRefused, "exceeded quota").await;
    assert_eq!(stage.look(|mission| mission.pods().len()), 0);
    quota(1);
    stage.until("the agent is alive", |mission| mission.alive("scout", 1)).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}
