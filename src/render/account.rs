//! The ServiceAccount that a mission's agents elsewhere report with.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::owner;
use crate::api::{external, names};
use crate::observe::Cell;

/// It may do nothing: only its name counts, in tokens that the gateway alone accepts.
#[must_use]
pub fn account(cell: &Cell) -> ServiceAccount {
    let labels = [
        (names::CELL, cell.name.as_str()),
        ("app.kubernetes.io/part-of", &cell.name),
        ("app.kubernetes.io/managed-by", names::OPERATOR),
    ];
    ServiceAccount {
        metadata: ObjectMeta {
            name: Some(external::account(&cell.name)),
            namespace: Some(cell.namespace.clone()),
            labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
            owner_references: Some(vec![owner(cell)]),
            ..ObjectMeta::default()
        },
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
