//! Carries out the actions of a plan. It has no choices left: each action is one write.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams, Preconditions};

use super::guard::{Guarded, WriteError};
use super::requests;
use crate::api::{EgressProxy, names};
use crate::decide::{Action, ClaimChange, REFUSED_CLAIM};
use crate::observe::Cell;
use crate::render::isolation::workspace;
use crate::render::{self, Frame};
use crate::report::metrics::{Kind, Verb};

/// What became of an action.
#[derive(Debug)]
pub enum Applied {
    /// It is done, or was done before.
    Done,
    /// The API server will not make the agent's pod, or the request, as it is.
    Refused {
        /// The agent, or the request.
        agent: String,
        /// What the server said.
        message: String,
    },
}

/// What all pods of agents are made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outfit {
    /// Image of the sidecars.
    pub pulse_image: String,
    /// Seconds from one look of a sidecar at its network to the next.
    pub network_check_seconds: u32,
    /// The way to the models, if the cluster has one.
    pub proxy: Option<EgressProxy>,
}

/// Carries out one action.
///
/// # Errors
/// The write failed; whether it happened is seen by the next consistent read.
pub async fn apply(guarded: &Guarded, cell: &Cell, action: &Action, outfit: &Outfit) -> Result<Applied, WriteError> {
    match action {
        Action::Create { agent, attempt, level } => {
            let Outfit { pulse_image, network_check_seconds, proxy } = outfit;
            let network_check_seconds = *network_check_seconds;
            let frame = Frame { level: *level, pulse_image, network_check_seconds, proxy: proxy.as_ref() };
            create(guarded, cell, agent, *attempt, frame).await
        }
        Action::Claim(change) => write_claim(guarded, cell, change).await,
        Action::Account { agent } => make_account(guarded, cell, agent).await,
        Action::Delete { pod, uid, why } => {
            tracing::info!(namespace = cell.namespace, cell = cell.name, pod, uid, ?why, "deleting pod");
            delete(guarded, cell, pod, uid).await
        }
        Action::Ask { name, spec } => requests::ask(guarded, cell, name, spec).await,
        Action::Forget { request, uid } => requests::forget(guarded, cell, request, uid).await.map(|()| Applied::Done),
    }
}

async fn create(guarded: &Guarded, cell: &Cell, agent: &str, attempt: i64, frame: Frame<'_>) -> Result<Applied, WriteError> {
    // Plans are made from the spec; an agent that is not in it was never meant.
    let Some(spec) = cell.spec.agents.iter().find(|spec| spec.name == agent) else { return Ok(Applied::Done) };
    let pod = render::pod(cell, spec, attempt, frame);
    let parameters = PostParams { field_manager: Some(names::OPERATOR.into()), ..PostParams::default() };
    let pods = pods(guarded, cell);
    match guarded.write(Verb::Create, Kind::Pod, pods.create(&parameters, &pod)).await {
        Ok(_) => {
            tracing::info!(namespace = cell.namespace, cell = cell.name, agent, attempt, pod = pod.metadata.name, "made pod");
            Ok(Applied::Done)
        }
        // If an earlier try made it, the next look finds and takes it; if not, it is in the way.
        Err(error) if error.already_exists() => {
            let name = pod.metadata.name.unwrap_or_default();
            Ok(Applied::Refused {
                agent: agent.into(),
                message: format!("there is a pod {name} already that is not this agent's"),
            })
        }
        Err(error) => refused(error, agent),
    }
}

async fn make_account(guarded: &Guarded, cell: &Cell, agent: &str) -> Result<Applied, WriteError> {
    let account = render::account(cell);
    let parameters = PostParams { field_manager: Some(names::OPERATOR.into()), ..PostParams::default() };
    let accounts: Api<ServiceAccount> = Api::namespaced(guarded.reader().clone(), &cell.namespace);
    match guarded.write(Verb::Create, Kind::ServiceAccount, accounts.create(&parameters, &account)).await {
        Ok(_) => {
            tracing::info!(namespace = cell.namespace, cell = cell.name, account = account.metadata.name, "made service account");
            Ok(Applied::Done)
        }
        // An earlier try made it, or a person did.
        Err(error) if error.already_exists() => Ok(Applied::Done),
        Err(error) => refused(error, agent),
    }
}

async fn write_claim(guarded: &Guarded, cell: &Cell, change: &ClaimChange) -> Result<Applied, WriteError> {
    let name = names::workspace(&cell.name);
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(guarded.reader().clone(), &cell.namespace);
    let patch = match change {
        ClaimChange::Make => None,
        ClaimChange::Own(owned) => Some(workspace::ownership(cell, *owned)),
        ClaimChange::Grow(size) => Some(workspace::growth(size)),
    };
    let written = match (patch, workspace::claim(cell)) {
        (Some(patch), _) => {
            let parameters = PatchParams { field_manager: Some(names::OPERATOR.into()), ..PatchParams::default() };
            let patch = Patch::Merge(&patch);
            let written = claims.patch(&name, &parameters, &patch);
            guarded.write(Verb::Patch, Kind::PersistentVolumeClaim, written).await
        }
        (None, Some(claim)) => {
            let parameters = PostParams { field_manager: Some(names::OPERATOR.into()), ..PostParams::default() };
            let written = claims.create(&parameters, &claim);
            guarded.write(Verb::Create, Kind::PersistentVolumeClaim, written).await
        }
        (None, None) => return Ok(Applied::Done),
    };
    match written {
        Ok(_) => {
            tracing::info!(
                namespace = cell.namespace,
                cell = cell.name,
                claim = name,
                ?change,
                "wrote the claim of the workspace"
            );
            Ok(Applied::Done)
        }
        // An earlier try made it, or somebody did: the next look says whose it is.
        Err(error) if error.already_exists() || error.not_found() => Ok(Applied::Done),
        Err(error) => refused(error, REFUSED_CLAIM),
    }
}

/// What the server will not make is told; anything else is tried again.
pub(super) fn refused(error: WriteError, agent: &str) -> Result<Applied, WriteError> {
    match error.refused().or_else(|| error.failed()) {
        Some(message) => Ok(Applied::Refused { agent: agent.into(), message }),
        None => Err(error),
    }
}

async fn delete(guarded: &Guarded, cell: &Cell, pod: &str, uid: &str) -> Result<Applied, WriteError> {
    // The grace period is the pod's own, never 0: a pod that is forced away may still run.
    let parameters = DeleteParams::default().preconditions(Preconditions { uid: Some(uid.into()), resource_version: None });
    let pods = pods(guarded, cell);
    match guarded.write(Verb::Delete, Kind::Pod, pods.delete(pod, &parameters)).await {
        Ok(_) => Ok(Applied::Done),
        // Gone, or another pod of that name is there now: either way this one no longer is.
        Err(error) if error.not_found() || error.is_conflict() => Ok(Applied::Done),
        Err(error) => Err(error),
    }
}

fn pods(guarded: &Guarded, cell: &Cell) -> Api<Pod> {
    Api::namespaced(guarded.reader().clone(), &cell.namespace)
}
