//! The workspace of a mission: one claim that its agents share, or an empty directory of each agent's own.

use k8s_openapi::api::core::v1::{
    Affinity, EmptyDirVolumeSource, PersistentVolumeClaim, PersistentVolumeClaimSpec, PersistentVolumeClaimVolumeSource,
    PodAffinity, PodAffinityTerm, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};

use serde_json::{Value, json};

use crate::api::quantity::Amount;
use crate::api::{AccessMode, AgentSpec, Isolation, Retain, Role, Workspace, names};
use crate::decide::{part_of, role};
use crate::observe::Cell;
use crate::render::{labels, owner};

const VOLUME: &str = "workspace";
const TEMPORARY: &str = "tmp";
/// What an agent without a shared volume, and each agent's /tmp, can hold.
const PRIVATE_SIZE: &str = "1Gi";
const TEMPORARY_SIZE: &str = "256Mi";

/// The claim of a mission that asks for a volume. One that is to be retained has no owner: the mission's end is not its own.
#[must_use]
pub fn claim(cell: &Cell) -> Option<PersistentVolumeClaim> {
    let Workspace { size, storage_class_name, access_mode, retain } = cell.spec.workspace.as_ref()?;
    let mode = match access_mode.unwrap_or_default() {
        AccessMode::ReadWriteOnce => "ReadWriteOnce",
        AccessMode::ReadWriteMany => "ReadWriteMany",
    };
    let requests = [("storage".to_owned(), Quantity(size.to_text()))].into();
    let owner = match retain.unwrap_or_default() {
        Retain::Delete => Some(vec![owner(cell)]),
        Retain::Retain => None,
    };
    Some(PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(names::workspace(&cell.name)),
            namespace: Some(cell.namespace.clone()),
            labels: Some(labels(cell)),
            owner_references: owner,
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec![mode.into()]),
            resources: Some(VolumeResourceRequirements { requests: Some(requests), limits: None }),
            storage_class_name: storage_class_name.clone(),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    })
}

/// Whether a claim was made for a mission of this name, by whatever operator.
#[must_use]
pub fn is_made_for(claim: &PersistentVolumeClaim, cell: &str) -> bool {
    let labels = claim.metadata.labels.as_ref();
    let has = |key: &str, value: &str| labels.and_then(|labels| labels.get(key)).is_some_and(|found| found == value);
    has(names::CELL, cell) && has("app.kubernetes.io/managed-by", names::OPERATOR)
}

/// The change of a claim that is there: whether it goes with its mission, alone, so that nothing else can be refused with it.
#[must_use]
pub fn ownership(cell: &Cell, owned: bool) -> Value {
    let owners: Vec<_> = owned.then(|| owner(cell)).into_iter().collect();
    json!({ "metadata": { "ownerReferences": owners } })
}

/// The change of a claim that is there: how large it is.
#[must_use]
pub fn growth(size: &Amount) -> Value {
    json!({ "spec": { "resources": { "requests": { "storage": size.to_text() } } } })
}

/// The volumes: the workspace, and at a read-only root a place for temporary files.
pub(in crate::render) fn volumes(cell: &Cell, level: Isolation) -> impl Iterator<Item = Volume> {
    let limited = |size: &str| (level >= Isolation::Level1).then(|| Quantity(size.into()));
    let empty = |name: &str, size| Volume {
        name: name.into(),
        empty_dir: Some(EmptyDirVolumeSource { size_limit: limited(size), ..EmptyDirVolumeSource::default() }),
        ..Volume::default()
    };
    let workspace = match cell.spec.workspace {
        Some(_) => Volume {
            name: VOLUME.into(),
            persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
                claim_name: names::workspace(&cell.name),
                read_only: None,
            }),
            ..Volume::default()
        },
        None => empty(VOLUME, PRIVATE_SIZE),
    };
    let temporary = (level >= Isolation::Level2).then(|| empty(TEMPORARY, TEMPORARY_SIZE));
    [workspace].into_iter().chain(temporary)
}

/// What of it an agent sees: all of it, the directories of all, or its own and what is shared.
pub(in crate::render) fn mounts(cell: &Cell, agent: &AgentSpec, level: Isolation) -> Vec<VolumeMount> {
    let folder = |path: &str| VolumeMount {
        name: VOLUME.into(),
        mount_path: format!("{}/{path}", names::WORKSPACE_FOLDER),
        sub_path: Some(path.into()),
        ..VolumeMount::default()
    };
    match level {
        Isolation::None => {
            vec![VolumeMount { name: VOLUME.into(), mount_path: names::WORKSPACE_FOLDER.into(), ..VolumeMount::default() }]
        }
        Isolation::Level1 => vec![folder("agents"), folder("shared")],
        Isolation::Level2 | Isolation::Level3 => {
            let shared = match role(cell, agent) {
                Role::Lead => folder("shared"),
                // What another agent mounts below it is read-only as well (KEP-3857).
                Role::Write | Role::Read | Role::Audit => {
                    VolumeMount { read_only: Some(true), recursive_read_only: Some("Enabled".into()), ..folder("shared") }
                }
            };
            // Who stands in for another goes on in the other's directory.
            let own = folder(&format!("agents/{}", part_of(cell, agent)));
            let temporary = VolumeMount { name: TEMPORARY.into(), mount_path: "/tmp".into(), ..VolumeMount::default() };
            vec![own, shared, temporary]
        }
    }
}

/// A volume of one node brings all agents of the mission there: elsewhere they would wait for it in vain.
pub(in crate::render) fn affinity(cell: &Cell) -> Option<Affinity> {
    match cell.spec.workspace.as_ref()?.access_mode.unwrap_or_default() {
        AccessMode::ReadWriteMany => None,
        AccessMode::ReadWriteOnce => {
            let term = PodAffinityTerm {
                label_selector: Some(LabelSelector {
                    match_labels: Some([(names::CELL.to_owned(), cell.name.clone())].into()),
                    match_expressions: None,
                }),
                topology_key: "kubernetes.io/hostname".into(),
                ..PodAffinityTerm::default()
            };
            let required =
                PodAffinity { required_during_scheduling_ignored_during_execution: Some(vec![term]), ..PodAffinity::default() };
            Some(Affinity { pod_affinity: Some(required), ..Affinity::default() })
        }
    }
}
