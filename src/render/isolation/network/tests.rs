#![allow(clippy::unwrap_used)]

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::{AgentSpec, External, MissionCellSpec, MissionCellStatus, Port};

fn listens(name: &str, ports: &[(i64, Option<Protocol>)]) -> AgentSpec {
    let port = |(index, &(number, protocol)): (usize, &(i64, Option<Protocol>))| Port {
        name: format!("p{index}"),
        container_port: number,
        protocol,
    };
    AgentSpec { name: name.into(), ports: Some(ports.iter().enumerate().map(port).collect()), ..AgentSpec::default() }
}

fn way(cidr: &str, ports: &[i64]) -> Egress {
    Egress { cidr: cidr.into(), ports: ports.to_vec() }
}

fn cell(agents: Vec<AgentSpec>, egress: Vec<Egress>) -> Cell {
    Cell {
        name: "watch".into(),
        namespace: "missions".into(),
        uid: "uid-1".into(),
        generation: 1,
        deleting: false,
        spec: MissionCellSpec { mission: "m".into(), agents, egress: Some(egress), ..MissionCellSpec::default() },
        status: MissionCellStatus::default(),
    }
}

fn proxy() -> EgressProxy {
    EgressProxy {
        namespace_selector: text([(NAMESPACE_NAME, "proxies")]),
        pod_selector: text([("app", "squid")]),
        port: 3128,
        url: "http://10.96.0.7:3128".into(),
    }
}

fn spec(policy: &NetworkPolicy) -> Value {
    serde_json::to_value(policy.spec.as_ref().unwrap()).unwrap()
}

#[test]
fn each_level_has_one_policy_in_a_namespace_that_belongs_to_nobody() {
    for (level, name) in Isolation::ALL.into_iter().zip(["lazarus-none", "lazarus-level1", "lazarus-level2", "lazarus-level3"]) {
        let policy = base("missions", level, None);
        assert_eq!((policy.metadata.name.as_deref(), policy.metadata.namespace.as_deref()), (Some(name), Some("missions")));
        assert_eq!(policy.metadata.owner_references, None);
        let labels = policy.metadata.labels.as_ref().unwrap();
        assert_eq!(labels["app.kubernetes.io/managed-by"], "lazarus-operator");
        assert_eq!(
            (labels["app.kubernetes.io/part-of"].as_str(), labels[names::LEVEL].as_str()),
            ("lazarus-pit", level.as_str())
        );
        assert_eq!(spec(&policy)["podSelector"], json!({ "matchLabels": { "lazarus-pit.io/level": level.as_str() } }));
    }
}

#[test]
fn what_a_level_lets_out_is_the_gateway_and_less_with_each() {
    let to = |namespace: Value, pods: Value| json!([{ "namespaceSelector": { "matchLabels": namespace }, "podSelector": { "matchLabels": pods } }]);
    let tcp = |port: u16| json!({ "protocol": "TCP", "port": port });
    let gateway = json!({
        "to": to(
            json!({ "kubernetes.io/metadata.name": "lazarus-pit" }),
            json!({ "app.kubernetes.io/name": "lazarus-pit", "app.kubernetes.io/component": "operator" }),
        ),
        "ports": [tcp(8443)],
    });
    let dns = json!({
        "to": to(json!({ "kubernetes.io/metadata.name": "kube-system" }), json!({ "k8s-app": "kube-dns" })),
        "ports": [{ "protocol": "UDP", "port": 53 }, tcp(53)],
    });
    let squid = json!({
        "to": to(json!({ "kubernetes.io/metadata.name": "proxies" }), json!({ "app": "squid" })),
        "ports": [tcp(3128)],
    });
    for (level, wanted) in [
        (Isolation::Level1, vec![&gateway, &dns, &squid]),
        (Isolation::Level2, vec![&gateway, &squid]),
        (Isolation::Level3, vec![&gateway, &squid]),
    ] {
        for proxied in [true, false] {
            let found = spec(&base("missions", level, Some(&proxy()).filter(|_| proxied)));
            let wanted: Vec<_> = wanted.iter().filter(|rule| proxied || **rule != &squid).collect();
            assert_eq!(found["egress"], json!(wanted), "{level}");
            assert_eq!((&found["policyTypes"], &found["ingress"]), (&json!(["Ingress", "Egress"]), &Value::Null), "{level}");
        }
    }
}

#[test]
fn without_isolation_everything_is_reached_but_what_hands_out_credentials() {
    let found = spec(&base("missions", Isolation::None, Some(&proxy())));
    assert_eq!(found["policyTypes"], json!(["Egress"]));
    let blocks = [
        json!({ "cidr": "0.0.0.0/0", "except": ["169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32"] }),
        json!({ "cidr": "::/0", "except": ["fe80::/10", "fd00:ec2::254/128"] }),
    ];
    assert_eq!(found["egress"], json!(blocks.map(|block| json!({ "to": [{ "ipBlock": block }] }))));
}

#[test]
fn a_mission_opens_what_its_agents_declare_among_themselves() {
    let udp = Some(Protocol::Udp);
    let cell = cell(vec![listens("scout", &[(8081, None), (53, udp)]), listens("relay", &[(8081, Some(Protocol::Tcp))])], vec![]);
    let policy = mission(&cell, Isolation::Level1, None).unwrap();
    assert_eq!(policy.metadata.name.as_deref(), Some("watch-mission"));
    assert_eq!(policy.metadata.labels.as_ref().unwrap()[names::CELL], "watch");
    assert_eq!(policy.metadata.owner_references.as_ref().unwrap()[0].uid, "uid-1");
    let among = json!([{ "podSelector": { "matchLabels": { "lazarus-pit.io/cell": "watch" } } }]);
    let ports = json!([{ "protocol": "UDP", "port": 53 }, { "protocol": "TCP", "port": 8081 }]);
    assert_eq!(
        spec(&policy),
        json!({
            "podSelector": {
                "matchLabels": { "lazarus-pit.io/cell": "watch" },
                "matchExpressions": [{ "key": "lazarus-pit.io/level", "operator": "In", "values": ["Level1", "Level2"] }],
            },
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{ "from": among, "ports": ports }],
            "egress": [{ "to": among, "ports": ports }],
        })
    );
    assert_eq!(mission(&cell, Isolation::Level2, None), Some(policy));
    for level in [Isolation::None, Isolation::Level3] {
        assert_eq!(mission(&cell, level, None), None, "{level}");
    }
}

#[test]
fn a_mission_that_declares_nothing_has_no_policy() {
    let elsewhere = AgentSpec { external: Some(External::default()), ..listens("relay", &[(8081, None)]) };
    let plain = AgentSpec { name: "scout".into(), ..AgentSpec::default() };
    for cell in [
        cell(vec![plain.clone()], vec![]),
        // Its ports are not this cluster's.
        cell(vec![plain.clone(), elsewhere.clone()], vec![]),
        cell(vec![elsewhere], vec![way("192.0.2.0/24", &[443])]),
        // Numbers that are no ports, which a server that checks them refuses.
        cell(vec![listens("scout", &[(0, None), (70_000, None)])], vec![way("192.0.2.0/24", &[0, -1])]),
    ] {
        assert_eq!(mission(&cell, Isolation::Level1, None), None, "{:?}", cell.spec);
    }
    let all_private = cell(vec![plain], vec![way("10.0.0.0/8", &[443])]);
    assert_eq!(mission(&all_private, Isolation::Level1, None), None);
}

#[test]
fn declared_ways_out_lead_to_public_addresses_that_are_admitted() {
    let plain = AgentSpec { name: "scout".into(), ..AgentSpec::default() };
    let ways = vec![way("172.0.0.0/8", &[443, 80, 443]), way("192.0.2.0/24", &[443]), way("10.0.0.0/8", &[443])];
    let cell = cell(vec![plain], ways);
    let egress = |max_egress: Option<&[String]>| {
        let policy = mission(&cell, Isolation::Level2, max_egress)?;
        assert_eq!(spec(&policy)["ingress"], Value::Null, "nobody listens");
        Some(spec(&policy)["egress"].clone())
    };
    let [first, second] = [
        json!({
            "to": [{ "ipBlock": { "cidr": "172.0.0.0/8", "except": ["172.16.0.0/12"] } }],
            "ports": [{ "protocol": "TCP", "port": 80 }, { "protocol": "TCP", "port": 443 }],
        }),
        json!({ "to": [{ "ipBlock": { "cidr": "192.0.2.0/24" } }], "ports": [{ "protocol": "TCP", "port": 443 }] }),
    ];
    assert_eq!(egress(None), Some(json!([first, second])));
    assert_eq!(egress(Some(&["192.0.0.0/8".into()])), Some(json!([second])));
    assert_eq!(egress(Some(&[])), None);
}

/// Whether a policy lets a packet out to an address that is no pod's.
fn leaves(policy: &NetworkPolicy, address: IpAddr) -> bool {
    let within = |range: &String| range.parse::<IpNet>().unwrap().contains(&address);
    let peers = policy.spec.iter().flat_map(|spec| spec.egress.iter().flatten()).flat_map(|rule| rule.to.iter().flatten());
    let mut blocks = peers.filter_map(|peer| peer.ip_block.as_ref());
    blocks.any(|block| within(&block.cidr) && !block.except.iter().flatten().any(within))
}

proptest! {
    #[test]
    fn no_declaration_leads_to_a_private_address(
        ranges in prop::collection::vec((any::<[u8; 4]>(), 0u8..=32), 0..6),
        longer in prop::collection::vec((any::<[u8; 16]>(), 0u8..=128), 0..6),
        four in any::<[u8; 4]>(), six in any::<[u8; 16]>(),
    ) {
        let plain = AgentSpec { name: "scout".into(), ..AgentSpec::default() };
        let four_ways = ranges.into_iter().map(|(address, length)| (IpAddr::from(address), length));
        let six_ways = longer.into_iter().map(|(address, length)| (IpAddr::from(address), length));
        let ranges: Vec<_> = four_ways.chain(six_ways).map(|(address, length)| IpNet::new(address, length).unwrap().trunc()).collect();
        let ways = ranges.iter().map(|range| way(&range.to_string(), &[443])).collect();
        let Some(policy) = mission(&cell(vec![plain], ways), Isolation::Level1, None) else { return Ok(()) };
        let edges = ranges.iter().flat_map(|range| [range.network(), range.broadcast()]);
        let known = ["10.0.0.1", "192.168.255.255", "100.100.100.200", "169.254.169.254", "168.63.129.16", "fd00:ec2::254", "fe80::1", "::1"];
        let known = known.into_iter().map(|address| address.parse().unwrap());
        for address in edges.chain(known).chain([IpAddr::from(four), IpAddr::from(six)]) {
            let declared = ranges.iter().any(|range| range.contains(&address));
            prop_assert_eq!(leaves(&policy, address), declared && !egress::is_private(&address), "{}", address);
        }
    }
}
