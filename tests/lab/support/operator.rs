//! The operator in the lab: whether it is there, who leads, and how to harm it.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use lazarus::api::names;

use super::{lab, stage::soon};

pub const NAME: &str = names::OPERATOR;
pub const NAMESPACE: &str = names::OPERATOR_NAMESPACE;
pub const SELECTOR: &str = "app.kubernetes.io/component=operator";
/// The user the API server knows it by.
pub const USER: &str = "system:serviceaccount:lazarus-pit:lazarus-operator";

/// Fails with the way out unless the operator is installed and available.
pub async fn require(client: &Client) {
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    let deployment = deployments.get_opt(NAME).await.unwrap();
    let Some(deployment) = deployment else {
        panic!("no operator in the lab at {}: `make e2e` installs it", lab::folder().display());
    };
    if available(&deployment) == 0 {
        soon("the operator is available", async || available(&deployments.get(NAME).await.unwrap()) > 0).await;
    }
}

fn available(deployment: &Deployment) -> i32 {
    deployment.status.as_ref().and_then(|status| status.available_replicas).unwrap_or(0)
}

/// The pods of the operator that are not on their way out.
pub async fn pods(client: &Client) -> Vec<Pod> {
    let pods = Api::<Pod>::namespaced(client.clone(), NAMESPACE);
    let mut list = pods.list(&ListParams::default().labels(SELECTOR)).await.unwrap().items;
    list.retain(|pod| pod.metadata.deletion_timestamp.is_none());
    list
}

/// Who holds the lease: the pod's name, an underscore, and what tells one process of it from the next.
pub async fn holder(client: &Client) -> Option<String> {
    let lease = Api::<Lease>::namespaced(client.clone(), NAMESPACE).get_opt(NAME).await.unwrap();
    lease?.spec?.holder_identity.filter(|holder| !holder.is_empty())
}

/// Waits for a leader that is none of these processes.
pub async fn leader_other_than(client: &Client, earlier: &[String]) -> String {
    let mut found = None;
    soon("the operator has a new leader", async || {
        found = holder(client).await.filter(|holder| !earlier.contains(holder));
        found.is_some()
    })
    .await;
    found.unwrap()
}

/// Name of the pod whose process holds the lease.
pub fn pod_of(holder: &str) -> &str {
    holder.rsplit_once('_').map_or(holder, |(pod, _)| pod)
}

/// The state of the operator's container in a pod.
pub fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

/// Ends the process of one of its pods as a crash does, without any warning: SIGKILL, from the node.
///
/// Whether there was a process to end.
pub async fn kill(client: &Client, pod: &str) -> bool {
    let found = Api::<Pod>::namespaced(client.clone(), NAMESPACE).get_opt(pod).await.unwrap();
    let id = found.as_ref().and_then(container).and_then(|container| container.container_id.clone());
    let Some(id) = id.as_deref().and_then(|id| id.strip_prefix("containerd://")) else { return false };
    let node = found.as_ref().and_then(|pod| pod.spec.as_ref()?.node_name.as_deref()).unwrap_or_default();
    let killed = lab::script(&["exec-node", "--node", node, "--", "ctr", "tasks", "kill", "--signal", "SIGKILL", id]);
    if let Err(complaint) = &killed {
        println!("killing {pod}: {complaint}");
    }
    killed.is_ok()
}

/// Waits until both replicas are ready, and one of them leads.
pub async fn well(client: &Client) -> String {
    soon("both replicas of the operator are ready", async || {
        let pods = pods(client).await;
        pods.len() == 2 && pods.iter().all(|pod| container(pod).is_some_and(|container| container.ready))
    })
    .await;
    let mut leader = None;
    soon("one of the operator's pods leads", async || {
        let holder = holder(client).await;
        let pods = pods(client).await;
        leader = holder.filter(|holder| pods.iter().any(|pod| pod.name_any() == pod_of(holder)));
        leader.is_some()
    })
    .await;
    leader.unwrap()
}
