//! Each predicate holds of a good pod, and is what the least harm takes away.

use std::collections::BTreeSet;

use lazarus::api::Isolation;
use lazarus::render::isolation::predicates::all;

use super::support::{cel, good, harm};

#[test]
fn a_good_pod_is_all_that_its_level_says() {
    for level in Isolation::ALL {
        let lacks = cel::lacks(&good::pod("good", level), level);
        assert!(lacks.is_empty(), "{level}: {lacks:?}");
    }
}

#[test]
fn a_good_pod_is_less_than_the_next_level_says() {
    for pair in Isolation::ALL.windows(2) {
        let lacks = cel::lacks(&good::pod("good", pair[0]), pair[1]);
        assert!(!lacks.is_empty(), "{} is as good as {}", pair[0], pair[1]);
    }
}

#[test]
fn each_harm_takes_its_predicate_and_no_other() {
    for harm in harm::table() {
        let pod = harm.done_to(good::pod("harmed", harm.level())).unwrap();
        assert_eq!(cel::lacks(&pod, harm.level()), [harm.lacks], "{}", harm.shown());
    }
}

#[test]
fn harm_stays_harm_on_higher_levels() {
    for harm in harm::table() {
        for level in Isolation::ALL.into_iter().filter(|level| *level >= harm.level()) {
            let pod = harm.done_to(good::pod("harmed", level)).unwrap();
            assert!(cel::lacks(&pod, level).contains(&harm.lacks), "{level}: {}", harm.shown());
        }
    }
}

#[test]
fn there_is_harm_for_every_predicate() {
    let harmed: BTreeSet<_> = harm::table().iter().map(|harm| harm.lacks).collect();
    for predicate in all() {
        assert!(harmed.contains(predicate.name), "{}", predicate.name);
    }
    // Nearly all of it is harm that nothing but the predicate refuses.
    assert!(harm::table().iter().filter(|harm| !harm.valid).count() <= 2);
}

#[test]
fn a_lead_writes_what_is_shared() {
    let mut pod = good::pod("lead", Isolation::Level2);
    let container = &mut pod["spec"]["containers"][0];
    container["env"][0]["value"] = "Lead".into();
    let shared = container["volumeMounts"][1].as_object_mut().unwrap();
    shared.remove("readOnly");
    shared.remove("recursiveReadOnly");
    assert!(cel::lacks(&pod, Isolation::Level2).is_empty());
}
