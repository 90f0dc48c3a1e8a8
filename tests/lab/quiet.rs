//! Where there is nothing to do, nothing is written.

use std::time::Duration;

use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentSpec, AgentState, Completion};

use super::support::stage::CELL;
use super::support::{Stage, agent, agent_that, lab, mission, writes};

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_settled_mission_costs_no_writes() {
    let stage = Stage::new("quiet").await;
    let start = lab::now();
    stage.apply(&mission(CELL, [agent("scout"), agent("relay"), agent("scribe")])).await;
    let held = AgentSpec { image: "registry.invalid/x:1".into(), ..agent("scout") };
    stage.apply(&mission("held", [held, agent("relay")])).await;
    let service = AgentSpec { completion: Some(Completion::Service), ..agent("library") };
    stage.apply(&mission("done", [agent_that("writer", &["--work-seconds", "0"]), service])).await;
    stage
        .until_all("all are settled", |scene| {
            let [held, done] = [scene.mission("held"), scene.mission("done")];
            scene.mission(CELL).has(Ready, "True", Reason::AgentsAlive)
                && done.has(Ready, "True", Reason::MissionSucceeded)
                && done.is_in("library", AgentState::Done, Reason::Stopped)
                && done.pods_of("library").is_empty()
                && held.has(Ready, "False", Reason::ImagePull)
                && held.alive("relay", 1)
        })
        .await;
    let settled = lab::now();
    // This is what is promised, so there is no condition to wait for.
    tokio::time::sleep(Duration::from_secs(20)).await;
    let quiet = writes::since(settled, &stage.namespace);
    assert_eq!(quiet.total.count, 0, "{:#?}", quiet.writes);
    let all = writes::since(start, &stage.namespace);
    assert_eq!((all.total.noops, all.total.conflicts, all.total.refused), (0, 0, 0), "{:#?}", all.writes);
    let policies: Vec<_> = all.writes.iter().filter(|(what, _)| what.ends_with(" networkpolicies")).collect();
    assert!(
        matches!(policies[..], [(what, tally)] if what == "create networkpolicies" && tally.count == 1),
        "one for all missions of a level: {policies:#?}"
    );
    let simple = all.cells.iter().find(|cell| cell.cell == CELL).unwrap();
    assert!(simple.total.count <= 5, "three creates and two patches: {:#?}", simple.writes);
}
