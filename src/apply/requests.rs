//! RevivalRequests: the questions that the operator asks, and their end.

use kube::api::{Api, DeleteParams, PostParams, Preconditions};

use super::guard::{Guarded, WriteError};
use super::objects::{Applied, refused};
use crate::api::{RevivalRequest, RevivalRequestSpec, names};
use crate::observe::Cell;
use crate::render;
use crate::report::metrics::{Kind, Verb};

/// Asks: makes the request, unless it was made before.
///
/// # Errors
/// The write failed; whether it happened is seen by the next consistent read.
pub(super) async fn ask(guarded: &Guarded, cell: &Cell, name: &str, spec: &RevivalRequestSpec) -> Result<Applied, WriteError> {
    let request = render::request(cell, name, spec);
    let parameters = PostParams { field_manager: Some(names::OPERATOR.into()), ..PostParams::default() };
    match guarded.write(Verb::Create, Kind::RevivalRequest, requests(guarded, cell).create(&parameters, &request)).await {
        Ok(_) => {
            tracing::info!(namespace = cell.namespace, cell = cell.name, request = name, "asked a person");
            Ok(Applied::Done)
        }
        // If an earlier try made it, the next look finds it; if not, it is in the way.
        Err(error) if error.already_exists() => {
            let message = format!("there is a RevivalRequest {name} already that is about something else: delete it");
            Ok(Applied::Refused { agent: name.into(), message })
        }
        Err(error) => refused(error, name),
    }
}

/// Deletes a request that nobody needs any more.
///
/// # Errors
/// The write failed.
pub(super) async fn forget(guarded: &Guarded, cell: &Cell, name: &str, uid: &str) -> Result<(), WriteError> {
    let parameters = DeleteParams::default().preconditions(Preconditions { uid: Some(uid.into()), resource_version: None });
    match guarded.write(Verb::Delete, Kind::RevivalRequest, requests(guarded, cell).delete(name, &parameters)).await {
        Ok(_) => Ok(()),
        Err(error) if error.not_found() || error.is_conflict() => Ok(()),
        Err(error) => Err(error),
    }
}

fn requests(guarded: &Guarded, cell: &Cell) -> Api<RevivalRequest> {
    Api::namespaced(guarded.reader().clone(), &cell.namespace)
}
