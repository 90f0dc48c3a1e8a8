//! What may be wrong with an installation.

use k8s_openapi::api::apps::v1::Deployment;
use serde_json::{Value, json};

use super::super::finding::Outcome::{Failed, Warning};
use super::super::seen::{Installed, Look, Seen};
use super::cases::{Case, of_look};
use super::well::{all, named, of};

fn installed(change: impl FnOnce(&mut Installed)) -> Seen {
    let mut seen = all();
    change(seen.installed.as_mut().unwrap());
    seen
}

/// Everything that the checks of an installation find.
pub fn wrong() -> Vec<Case> {
    let crds = |change: fn(&mut Vec<_>)| installed(|found| change(of_look(&mut found.crds)));
    let policies = |change: fn(&mut Vec<_>)| installed(|found| change(of_look(&mut found.policies)));
    let operator = |change: fn(&mut Deployment)| installed(|found| change(of_look(&mut found.operator).as_mut().unwrap()));
    let lease = |spec: Value| installed(|found| found.lease = Look::Seen(Some(of(json!({ "metadata": {}, "spec": spec })))));
    vec![
        (
            crds(|found| drop(found.pop())),
            "CustomResourceDefinitions",
            Failed,
            "revivalrequests.lazarus-pit.io is missing → apply the manifest",
        ),
        (
            crds(|found| named(found, "missioncells").spec.versions[0].schema = None),
            "CustomResourceDefinitions",
            Failed,
            "missioncells.lazarus-pit.io is not that of this program: the schema of v1alpha1 of it differs",
        ),
        (
            crds(|found| named(found, "agentpolicies").status = None),
            "CustomResourceDefinitions",
            Failed,
            "agentpolicies.lazarus-pit.io is not served",
        ),
        (policies(|found| drop(found.pop())), "admission policies", Failed, " is missing → apply the manifest"),
        (
            policies(|found| found[0].spec.as_mut().unwrap().validations = None),
            "admission policies",
            Failed,
            "is not as it was installed: its validations",
        ),
        (policies(|found| found[0].status = None), "admission policies", Warning, "has not been type-checked"),
        (
            policies(|found| {
                let warning = json!({ "fieldRef": "spec.validations[0]", "warning": "undefined field" });
                found[0].status =
                    Some(of(json!({ "observedGeneration": 1, "typeChecking": { "expressionWarnings": [warning] } })));
            }),
            "admission policies",
            Failed,
            "spec.validations[0]: undefined field",
        ),
        (
            installed(|found| drop(of_look(&mut found.bindings).pop())),
            "admission policies",
            Failed,
            "is missing, so its policy does nothing",
        ),
        (
            installed(|found| of_look(&mut found.bindings)[0].spec.validation_actions = vec!["Warn".into()]),
            "admission policies",
            Failed,
            "is not as it was installed: its validationActions",
        ),
        (installed(|found| found.operator = Look::Seen(None)), "operator", Failed, "there is no Deployment lazarus-operator"),
        (
            operator(|found| found.status = None),
            "operator",
            Failed,
            "0 of 2 replicas are available → kubectl -n lazarus-pit describe pods",
        ),
        (operator(|found| found.status.as_mut().unwrap().available_replicas = Some(1)), "operator", Warning, "1 of 2 replicas"),
        (operator(|found| found.metadata.labels = None), "operator", Warning, "its version is unknown, and that of this program"),
        (installed(|found| found.lease = Look::Seen(None)), "leader", Failed, "nobody holds Lease lazarus-operator"),
        (lease(json!({ "holderIdentity": "" })), "leader", Failed, "nobody holds Lease"),
        (
            lease(json!({ "holderIdentity": "a", "renewTime": "2026-01-31T11:58:00.000000Z", "leaseDurationSeconds": 15 })),
            "leader",
            Failed,
            "a holds Lease lazarus-operator and renewed it last 2026-01-31 11:58:00Z",
        ),
        (
            installed(|found| found.configuration = Look::Seen(None)),
            "configuration",
            Failed,
            "there is no ConfigMap lazarus-operator",
        ),
        (
            installed(|found| {
                let map = json!({ "metadata": {}, "data": { "lazarus.yaml": "concurrency: 1000\n" } });
                found.configuration = Look::Seen(Some(of(map)));
            }),
            "configuration",
            Failed,
            "concurrency is 1000: it must be between 1 and 256 → kubectl -n lazarus-pit edit",
        ),
        (installed(|found| found.network = Look::Seen(None)), "operator's NetworkPolicy", Failed, "is missing"),
    ]
}
