//! What may be written: the rows of the table, the largest mission there can be, and the samples.

use std::fmt::Write;

use serde_json::{Value, json};

use super::lab::{Namespace, User, install, kubectl};
use super::rows::object;
use super::table::{ACCEPTED, REFUSED};

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn mistakes_are_refused_with_the_name_of_the_field() {
    install().await;
    let admin = User::admin().await;
    let namespace = Namespace::new(&admin, "refused").await;
    let mut failures = String::new();
    for (name, at, text, says) in REFUSED {
        let (kind, object) = object(*at, text);
        match admin.create(&namespace.ours(&format!("{kind}?dryRun=All")), &object).await {
            Ok(_) => writeln!(failures, "{name}: accepted").unwrap(),
            Err(refusal) => {
                let missing: Vec<_> = says.iter().filter(|text| !refusal.message.contains(**text)).collect();
                // A rule that fails to run is no message for people.
                let broken = refusal.message.contains("rule: ") || refusal.message.contains("evaluation");
                if !missing.is_empty() || broken || ![400, 422].contains(&refusal.code) {
                    writeln!(failures, "{name}: no {missing:?} in {} {}", refusal.code, refusal.message).unwrap();
                }
            }
        }
    }
    assert!(failures.is_empty(), "of {} rows:\n{failures}", REFUSED.len());
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn what_is_right_is_accepted_as_it_is() {
    install().await;
    let admin = User::admin().await;
    let namespace = Namespace::new(&admin, "accepted").await;
    let mut failures = String::new();
    for (name, at, text) in ACCEPTED {
        let (kind, object) = object(*at, text);
        match admin.create(&namespace.ours(&format!("{kind}?dryRun=All")), &object).await {
            // Defaults that the API server fills in are drift for GitOps; a dropped null is none.
            Ok(made) => {
                if made["spec"] != without_nulls(&object["spec"]) {
                    writeln!(failures, "{name}: became {}", made["spec"]).unwrap();
                }
            }
            Err(refusal) => writeln!(failures, "{name}: {refusal:?}").unwrap(),
        }
    }
    assert!(failures.is_empty(), "of {} rows:\n{failures}", ACCEPTED.len());
}

fn without_nulls(spec: &Value) -> Value {
    let fields = spec.as_object().unwrap().iter().filter(|(_, value)| !value.is_null());
    Value::Object(fields.map(|(key, value)| (key.clone(), value.clone())).collect())
}

/// The most a mission can hold: the rules of the schema and of admission must not run out of what they may cost.
#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_mission_of_64_full_agents_is_accepted_and_can_change() {
    install().await;
    let admin = User::admin().await;
    let namespace = Namespace::new(&admin, "full").await;
    let amounts: Value =
        (0..8).map(|number| (format!("example.com/resource-{number}"), json!(format!("{}", number + 1)))).collect();
    let agent = |number: usize| {
        json!({
            "name": format!("agent-{number}"), "image": "none.invalid/agent", "role": "Read", "completion": "Optional",
            "command": vec!["a word of the command"; 32], "args": vec!["an argument of the program"; 64],
            "env": (0..128).map(|at| json!({"name": format!("VARIABLE_{at}"), "value": "some value"})).collect::<Vec<_>>(),
            "configFiles": (0..16).map(|at| json!({"configMap": "files", "mountPath": format!("/etc/files-{at}")})).collect::<Vec<_>>(),
            "ports": (0..16).map(|at| json!({"name": format!("port-{at}"), "containerPort": 8000 + at})).collect::<Vec<_>>(),
            "resources": {"requests": amounts, "limits": amounts},
        })
    };
    let agents = |count: usize| (0..count).map(agent).collect::<Vec<_>>();
    let selector: Value = (0..32).map(|number| (format!("example.com/a-long-key-{number}"), json!("a-long-value"))).collect();
    let mission = |agents: Vec<Value>| {
        json!({
            "apiVersion": "lazarus-pit.io/v1alpha1", "kind": "MissionCell", "metadata": {"name": "full"},
            // Where an operator runs, it makes no pods: this policy is missing.
            "spec": {"mission": "x".repeat(200), "policyRef": {"name": "missing"}, "nodeSelector": selector, "agents": agents},
        })
    };
    let cells = namespace.ours("missioncells?dryRun=All");
    admin.create(&cells, &mission(agents(64))).await.unwrap();
    let refusal = admin.create(&cells, &mission(agents(65))).await.unwrap_err();
    assert!(refusal.message.contains("spec.agents: Too many"), "{}", refusal.message);

    // An update compares the old spec with the new one.
    let cell = namespace.ours("missioncells/full");
    admin.create(&namespace.ours("missioncells"), &mission(agents(64))).await.unwrap();
    admin.merge(&format!("{cell}?dryRun=All"), json!({"spec": {"mission": "changed"}})).await.unwrap();
    admin.delete(&cell).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn every_sample_is_accepted() {
    install().await;
    let admin = User::admin().await;
    let namespace = Namespace::new(&admin, "samples").await;
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/config/samples");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let file = file.to_str().unwrap();
        let strict = ["apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-n", &namespace.0, "-f", file];
        kubectl(&strict, "").unwrap_or_else(|complaint| panic!("{file}: {complaint}"));
    }
}
