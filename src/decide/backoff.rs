//! How long to wait between the end of an agent and the next incarnation.

use chrono::TimeDelta;
use sha2::{Digest, Sha256};

use crate::api::EffectiveRestart;

/// The wait after this many ends in a row: it doubles with each, up to the policy's longest one.
///
/// Up to a tenth is taken off, by a hash of `pod_uid`: agents that died together don't come back together, and the same
/// death always has the same wait.
pub(super) fn wait(restart: &EffectiveRestart, ends: i64, pod_uid: &str) -> TimeDelta {
    let doublings = ends.saturating_sub(1).clamp(0, 32);
    let seconds = restart.backoff_seconds.saturating_mul(1 << doublings).min(restart.max_backoff_seconds);
    let jitter = i64::from(Sha256::digest(pod_uid.as_bytes()).first().copied().unwrap_or(0));
    TimeDelta::seconds(seconds - seconds * jitter / 2560)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_up_to_the_longest_and_is_shortened_by_at_most_a_tenth() {
        let restart =
            EffectiveRestart { max_attempts: 3, backoff_seconds: 30, max_backoff_seconds: 600, reset_after_seconds: 3600 };
        for (deaths, full) in [(1, 30), (2, 60), (3, 120), (5, 480), (6, 600), (7, 600), (i64::MAX, 600)] {
            for pod in ["a", "b", "c"] {
                let seconds = wait(&restart, deaths, pod).num_seconds();
                assert!((full * 9 / 10..=full).contains(&seconds), "{deaths} deaths: {seconds} s, not {full} s");
                assert_eq!(wait(&restart, deaths, pod).num_seconds(), seconds);
            }
        }
        let waits: std::collections::BTreeSet<_> = (0..20).map(|pod| wait(&restart, 6, &pod.to_string())).collect();
        assert!(waits.len() > 10, "agents that died together come back apart: {waits:?}");
    }
}
