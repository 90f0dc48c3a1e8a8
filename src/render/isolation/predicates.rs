//! The one table of what a pod of each isolation level is: admission policies, tests and the reference page are made from it.

mod level1;
mod level2;
mod level3;
mod none;
mod privilege;

use crate::api::Isolation;

/// One thing that is true of every pod of a level, and of the levels above it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predicate {
    /// Its name, as refusals give it.
    pub name: &'static str,
    /// The lowest level that demands it.
    pub from: Isolation,
    /// What it says, for people: a clause.
    pub meaning: &'static str,
    /// The definition: a CEL expression over `object`, a Pod on its creation, and [`VARIABLES`].
    pub cel: &'static str,
}

/// Names and expressions of what several predicates look at: `variables.` and the name.
pub const VARIABLES: [(&str, &str); 3] = [
    ("agents", "object.spec.containers"),
    ("sidecars", "object.spec.?initContainers.orValue([])"),
    ("volumes", "object.spec.?volumes.orValue([])"),
];

/// What a level adds to the one before it.
pub fn added(level: Isolation) -> impl Iterator<Item = &'static Predicate> {
    let (first, second): (&[Predicate], &[Predicate]) = match level {
        Isolation::None => (&none::ADDED, &privilege::ADDED),
        Isolation::Level1 => (&level1::ADDED, &[]),
        Isolation::Level2 => (&level2::ADDED, &[]),
        Isolation::Level3 => (&level3::ADDED, &[]),
    };
    first.iter().chain(second)
}

/// Every predicate, those of the freest level first.
pub fn all() -> impl Iterator<Item = &'static Predicate> {
    Isolation::ALL.into_iter().flat_map(added)
}

/// What a pod of this level is: all that the levels below it say, and what it adds.
pub fn of(level: Isolation) -> impl Iterator<Item = &'static Predicate> {
    all().filter(move |predicate| predicate.from <= level)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_short_words_and_each_is_there_once() {
        let names: Vec<_> = all().map(|predicate| predicate.name).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        for name in names {
            assert!(name.len() <= 40 && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-'), "{name}");
        }
    }

    #[test]
    fn each_level_keeps_the_one_below_it_and_adds_three_at_least() {
        for level in Isolation::ALL {
            assert!(added(level).count() >= 3, "{level}");
            assert!(added(level).all(|predicate| predicate.from == level), "{level}");
        }
        for pair in Isolation::ALL.windows(2) {
            assert!(of(pair[0]).all(|predicate| of(pair[1]).any(|other| other == predicate)));
        }
        assert_eq!(of(Isolation::Level3).count(), all().count());
    }

    #[test]
    fn meanings_are_clauses() {
        for Predicate { name, meaning, .. } in all() {
            assert!(meaning.len() > 20 && !meaning.ends_with('.') && !meaning.contains("  "), "{name}: {meaning}");
        }
    }
}
