//! Who may make a pod an agent, or an agent's pod an ordinary one: the operator alone.

use lazarus::api::Isolation;
use serde_json::{Value, json};

use super::lab::{Namespace, User, assert_refused, eventually, install, is_ruled_out};
use super::support::good;

const LABELS: &str = "only the operator sets, changes or removes labels of pods that start with lazarus-pit.io/";
/// Two rules are about labels that network policies go by; either says it.
const RULED: &str = "ValidatingAdmissionPolicy 'pod-";
const ANNOTATIONS: &str = "only the operator sets, changes or removes annotations of pods that start with lazarus-pit.io/";

/// A pod that no scheduler takes.
fn pod(name: &str, metadata: &Value) -> Value {
    let mut pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"schedulerName": "nobody", "containers": [{"name": "main", "image": "none.invalid/none:1"}]},
    });
    pod["metadata"]["name"] = json!(name);
    pod
}

fn agent(name: &str) -> Value {
    good::pod(name, Isolation::Level1)
}

async fn start(test: &str) -> (User, Namespace) {
    install().await;
    let admin = User::admin().await;
    let namespace = Namespace::new(&admin, test).await;
    let dry = namespace.core("pods?dryRun=All");
    eventually("the rule about pods", || async { is_ruled_out(&admin.create(&dry, &agent("probe")).await) }).await;
    (admin, namespace)
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn nobody_else_makes_a_pod_with_our_labels() {
    let (admin, namespace) = start("pods-create").await;
    let pods = namespace.core("pods");
    let label = pod("a", &json!({"labels": {"lazarus-pit.io/agent": "one"}}));
    assert_refused(admin.create(&pods, &label).await, 403, &format!("{LABELS}: leave lazarus-pit.io/agent as it is"));
    assert_refused(admin.create(&pods, &agent("a")).await, 403, LABELS);
    let annotation = pod("a", &json!({"annotations": {"lazarus-pit.io/anything": ""}}));
    assert_refused(
        admin.create(&pods, &annotation).await,
        403,
        &format!("{ANNOTATIONS}: leave lazarus-pit.io/anything as it is"),
    );
    let near =
        json!({"labels": {"app": "lazarus-pit.io", "x.lazarus-pit.io/cell": "one"}, "annotations": {"lazarus-pit.iox/y": "z"}});
    admin.create(&pods, &pod("near", &near)).await.unwrap();
    admin.create(&pods, &pod("plain", &json!({}))).await.unwrap();
    User::operator().await.create(&pods, &agent("agent")).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_controller_cant_make_such_pods_for_someone_else() {
    let (admin, namespace) = start("pods-deployment").await;
    let labels = json!({"app": "forged", "lazarus-pit.io/agent": "one"});
    let mut template = pod("ignored", &json!({"labels": labels}));
    template["spec"]["schedulerName"] = Value::Null;
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "forged"},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "forged"}},
            "template": {"metadata": {"labels": labels}, "spec": template["spec"]},
        },
    });
    let deployments = format!("apis/apps/v1/namespaces/{}/deployments", namespace.0);
    admin.create(&deployments, &deployment).await.unwrap();
    eventually("the refusal shows at the Deployment", || async {
        let found = admin.get(&format!("{deployments}/forged")).await.unwrap();
        let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|condition| {
            condition["type"] == "ReplicaFailure" && condition["message"].as_str().unwrap_or_default().contains(LABELS)
        })
    })
    .await;
    let pods = admin.get(&namespace.core("pods")).await.unwrap();
    assert_eq!(pods["items"], json!([]));
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn our_labels_stay_as_the_operator_set_them() {
    let (admin, namespace) = start("pods-update").await;
    User::operator().await.create(&namespace.core("pods"), &agent("agent")).await.unwrap();
    admin.create(&namespace.core("pods"), &pod("plain", &json!({"labels": {"team": "night"}}))).await.unwrap();
    let [theirs, plain] = ["agent", "plain"].map(|name| namespace.core(&format!("pods/{name}")));
    let label = |value: Value| json!({"metadata": {"labels": {"lazarus-pit.io/cell": value}}});
    let annotation = |value: Value| json!({"metadata": {"annotations": {"lazarus-pit.io/template-hash": value}}});

    for path in [theirs.clone(), format!("{theirs}/status")] {
        assert_refused(admin.merge(&path, label(json!("two"))).await, 403, RULED);
        assert_refused(admin.merge(&path, label(Value::Null)).await, 403, RULED);
        assert_refused(admin.merge(&path, json!({"metadata": {"labels": null}})).await, 403, RULED);
        assert_refused(admin.merge(&path, annotation(json!("y"))).await, 403, ANNOTATIONS);
        assert_refused(admin.merge(&path, annotation(Value::Null)).await, 403, ANNOTATIONS);
        assert_refused(admin.merge(&path, json!({"metadata": {"labels": {"lazarus-pit.io/attempt": "9"}}})).await, 403, LABELS);
    }
    for path in [plain.clone(), format!("{plain}/status")] {
        assert_refused(admin.merge(&path, label(json!("one"))).await, 403, RULED);
        assert_refused(admin.merge(&path, annotation(json!("x"))).await, 403, ANNOTATIONS);
    }

    // All else goes on: other labels, a status as a kubelet or the scheduler writes it.
    for path in [&theirs, &plain] {
        admin
            .merge(path, json!({"metadata": {"labels": {"team": null, "shift": "2"}, "annotations": {"note": "x"}}}))
            .await
            .unwrap();
        let condition = json!([{"type": "PodScheduled", "status": "False", "reason": "Test"}]);
        let status = admin.merge(&format!("{path}/status"), json!({"status": {"conditions": condition}})).await.unwrap();
        assert_eq!(status["status"]["conditions"][0]["reason"], "Test");
    }
    let kept = admin.get(&theirs).await.unwrap();
    let mut labels = agent("agent")["metadata"]["labels"].clone();
    labels.as_object_mut().unwrap().remove("team");
    labels["shift"] = json!("2");
    assert_eq!(kept["metadata"]["labels"], labels);
    assert_eq!(kept["metadata"]["annotations"]["lazarus-pit.io/template-hash"], "x");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn subresources_are_no_way_around() {
    let (admin, namespace) = start("pods-parts").await;
    User::operator().await.create(&namespace.core("pods"), &agent("agent")).await.unwrap();
    let theirs = namespace.core("pods/agent");

    // The annotations of a binding become the pod's.
    let binding = |metadata: Value| {
        let target = json!({"apiVersion": "v1", "kind": "Node", "name": "not-there"});
        let mut binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": metadata, "target": target});
        binding["metadata"]["name"] = json!("agent");
        binding
    };
    let forged = json!({"annotations": {"lazarus-pit.io/template-hash": "forged"}});
    assert_refused(admin.create(&format!("{theirs}/binding"), &binding(forged.clone())).await, 403, ANNOTATIONS);
    assert_refused(admin.create(&namespace.core("bindings"), &binding(forged)).await, 403, ANNOTATIONS);

    let stripped = json!({"metadata": {"labels": null, "annotations": null}});
    for part in ["ephemeralcontainers", "resize"] {
        // Refused or ignored, by the API server's version: what counts is that the labels stay.
        let _ = admin.merge(&format!("{theirs}/{part}"), stripped.clone()).await;
    }
    let kept = admin.get(&theirs).await.unwrap();
    assert_eq!(kept["metadata"]["labels"]["lazarus-pit.io/cell"], "one");
    assert_eq!(kept["metadata"]["annotations"]["lazarus-pit.io/template-hash"], "x");

    // What they are for still works.
    admin.create(&format!("{theirs}/binding?dryRun=All"), &binding(json!({}))).await.unwrap();
    let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "agent"}});
    admin.create(&format!("{theirs}/eviction"), &eviction).await.unwrap();
    eventually("the evicted pod is gone", || async { admin.get(&theirs).await.is_err() }).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_kubelet_reports_on_agents_and_anyone_deletes_them() {
    let (admin, namespace) = start("pods-kubelet").await;
    let mut pod = agent("agent");
    pod["spec"]["schedulerName"] = json!("default-scheduler");
    User::operator().await.create(&namespace.core("pods"), &pod).await.unwrap();
    let theirs = namespace.core("pods/agent");
    eventually("the kubelet's status", || async {
        admin.get(&theirs).await.unwrap()["status"]["containerStatuses"][0]["state"]["waiting"]["reason"].is_string()
    })
    .await;
    admin.delete(&theirs).await.unwrap();
    eventually("the deleted pod is gone", || async { admin.get(&theirs).await.is_err() }).await;
}
