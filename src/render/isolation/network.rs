//! The NetworkPolicies of a level: one that closes, for all its pods in a namespace, and one per mission that opens what the
//! mission declares.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::networking::v1::{
    IPBlock, NetworkPolicy, NetworkPolicyEgressRule, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::api::egress::{self, Block};
use crate::api::{Egress, EgressProxy, Isolation, Protocol, names};
use crate::observe::Cell;
use crate::render::{install, owner};

/// What no agent reaches at any level: link-local addresses, and those under which providers hand out credentials.
const METADATA: [(&str, &[&str]); 2] =
    [("0.0.0.0/0", &["169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32"]), ("::/0", &["fe80::/10", "fd00:ec2::254/128"])];

/// The label by which every namespace can be selected.
const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// Name of a level's policy in each namespace.
#[must_use]
pub fn base_name(level: Isolation) -> String {
    format!("lazarus-{}", level.as_str().to_lowercase())
}

/// Name of a mission's policy.
#[must_use]
pub fn mission_name(cell: &str) -> String {
    format!("{cell}-mission")
}

/// What closes the network for all pods of this level in a namespace. It belongs to no mission, so that the end of a mission
/// can't open the network under its dying pods.
#[must_use]
pub fn base(namespace: &str, level: Isolation, proxy: Option<&EgressProxy>) -> NetworkPolicy {
    let open = || METADATA.map(|(range, except)| to(vec![block(range, except.iter().copied())], Vec::new())).to_vec();
    let (types, egress) = match level {
        Isolation::None => (words(["Egress"]), open()),
        Isolation::Level1 => (both(), [gateway(), dns()].into_iter().chain(proxy.map(to_proxy)).collect()),
        Isolation::Level2 | Isolation::Level3 => (both(), [gateway()].into_iter().chain(proxy.map(to_proxy)).collect()),
    };
    NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(base_name(level)),
            namespace: Some(namespace.into()),
            labels: Some(labels([(names::LEVEL, level.as_str()), ("app.kubernetes.io/part-of", "lazarus-pit")])),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(selector([(names::LEVEL, level.as_str())])),
            policy_types: Some(types),
            // No rule for what comes in: nothing does.
            ingress: None,
            egress: Some(egress),
        }),
    }
}

/// What opens the network for the pods of a mission at this level: the ports that its agents declare, among themselves, and
/// the declared ways out as far as `max_egress` admits them. `None`: nothing.
#[must_use]
pub fn mission(cell: &Cell, level: Isolation, max_egress: Option<&[String]>) -> Option<NetworkPolicy> {
    let closed = match level {
        // The one is open anyway, the other opens for nobody.
        Isolation::None | Isolation::Level3 => true,
        Isolation::Level1 | Isolation::Level2 => false,
    };
    let pods = cell.spec.agents.iter().any(|agent| agent.external.is_none());
    if closed || !pods {
        return None;
    }
    let own = selector([(names::CELL, &cell.name)]);
    let among = NetworkPolicyPeer { pod_selector: Some(own.clone()), ..NetworkPolicyPeer::default() };
    let declared = declared_ports(cell);
    // A rule without ports would be one for all of them.
    let inside = (!declared.is_empty()).then(|| to(vec![among.clone()], declared.clone()));
    let ingress = inside.is_some().then(|| vec![NetworkPolicyIngressRule { from: Some(vec![among]), ports: Some(declared) }]);
    let outside = cell.spec.egress.iter().flatten().filter_map(|way| way_out(way, max_egress));
    let egress: Vec<_> = inside.into_iter().chain(outside).collect();
    if egress.is_empty() {
        return None;
    }
    let levels = LabelSelectorRequirement {
        key: names::LEVEL.into(),
        operator: "In".into(),
        values: Some(words([Isolation::Level1.as_str(), Isolation::Level2.as_str()])),
    };
    Some(NetworkPolicy {
        metadata: ObjectMeta {
            name: Some(mission_name(&cell.name)),
            namespace: Some(cell.namespace.clone()),
            labels: Some(labels([(names::CELL, &cell.name), ("app.kubernetes.io/part-of", &cell.name)])),
            owner_references: Some(vec![owner(cell)]),
            ..ObjectMeta::default()
        },
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_expressions: Some(vec![levels]), ..own }),
            policy_types: Some(both()),
            ingress,
            egress: Some(egress),
        }),
    })
}

fn declared_ports(cell: &Cell) -> Vec<NetworkPolicyPort> {
    let agents = cell.spec.agents.iter().filter(|agent| agent.external.is_none());
    let ports: BTreeSet<_> = agents
        .flat_map(|agent| agent.ports.iter().flatten())
        .filter_map(|declared| {
            let protocol = match declared.protocol.unwrap_or_default() {
                Protocol::Tcp => "TCP",
                Protocol::Udp => "UDP",
            };
            Some((u16::try_from(declared.container_port).ok().filter(|port| *port > 0)?, protocol))
        })
        .collect();
    ports.into_iter().map(|(number, protocol)| port(protocol, number)).collect()
}

fn way_out(Egress { cidr, ports }: &Egress, max_egress: Option<&[String]>) -> Option<NetworkPolicyEgressRule> {
    let Block { range, except } = egress::public(cidr).filter(|_| egress::is_admitted(cidr, max_egress))?;
    let ports: BTreeSet<_> = ports.iter().filter_map(|port| u16::try_from(*port).ok().filter(|port| *port > 0)).collect();
    let ports: Vec<_> = ports.into_iter().map(|number| port("TCP", number)).collect();
    let except: Vec<_> = except.iter().map(ToString::to_string).collect();
    (!ports.is_empty()).then(|| to(vec![block(&range.to_string(), except.iter().map(String::as_str))], ports))
}

fn gateway() -> NetworkPolicyEgressRule {
    let operator = pods(names::OPERATOR_NAMESPACE, install::operator_pods());
    to(vec![operator], vec![port("TCP", names::GATEWAY_TARGET_PORT)])
}

fn dns() -> NetworkPolicyEgressRule {
    let servers = pods("kube-system", text([("k8s-app", "kube-dns")]));
    to(vec![servers], vec![port("UDP", 53), port("TCP", 53)])
}

fn to_proxy(proxy: &EgressProxy) -> NetworkPolicyEgressRule {
    let EgressProxy { namespace_selector, pod_selector, port: number, url: _ } = proxy;
    let select =
        |labels: &BTreeMap<String, String>| LabelSelector { match_labels: Some(labels.clone()), ..LabelSelector::default() };
    let peer = NetworkPolicyPeer {
        namespace_selector: Some(select(namespace_selector)),
        pod_selector: Some(select(pod_selector)),
        ip_block: None,
    };
    to(vec![peer], vec![port("TCP", *number)])
}

fn to(peers: Vec<NetworkPolicyPeer>, ports: Vec<NetworkPolicyPort>) -> NetworkPolicyEgressRule {
    NetworkPolicyEgressRule { to: Some(peers), ports: Some(ports).filter(|ports| !ports.is_empty()) }
}

fn pods(namespace: &str, labels: BTreeMap<String, String>) -> NetworkPolicyPeer {
    NetworkPolicyPeer {
        namespace_selector: Some(selector([(NAMESPACE_NAME, namespace)])),
        pod_selector: Some(LabelSelector { match_labels: Some(labels), ..LabelSelector::default() }),
        ip_block: None,
    }
}

fn block<'a>(range: &str, except: impl Iterator<Item = &'a str>) -> NetworkPolicyPeer {
    // The API server leaves an empty list out, and what differs from what is there would be written again.
    let except = Some(except.map(String::from).collect::<Vec<_>>()).filter(|except| !except.is_empty());
    NetworkPolicyPeer { ip_block: Some(IPBlock { cidr: range.into(), except }), ..NetworkPolicyPeer::default() }
}

fn port(protocol: &str, number: u16) -> NetworkPolicyPort {
    NetworkPolicyPort { protocol: Some(protocol.into()), port: Some(IntOrString::Int(number.into())), end_port: None }
}

fn selector<const N: usize>(pairs: [(&str, &str); N]) -> LabelSelector {
    LabelSelector { match_labels: Some(text(pairs)), ..LabelSelector::default() }
}

fn labels<const N: usize>(own: [(&str, &str); N]) -> BTreeMap<String, String> {
    let mut labels = text(own);
    labels.insert("app.kubernetes.io/managed-by".into(), names::OPERATOR.into());
    labels
}

fn text<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

fn both() -> Vec<String> {
    words(["Ingress", "Egress"])
}

fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.into_iter().map(String::from).collect()
}

#[cfg(test)]
mod tests;
