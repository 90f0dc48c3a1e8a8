//! The question to a person.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::owner;
use crate::api::{RevivalRequest, RevivalRequestSpec, names};
use crate::observe::Cell;

/// The RevivalRequest that asks this; it goes with its mission.
#[must_use]
pub fn request(cell: &Cell, name: &str, spec: &RevivalRequestSpec) -> RevivalRequest {
    let metadata = ObjectMeta {
        name: Some(name.into()),
        namespace: Some(cell.namespace.clone()),
        labels: Some([(names::CELL.to_owned(), cell.name.clone())].into()),
        owner_references: Some(vec![owner(cell)]),
        ..ObjectMeta::default()
    };
    RevivalRequest { metadata, spec: spec.clone(), status: None }
}
