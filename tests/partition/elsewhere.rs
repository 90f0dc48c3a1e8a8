//! Agents that run elsewhere: nobody speaks for them, so silence counts, but only while the gateway hears others.

use lazarus::api::conditions::Reason;
use lazarus::api::{AgentState, conditions};

use super::cluster::FLEET;
use super::fleet::Fleet;
use super::replica::silence_elsewhere_is_death;

const ELSEWHERE: [usize; 2] = [12, 33];
/// As long as a policy without numbers waits, with what a look, a report and the witness take.
const DEAD_WITHIN: u64 = 300 + 60;

fn reasons(fleet: &Fleet) -> [Option<conditions::Reason>; 2] {
    ELSEWHERE.map(|agent| fleet.state(agent).reason)
}

fn cut_off(mut fleet: Fleet) -> Fleet {
    fleet.cut(0..FLEET);
    fleet.run(1800);
    fleet.heal();
    fleet.run(90);
    fleet
}

#[test]
fn nobody_reaches_the_gateway() {
    let mut fleet = Fleet::with_elsewhere(&ELSEWHERE);
    fleet.cut(0..FLEET);
    fleet.run(1800);
    assert_eq!(reasons(&fleet), [Some(Reason::GatewayDegraded); 2]);
    fleet.heal();
    fleet.run(90);
    fleet.check_quiet();
}

#[test]
fn who_needs_longer_than_the_others_to_come_back_is_not_dead() {
    let mut fleet = Fleet::with_elsewhere(&ELSEWHERE);
    fleet.cut(0..FLEET);
    fleet.run(1800);
    fleet.heal();
    fleet.cut(ELSEWHERE.into_iter());
    // The others are heard again for minutes before.
    fleet.run(200);
    fleet.heal();
    fleet.run(90);
    fleet.check_well();
    assert!(fleet.cluster.changes.iter().all(|change| change.state != AgentState::Dead));
}

#[test]
fn operators_come_and_go() {
    let mut fleet = Fleet::with_elsewhere(&ELSEWHERE);
    for round in 0..6 {
        if round % 2 == 0 {
            fleet.restart_leader(20);
        } else {
            fleet.lead(round % 4 / 2, 40);
        }
        fleet.run(100);
    }
    fleet.check_quiet();
}

#[test]
fn whoever_is_silent_while_others_are_heard_is_dead_and_may_come_back() {
    let mut fleet = Fleet::with_elsewhere(&ELSEWHERE);
    let [silent, other] = ELSEWHERE;
    fleet.hang(silent);
    let dead = fleet.until(DEAD_WITHIN, |fleet| fleet.state(silent).state == AgentState::Dead);
    assert!(dead.is_some_and(|dead| dead >= 280), "{dead:?}");
    assert!(fleet.is_well(other));
    // What was found stays true, whoever leads.
    fleet.restart_leader(20);
    fleet.run(400);
    assert_eq!(fleet.state(silent).state, AgentState::Dead);
    fleet.cluster.process(silent).expect("its process").hung = false;
    assert!(fleet.until(90, |fleet| fleet.is_well(silent)).is_some());
    fleet.check_well();
    assert_eq!(fleet.attempt(silent), 1);
}

#[test]
fn silence_without_a_witness_would_kill() {
    let mut fleet = Fleet::with_elsewhere(&ELSEWHERE);
    for replica in &mut fleet.replicas {
        replica.reads = silence_elsewhere_is_death;
    }
    let fleet = cut_off(fleet);
    let died = |agent| fleet.cluster.changes.iter().any(|change| change.agent == agent && change.state == AgentState::Dead);
    assert!(ELSEWHERE.into_iter().all(died), "these simulations can see a live agent die");
}
