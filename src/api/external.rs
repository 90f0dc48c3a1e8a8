//! Agents that run elsewhere: they only report, with a token that is made for one incarnation of one agent.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::names;

/// What is said of an agent that runs elsewhere: nothing yet but that it does.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct External {}

/// Name of the ServiceAccount that a mission's agents elsewhere report with.
#[must_use]
pub fn account(cell: &str) -> String {
    format!("{cell}-external")
}

/// What the token of one incarnation of an agent elsewhere is made for.
#[must_use]
pub fn audience(cell_uid: &str, agent: &str, incarnation: i64) -> String {
    format!("{}/{cell_uid}/{agent}/{incarnation}", names::AUDIENCE)
}

/// Whether a token with this audience is that of an agent elsewhere.
#[must_use]
pub fn is_audience(audience: &str) -> bool {
    audience.strip_prefix(names::AUDIENCE).is_some_and(|rest| rest.starts_with('/'))
}

/// What stands for the UID of a pod where there is none: made from all that the token says of its bearer, so that a token of
/// another ServiceAccount or for another incarnation is that of a stranger.
///
/// It has the shape of a UID of RFC 9562, version 8. Neither names nor audiences can be chosen so that it becomes that of a
/// certain pod: that would be a second preimage of SHA-256.
#[must_use]
pub fn uid(namespace: &str, account: &str, audience: &str) -> String {
    // No name has a `/`, and the audience comes last: no two bearers run together.
    let digest = Sha256::digest(format!("{namespace}/{account}/{audience}").as_bytes());
    let number = digest.iter().take(16).fold(0, |number: u128, byte| number << 8 | u128::from(*byte));
    // Version and variant.
    dashed(number & !(0xf << 76 | 0x3 << 62) | 0x8 << 76 | 0x2 << 62)
}

/// A UID of this number, as Kubernetes writes it.
#[must_use]
pub fn dashed(number: u128) -> String {
    let digits = format!("{number:032x}");
    let part = |range| digits.get(range).unwrap_or_default();
    format!("{}-{}-{}-{}-{}", part(0..8), part(8..12), part(12..16), part(16..20), part(20..32))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: &str = "5d1c9f1e-0000-4000-8000-000000000000";

    #[test]
    fn each_bearer_has_a_uid_of_its_own() {
        let of = |namespace: &str, cell: &str, uid: &str, agent: &str, incarnation| {
            self::uid(namespace, &account(cell), &audience(uid, agent, incarnation))
        };
        let one = of("missions", "watch", CELL, "oracle", 1);
        assert_eq!(one, of("missions", "watch", CELL, "oracle", 1));
        for other in [
            of("mission", "watch", CELL, "oracle", 1),
            of("missions", "match", CELL, "oracle", 1),
            of("missions", "watch", &CELL.replace('5', "6"), "oracle", 1),
            of("missions", "watch", CELL, "oracles", 1),
            of("missions", "watch", CELL, "oracle", 2),
        ] {
            assert_ne!(one, other);
        }
        let parts: Vec<_> = one.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(one.as_bytes()[14], b'8');
        assert!("89ab".contains(char::from(one.as_bytes()[19])));
    }

    #[test]
    fn a_sidecars_audience_is_not_one() {
        assert!(is_audience(&audience(CELL, "oracle", 1)));
        assert!(!is_audience(names::AUDIENCE));
        assert!(!is_audience("lazarus-gateway-other/x"));
    }
}
