//! NetworkPolicies as people spoil them.

use super::Stage;

/// Opens what others close: policies add to each other.
const OPEN: &str = r"
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: test-open}
spec:
  podSelector: {}
  policyTypes: [Egress]
  egress: [{}]
";

/// Opens it for everybody.
pub fn open(stage: &Stage) {
    stage.apply_yaml(OPEN);
}

/// Takes that back.
pub fn open_no_more(stage: &Stage) {
    stage.kubectl(&["delete", "networkpolicy", "test-open"]).unwrap();
}
