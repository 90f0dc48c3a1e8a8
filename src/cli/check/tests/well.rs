//! A cluster in which nothing is to be complained of.

use std::sync::LazyLock;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::rights::Right;
use super::super::seen::{Before, Installed, Look, Missions, Seen};
use crate::gateway::authority::Authority;
use crate::render::install::{Object, Options, crds, manifest};

pub fn now() -> DateTime<Utc> {
    "2026-01-31T12:00:00Z".parse().unwrap()
}

pub fn of<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// Before the installation.
pub fn pre() -> Seen {
    let right = |verb, group: &str, resource: &str| Right {
        verb,
        group: group.into(),
        resource: resource.into(),
        namespace: "lazarus-pit".into(),
        given: true,
    };
    let deployments = ["create", "patch"].map(|verb| right(verb, "apps", "deployments"));
    let roles = ["bind", "escalate"].map(|verb| right(verb, "rbac.authorization.k8s.io", "roles"));
    let rights = [deployments, roles].concat();
    Seen { before: before(), rights: Some(Look::Seen(rights)), installed: None, missions: None }
}

/// After it, with a mission.
pub fn all() -> Seen {
    // What is installed is made once: the schemas take their time.
    static ALL: LazyLock<Seen> = LazyLock::new(made);
    ALL.clone()
}

fn made() -> Seen {
    Seen { before: before(), rights: None, installed: Some(installed()), missions: Some(missions()) }
}

fn before() -> Before {
    let class = json!({ "metadata": { "name": "gvisor" }, "handler": "runsc" });
    Before {
        version: Look::Seen("v1.36.2".into()),
        admission: Look::Seen(["validatingadmissionpolicies", "validatingadmissionpolicybindings"].map(String::from).into()),
        nodes: Look::Seen(vec![of(node("n1")), of(node("n2"))]),
        runtime_classes: Look::Seen(vec![of(class)]),
    }
}

/// A node that can do everything, in both of its runtimes.
pub fn node(name: &str) -> Value {
    let features = json!({ "userNamespaces": true, "recursiveReadOnlyMounts": true });
    json!({
        "metadata": { "name": name, "labels": { "kubernetes.io/os": "linux" } },
        "status": {
            "features": { "supplementalGroupsPolicy": true },
            "runtimeHandlers": [{ "name": "", "features": features }, { "name": "runsc", "features": features }],
        },
    })
}

fn installed() -> Installed {
    let (mut policies, mut bindings, mut operator, mut network, mut configuration) = (Vec::new(), Vec::new(), None, None, None);
    for object in manifest(&Options::default()) {
        match object {
            Object::ValidatingAdmissionPolicy(mut policy) => {
                policy.metadata.generation = Some(1);
                policy.status = Some(of(json!({ "observedGeneration": 1, "typeChecking": {} })));
                policies.push(*policy);
            }
            Object::ValidatingAdmissionPolicyBinding(binding) => bindings.push(*binding),
            Object::Deployment(mut deployment) => {
                deployment.status = Some(of(json!({ "availableReplicas": 2 })));
                operator = Some(*deployment);
            }
            Object::NetworkPolicy(policy) => network = Some(*policy),
            Object::ConfigMap(map) => configuration = Some(*map),
            _ => {}
        }
    }
    let crds = crds().map(|mut crd| {
        let established = json!({ "type": "Established", "status": "True" });
        crd.status = Some(of(json!({ "conditions": [established], "storedVersions": ["v1alpha1"] })));
        crd
    });
    let lease = json!({
        "metadata": { "name": "lazarus-operator" },
        "spec": { "holderIdentity": "pod-1", "leaseDurationSeconds": 15, "renewTime": "2026-01-31T11:59:55.000000Z" },
    });
    Installed {
        crds: Look::Seen(crds.into()),
        policies: Look::Seen(policies),
        bindings: Look::Seen(bindings),
        operator: Look::Seen(operator),
        lease: Look::Seen(Some(of(lease))),
        configuration: Look::Seen(configuration),
        network: Look::Seen(network),
    }
}

/// A mission of a level and a workspace, as the operator left it.
pub fn mission(level: &str) -> Value {
    json!({
        "apiVersion": "lazarus-pit.io/v1alpha1", "kind": "MissionCell",
        "metadata": { "name": "watch", "namespace": "missions" },
        "spec": {
            "mission": "m", "isolation": level, "workspace": { "size": "1Gi" },
            "agents": [{ "name": "scout", "image": "i", "runtimeClassName": "gvisor" }],
        },
        "status": {
            "isolation": { "level": level, "verified": true },
            "conditions": [{
                "type": "IsolationVerified", "status": "True", "reason": "IsolationEnforced", "message": "m",
                "lastTransitionTime": "2026-01-31T11:00:00Z",
            }],
        },
    })
}

fn missions() -> Missions {
    let label = json!({ "pod-security.kubernetes.io/enforce": "restricted" });
    let class = json!({
        "metadata": { "name": "local", "annotations": { "storageclass.kubernetes.io/is-default-class": "true" } },
        "provisioner": "p",
    });
    Missions {
        cells: Look::Seen(vec![of(mission("Level2"))]),
        namespaces: Look::Seen(vec![of(json!({ "metadata": { "name": "missions", "labels": label } }))]),
        gateways: Look::Seen(vec![gateway(now())]),
        storage: Look::Seen(vec![of(class)]),
        claims: Look::Seen(Vec::new()),
    }
}

/// What a namespace knows of the gateway, whose authority was made then.
pub fn gateway(made: DateTime<Utc>) -> ConfigMap {
    let bundle = Authority::new(made).unwrap().bundle(made);
    of(json!({
        "metadata": { "name": "lazarus-gateway", "namespace": "missions" },
        "data": { "address": "10.96.0.7:443", "ca.crt": bundle },
    }))
}

/// The object of this name.
pub fn named<'a, K: ResourceExt>(objects: &'a mut [K], part: &str) -> &'a mut K {
    objects.iter_mut().find(|object| object.name_any().contains(part)).unwrap()
}
