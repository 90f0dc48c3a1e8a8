//! The missions that are there: what they stand on, and whether their isolation is kept.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;

use super::certificate;
use super::finding::{Finding, fail, note, ok, warn};
use super::seen::{Look, Missions};
use crate::api::conditions::ConditionType::IsolationVerified;
use crate::api::names::{
    GATEWAY, GATEWAY_ADDRESS_KEY, GATEWAY_BUNDLE_KEY, OPERATOR, OPERATOR_NAMESPACE, POD_SECURITY, workspace,
};
use crate::api::{Isolation, MissionCell};
use crate::cli::view::condition;

const MISSIONS: &str = "missions";
const ISOLATION: &str = "isolation";
const POD_SECURITY_CHECK: &str = "Pod Security";
const GATEWAY_CHECK: &str = "gateway";
const EGRESS: &str = "egress proxy";
const STORAGE: &str = "StorageClasses";

/// On a StorageClass: it is the one for claims that name none.
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Pod Security Standards, the freest first.
const STANDARDS: [&str; 3] = ["privileged", "baseline", "restricted"];

/// Missions by namespace.
type Places<'a> = BTreeMap<String, Vec<&'a MissionCell>>;

/// What a mission's agents get, or will get as far as its spec says.
pub(super) fn level(cell: &MissionCell) -> Isolation {
    let known = cell.status.as_ref().and_then(|status| status.isolation.as_ref());
    known.map_or(cell.spec.isolation.unwrap_or_default(), |isolation| isolation.level)
}

/// `proxied`: whether the operator's configuration names an egress proxy, if that can be seen.
pub(super) fn judge(
    missions: &Missions,
    proxied: Option<bool>,
    now: DateTime<Utc>,
    explain: &dyn Fn(&str, &str) -> String,
) -> Vec<Finding> {
    let Missions { cells, namespaces, gateways, storage, claims } = missions;
    let places = missions.by_namespace();
    let Some(cells) = cells.seen() else { return cells.judged(MISSIONS, |_| Vec::new()) };
    if cells.is_empty() {
        return vec![ok(MISSIONS, "there are none")];
    }
    [
        verified(cells, explain),
        namespaces.judged(POD_SECURITY_CHECK, |found| places.iter().filter_map(|place| pod_security(place, found)).collect()),
        gateways.judged(GATEWAY_CHECK, |found| gateway(&places, found, now)),
        proxied.map(|proxied| egress(&places, proxied)).into_iter().collect(),
        storage.judged(STORAGE, |classes| volumes(cells, classes, claims)),
    ]
    .concat()
}

fn verified(cells: &[MissionCell], explain: &dyn Fn(&str, &str) -> String) -> Vec<Finding> {
    let verdict = |cell: &MissionCell| {
        let found = condition(&cell.status.as_ref()?.conditions, IsolationVerified.as_str())?.clone();
        (found.status == "False").then_some(found)
    };
    let wrong = cells.iter().filter_map(|cell| {
        let found = verdict(cell)?;
        let (namespace, name) = (cell.namespace().unwrap_or_default(), cell.name_any());
        let message = format!("mission {namespace}/{name}: {}: {}", found.reason, found.message);
        Some(fail(ISOLATION, message, explain(&namespace, &name)))
    });
    let wrong: Vec<_> = wrong.collect();
    if !wrong.is_empty() {
        return wrong;
    }
    let claimed = cells.iter().filter(|cell| level(cell) > Isolation::None);
    let is_verified =
        |cell: &&MissionCell| cell.status.as_ref().and_then(|status| status.isolation).is_some_and(|found| found.verified);
    let (claimed, found) = (claimed.clone().count(), claimed.filter(is_verified).count());
    vec![ok(ISOLATION, format!("{found} of {claimed} missions with a level are verified, and nothing speaks against the others"))]
}

/// The net of Kubernetes' own: as tight as all missions of the namespace can have it.
fn pod_security((name, cells): (&String, &Vec<&MissionCell>), found: &[Namespace]) -> Option<Finding> {
    let least = cells.iter().map(|cell| level(cell)).min()?;
    let labels = found.iter().find(|found| found.name_any() == **name)?.labels();
    let wanted = least.pod_security();
    let place = |word: &str| STANDARDS.iter().position(|standard| *standard == word);
    let label = labels.get(POD_SECURITY);
    if label.is_some_and(|label| place(label) >= place(wanted)) {
        return Some(ok(POD_SECURITY_CHECK, format!("namespace {name} enforces {}", label.map_or("", String::as_str))));
    }
    let (message, overwrite) = match label {
        None => (format!("namespace {name} enforces nothing, a further net for its missions"), ""),
        Some(label) => (format!("namespace {name} enforces {label}, less than its missions keep"), " --overwrite"),
    };
    Some(warn(POD_SECURITY_CHECK, message, format!("kubectl label namespace {name} {POD_SECURITY}={wanted}{overwrite}")))
}

fn gateway(places: &Places<'_>, found: &[ConfigMap], now: DateTime<Utc>) -> Vec<Finding> {
    let logs = format!("see whether the operator runs: kubectl -n {OPERATOR_NAMESPACE} logs deployment/{OPERATOR}");
    let lack = |namespace: &String| {
        let map = found.iter().find(|map| map.name_any() == GATEWAY && map.namespace().as_ref() == Some(namespace));
        let Some(data) = map.and_then(|map| map.data.as_ref()) else { return Some("is missing".to_owned()) };
        let missing = [GATEWAY_ADDRESS_KEY, GATEWAY_BUNDLE_KEY].into_iter().find(|key| !data.contains_key(*key));
        if let Some(key) = missing {
            return Some(format!("has no `{key}`"));
        }
        let ends = certificate::ends(data.get(GATEWAY_BUNDLE_KEY)?);
        match ends.iter().max() {
            None => Some("holds no certificate".into()),
            Some(end) if *end <= now => Some(format!("holds certificates that ended {}", end.format("%Y-%m-%d"))),
            Some(_) => None,
        }
    };
    let said = |(namespace, lack): (&String, String)| {
        let message = format!("ConfigMap {GATEWAY} in namespace {namespace} {lack}: no agent there is admitted");
        fail(GATEWAY_CHECK, message, &logs)
    };
    let wrong: Vec<_> = places.keys().filter_map(|namespace| Some((namespace, lack(namespace)?))).map(said).collect();
    let all = places.len();
    if wrong.is_empty() {
        let namespaces = if all == 1 { "1 namespace".into() } else { format!("{all} namespaces") };
        return vec![ok(GATEWAY_CHECK, format!("{namespaces} with missions know its address and certificate"))];
    }
    wrong
}

/// A level that reaches the proxy alone reaches nothing without one.
fn egress(places: &Places<'_>, proxied: bool) -> Finding {
    let closed = places.iter().filter(|(_, cells)| cells.iter().any(|cell| level(cell) == Isolation::Level3));
    let closed: Vec<_> = closed.map(|(namespace, _)| namespace.as_str()).collect();
    if proxied {
        return ok(EGRESS, "the operator's configuration names one");
    }
    if closed.is_empty() {
        return ok(EGRESS, "there is none, and no mission of Level3");
    }
    let message = format!("there is none, so agents of Level3 reach no model, in: {}", closed.join(", "));
    note(EGRESS, message, "name one as isolation.egressProxy in the operator's configuration")
}

fn volumes(cells: &[MissionCell], classes: &[StorageClass], claims: &Look<Vec<PersistentVolumeClaim>>) -> Vec<Finding> {
    let is_default = |class: &StorageClass| class.annotations().get(DEFAULT_CLASS).is_some_and(|value| value == "true");
    if let Some(class) = classes.iter().find(|class| is_default(class)) {
        return vec![ok(STORAGE, format!("the default is {}", class.name_any()))];
    }
    let needs =
        |cell: &&MissionCell| cell.spec.workspace.as_ref().is_some_and(|workspace| workspace.storage_class_name.is_none());
    let needing: Vec<_> = cells.iter().filter(needs).collect();
    if needing.is_empty() {
        return vec![ok(STORAGE, "none is the default, and no mission needs one")];
    }
    // Whether they wait is for their claims to say.
    claims.judged(STORAGE, |claims| waiting(&needing, claims))
}

fn waiting(cells: &[&MissionCell], claims: &[PersistentVolumeClaim]) -> Vec<Finding> {
    let is_bound = |cell: &MissionCell| {
        let mut its = claims
            .iter()
            .filter(|claim| claim.namespace() == cell.namespace() && claim.name_any() == workspace(&cell.name_any()));
        its.any(|claim| claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound"))
    };
    let waits = cells.iter().filter(|cell| !is_bound(cell)).map(|cell| {
        let place = format!("{}/{}", cell.namespace().unwrap_or_default(), cell.name_any());
        let message = format!("none is the default, and the workspace of mission {place} names none: its agents can't start");
        fail(STORAGE, message, format!("annotate one with {DEFAULT_CLASS}=true, or make a volume that names no class"))
    });
    let waits: Vec<_> = waits.collect();
    if waits.is_empty() { vec![ok(STORAGE, "none is the default, and no mission waits for one")] } else { waits }
}
