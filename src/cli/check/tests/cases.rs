//! What may be wrong with a cluster.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::super::finding::Outcome::{self, Failed, Note, Warning};
use super::super::seen::{Before, Look, Missions, Seen};
use super::installation;
use super::well::{all, gateway, mission, node, now, of, pre};

/// What is wrong, and the check, the outcome and the words that tell of it.
pub type Case = (Seen, &'static str, Outcome, &'static str);

pub fn of_look<T>(look: &mut Look<T>) -> &mut T {
    match look {
        Look::Seen(seen) => seen,
        Look::Hidden(why) => panic!("{why}"),
    }
}

/// The cluster where one thing is not as it should be.
fn before(change: impl FnOnce(&mut Before)) -> Seen {
    let mut seen = pre();
    change(&mut seen.before);
    seen
}

pub fn missions(change: impl FnOnce(&mut Missions)) -> Seen {
    let mut seen = all();
    change(seen.missions.as_mut().unwrap());
    seen
}

fn nodes(feature: &str, able: usize) -> Seen {
    let unable = |index: usize| {
        let mut node = node(&format!("n{index}"));
        if index >= able {
            node["status"]["runtimeHandlers"][0]["features"][feature] = json!(false);
            node["status"]["features"][feature] = json!(false);
        }
        node
    };
    before(|before| before.nodes = Look::Seen([0, 1].map(|index| of(unable(index))).into()))
}

/// Everything that a check finds.
pub fn wrong() -> Vec<Case> {
    let late = vec![
        (
            missions(|found| found.cells = Look::Seen(vec![of(failing())])),
            "isolation",
            Failed,
            "mission missions/watch: NetworkNotEnforced: it leaks → kubectl lazarus explain watch -n missions",
        ),
        (
            labelled(&json!({})),
            "Pod Security",
            Warning,
            "namespace missions enforces nothing, a further net for its missions → kubectl label namespace missions pod-security.kubernetes.io/enforce=restricted\n",
        ),
        (
            labelled(&json!({ "pod-security.kubernetes.io/enforce": "baseline" })),
            "Pod Security",
            Warning,
            "enforces baseline, less than its missions keep → kubectl label namespace missions pod-security.kubernetes.io/enforce=restricted --overwrite\n",
        ),
        (
            missions(|found| found.gateways = Look::Seen(Vec::new())),
            "gateway",
            Failed,
            "ConfigMap lazarus-gateway in namespace missions is missing",
        ),
        (
            missions(|found| {
                of_look(&mut found.gateways)[0].data.as_mut().unwrap().remove("address");
            }),
            "gateway",
            Failed,
            "has no `address`",
        ),
        (
            missions(|found| found.gateways = Look::Seen(vec![gateway(now() - TimeDelta::days(366))])),
            "gateway",
            Failed,
            "holds certificates that ended 2026-01-30",
        ),
        (
            missions(|found| found.cells = Look::Seen(vec![of(mission("Level3"))])),
            "egress proxy",
            Note,
            "agents of Level3 reach no model, in: missions → name one as isolation.egressProxy",
        ),
        (
            missions(|found| found.storage = Look::Seen(Vec::new())),
            "StorageClasses",
            Failed,
            "the workspace of mission missions/watch names none: its agents can't start",
        ),
    ];
    [early(), installation::wrong(), late].concat()
}

pub fn labelled(labels: &Value) -> Seen {
    missions(|found| found.namespaces = Look::Seen(vec![of(json!({ "metadata": { "name": "missions", "labels": labels } }))]))
}

fn failing() -> Value {
    let mut mission = mission("Level2");
    let condition = &mut mission["status"]["conditions"][0];
    (condition["status"], condition["reason"], condition["message"]) =
        (json!("False"), json!("NetworkNotEnforced"), json!("it leaks"));
    mission
}

fn early() -> Vec<Case> {
    let version = |version: &str| before(|before| before.version = Look::Seen(version.into()));
    let mut refused = pre();
    of_look(refused.rights.as_mut().unwrap())[1].given = false;
    let mut bound = pre();
    of_look(bound.rights.as_mut().unwrap())[3].given = false;
    let mut unknown = all();
    unknown.before.runtime_classes = Look::Seen(Vec::new());
    let mut weak = all();
    let mut runsc = node("n1");
    runsc["status"]["runtimeHandlers"][1]["features"] = json!({});
    weak.before.nodes = Look::Seen(vec![of(runsc)]);
    let mut without = node("n1");
    without["status"]["runtimeHandlers"].as_array_mut().unwrap().pop();
    vec![
        (version("v1.29.9"), "Kubernetes", Failed, "v1.29.9 has no ValidatingAdmissionPolicies → upgrade"),
        (version("v1.35.0+k3s1"), "Kubernetes", Warning, "is older than 1.36"),
        (version("new"), "Kubernetes", Warning, "can't be understood"),
        (
            before(|before| before.admission = Look::Seen(Vec::new())),
            "admission",
            Failed,
            "→ upgrade the cluster to Kubernetes 1.30",
        ),
        (
            nodes("supplementalGroupsPolicy", 0),
            "nodes for Level1",
            Failed,
            "0 nodes have supplementalGroupsPolicy: that takes Kubernetes 1.31",
        ),
        (
            nodes("supplementalGroupsPolicy", 1),
            "nodes for Level1",
            Warning,
            "2 are there → give those to its missions with nodeSelector",
        ),
        (
            nodes("recursiveReadOnlyMounts", 0),
            "nodes for Level2",
            Warning,
            "0 nodes have mounts that are read-only all the way down",
        ),
        (nodes("userNamespaces", 1), "nodes for Level3", Warning, "1 node has user namespaces"),
        (before(|before| before.nodes = Look::Seen(Vec::new())), "nodes for Level1", Warning, "no node of Linux that takes pods"),
        (
            before(|before| before.nodes = Look::Seen(vec![of(without)])),
            "RuntimeClass gvisor",
            Warning,
            "no node says that it has its handler runsc",
        ),
        (weak, "RuntimeClass gvisor", Warning, "can do Level1 at most, and mission missions/watch has Level2"),
        (unknown, "RuntimeClasses", Failed, "agent scout of mission missions/watch names gvisor, which is not there → make it"),
        (
            refused,
            "right to install",
            Failed,
            "you may not patch deployments.apps in namespace lazarus-pit → let an administrator",
        ),
        (
            bound,
            "right to install",
            Warning,
            "you may not escalate roles.rbac.authorization.k8s.io in namespace lazarus-pit: the API server takes roles",
        ),
    ]
}
