//! The ServiceAccount that a mission's agents elsewhere report with.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{labels, owner};
use crate::api::external;
use crate::observe::Cell;

/// It may do nothing: only its name counts, in tokens that the gateway alone accepts.
#[must_use]
pub fn account(cell: &Cell) -> ServiceAccount {
    ServiceAccount {
        metadata: ObjectMeta {
            name: Some(external::account(&cell.name)),
            namespace: Some(cell.namespace.clone()),
            labels: Some(labels(cell)),
            owner_references: Some(vec![owner(cell)]),
            ..ObjectMeta::default()
        },
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}
