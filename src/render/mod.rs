//! From decisions to objects: pure functions that can't fail, without a client and without a clock.

mod account;
pub mod install;
pub mod isolation;
mod pod;
mod request;
mod sidecar;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;

use crate::api::{EgressProxy, Isolation, MissionCell, names};
use crate::observe::Cell;

pub use account::account;
pub use pod::pod;
pub use request::request;

/// What a pod is made from besides its agent.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// How far it is isolated.
    pub level: Isolation,
    /// Image of the sidecar.
    pub pulse_image: &'a str,
    /// Seconds from one look of the sidecar at its network to the next.
    pub network_check_seconds: u32,
    /// The way to the models, if the cluster has one.
    pub proxy: Option<&'a EgressProxy>,
}

/// The labels of what a mission's agents share.
fn labels(cell: &Cell) -> BTreeMap<String, String> {
    let labels = [
        (names::CELL, cell.name.as_str()),
        ("app.kubernetes.io/part-of", &cell.name),
        ("app.kubernetes.io/managed-by", names::OPERATOR),
    ];
    labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

/// The mission as the owner of what is made for it: it goes with the mission.
fn owner(cell: &Cell) -> OwnerReference {
    OwnerReference {
        api_version: MissionCell::api_version(&()).into(),
        kind: MissionCell::kind(&()).into(),
        name: cell.name.clone(),
        uid: cell.uid.clone(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}
