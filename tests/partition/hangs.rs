//! Agents that really hang: they are found, and brought back once; many at once are a storm.

use std::collections::BTreeMap;

use lazarus::api::AgentState;
use lazarus::api::conditions::Reason;

use super::cluster::{FLEET, NEVER, is_watched, node_of};
use super::fleet::Fleet;

/// `deadAfterSeconds`, with a report's time and a moment.
const FOUND: u64 = 300 + 15 + 10;
/// `cooldownSeconds`.
const COOLDOWN: u64 = 300;
/// The wait before the restart, and a start.
const BACK: u64 = 30 + 20;

#[test]
fn a_silent_agent_is_killed_and_revived() {
    let mut fleet = Fleet::new();
    fleet.hang(1);
    let found = fleet.until(FOUND, |fleet| !fleet.cluster.verdicts.is_empty()).expect("found");
    // Its silence counts from when it was last seen, a look before.
    assert!(found >= 300 - 5, "after {found} s");
    fleet.until(BACK, |fleet| fleet.attempt(1) == 2 && fleet.all_well()).expect("revived");
    fleet.run(600);
    fleet.check_well();
    let states: Vec<_> = fleet.cluster.changes.iter().map(|change| (change.agent, change.state)).collect();
    assert!(states.contains(&(1, AgentState::Stale)) && states.contains(&(1, AgentState::Dead)), "{states:?}");
    assert!(states.iter().all(|(agent, _)| *agent == 1), "{states:?}");
    assert_eq!(fleet.cluster.verdicts.len(), 1);
}

#[test]
fn the_lead_changes_in_the_middle_of_a_hang() {
    for (before, gap) in [(30, 16), (61, 0), (200, 16), (299, 16), (299, 0), (310, 16), (325, 40), (340, 16)] {
        let mut fleet = Fleet::new();
        fleet.hang(1);
        fleet.run(before);
        fleet.lead(1, gap);
        let most = (FOUND + BACK + gap + 60).saturating_sub(before);
        let back = fleet.until(most, |fleet| fleet.attempt(1) == 2 && fleet.all_well());
        assert!(back.is_some(), "after {before} s for {gap} s: {:?}", fleet.state(1));
        fleet.lead(0, gap);
        fleet.run(400);
        fleet.check_well();
        assert_eq!(fleet.cluster.verdicts.len(), 1, "found once");
        assert!((0..FLEET).all(|agent| fleet.attempt(agent) == 1 + i64::from(agent == 1)), "revived once, and nobody else");
    }
}

#[test]
fn an_agent_that_nobody_is_to_bring_back_is_left_alone() {
    let mut fleet = Fleet::new();
    fleet.hang(NEVER);
    fleet.run(1200);
    let change = fleet.state(NEVER);
    assert_eq!((change.state, change.reason), (AgentState::Dead, Some(Reason::RevivalSuppressed)));
    fleet.check();
    fleet.cluster.process(NEVER).unwrap().hung = false;
    fleet.run(60);
    fleet.check_well();
    assert_eq!(fleet.cluster.verdicts, []);
}

/// The deaths that come too early after another one in the same scope.
fn too_early(verdicts: &[(u64, usize)], scope: impl Fn(usize) -> String) -> Vec<(String, u64, u64)> {
    let mut last = BTreeMap::new();
    let early = |(at, agent): &(u64, usize)| {
        let scope = scope(*agent);
        let before = last.insert(scope.clone(), *at)?;
        (*at < before + COOLDOWN).then_some((scope, before, *at))
    };
    verdicts.iter().filter_map(early).collect()
}

#[test]
fn a_mass_hang_costs_one_agent_per_scope_and_cooldown() {
    let mut fleet = Fleet::new();
    fleet.cluster.provider_down = true;
    fleet.run(3600);
    fleet.check();
    let verdicts = fleet.cluster.verdicts.clone();
    assert!(!verdicts.is_empty(), "one at a time tries");
    assert_eq!(too_early(&verdicts, |agent| format!("node {}", node_of(agent))), []);
    assert_eq!(too_early(&verdicts, |agent| format!("namespace {}", agent / 5 % 2)), []);
    assert_eq!(too_early(&verdicts, |_| "the fleet, with one image".into()), []);
    fleet.cluster.provider_down = false;
    // Who was just taken for dead waits for its restart, at most `maxBackoffSeconds`.
    fleet.until(900, Fleet::all_well).expect("all alive");
    fleet.run(600);
    fleet.check_well();
    assert!(fleet.cluster.verdicts.iter().all(|(_, agent)| is_watched(*agent)));
}
