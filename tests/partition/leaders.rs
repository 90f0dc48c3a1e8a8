//! Operators come, go and have wrong clocks.

use chrono::TimeDelta;

use super::cluster::{FLEET, node_of};
use super::fleet::Fleet;

#[test]
fn the_operator_is_restarted_again_and_again() {
    let mut fleet = Fleet::new();
    // Before and after a report is missed, an agent is stale by the clock, and long after.
    for gap in [0, 1, 7, 20, 59, 60, 61, 90, 301, 900, 3, 3, 3, 3, 3, 3] {
        fleet.restart_leader(gap);
        fleet.run(10 + gap % 50);
    }
    fleet.run(60);
    fleet.check_quiet();
}

#[test]
fn the_operator_is_restarted_while_the_link_is_lost() {
    let mut fleet = Fleet::new();
    fleet.cut(0..FLEET / 2);
    for gap in [0, 30, 70] {
        fleet.run(200);
        fleet.restart_leader(gap);
    }
    fleet.run(600);
    fleet.heal();
    fleet.run(60);
    fleet.check_quiet();
}

#[test]
fn the_lead_goes_to_and_fro() {
    let mut fleet = Fleet::new();
    for (turn, gap) in [0, 15, 45, 61, 200, 1, 0, 0, 30].into_iter().enumerate() {
        fleet.lead(1 - turn % 2, gap);
        fleet.run(20);
    }
    fleet.run(60);
    fleet.check_quiet();
}

#[test]
fn only_one_of_the_replicas_is_within_reach() {
    let mut fleet = Fleet::new();
    fleet.cut[0] = [true; FLEET];
    fleet.run(400);
    fleet.lead(1, 16);
    fleet.run(60);
    fleet.check_quiet();
    // Half of the fleet reaches one, the other half the other.
    fleet.cut = [std::array::from_fn(|agent| agent % 2 == 0), std::array::from_fn(|agent| agent % 2 == 1)];
    for turn in 0..8 {
        fleet.lead(turn % 2, 5);
        fleet.run(200);
    }
    fleet.heal();
    fleet.run(60);
    fleet.check_quiet();
}

const STEPS: [TimeDelta; 4] = [TimeDelta::days(1), TimeDelta::days(-1), TimeDelta::seconds(400), TimeDelta::seconds(-400)];

#[test]
fn the_leaders_clock_is_stepped() {
    for step in STEPS {
        let mut fleet = Fleet::new();
        fleet.replicas[0].step_clock(step);
        fleet.run(400);
        // Back, and in the middle of a lost link.
        fleet.cut((0..FLEET).filter(|agent| node_of(*agent) < 3));
        fleet.run(200);
        fleet.replicas[0].step_clock(-step);
        fleet.run(400);
        fleet.heal();
        fleet.run(60);
        fleet.check_quiet();
    }
}

#[test]
fn who_takes_over_has_a_wrong_clock() {
    for step in STEPS {
        let mut fleet = Fleet::new();
        fleet.replicas[1].step_clock(step);
        fleet.cut(0..FLEET / 2);
        fleet.run(100);
        fleet.lead(1, 16);
        fleet.run(400);
        fleet.heal();
        fleet.lead(0, 16);
        fleet.run(100);
        fleet.check_quiet();
    }
}

/// Seconds until an agent that hangs is back.
fn revival(agent: usize, fleet: &mut Fleet, meanwhile: impl FnOnce(&mut Fleet)) -> Option<u64> {
    fleet.hang(agent);
    fleet.until(600, |fleet| !fleet.cluster.verdicts.is_empty()).expect("a verdict");
    meanwhile(fleet);
    fleet.until(900, |fleet| fleet.attempt(agent) == 2 && fleet.all_well())
}

#[test]
fn a_death_told_by_a_wrong_clock_is_followed_by_a_revival_all_the_same() {
    for step in STEPS {
        let mut fleet = Fleet::new();
        // The death is told by a clock that is wrong, and what follows by one that is right.
        fleet.replicas[0].step_clock(step);
        let took = revival(1, &mut fleet, |fleet| fleet.replicas[0].step_clock(-step));
        fleet.check_well();
        assert!(took.is_some(), "stepped by {step} and back");
        let mut fleet = Fleet::new();
        fleet.replicas[0].step_clock(step);
        let took = revival(1, &mut fleet, |fleet| fleet.lead(1, 16));
        assert!(took.is_some(), "stepped by {step}, then another leads");
        fleet.check_well();
    }
}
