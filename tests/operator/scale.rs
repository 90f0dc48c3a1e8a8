//! A hundred missions at once, and what they cost the API server.

use std::time::Duration;

use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;

use super::harm::Harm;
use super::support::writes::{self, Report};
use super::support::{Stage, lab};

const SAMPLE: &str = include_str!("../../config/samples/night-watch.yaml");
/// Three creates, and two patches: one commits the pods, one says that the mission has settled.
const MOST: u64 = 5;

/// The sample's mission this many times, with one more line in each spec.
fn missions(count: usize, line: &str) -> String {
    let one = |number| {
        let named = SAMPLE.replace("name: night-watch", &format!("name: watch-{number:03}"));
        named.replace("\n  mission: ", &format!("\n{line}  mission: ")) + "\n---\n"
    };
    (0..count).map(one).collect()
}

/// Applies missions and waits until all are ready, or not, for this reason; what that cost.
async fn settle(stage: &Stage, count: usize, line: &str, ready: &str, reason: Reason) -> Report {
    let began = lab::now();
    stage.apply_yaml(&missions(count, line));
    stage
        .within(Duration::from_mins(10), &format!("all missions are {reason}"), |scene| {
            scene.cells.len() == count && scene.cells.keys().all(|name| scene.mission(name).has(Ready, ready, reason))
        })
        .await;
    let seconds = (lab::now() - began).num_seconds();
    // This is what is promised, so there is no condition to wait for.
    let settled = lab::now();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let quiet = writes::since(settled, &stage.namespace);
    assert_eq!(quiet.total.count, 0, "in the minute after: {:#?}", quiet.writes);
    let cost = writes::since(began, &stage.namespace);
    println!("{count} missions are {reason} after {seconds} s and {} writes: {:#?}", cost.total.count, cost.writes);
    assert_eq!(cost.cells.len(), count);
    assert_eq!((cost.total.conflicts, cost.total.noops, cost.total.refused), (0, 0, 0), "{:#?}", cost.writes);
    cost
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_hundred_missions_cost_five_writes_each_and_then_none() {
    let client = lab::client().await;
    let _harm = Harm::begin(&client).await;
    let stage = Stage::new("scale").await;
    // No node of the lab starts 300 pods in the time that this is about: they stay Pending.
    let cost = settle(&stage, 100, "  nodeSelector: {disk: diamond}\n", "False", Reason::Unschedulable).await;
    for cell in &cost.cells {
        assert!(cell.total.count <= MOST, "{}: {:#?}", cell.cell, cell.writes);
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn missions_that_come_alive_cost_five_writes_each_and_then_none() {
    let client = lab::client().await;
    let _harm = Harm::begin(&client).await;
    let stage = Stage::new("alive").await;
    let cost = settle(&stage, 20, "", "True", Reason::AgentsAlive).await;
    for cell in &cost.cells {
        assert!(cell.total.count <= MOST, "{}: {:#?}", cell.cell, cell.writes);
    }
}
