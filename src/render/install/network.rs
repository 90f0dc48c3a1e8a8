//! What reaches the operator, and what it reaches.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{namespaced, words, workload};
use crate::api::names::{CANARY_TARGET_PORT, GATEWAY_TARGET_PORT, OPERATOR};
use crate::runtime::health;

/// Where API servers listen: plugins see the port behind the Service. 16443 is MicroK8s', 8443 minikube's.
const API_SERVER: [u16; 4] = [443, 6443, 8443, 16_443];

/// The API server has whatever address the cluster gave it, so only its ports can be named; a cluster's DNS likewise.
pub(super) fn policy() -> NetworkPolicy {
    let operator = NetworkPolicyPeer { pod_selector: Some(workload::selector()), ..NetworkPolicyPeer::default() };
    let spec = NetworkPolicySpec {
        pod_selector: Some(workload::selector()),
        policy_types: Some(words(["Ingress", "Egress"])),
        // From everywhere: agents elsewhere come from outside of the cluster, and whoever reads the metrics from any namespace.
        ingress: Some(vec![NetworkPolicyIngressRule {
            ports: Some(ports("TCP", [GATEWAY_TARGET_PORT, CANARY_TARGET_PORT, health::ADDRESS.port()])),
            from: None,
        }]),
        egress: Some(vec![
            NetworkPolicyEgressRule { ports: Some(ports("TCP", API_SERVER)), to: None },
            NetworkPolicyEgressRule { ports: Some([ports("UDP", [53]), ports("TCP", [53])].concat()), to: None },
            // The replica that does not lead reports to the one that does, as a sidecar would.
            NetworkPolicyEgressRule {
                ports: Some(ports("TCP", [GATEWAY_TARGET_PORT, CANARY_TARGET_PORT])),
                to: Some(vec![operator]),
            },
        ]),
    };
    NetworkPolicy { metadata: namespaced(OPERATOR), spec: Some(spec) }
}

fn ports<const N: usize>(protocol: &str, numbers: [u16; N]) -> Vec<NetworkPolicyPort> {
    let port = |number: u16| NetworkPolicyPort {
        protocol: Some(protocol.into()),
        port: Some(IntOrString::Int(number.into())),
        end_port: None,
    };
    numbers.map(port).into()
}
