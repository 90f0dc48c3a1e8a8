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

/// Name of the sidecar that reports for the agent.
pub const PULSE_CONTAINER: &str = "pulse";
/// Name of the gateway's Service and EndpointSlice in the operator's namespace, of the ConfigMap that tells a mission's
/// namespace where it is, and of the certificate it shows.
pub const GATEWAY: &str = "lazarus-gateway";
/// Secret in the operator's namespace that holds the gateway's certificate authority.
pub const GATEWAY_AUTHORITY: &str = "lazarus-gateway-ca";
/// What a sidecar's token is made for.
pub const AUDIENCE: &str = "lazarus-gateway";
/// Port of the gateway's Service.
pub const GATEWAY_PORT: u16 = 443;
/// Port the gateway listens on.
pub const GATEWAY_TARGET_PORT: u16 = 8443;
/// Port of the gateway's Service that no agent may reach: whoever does is not held back by any NetworkPolicy.
pub const CANARY_PORT: u16 = 444;
/// Port behind it.
pub const CANARY_TARGET_PORT: u16 = 8444;
/// Key of that ConfigMap: address and port of the gateway.
pub const GATEWAY_ADDRESS_KEY: &str = "address";
/// Key of that ConfigMap: the certificates that may have signed the gateway's, old and new.
pub const GATEWAY_BUNDLE_KEY: &str = "ca.crt";
/// Where the sidecar finds its token (`token`) and the keys of that ConfigMap as files.
pub const PULSE_FOLDER: &str = "/var/run/lazarus/gateway";
/// Where the sidecar makes the socket that the admission probe asks.
pub const PULSE_SOCKET: &str = "/run/lazarus/admitted";
/// Port on the pod's loopback where the agent reports to the sidecar.
pub const PULSE_PORT: u16 = 8766;

/// Prefix of all labels and annotations of this project; admission lets only the operator write them on pods.
pub const PREFIX: &str = "lazarus-pit.io/";
/// Label: the MissionCell a pod belongs to.
pub const CELL: &str = "lazarus-pit.io/cell";
/// Label: the agent a pod is an incarnation of.
pub const AGENT: &str = "lazarus-pit.io/agent";
/// Label: the number of the incarnation, from 1.
pub const ATTEMPT: &str = "lazarus-pit.io/attempt";
/// Label: the isolation level that a pod was made with; also on a namespace's NetworkPolicies.
pub const LEVEL: &str = "lazarus-pit.io/level";
/// Label of a namespace: no mission in it has a lower isolation level.
pub const MINIMUM_LEVEL: &str = "lazarus-pit.io/minimum-level";
/// Label of a namespace: what Pod Security enforces in it (KEP-2579).
pub const POD_SECURITY: &str = "pod-security.kubernetes.io/enforce";
/// Where an agent finds its workspace.
pub const WORKSPACE_FOLDER: &str = "/workspace";
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

/// Name of the claim of the volume that a mission's agents share.
#[must_use]
pub fn workspace(cell: &str) -> String {
    format!("{cell}-workspace")
}

/// Name of the RevivalRequest about deaths of one cause, of which that of `pod_uid` is the first, waiting since `since`:
/// `<cell>-<hash>`, so that whoever asks again after a crash asks the same question. The time is part of it because an agent
/// may hang, recover and hang again.
#[must_use]
pub fn request_name(cell: &str, cell_uid: &str, cause: &str, pod_uid: &str, since: &str) -> String {
    format!("{cell}-{}", short_hash(&format!("{cell_uid}/{cause}/{pod_uid}/{since}"), 8))
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
