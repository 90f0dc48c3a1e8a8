use std::time::Duration;

use chrono::DateTime;
use futures::FutureExt;

use super::*;
use crate::runtime::clock::ManualClock;

struct World {
    clock: ManualClock,
    metrics: Arc<Metrics>,
    places: Places,
}

/// Three strangers, two of one address; two that are proven.
fn world() -> World {
    let (clock, metrics) = (ManualClock::new(DateTime::UNIX_EPOCH), Arc::new(Metrics::new()));
    let limits = Limits { connections: 2, strangers: 3, strangers_of_source: 2, ..Limits::default() };
    let places = Places::new(limits, Arc::new(clock.clone()), Arc::clone(&metrics));
    World { clock, metrics, places }
}

impl World {
    fn take(&self, source: &str) -> Result<Place, Closed> {
        self.places.take(source.parse().unwrap())
    }

    fn wait(&self) {
        self.clock.advance(Limits::default().chance);
    }

    fn strangers(&self) -> usize {
        self.places.shared.taken().strangers.values().map(VecDeque::len).sum()
    }
}

fn uid(number: u8) -> Uid {
    Uid::read(&format!("5d1c9f1e-0000-4000-8000-0000000000{number:02x}")).unwrap()
}

fn is_lost(place: &Place) -> bool {
    place.lost().now_or_never().is_some()
}

#[test]
fn strangers_are_counted_per_address_and_their_places_given_back() {
    let world = world();
    let first = world.take("10.0.0.1").unwrap();
    let _second = world.take("::ffff:10.0.0.1").unwrap();
    assert_eq!(world.take("10.0.0.1").unwrap_err(), Closed::SourceFull);
    let _third = world.take("10.0.0.2").unwrap();
    assert_eq!(world.take("10.0.0.2").unwrap_err(), Closed::Full, "it has one as well, and nobody had a chance yet");
    assert_eq!(world.metrics.gateway().open(), 3);
    drop(first);
    let last = world.take("10.0.0.2").unwrap();
    drop(last);
    assert_eq!((world.strangers(), world.metrics.gateway().open()), (2, 2));
    assert_eq!(world.places.shared.taken().strangers.len(), 2, "an address without connections is forgotten");
}

#[test]
fn a_stranger_that_had_its_chance_makes_room_for_the_next_one() {
    let world = world();
    let first = world.take("10.0.0.1").unwrap();
    world.wait();
    let second = world.take("10.0.0.1").unwrap();
    let third = world.take("10.0.0.1").unwrap();
    assert_eq!((is_lost(&first), is_lost(&second), is_lost(&third)), (true, false, false));
    assert_eq!(world.take("10.0.0.1").unwrap_err(), Closed::SourceFull);
    assert_eq!((world.strangers(), world.metrics.gateway().refusals(Closed::Evicted)), (2, 1));
    drop(first);
    assert_eq!(world.strangers(), 2, "its place was given away already");
}

#[test]
fn where_most_are_one_leaves_at_once_for_an_address_that_has_fewer() {
    let world = world();
    let crowd = ["10.0.0.1"; 2].map(|source| world.take(source).unwrap());
    let other = world.take("10.0.0.2").unwrap();
    let newcomer = world.take("10.0.0.3").unwrap();
    assert_eq!(crowd.each_ref().map(is_lost), [true, false]);
    // Now all are equal: who was there first stays for its chance, and leaves after it.
    assert_eq!(world.take("10.0.0.4").unwrap_err(), Closed::Full);
    world.wait();
    let _last = world.take("10.0.0.4").unwrap();
    assert_eq!((is_lost(&crowd[1]), is_lost(&other), is_lost(&newcomer)), (true, false, false));
}

#[test]
fn who_has_proven_who_they_are_are_no_strangers_any_more() {
    let world = world();
    let [one, two] = [1, 2].map(|number| {
        let place = world.take("10.0.0.1").unwrap();
        assert!(place.prove(uid(number)) && place.prove(uid(number)));
        place
    });
    assert_eq!(world.strangers(), 0);
    world.wait();
    for _ in 0..100 {
        drop(["10.0.0.1", "10.0.0.1", "10.0.0.2"].map(|source| world.take(source).unwrap()));
    }
    assert!(!is_lost(&one) && !is_lost(&two), "no flood of strangers takes their place");
    let third = world.take("10.0.0.1").unwrap();
    assert!(!third.prove(uid(3)), "there is no place for it to stay");
    drop(two);
    let fourth = world.take("10.0.0.1").unwrap();
    assert!(fourth.prove(uid(3)));
    assert!(!third.prove(uid(3)), "it was told to leave");
}

#[test]
fn an_incarnation_has_one_connection() {
    let world = world();
    let places = [(); 3].map(|()| {
        let place = world.take("10.0.0.1").unwrap();
        assert!(place.prove(uid(1)));
        place
    });
    assert_eq!(places.each_ref().map(is_lost), [true, true, false]);
    let [first, second, last] = places;
    drop((first, second));
    let other = world.take("10.0.0.1").unwrap();
    assert!(other.prove(uid(2)) && last.prove(uid(1)));
    drop((other, last));
    assert!(world.places.shared.taken().proven.is_empty());
}

#[test]
fn an_address_whose_connections_come_to_nothing_is_borne_for_a_while() {
    let world = world();
    let fruitless = || std::iter::repeat_with(|| world.take("10.0.0.1")).take(5000).flatten().count();
    let borne = fruitless();
    assert_eq!(world.take("10.0.0.1").unwrap_err(), Closed::Tiresome);
    world.take("10.0.0.2").unwrap();
    world.clock.advance(Duration::from_secs(1));
    let later = fruitless();
    assert!(0 < later && later < borne && borne < 5000, "{borne} and {later}");
    world.clock.advance(Duration::from_mins(1));
    for _ in 0..5000 {
        assert!(world.take("10.0.0.1").unwrap().prove(uid(1)), "who is known to the gateway is no burden");
    }
}
