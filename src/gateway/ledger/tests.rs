use std::time::Duration;

use chrono::DateTime;

use super::*;
use crate::runtime::clock::{Clock, ManualClock};

const UID: Uid = Uid(1);

fn beat(agent: Seen) -> Beat {
    let silent_seconds = if agent == Seen::Silent { 90 } else { 0 };
    Beat { silent_seconds, ..Beat::of(agent) }
}

fn entered() -> (ManualClock, Ledger) {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let mut ledger = Ledger::new(clock.monotonic());
    ledger.enter(UID, 15, false, clock.monotonic());
    ledger.open();
    (clock, ledger)
}

#[test]
fn an_entry_is_small() {
    assert!(size_of::<(Uid, Entry)>() <= 80, "{}", size_of::<(Uid, Entry)>());
}

#[test]
fn uids_are_read_strictly() {
    let text = "5d1c9f1e-0000-4000-8000-0000000000ff";
    assert_eq!(Uid::read(text), Some(Uid(0x5d1c_9f1e_0000_4000_8000_0000_0000_00ff)));
    assert_eq!(Uid::read(text).unwrap().to_string(), text);
    for wrong in [
        "",
        "5d1c9f1e",
        &text.replace('-', "0"),
        &text.replace('f', "g"),
        &format!("{text}0"),
        "+d1c9f1e-0000-4000-8000-0000000000ff",
    ] {
        assert_eq!(Uid::read(wrong), None, "{wrong}");
    }
}

#[test]
fn strangers_change_nothing() {
    let (clock, mut ledger) = entered();
    assert_eq!(ledger.note(Uid(2), &beat(Seen::Healthy), clock.monotonic()), Err(Refused::Gone));
    assert!(!ledger.admits(Uid(2)));
    assert!(ledger.admits(UID));
    assert_eq!(ledger.note(UID, &beat(Seen::Healthy), clock.monotonic()), Ok(15));
    ledger.leave(UID);
    assert_eq!(ledger.note(UID, &beat(Seen::Healthy), clock.monotonic()), Err(Refused::Gone), "a late report of the old one");
    assert!(!ledger.admits(UID));
}

#[test]
fn a_closed_ledger_takes_nothing() {
    let (clock, mut ledger) = entered();
    ledger.clear();
    ledger.enter(UID, 15, false, clock.monotonic());
    assert_eq!(ledger.note(UID, &beat(Seen::Healthy), clock.monotonic()), Err(Refused::Closed));
    assert!(!ledger.is_open() && !ledger.admits(UID));
}

#[test]
fn silence_is_what_the_sidecar_says_and_not_the_age_of_its_report() {
    let (clock, mut ledger) = entered();
    ledger.note(UID, &beat(Seen::Silent), clock.monotonic()).unwrap();
    clock.advance(Duration::from_mins(10));
    let pulse = ledger.pulse(UID, clock.monotonic()).unwrap();
    assert_eq!((pulse.age, pulse.silent, pulse.ever_healthy), (600, 90, false));
    ledger.note(UID, &beat(Seen::Healthy), clock.monotonic()).unwrap();
    let pulse = ledger.pulse(UID, clock.monotonic()).unwrap();
    assert_eq!((pulse.age, pulse.silent, pulse.ever_healthy), (0, 0, true));
}

#[test]
fn progress_is_a_change_of_cycle_task_or_status() {
    let (clock, mut ledger) = entered();
    let unchanged = |ledger: &Ledger, clock: &ManualClock| ledger.pulse(UID, clock.monotonic()).unwrap().unchanged;
    ledger.note(UID, &beat(Seen::Healthy), clock.monotonic()).unwrap();
    assert_eq!(unchanged(&ledger, &clock), None, "it has said nothing that could change");
    for _ in 0..3 {
        clock.advance(Duration::from_secs(30));
        ledger.note(UID, &Beat { cycle: Some(1), ..beat(Seen::Healthy) }, clock.monotonic()).unwrap();
    }
    assert_eq!(unchanged(&ledger, &clock), Some(60));
    ledger.note(UID, &Beat { cycle: Some(2), ..beat(Seen::Healthy) }, clock.monotonic()).unwrap();
    assert_eq!(unchanged(&ledger, &clock), Some(0));
}

#[test]
fn time_that_runs_is_counted_from_what_this_replica_saw() {
    let (clock, mut ledger) = entered();
    ledger.note(UID, &Beat { busy_seconds: Some(100), ..beat(Seen::Silent) }, clock.monotonic()).unwrap();
    clock.advance(Duration::from_secs(30));
    ledger.enter(UID, 15, true, clock.monotonic());
    clock.advance(Duration::from_secs(30));
    ledger.enter(UID, 15, true, clock.monotonic());
    let pulse = ledger.pulse(UID, clock.monotonic()).unwrap();
    assert_eq!((pulse.running, pulse.busy), (30, Some(40)));
}

#[test]
fn a_sidecar_that_was_started_again_does_not_end_the_agents_busy_time() {
    let (clock, mut ledger) = entered();
    let busy = |ledger: &Ledger, clock: &ManualClock| ledger.pulse(UID, clock.monotonic()).unwrap().busy;
    let silent = |busy_seconds| Beat { busy_seconds, ..beat(Seen::Silent) };
    assert_eq!(busy(&ledger, &clock), None);
    ledger.note(UID, &silent(Some(600)), clock.monotonic()).unwrap();
    clock.advance(Duration::from_secs(100));
    ledger.note(UID, &silent(None), clock.monotonic()).unwrap();
    assert_eq!(busy(&ledger, &clock), Some(500), "the new sidecar was told nothing");
    ledger.note(UID, &silent(Some(0)), clock.monotonic()).unwrap();
    assert_eq!(busy(&ledger, &clock), Some(0), "the agent says that it is done");
}

#[test]
fn missing_reports_are_counted_by_the_interval() {
    let (clock, mut ledger) = entered();
    let counts = |ledger: &Ledger, clock: &ManualClock| {
        let Tally { healthy, degraded, unhealthy } = ledger.tally(clock.monotonic());
        (healthy, degraded, unhealthy)
    };
    ledger.note(UID, &beat(Seen::Healthy), clock.monotonic()).unwrap();
    assert_eq!(counts(&ledger, &clock), (1, 0, 0));
    clock.advance(Duration::from_secs(20));
    assert_eq!(counts(&ledger, &clock), (1, 0, 0), "a little late");
    clock.advance(Duration::from_secs(10));
    assert_eq!(counts(&ledger, &clock), (0, 1, 0));
    clock.advance(Duration::from_secs(15));
    assert_eq!(counts(&ledger, &clock), (0, 0, 1));
    ledger.note(UID, &beat(Seen::Silent), clock.monotonic()).unwrap();
    assert_eq!(counts(&ledger, &clock), (0, 1, 0));
}

#[test]
fn an_agent_that_reports_too_often_is_slowed_down() {
    let (clock, mut ledger) = entered();
    let taken =
        |ledger: &mut Ledger| (0..20).filter(|_| ledger.note(UID, &beat(Seen::Healthy), clock.monotonic()).is_ok()).count();
    assert_eq!(taken(&mut ledger), 10);
    clock.advance(Duration::from_secs(3));
    assert_eq!(taken(&mut ledger), 6);
}

#[test]
fn questions_for_admission_count_as_requests_too() {
    let (clock, mut ledger) = entered();
    assert_eq!(ledger.ask(Uid(2), Network::Unknown, clock.monotonic()), Ok(false));
    let asked = (0..20).filter(|_| ledger.ask(UID, Network::Unknown, clock.monotonic()) == Ok(true)).count();
    assert_eq!(asked, 10);
    assert_eq!(ledger.note(UID, &beat(Seen::Healthy), clock.monotonic()), Err(Refused::TooMany));
    ledger.clear();
    assert_eq!(ledger.ask(UID, Network::Unknown, clock.monotonic()), Ok(false), "a closed ledger admits nobody");
}

#[test]
fn one_refusal_is_remembered_until_a_request_is_taken_or_for_a_while() {
    let (clock, mut ledger) = entered();
    let asked = |ledger: &Ledger, clock: &ManualClock| ledger.pulse(UID, clock.monotonic()).unwrap().asked;
    ledger.refuse(Uid(2), Asked::NotNow, clock.monotonic());
    assert_eq!((ledger.entered(), asked(&ledger, &clock)), (1, Asked::Never));
    for _ in 0..REFUSAL_LASTS {
        for why in [Asked::NotNow, Asked::NotUnderstood] {
            ledger.refuse(UID, why, clock.monotonic());
            assert_eq!(asked(&ledger, &clock), Asked::NotNow);
        }
        clock.advance(Duration::from_secs(1));
    }
    ledger.refuse(UID, Asked::NotUnderstood, clock.monotonic());
    assert_eq!(asked(&ledger, &clock), Asked::NotUnderstood);
    ledger.ask(UID, Network::Unknown, clock.monotonic()).unwrap();
    assert_eq!(asked(&ledger, &clock), Asked::Taken);
}

#[test]
fn an_agent_whose_network_is_to_be_closed_starts_only_when_it_is() {
    let (clock, mut ledger) = entered();
    let now = clock.monotonic();
    ledger.ask(UID, Network::Open, now).unwrap();
    assert_eq!(ledger.pulse(UID, now).unwrap().network, Network::Unknown, "nobody asked");
    ledger.confine(UID, true);
    for (said, admitted) in [(Network::Unknown, false), (Network::Open, false), (Network::Closed, true)] {
        assert_eq!(ledger.ask(UID, said, now), Ok(admitted), "{said:?}");
        ledger.enter(UID, 15, false, now);
        ledger.confine(UID, true);
        assert_eq!(ledger.pulse(UID, now).unwrap().network, said, "it is remembered");
    }
    ledger.note(UID, &Beat { network: Network::Open, ..beat(Seen::Healthy) }, now).unwrap();
    assert_eq!(ledger.pulse(UID, now).unwrap().network, Network::Open);
}

#[test]
fn a_sidecar_that_was_started_again_is_admitted_whatever_it_finds() {
    let (clock, mut ledger) = entered();
    let now = clock.monotonic();
    ledger.enter(UID, 15, true, now);
    ledger.confine(UID, true);
    for said in [Network::Unknown, Network::Open, Network::Closed] {
        assert_eq!(ledger.ask(UID, said, now), Ok(true), "its agent runs: {said:?}");
    }
}

#[test]
fn a_closed_network_counts_only_while_the_other_replicas_find_theirs_open() {
    let (clock, mut ledger) = entered();
    ledger.confine(UID, true);
    let said = |ledger: &Ledger, clock: &ManualClock| ledger.pulse(UID, clock.monotonic()).unwrap().network;
    ledger.canary(Network::Unknown, clock.monotonic());
    assert_eq!(ledger.ask(UID, Network::Closed, clock.monotonic()), Ok(true));
    ledger.canary(Network::Closed, clock.monotonic());
    ledger.canary(Network::Open, clock.monotonic());
    for _ in 0..3 {
        assert!(ledger.is_blind(clock.monotonic()), "another replica may be fine");
        assert_eq!(ledger.ask(UID, Network::Closed, clock.monotonic()), Ok(false));
        assert_eq!(said(&ledger, &clock), Network::Unknown);
        clock.advance(Duration::from_secs(15));
    }
    assert!(!ledger.is_blind(clock.monotonic()));
    assert_eq!(said(&ledger, &clock), Network::Closed);
    assert_eq!(ledger.ask(UID, Network::Closed, clock.monotonic()), Ok(true));
    ledger.canary(Network::Closed, clock.monotonic());
    ledger.ask(UID, Network::Open, clock.monotonic()).unwrap();
    assert_eq!(said(&ledger, &clock), Network::Open, "what is reached is open");
    ledger.clear();
    assert!(!ledger.is_blind(clock.monotonic()));
}
