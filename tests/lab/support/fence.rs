//! NetworkPolicies as the operator makes them and as people spoil them.

use super::Stage;

/// What closes the network of agents from `Level1` on, whether the operator has done so already or not.
const CLOSED: &str = r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: test-closed}
spec:
  podSelector: {matchLabels: {lazarus-pit.io/level: Level1}}
  policyTypes: [Egress]
  egress:
    - to:
        - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: lazarus-pit}}
          podSelector: {matchLabels: {app.kubernetes.io/component: operator}}
      ports: [{protocol: TCP, port: 8443}]
";

/// What opens it again: policies add to each other.
const OPEN: &str = r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: test-open}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{}]
";

/// Closes the namespace's network.
pub fn close(stage: &Stage) {
    stage.apply_yaml(CLOSED);
}

/// Opens it for everybody.
pub fn open(stage: &Stage) {
    stage.apply_yaml(OPEN);
}

/// Takes that back.
pub fn open_no_more(stage: &Stage) {
    stage.kubectl(&["delete", "networkpolicy", "test-open"]).unwrap();
}
