//! The link between sidecars and the gateway is lost.

use std::collections::BTreeSet;

use lazarus::api::conditions::Reason;

use super::cluster::{FLEET, node_of};
use super::fleet::Fleet;
use super::replica::silence_is_death;

/// The gateway is out of reach of these agents for half an hour.
fn cut_off(agents: impl Iterator<Item = usize> + Clone) -> Fleet {
    let mut fleet = Fleet::new();
    fleet.cut(agents.clone());
    fleet.run(1800);
    let lost: BTreeSet<_> = (0..FLEET).filter(|agent| fleet.state(*agent).reason == Some(Reason::LinkLost)).collect();
    assert_eq!(lost, agents.collect(), "exactly these are said to be out of reach");
    fleet.heal();
    fleet.run(60);
    fleet
}

#[test]
fn nobody_reaches_the_gateway() {
    cut_off(0..FLEET).check_quiet();
}

#[test]
fn the_gateway_is_out_of_reach_of_a_part() {
    // 39 %, 41 % and 60 %: below and above the storm's 40 %.
    for count in [39 * FLEET / 100, 41 * FLEET / 100 + 1, 60 * FLEET / 100] {
        // Spread over missions and nodes: 7 and 50 have no common divisor.
        cut_off((0..count).map(|agent| agent * 7 % FLEET)).check_quiet();
    }
}

#[test]
fn the_gateway_is_out_of_reach_of_a_node() {
    cut_off((0..FLEET).filter(|agent| node_of(*agent) == 2)).check_quiet();
}

#[test]
fn taking_a_lost_link_for_silence_would_kill() {
    let mut fleet = Fleet::new();
    for replica in &mut fleet.replicas {
        replica.reads = silence_is_death;
    }
    fleet.cut(0..FLEET);
    fleet.run(1800);
    assert!(!fleet.cluster.violations.is_empty(), "these simulations can see a live agent die");
}
