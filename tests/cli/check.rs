//! `check`, before and after the installation.

use lazarus::gateway::authority::Authority;
use lazarus::render::install::{Options, manifest};
use lazarus::runtime::clock::{Clock, SystemClock};
use lazarus::runtime::time::to_micro_time;
use serde_json::{Value, json};

use crate::objects::mission;
use crate::server::{Run, Server, run_against};

fn node() -> Value {
    let features = json!({ "userNamespaces": true, "recursiveReadOnlyMounts": true });
    let handlers = [json!({ "name": "", "features": features })];
    json!({
        "kind": "Node", "metadata": { "name": "n1" },
        "status": { "features": { "supplementalGroupsPolicy": true }, "runtimeHandlers": handlers },
    })
}

/// A cluster with an installation, as the cluster itself has completed it, and nothing else.
fn installed() -> Vec<Value> {
    let mut objects: Vec<_> = manifest(&Options::default()).iter().map(|object| serde_json::to_value(object).unwrap()).collect();
    for object in &mut objects {
        match object["kind"].as_str().unwrap() {
            "CustomResourceDefinition" => {
                let established = json!({ "type": "Established", "status": "True" });
                object["status"] = json!({ "conditions": [established], "storedVersions": ["v1alpha1"] });
            }
            "ValidatingAdmissionPolicy" => {
                object["metadata"]["generation"] = json!(1);
                object["status"] = json!({ "observedGeneration": 1, "typeChecking": {} });
            }
            "Deployment" => object["status"] = json!({ "availableReplicas": 2 }),
            _ => {}
        }
    }
    let now = to_micro_time(SystemClock.now());
    objects.push(node());
    objects.push(json!({
        "kind": "Lease", "metadata": { "name": "lazarus-operator", "namespace": "lazarus-pit" },
        "spec": { "holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": now },
    }));
    objects
}

/// The same with a mission, in a namespace that says nothing about it.
fn inhabited() -> Server {
    let now = SystemClock.now();
    let bundle = Authority::new(now).unwrap().bundle(now);
    let map = json!({
        "kind": "ConfigMap", "metadata": { "name": "lazarus-gateway", "namespace": "missions" },
        "data": { "address": "10.96.0.7:443", "ca.crt": bundle },
    });
    let class = json!({
        "kind": "StorageClass", "provisioner": "p",
        "metadata": { "name": "local", "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
    });
    let namespace = json!({ "kind": "Namespace", "metadata": { "name": "missions" } });
    Server::new(installed().into_iter().chain([mission(), map, class, namespace]))
}

fn ends(run: &Run, code: i32, last: &str) {
    assert_eq!((run.code, run.out.lines().last()), (code, Some(last)), "{}{}", run.out, run.err);
}

fn says(run: &Run, line: &str) {
    assert!(run.out.lines().any(|said| said == line), "{line} is missing in\n{}", run.out);
}

#[test]
fn before_the_installation_the_cluster_and_the_rights_are_looked_at() {
    let server = Server::new([node()]);
    let run = server.run(&["check", "--pre"]);
    ends(&run, 0, "7 ok, 0 warnings, 0 failed, 0 not looked at");
    says(&run, "ok    Kubernetes: v1.36.2");
    says(&run, "ok    nodes for Level3: 1 of 1 node");
    assert!(!run.out.contains("operator"), "{}", run.out);
    server.change(|state| state.withheld = Some("clusterroles"));
    let run = server.run(&["check", "--pre"]);
    ends(&run, 1, "6 ok, 0 warnings, 1 failed, 0 not looked at");
    assert!(
        run.out.contains("FAIL  right to install: you may not create clusterroles.rbac.authorization.k8s.io, patch "),
        "{}",
        run.out
    );
    assert_eq!(run.err, "kubectl lazarus: 1 check failed\n");
}

#[test]
fn after_it_the_installation_is_looked_at_and_the_missions() {
    let run = Server::new(installed()).run(&["check"]);
    ends(&run, 0, "13 ok, 0 warnings, 0 failed, 0 not looked at");
    says(&run, "ok    admission policies: 14, each with its binding, as this program has them");
    says(&run, "ok    leader: pod-1");
    says(&run, "ok    missions: there are none");

    let server = inhabited();
    let run = server.run(&["check"]);
    ends(&run, 0, "16 ok, 1 warning, 0 failed, 0 not looked at");
    let label = "kubectl label namespace missions pod-security.kubernetes.io/enforce=restricted";
    says(&run, &format!("warn  Pod Security: namespace missions enforces nothing, a further net for its missions → {label}"));
    let elsewhere = server.run(&["check", "-n", "books"]);
    says(&elsewhere, "ok    missions: there are none");
    ends(&server.run(&["check", "-n", "missions"]), 0, "16 ok, 1 warning, 0 failed, 0 not looked at");
}

#[test]
fn what_is_missing_fails_and_the_json_says_so_too() {
    let server = inhabited();
    server.change(|state| {
        state.objects.retain(|key, _| key.0 != "deployments" && key.2 != "missioncells.lazarus-pit.io");
    });
    let run = server.run(&["check"]);
    assert_eq!((run.code, run.err.as_str()), (1, "kubectl lazarus: 2 checks failed\n"), "{}", run.out);
    says(
        &run,
        "FAIL  CustomResourceDefinitions: missioncells.lazarus-pit.io is missing → apply the manifest of this version again, \
         with `kubectl apply --server-side`",
    );
    let run = server.run(&["check", "-o", "json"]);
    let found = run.json();
    assert_eq!((run.code, &found["failed"], &found["warnings"]), (1, &json!(2), &json!(1)));
    let wanted = json!({
        "check": "operator", "outcome": "Failed", "message": "there is no Deployment lazarus-operator in namespace lazarus-pit",
        "remedy": "apply the manifest of this version again, with `kubectl apply --server-side`",
    });
    assert!(found["checks"].as_array().unwrap().contains(&wanted), "{found}");
}

#[test]
fn what_may_not_be_read_is_said_and_is_no_failure() {
    let server = inhabited();
    server.change(|state| state.forbidden = Some("/nodes"));
    let run = server.run(&["check"]);
    ends(&run, 0, "13 ok, 1 warning, 0 failed, 1 not looked at");
    says(&run, "skip  nodes: not looked at: no right to list nodes");
    server.change(|state| state.forbidden = Some("/deployments"));
    says(&server.run(&["check"]), "skip  operator: not looked at: no right to get deployments lazarus-operator");
    server.change(|state| state.forbidden = Some("/missioncells"));
    says(&server.run(&["check"]), "skip  missions: not looked at: no right to list missioncells");
    server.change(|state| (state.forbidden, state.bare) = (None, true));
    let bare = server.run(&["check"]);
    assert!(bare.code == 1 && bare.out.contains("missioncells: the cluster does not know this kind"), "{}", bare.out);

    let nobody = run_against(([127, 0, 0, 1], 1).into(), &["check"]);
    assert!(nobody.code == 1 && nobody.out.is_empty() && nobody.err.contains("cannot reach the API server"), "{}", nobody.err);
}
