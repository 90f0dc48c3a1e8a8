//! The decision log: without the text of agents and specs the same is decided, and nothing of that text is in it.

use lazarus::decide::Plan;
use lazarus::report::decision::{Record, Replay};
use proptest::prelude::*;
use serde_json::json;

use super::world::World;

/// What agents say: no other text of these worlds has it in it.
const SAID: &str = "SAID-BY-AN-AGENT";

/// Every agent that has ended left some output.
pub fn speak(world: &mut World) {
    for pod in world.pods.values_mut() {
        if let Some(ended) = pod.pointer_mut("/status/containerStatuses/0/state/terminated") {
            ended["message"] = json!(format!("{SAID} as {}", ended["exitCode"]));
        }
    }
}

/// The record of a plan holds no text of agents, and leads to the same plan.
pub fn decides_the_same_without_text(world: &World, plan: &Plan) -> Result<(), TestCaseError> {
    if plan.actions.is_empty() && plan.status.is_none() {
        return Ok(());
    }
    let record = Record::of(&world.snapshot(), world.now, plan);
    prop_assert_eq!(record.replay(), Replay::Identical);
    let line = record.line();
    prop_assert!(!line.contains(SAID), "{}", line);
    Ok(())
}
