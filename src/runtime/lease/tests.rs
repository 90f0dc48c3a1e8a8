#![allow(clippy::unwrap_used, clippy::panic)]

use super::super::clock::{Clock, SystemClock};
use super::*;

mod simulation;

const DURATIONS: Durations =
    Durations { lease: Duration::from_secs(15), renew_deadline: Duration::from_secs(10), retry_period: Duration::from_secs(2) };
const WALL: DateTime<Utc> = DateTime::UNIX_EPOCH;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lease(version: &str, holder: &str, duration: i32, transitions: i32) -> Lease {
    Lease {
        metadata: ObjectMeta { uid: Some("uid".into()), resource_version: Some(version.into()), ..ObjectMeta::default() },
        spec: Some(LeaseSpec {
            holder_identity: Some(holder.into()),
            lease_duration_seconds: Some(duration),
            lease_transitions: Some(transitions),
            ..LeaseSpec::default()
        }),
    }
}

fn elector() -> (Elector, Instant) {
    (Elector::new("pit", "lazarus", "me", DURATIONS), SystemClock.monotonic())
}

/// An elector that took a released lease at the returned instant.
fn leader() -> (Elector, Instant) {
    let (mut elector, start) = elector();
    elector.observed(Some(lease("1", "", 1, 4)), start);
    let Step::Replace(mut mine) = elector.next(start, WALL, 0.0) else { panic!("a released lease is free") };
    assert_eq!(mine.metadata.resource_version.as_deref(), Some("1"));
    mine.metadata.resource_version = Some("2".into());
    elector.written(mine, start, start);
    assert_eq!(elector.token(start), Some(start + secs(10)));
    (elector, start)
}

#[track_caller]
fn waits(elector: &mut Elector, now: Instant) {
    let step = elector.next(now, WALL, 0.5);
    assert!(matches!(step, Step::Wait(_)), "{step:?}");
}

#[test]
fn only_a_released_lease_is_free_at_once() {
    for (what, found) in [
        ("absent", None),
        ("held", Some(lease("1", "other", 15, 0))),
        ("held, shortened by a person", Some(lease("1", "other", 1, 0))),
        ("emptied by a person", Some(lease("1", "", 15, 0))),
        ("without a spec", Some(Lease { spec: None, ..lease("1", "", 1, 0) })),
        ("named after us by a person", Some(lease("1", "me", 15, 0))),
    ] {
        let (mut elector, start) = elector();
        assert_eq!(elector.next(start, WALL, 0.0), Step::Read);
        elector.observed(found.clone(), start);
        waits(&mut elector, start);
        for look in [7, 14] {
            assert_eq!(elector.next(start + secs(look), WALL, 0.0), Step::Read, "{what}");
            elector.observed(found.clone(), start + secs(look));
            waits(&mut elector, start + secs(look));
        }
        assert_eq!(elector.next(start + secs(15), WALL, 0.0), Step::Read);
        elector.observed(found.clone(), start + secs(15));
        let step = elector.next(start + secs(15), WALL, 0.0);
        assert!(matches!(step, Step::Create(_) | Step::Replace(_)), "{what}: {step:?}");
    }
}

#[test]
fn absence_counts_only_while_it_is_watched() {
    let (mut elector, start) = elector();
    for now in [start, start + secs(60)] {
        assert_eq!(elector.next(now, WALL, 0.0), Step::Read);
        elector.observed(None, now);
        waits(&mut elector, now);
    }
}

#[test]
fn every_change_of_the_record_starts_the_wait_again() {
    let (mut elector, start) = elector();
    for round in 0_u8..20 {
        let now = start + secs(14) * u32::from(round);
        elector.observed(Some(lease(&round.to_string(), "other", 15, 0)), now);
        waits(&mut elector, now);
        assert_eq!(elector.next(now, WALL, 0.0), Step::Read);
    }
}

#[test]
fn a_longer_lease_is_respected_up_to_five_minutes() {
    for (recorded, expected) in [(60, 60), (i32::MAX, 300), (-5, 15)] {
        let (mut elector, start) = elector();
        elector.observed(Some(lease("1", "other", recorded, 0)), start);
        assert_eq!(elector.judge(start), secs(expected), "{recorded}");
    }
}

#[test]
fn renewals_keep_the_history_and_extend_from_the_sending() {
    let (mut elector, start) = leader();
    waits(&mut elector, start);
    let wall = WALL + chrono::Duration::seconds(3);
    let Step::Replace(mut renewal) = elector.next(start + secs(2), wall, 0.0) else { panic!("a renewal needs no read") };
    let spec = renewal.spec.clone().unwrap();
    assert_eq!((spec.lease_transitions, spec.lease_duration_seconds), (Some(5), Some(15)));
    assert_eq!((spec.acquire_time, spec.renew_time), (Some(to_micro_time(WALL)), Some(to_micro_time(wall))));
    renewal.metadata.resource_version = Some("3".into());
    elector.written(renewal, start + secs(2), start + secs(5));
    assert_eq!(elector.token(start + secs(5)), Some(start + secs(12)));
    assert_eq!(elector.token(start + secs(12)), None);
}

#[test]
fn someone_elses_name_ends_the_token_at_once() {
    let (mut elector, start) = leader();
    waits(&mut elector, start);
    assert!(matches!(elector.next(start + secs(2), WALL, 0.0), Step::Replace(_)));
    elector.refused();
    assert_eq!(elector.next(start + secs(2), WALL, 0.0), Step::Read);
    elector.observed(Some(lease("9", "a person", 15, 0)), start + secs(2));
    assert_eq!(elector.token(start + secs(2)), None);
    waits(&mut elector, start + secs(2));
}

#[test]
fn a_holder_restores_a_deleted_or_emptied_lease() {
    for found in [None, Some(lease("9", "", 15, 5))] {
        let (mut elector, start) = leader();
        waits(&mut elector, start);
        assert!(matches!(elector.next(start + secs(2), WALL, 0.0), Step::Replace(_)));
        elector.refused();
        assert_eq!(elector.next(start + secs(2), WALL, 0.0), Step::Read);
        elector.observed(found.clone(), start + secs(2));
        let restored = match elector.next(start + secs(2), WALL, 0.0) {
            Step::Create(lease) if found.is_none() => lease,
            Step::Replace(lease) if found.is_some() => lease,
            other => panic!("{other:?}"),
        };
        let spec = restored.spec.unwrap();
        assert_eq!((spec.holder_identity.as_deref(), spec.lease_transitions), (Some("me"), Some(6)));
    }
}

#[test]
fn an_own_write_whose_answer_was_lost_is_recognised() {
    let (mut elector, start) = elector();
    elector.observed(Some(lease("1", "", 1, 4)), start);
    let Step::Replace(mut stored) = elector.next(start, WALL, 0.0) else { panic!() };
    elector.failed();
    waits(&mut elector, start);
    assert_eq!(elector.token(start), None);
    stored.metadata.resource_version = Some("2".into());
    assert_eq!(elector.next(start + secs(2), WALL, 0.0), Step::Read);
    elector.observed(Some(stored), start + secs(2));
    let Step::Replace(again) = elector.next(start + secs(2), WALL, 0.0) else { panic!("it is ours") };
    assert_eq!(again.spec.unwrap().lease_transitions, Some(5), "it did not change hands twice");
}

#[test]
fn transitions_stop_at_the_end_of_their_range() {
    for (recorded, expected) in [(i32::MAX, i32::MAX), (i32::MAX - 1, i32::MAX), (i32::from(u16::MAX), 65_536), (-7, 1)] {
        let (mut elector, start) = elector();
        elector.observed(Some(lease("1", "", 1, recorded)), start);
        let Step::Replace(lease) = elector.next(start, WALL, 0.0) else { panic!() };
        assert_eq!(lease.spec.unwrap().lease_transitions, Some(expected));
    }
}

#[test]
fn a_release_drops_the_token_and_leaves_the_mark() {
    let (mut elector, start) = leader();
    let spec = elector.release(start + secs(1), WALL).unwrap().spec.unwrap();
    assert_eq!(elector.token(start + secs(1)), None);
    assert_eq!((spec.holder_identity.as_deref(), spec.lease_duration_seconds), (Some(""), Some(1)));
    assert_eq!(elector.release(start + secs(1), WALL), None);
    let (mut expired, start) = leader();
    assert_eq!(expired.release(start + secs(10), WALL), None, "someone else may hold it by now");
}
