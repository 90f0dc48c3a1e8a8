use super::*;

fn reply(seconds: u32) -> Reply {
    Reply { next_heartbeat_seconds: seconds, holds: Vec::new() }
}

#[test]
fn the_gateway_sets_the_pace_within_limits_and_reports_are_spread_around_it() {
    for (asked, paced) in [(0, 1), (1, 1), (30, 30), (300, 300), (u32::MAX, 300)] {
        for seed in 0..100 {
            let mut pace = Pace::new(15, seed);
            let wait = pace.taken(&reply(asked)).as_secs_f64();
            assert_eq!(pace.interval(), Duration::from_secs(paced));
            assert!((0.899..1.101).contains(&(wait / f64::from(u32::try_from(paced).unwrap()))), "{asked}: {wait}");
        }
    }
}

#[test]
fn failures_in_a_row_wait_a_random_part_of_a_doubling_bound() {
    for (failures, bound) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 30), (40, 30)] {
        let waits: Vec<_> = (0..400)
            .map(|seed| {
                let mut pace = Pace::new(15, seed);
                (0..failures).map(|_| pace.failed(Failure::Gateway)).last().unwrap().as_secs_f64()
            })
            .collect();
        let (least, most) = waits.iter().fold((f64::MAX, 0.0_f64), |(least, most), wait| (least.min(*wait), most.max(*wait)));
        let bound = f64::from(bound);
        assert!(least >= 0.1 && least < (bound * 0.1).max(0.11), "{failures}: not before {least}");
        assert!(most <= bound && most > bound * 0.9, "{failures}: not after {most}");
    }
}

#[test]
fn a_success_ends_the_row() {
    let mut pace = Pace::new(15, 1);
    for _ in 0..10 {
        pace.failed(Failure::Gateway);
    }
    pace.taken(&reply(15));
    assert!(pace.failed(Failure::Gateway) <= Duration::from_secs(1));
    pace.not_yet(3);
    assert!(pace.failed(Failure::Gateway) <= Duration::from_secs(1));
}

#[test]
fn a_fleet_that_lost_its_gateway_does_not_come_back_at_once() {
    let mut seconds = [0; 30];
    for seed in 0..3000 {
        let mut pace = Pace::new(15, seed);
        let wait = (0..8).map(|_| pace.failed(Failure::Gateway)).last().unwrap();
        seconds[usize::try_from(wait.as_secs()).unwrap().min(29)] += 1;
    }
    assert!(seconds.iter().all(|sidecars| (50..150).contains(sidecars)), "{seconds:?}");
}

#[test]
fn a_wanted_pause_is_kept_an_end_is_slow_and_missing_files_are_looked_for_soon() {
    for seed in 0..100 {
        let mut pace = Pace::new(15, seed);
        assert!((20..=21).contains(&pace.failed(Failure::Slower(20)).as_secs()));
        assert!(pace.failed(Failure::Slower(u32::MAX)).as_secs() <= 302);
        let mut gone = Pace::new(15, seed);
        let waits: Vec<_> = (0..6).map(|_| gone.failed(Failure::Gone).as_secs()).collect();
        assert!(waits[..4].iter().all(|wait| (13..=17).contains(wait)), "{waits:?}");
        assert!(waits[4..].iter().all(|wait| (54..=66).contains(wait)), "{waits:?}");
        for _ in 0..10 {
            assert!(pace.failed(Failure::Local) <= Duration::from_secs(3));
        }
    }
}

#[test]
fn admission_is_asked_for_again_soon_whatever_the_gateway_says() {
    for (asked, least, most) in [(0, 0.9, 1.1), (5, 4.5, 5.5), (4000, 9.0, 11.0)] {
        let wait = Pace::new(15, 7).not_yet(asked).as_secs_f64();
        assert!((least..=most).contains(&wait), "{asked}: {wait}");
    }
}
