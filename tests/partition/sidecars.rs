//! Sidecars are started again beside agents that live: what they saw is lost.

use super::cluster::{FLEET, is_watched};
use super::fleet::Fleet;

#[test]
fn sidecars_are_restarted_one_by_one_and_all_at_once() {
    let mut fleet = Fleet::new();
    for agent in 0..FLEET {
        fleet.restart_sidecar(agent, agent as u64);
        fleet.run(7);
    }
    for _ in 0..4 {
        (0..FLEET).for_each(|agent| fleet.restart_sidecar(agent, agent as u64));
        fleet.run(100);
    }
    fleet.check_quiet();
}

#[test]
fn sidecars_are_restarted_while_nobody_hears_them_and_a_new_leader_comes() {
    let mut fleet = Fleet::new();
    fleet.cut(0..FLEET);
    fleet.run(400);
    (0..FLEET).for_each(|agent| fleet.restart_sidecar(agent, agent as u64));
    fleet.run(400);
    fleet.lead(1, 16);
    fleet.run(400);
    fleet.heal();
    (0..FLEET).for_each(|agent| fleet.restart_sidecar(agent, agent as u64));
    fleet.run(100);
    fleet.check_quiet();
}

#[test]
fn sidecars_that_crash_over_and_over_harm_nobody() {
    let mut fleet = Fleet::new();
    for second in 0..900 {
        fleet.run(1);
        // Often before they had the time to see their agent.
        (0..FLEET).filter(|agent| (second + agent) % 11 == 0).for_each(|agent| fleet.restart_sidecar(agent, second as u64));
    }
    fleet.run(60);
    fleet.check_quiet();
}

#[test]
fn a_hang_is_found_although_the_sidecar_was_restarted() {
    let mut fleet = Fleet::new();
    let agent = (0..FLEET).find(|agent| is_watched(*agent)).unwrap();
    fleet.hang(agent);
    fleet.run(200);
    fleet.restart_sidecar(agent, 7);
    // Its silence counts from the restart, or from the last thing that was seen: once more as long at most.
    let back = fleet.until(700, |fleet| fleet.attempt(agent) == 2 && fleet.all_well());
    assert!(back.is_some());
    assert_eq!(fleet.cluster.verdicts.len(), 1);
    fleet.check_well();
}
