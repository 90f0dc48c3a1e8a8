//! The decision log: without the text of agents and specs the same is decided, and nothing of that text is in it.

use lazarus::decide::{Plan, decide};
use lazarus::report::decision::{Record, Replay, without_text};
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
    let snapshot = world.snapshot();
    let bare = without_text(&snapshot);
    let again = decide(&bare, world.now);
    prop_assert_eq!(&plan.actions, &again.actions);
    prop_assert_eq!((&plan.canaries, plan.recheck_at), (&again.canaries, again.recheck_at));
    let record = Record::of(&snapshot, world.now, plan);
    prop_assert_eq!(record.replay(), Replay::Identical);
    let line = record.line();
    prop_assert!(!line.contains(SAID), "{}", line);
    let read: Record = serde_json::from_str(&line).unwrap();
    prop_assert_eq!(read, record);
    Ok(())
}
