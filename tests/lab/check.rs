//! `check` says of the lab that all is well, but for what its namespaces lack.

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use lazarus::api::conditions::ConditionType::IsolationVerified;
use lazarus::api::conditions::Reason;
use lazarus::api::names;
use serde_json::{Value, json};

use super::support::stage::{CELL, soon};
use super::support::{Stage, agent, mission};

/// What a person with all rights is told: the lines that are not ok, or why there are none.
fn complaints(stage: &Stage, arguments: &[&str]) -> Result<Vec<Value>, String> {
    let all = ["check", "--as-group", "system:masters", "-o", "json"];
    let said = stage.person("root", &[&all, arguments].concat())?;
    let found: Value = serde_json::from_str(&said).map_err(|error| format!("{error}: {said}"))?;
    let checks = found["checks"].as_array().unwrap();
    assert!(checks.len() > 6, "{said}");
    Ok(checks.iter().filter(|check| check["outcome"] != "Ok").cloned().collect())
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn all_is_well_but_the_label_that_a_namespace_lacks() {
    let stage = Stage::new("check").await;
    stage.apply(&mission(CELL, [agent("scout")])).await;
    stage.until("it is verified", |mission| mission.has(IsolationVerified, "True", Reason::IsolationEnforced)).await;
    assert_eq!(complaints(&stage, &["--pre"]), Ok(Vec::new()));

    // Another test may just have had a replica replaced.
    let mut found = Ok(Vec::new());
    soon("only the label is missing", async || {
        found = complaints(&stage, &[]);
        println!("{found:?}");
        matches!(&found, Ok(found) if found.len() == 1)
    })
    .await;
    let found = found.unwrap().remove(0);
    assert_eq!((&found["check"], &found["outcome"]), (&json!("Pod Security"), &json!("Warning")));
    let command = format!("kubectl label namespace {} pod-security.kubernetes.io/enforce=restricted", stage.namespace);
    assert_eq!(found["remedy"], json!(command));

    let namespaces = Api::<Namespace>::all(stage.client.clone());
    let label = json!({"metadata": {"labels": {names::POD_SECURITY: "restricted"}}});
    namespaces.patch(&stage.namespace, &PatchParams::default(), &Patch::Merge(label)).await.unwrap();
    soon("nothing is missing", async || complaints(&stage, &[]) == Ok(Vec::new())).await;
}
