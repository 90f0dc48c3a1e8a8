//! A hundred missions at once, and what they cost the API server.

use std::time::Duration;

use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;

use super::harm::Harm;
use super::support::{Stage, lab, writes};

const MISSIONS: usize = 100;
const SAMPLE: &str = include_str!("../../config/samples/night-watch.yaml");

/// Keeps new pods off the lab's node.
struct Cordon;

impl Cordon {
    fn begin() -> Self {
        lab::kubectl(&["cordon", "lab-1"], "").unwrap();
        Self
    }
}

impl Drop for Cordon {
    fn drop(&mut self) {
        lab::kubectl(&["uncordon", "lab-1"], "").unwrap();
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_hundred_missions_cost_five_writes_each_and_then_none() {
    let client = lab::client().await;
    let _harm = Harm::begin(&client).await;
    let stage = Stage::new("scale").await;
    // A node that takes no pods: what is measured is the operator, not how fast this machine starts 300 containers.
    let _cordon = Cordon::begin();
    let began = lab::now();
    let all: String = (0..MISSIONS)
        .map(|number| SAMPLE.replace("name: night-watch", &format!("name: watch-{number:03}")) + "\n---\n")
        .collect();
    stage.apply_yaml(&all);
    stage
        .within(Duration::from_mins(10), "all missions say that no node takes their pods", |scene| {
            let told = |name: &String| scene.mission(name).has(Ready, "False", Reason::Unschedulable);
            scene.cells.len() == MISSIONS && scene.cells.keys().all(told)
        })
        .await;
    let settled = lab::now();
    let cost = writes::since(began, &stage.namespace);
    println!("{} writes in {} s: {:#?}", cost.total.count, (settled - began).num_seconds(), cost.writes);
    assert_eq!(cost.cells.len(), MISSIONS);
    assert_eq!((cost.total.conflicts, cost.total.noops, cost.total.refused), (0, 0, 0), "{:#?}", cost.writes);
    for cell in &cost.cells {
        assert!(cell.total.count <= 5, "{}: {:#?}", cell.cell, cell.writes);
    }
    // This is what is promised, so there is no condition to wait for.
    tokio::time::sleep(Duration::from_mins(1)).await;
    let quiet = writes::since(settled, &stage.namespace);
    assert_eq!(quiet.total.count, 0, "{:#?}", quiet.writes);
}
