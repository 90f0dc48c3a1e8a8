//! Who reaches whom: missions are closed to each other, and stay so whatever becomes of their policies.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentSpec, Isolation, MissionCell, Port};
use serde_json::json;

use super::support::stage::{CELL, soon};
use super::support::{Stage, agent_that, lab, mission, operator};

const BASE: &str = "lazarus-level1";
/// What the API server of the lab is called by.
const API_SERVER: &str = "10.96.0.1:443";

/// An agent that takes connections to 8081, which it declares, and to 8082.
fn listener(name: &str) -> AgentSpec {
    let port = Port { name: "http".into(), container_port: 8081, protocol: None };
    AgentSpec { ports: Some(vec![port]), ..agent_that(name, &["--listen", "8081", "--listen", "8082"]) }
}

/// A mission for development.
fn free(agents: impl IntoIterator<Item = AgentSpec>) -> MissionCell {
    let mut free = mission("free", agents);
    free.spec.isolation = Some(Isolation::None);
    free
}

async fn all_well(stage: &Stage, cells: &[MissionCell]) {
    for cell in cells {
        stage.apply(cell).await;
    }
    stage
        .until_all("all missions are well", |scene| {
            cells.iter().all(|cell| scene.mission(&cell.name_any()).has(Ready, "True", Reason::AgentsAlive))
        })
        .await;
}

fn pod_of(stage: &Stage, cell: &str, agent: &str) -> String {
    stage.look_at_all(|scene| scene.mission(cell).agent(agent).pod_name.unwrap())
}

async fn address(stage: &Stage, cell: &str, agent: &str) -> String {
    address_of(&stage.api().get(&pod_of(stage, cell, agent)).await.unwrap())
}

fn address_of(pod: &Pod) -> String {
    pod.status.as_ref().unwrap().pod_ip.clone().unwrap()
}

/// What a program in the pod finds out about each of these addresses.
fn reach(namespace: &str, pod: &str, addresses: &[String]) -> Result<BTreeMap<String, String>, String> {
    let mut arguments = vec!["-n", namespace, "exec", pod, "--", "/lazarus", "demo-agent", "reach"];
    arguments.extend(addresses.iter().map(String::as_str));
    let said = lab::kubectl(&arguments, "")?;
    Ok(said.lines().filter_map(|line| line.split_once(' ')).map(|(to, found)| (to.to_owned(), found.to_owned())).collect())
}

/// Waits until the pod finds just this: the rules come a little after the policies.
async fn finds(namespace: &str, pod: &str, expected: &[(String, &str)]) {
    let addresses: Vec<_> = expected.iter().map(|(address, _)| address.clone()).collect();
    let expected: BTreeMap<_, _> = expected.iter().map(|(address, found)| (address.clone(), (*found).to_owned())).collect();
    soon(&format!("{pod} finds {expected:?}"), async || {
        let found = reach(namespace, pod, &addresses).unwrap();
        if found != expected {
            println!("{pod} finds {found:?}");
        }
        found == expected
    })
    .await;
}

async fn policies(stage: &Stage) -> BTreeMap<String, NetworkPolicy> {
    let found = stage.api::<NetworkPolicy>().list(&kube::api::ListParams::default()).await.unwrap();
    found.into_iter().map(|policy| (policy.name_any(), policy)).collect()
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_mission_is_closed_but_for_the_ports_its_agents_declare() {
    let (stage, abroad) = (Stage::new("network").await, Stage::new("network-abroad").await);
    let [home, other] =
        [(CELL, ["scout", "relay"]), ("other", ["spy", "decoy"])].map(|(name, agents)| mission(name, agents.map(listener)));
    all_well(&stage, &[home.clone(), other, free(["tramp", "friend"].map(listener))]).await;
    all_well(&abroad, &[home]).await;
    let [relay, spy, tramp, friend] = [(CELL, "relay"), ("other", "spy"), ("free", "tramp"), ("free", "friend")];
    let at = async |(cell, agent): (&str, &str), port: u16| format!("{}:{port}", address(&stage, cell, agent).await);
    let foreign = format!("{}:8081", address(&abroad, CELL, "relay").await);
    finds(
        &stage.namespace,
        &pod_of(&stage, CELL, "scout"),
        &[
            (at(relay, 8081).await, "reached"),
            (at(relay, 8082).await, "blocked"),
            (at(spy, 8081).await, "blocked"),
            (at(tramp, 8081).await, "blocked"),
            (foreign.clone(), "blocked"),
        ],
    )
    .await;
    finds(
        &stage.namespace,
        &pod_of(&stage, "free", "tramp"),
        &[
            (at(friend, 8081).await, "reached"),
            (at(friend, 8082).await, "reached"),
            (API_SERVER.into(), "reached"),
            (at(relay, 8081).await, "blocked"),
            (at(spy, 8081).await, "blocked"),
            (foreign, "blocked"),
        ],
    )
    .await;
    assert_eq!(policies(&stage).await.into_keys().collect::<Vec<_>>(), [BASE, "lazarus-none", "other-mission", "watch-mission"]);
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_policy_that_somebody_deletes_or_changes_comes_back() {
    let stage = Stage::new("network-mended").await;
    all_well(&stage, &[mission(CELL, [listener("scout")])]).await;
    let wanted = policies(&stage).await;
    assert_eq!(wanted.keys().collect::<Vec<_>>(), [BASE, "watch-mission"]);
    let api: Api<NetworkPolicy> = stage.api();
    for name in wanted.keys() {
        api.delete(name, &DeleteParams::default()).await.unwrap();
    }
    let are_back = async || {
        let found = policies(&stage).await;
        wanted.iter().all(|(name, wanted)| found.get(name).is_some_and(|found| found.spec == wanted.spec))
    };
    soon("the deleted policies are back", are_back).await;
    let open = json!({ "spec": { "podSelector": { "matchLabels": { "nobody": "at-all" } }, "ingress": [{}] } });
    for name in wanted.keys() {
        api.patch(name, &PatchParams::default(), &Patch::Merge(&open)).await.unwrap();
    }
    soon("the changed policies are as they were", are_back).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_network_stays_closed_until_the_last_pod_of_a_deleted_mission_is_gone() {
    let stage = Stage::new("network-dying").await;
    // Longer than it takes until the policies are looked at again.
    let stubborn = AgentSpec {
        termination_grace_period_seconds: Some(45),
        ..agent_that("scout", &["--ignore-sigterm", "--listen", "8081"])
    };
    all_well(&stage, &[mission(CELL, [stubborn]), free(["tramp"].map(listener))]).await;
    let (dying, tramp) = (pod_of(&stage, CELL, "scout"), pod_of(&stage, "free", "tramp"));
    let target = [format!("{}:8081", address(&stage, CELL, "scout").await)];
    finds(&stage.namespace, &tramp, &[(target[0].clone(), "blocked")]).await;
    stage.api::<MissionCell>().delete(CELL, &DeleteParams::default()).await.unwrap();
    stage.until("the mission is gone", |mission| mission.cell().is_none()).await;
    let pods: Api<Pod> = stage.api();
    let mut looks = 0;
    loop {
        let found = reach(&stage.namespace, &tramp, &target).unwrap();
        let policies = policies(&stage).await;
        // Only what was found while it was there counts.
        if pods.get_opt(&dying).await.unwrap().is_none() {
            break;
        }
        assert_eq!(found[&target[0]], "blocked");
        assert!(policies.contains_key(BASE), "{:?}", policies.keys());
        looks += 1;
    }
    assert!(looks > 1, "it took its time to die");
    soon("nobody needs the policy any more", async || policies(&stage).await.into_keys().collect::<Vec<_>>() == ["lazarus-none"])
        .await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_operator_itself_reaches_the_api_server_and_no_other_pod() {
    let stage = Stage::new("network-operator").await;
    all_well(&stage, &[free(["tramp"].map(listener))]).await;
    let tramp = address(&stage, "free", "tramp").await;
    let found = operator::pods(&stage.client).await;
    let [first, second] = &found[..] else { panic!("two replicas") };
    let expected = [
        (API_SERVER.to_owned(), "reached"),
        (format!("{}:8443", address_of(second)), "reached"),
        (format!("{}:8080", address_of(second)), "blocked"),
        (format!("{tramp}:8081"), "blocked"),
    ];
    finds(operator::NAMESPACE, &first.name_any(), &expected).await;
    let of_first = |port: u16| format!("{}:{port}", address_of(first));
    let expected = [(of_first(8443), "reached"), (of_first(8080), "reached"), (of_first(8081), "blocked")];
    finds(&stage.namespace, &pod_of(&stage, "free", "tramp"), &expected).await;
}
