//! Labels, annotations and object names that others rely on.

use sha2::{Digest, Sha256};

/// The operator's name, as field manager and in Events.
pub const OPERATOR: &str = "lazarus-operator";
/// Namespace of the operator as `deploy/install.yaml` installs it.
pub const OPERATOR_NAMESPACE: &str = "lazarus-pit";
/// Name of the AgentPolicy that applies where a mission names none.
pub const DEFAULT_POLICY: &str = "default";
/// Name of the container that is the agent.
pub const AGENT_CONTAINER: &str = "agent";

/// Prefix of all labels and annotations of this project; admission lets only the operator write them on pods.
pub const PREFIX: &str = "lazarus-pit.io/";
/// Label: the MissionCell a pod belongs to.
pub const CELL: &str = "lazarus-pit.io/cell";
/// Label: the agent a pod is an incarnation of.
pub const AGENT: &str = "lazarus-pit.io/agent";
/// Label: the number of the incarnation, from 1.
pub const ATTEMPT: &str = "lazarus-pit.io/attempt";
/// Annotation: hash of the user's fields that the pod was made from.
pub const TEMPLATE: &str = "lazarus-pit.io/template-hash";

// The characters Kubernetes uses for generated names: no vowels, so no words.
const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// Name of an incarnation's pod: `<cell>-<agent>-<attempt>-<hash of cell UID and agent>`.
///
/// The hash keeps cells apart whose names run together (`a-b` with agent `c`, `a` with agent `b-c`), and a cell from
/// its successor of the same name.
#[must_use]
pub fn pod_name(cell: &str, cell_uid: &str, agent: &str, attempt: i64) -> String {
    format!("{cell}-{agent}-{attempt}-{}", short_hash(&format!("{cell_uid}/{agent}"), 5))
}

/// The first `length` (at most 32) characters of a hash of `text`.
#[must_use]
pub fn short_hash(text: &str, length: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(length).map(|byte| char::from(ALPHABET[usize::from(*byte) % ALPHABET.len()])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_run_together_stay_apart() {
        let uid = "5d1c9f1e-0000-4000-8000-000000000000";
        assert_ne!(pod_name("a-b", uid, "c", 1), pod_name("a", uid, "b-c", 1));
        assert_ne!(pod_name("a", uid, "b", 1), pod_name("a", "another", "b", 1));
        assert!(pod_name("a", uid, "b", 2).starts_with("a-b-2-"));
        assert_eq!(pod_name("a", uid, "b", 1).len(), "a-b-1-".len() + 5);
        let longest = pod_name(&"c".repeat(30), uid, &"a".repeat(20), 999);
        assert!(longest.len() <= 63, "a pod name that is also a host name: {longest}");
    }
}
