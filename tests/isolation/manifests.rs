//! Whatever a manifest says, the operator's pod is all that its level says.

use std::thread;

use lazarus::api::Isolation;

use super::support::cel;
use super::support::random::{Dice, Manifest};

const MANIFESTS: u64 = 10_000;
const THREADS: u64 = 4;

#[test]
fn pods_of_random_manifests_are_all_that_their_level_says() {
    let share = |first: u64| {
        for number in (first..MANIFESTS).step_by(usize::try_from(THREADS).unwrap()) {
            // At a level and at the next one: what is made for the one is no hindrance to the other.
            let mut dice = Dice(number);
            let at = usize::try_from(dice.below(3)).unwrap();
            let levels = [Isolation::ALL[at], Isolation::ALL[at + 1]];
            let manifest = Manifest::new(&mut dice, levels[1]);
            for level in levels {
                let pod = manifest.pod(level);
                let lacks = cel::lacks(&pod, level);
                assert!(lacks.is_empty(), "manifest {number} at {level} lacks {lacks:?}: {pod}");
            }
        }
    };
    thread::scope(|scope| (0..THREADS).for_each(|first| drop(scope.spawn(move || share(first)))));
}
