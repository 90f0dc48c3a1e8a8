//! The lab's two nodes, what is cut off and who is stopped; all of it is mended when the test ends.

use k8s_openapi::api::core::v1::{Node, Pod, Service};
use kube::api::{DeleteParams, ListParams};
use kube::{Api, Client, ResourceExt};
use lazarus::api::{AgentPolicySpec, Heartbeat, MissionCell, names};
use serde::Deserialize;
use tokio::sync::{Mutex, MutexGuard};

use super::support::beats::impatient;
use super::support::operator::{NAME, NAMESPACE, container, pod_of, pods, well};
use super::support::stage::soon;
use super::support::{Mission, lab};

/// Whoever has this label may hold the mission of a test.
const ROOM: &str = "lab-test/room";
/// What a person gives a node that will not come back by itself.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The right to harm the nodes; giving it back mends them.
pub struct Ground {
    pub client: Client,
    /// The node on which the operator leads.
    pub leads: String,
    /// A node on which it doesn't.
    pub away: String,
    _turn: MutexGuard<'static, ()>,
}

impl Ground {
    /// Waits for the turn, and until both nodes are ready and the operator has a replica on each.
    pub async fn begin() -> Self {
        static TURN: Mutex<()> = Mutex::const_new(());
        let turn = TURN.lock().await;
        let client = lab::client().await;
        // A test that was killed could not do it.
        mend();
        let nodes = Api::<Node>::all(client.clone());
        let names: Vec<_> = nodes.list(&ListParams::default()).await.unwrap().iter().map(ResourceExt::name_any).collect();
        assert!(
            names.len() >= 2,
            "the lab at {} has one node, and these tests lose one: `deploy/lab/lab.sh up --nodes 2` and `make install` \
             give it another; `make e2e-node` does so by itself",
            lab::folder().display()
        );
        for name in &names {
            soon("every node is ready", async || is_ready(&nodes.get(name).await.unwrap())).await;
        }
        let leads = spread(&client).await;
        let away = names.into_iter().find(|name| *name != leads).unwrap();
        Self { client, leads, away, _turn: turn }
    }

    pub async fn ready(&self, node: &str) -> bool {
        is_ready(&Api::<Node>::all(self.client.clone()).get(node).await.unwrap())
    }

    /// The address and port at which sidecars find the gateway.
    pub async fn gateway(&self) -> String {
        let services = Api::<Service>::namespaced(self.client.clone(), NAMESPACE);
        let address = services.get(names::GATEWAY).await.unwrap().spec.and_then(|spec| spec.cluster_ip).unwrap();
        format!("{address}:{}", names::GATEWAY_PORT)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        mend();
    }
}

/// Undoes all harm that tests do, done or not.
fn mend() {
    let mut complaints = Vec::new();
    let mut run = |result: Result<String, String>| complaints.extend(result.err());
    run(lab::script(&["firewall", "clear"]));
    let nodes = lab::kubectl(&["get", "nodes", "-o", "jsonpath={.items[*].metadata.name}"], "").unwrap_or_default();
    for node in nodes.split_whitespace() {
        run(lab::script(&["node", "start", node]));
    }
    run(lab::kubectl(&["label", "nodes", "--all", &format!("{ROOM}-")], ""));
    // Not there is what is wanted.
    let _ = lab::kubectl(&["taint", "nodes", "--all", &format!("{OUT_OF_SERVICE}-")], "");
    if !complaints.is_empty() {
        println!("the lab may not be whole: {complaints:#?}");
    }
}

fn is_ready(node: &Node) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && node.spec.as_ref().is_none_or(|spec| spec.taints.iter().flatten().next().is_none())
}

/// Lets the operator have its replicas on two nodes, as it wants to: another test may have left both on one.
async fn spread(client: &Client) -> String {
    loop {
        let leader = well(client).await;
        let pods = pods(client).await;
        let on = |pod: &Pod| pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap();
        let Some(leads) = pods.iter().find(|pod| pod.name_any() == pod_of(&leader)).map(on) else { continue };
        let Some(other) = pods.iter().find(|pod| pod.name_any() != pod_of(&leader)) else { continue };
        if on(other) != leads {
            return leads;
        }
        let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
        pods.delete(&other.name_any(), &DeleteParams::default()).await.unwrap();
        soon("the replica is gone", async || pods.get_opt(&other.name_any()).await.unwrap().is_none()).await;
    }
}

/// Waits for a leader on this node.
pub async fn leads_on(client: &Client, node: &str) {
    soon(&format!("a replica on {node} leads"), async || {
        let Some(leader) = super::support::operator::holder(client).await else { return false };
        let pods = pods(client).await;
        let leader = pods.iter().find(|pod| pod.name_any() == pod_of(&leader));
        leader.is_some_and(|pod| {
            container(pod).is_some() && pod.spec.as_ref().is_some_and(|spec| spec.node_name.as_deref() == Some(node))
        })
    })
    .await;
}

/// Lets a node hold missions of this test.
pub fn make_room(node: &str) {
    lab::kubectl(&["label", "node", node, &format!("{ROOM}=yes")], "").unwrap();
}

/// The mission where there is room.
pub fn in_room(mut mission: MissionCell) -> MissionCell {
    mission.spec.node_selector = Some([(ROOM.to_owned(), "yes".to_owned())].into());
    mission
}

/// The mission on this node.
pub fn on(node: &str, mut mission: MissionCell) -> MissionCell {
    mission.spec.node_selector = Some([("kubernetes.io/hostname".to_owned(), node.to_owned())].into());
    mission
}

/// A policy that acts soon, and not so soon that a busy machine looks like a cut link.
pub fn terms() -> AgentPolicySpec {
    let heartbeat = Heartbeat {
        stale_after_seconds: Some(8),
        dead_after_seconds: Some(14),
        startup_grace_seconds: Some(60),
        ..impatient().heartbeat.unwrap()
    };
    AgentPolicySpec { heartbeat: Some(heartbeat), ..impatient() }
}

/// Declares that the node is gone for good.
pub fn declare_lost(node: &str) {
    lab::kubectl(&["taint", "node", node, &format!("{OUT_OF_SERVICE}=nodeshutdown:NoExecute")], "").unwrap();
}

/// Takes that back.
pub fn declare_found(node: &str) {
    lab::kubectl(&["taint", "node", node, &format!("{OUT_OF_SERVICE}-")], "").unwrap();
}

/// Two that don't reach each other, until this is dropped.
pub struct Cut {
    from: String,
    to: String,
}

#[derive(Deserialize)]
struct Listed {
    from: String,
    to: String,
    dropped: u64,
}

impl Cut {
    pub fn between(from: &str, to: &str) -> Self {
        lab::script(&["firewall", "block", "--from", from, "--to", to]).unwrap();
        Self { from: from.to_owned(), to: to.to_owned() }
    }

    /// How many packets were dropped so far.
    pub fn dropped(&self) -> u64 {
        let list: Vec<Listed> = serde_json::from_str(&lab::script(&["firewall", "list", "-o", "json"]).unwrap()).unwrap();
        list.iter().find(|cut| (&cut.from, &cut.to) == (&self.from, &self.to)).unwrap().dropped
    }
}

impl Drop for Cut {
    fn drop(&mut self) {
        if let Err(complaint) = lab::script(&["firewall", "clear", "--from", &self.from, "--to", &self.to]) {
            println!("{} and {} stay cut off: {complaint}", self.from, self.to);
        }
    }
}

/// The pod of an agent: its UID, and how often each of its containers was started again.
pub fn incarnation(mission: &Mission<'_>, agent: &str) -> (Option<String>, Vec<i32>) {
    let pods = mission.pods_of(agent);
    let [pod] = &pods[..] else { panic!("{agent} has {} pods", pods.len()) };
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.init_container_statuses.into_iter().chain(status.container_statuses).flatten();
    (pod.uid(), containers.map(|container| container.restart_count).collect())
}

/// The operator's replicas, as many as this.
pub fn scale(replicas: u32) {
    lab::kubectl(&["-n", NAMESPACE, "scale", "deployment", NAME, &format!("--replicas={replicas}")], "").unwrap();
}
