//! NetworkPolicies: compared before they are written, so that at rest nothing is.

use std::time::Duration;

use k8s_openapi::api::networking::v1::NetworkPolicy;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, PostParams, Preconditions};

use super::guard::{Guarded, WriteError};
use crate::api::{Isolation, names};
use crate::observe::pod::SlimPod;
use crate::report::metrics::{Category, Kind, Verb};

/// A read takes no longer, or it is tried again later.
const LONGEST_READ: Duration = Duration::from_secs(10);

/// The label of all objects that the operator makes.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";

/// Why a NetworkPolicy is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// What is there can't be read.
    #[error("cannot read {what}: {source}")]
    Read {
        /// What was read.
        what: &'static str,
        /// What kube reported.
        source: Box<kube::Error>,
    },
    /// There was no answer in time.
    #[error("cannot read {what}: no answer after {} s", LONGEST_READ.as_secs())]
    Slow {
        /// What was read.
        what: &'static str,
    },
    /// Somebody else's object has the name.
    #[error("there is a NetworkPolicy {name} already that is not this mission's: delete it, or wait if an earlier mission ends")]
    Foreign {
        /// Its name.
        name: String,
    },
    /// It can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl Error {
    /// The cause as metrics count it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::Read { .. } => Category::Unavailable,
            Self::Slow { .. } => Category::TimedOut,
            Self::Foreign { .. } => Category::Conflict,
            Self::Write(error) => error.category(),
        }
    }

    /// Only that this replica does not lead: it says nothing about the policies.
    #[must_use]
    pub fn is_not_leader(&self) -> bool {
        matches!(self, Self::Write(WriteError::NotLeader(_)))
    }
}

/// All policies of a namespace, whoever made them.
///
/// # Errors
/// They can't be read.
pub async fn of_namespace(guarded: &Guarded, namespace: &str) -> Result<Vec<NetworkPolicy>, Error> {
    let policies = Api::<NetworkPolicy>::namespaced(guarded.reader().clone(), namespace);
    list(&policies, &ListParams::default()).await
}

/// The operator's policies in all namespaces.
///
/// # Errors
/// They can't be read.
pub async fn of_operator(guarded: &Guarded) -> Result<Vec<NetworkPolicy>, Error> {
    let policies = Api::<NetworkPolicy>::all(guarded.reader().clone());
    list(&policies, &ListParams::default().labels(&format!("{MANAGED_BY}={}", names::OPERATOR))).await
}

async fn list(policies: &Api<NetworkPolicy>, parameters: &ListParams) -> Result<Vec<NetworkPolicy>, Error> {
    Ok(bounded("NetworkPolicies", policies.list(parameters)).await?.items)
}

/// Whether any pod of the namespace carries this level, by a consistent read.
///
/// # Errors
/// They can't be read.
pub async fn is_carried(guarded: &Guarded, namespace: &str, level: Isolation) -> Result<bool, Error> {
    let pods = Api::<SlimPod>::namespaced(guarded.reader().clone(), namespace);
    let parameters = ListParams::default().labels(&format!("{}={level}", names::LEVEL)).limit(1);
    Ok(!bounded("pods", pods.list(&parameters)).await?.items.is_empty())
}

/// Whether a policy that was found needs no write to be the wanted one.
#[must_use]
pub fn is_as(found: &NetworkPolicy, wanted: &NetworkPolicy) -> bool {
    let owners = |policy: &NetworkPolicy| policy.metadata.owner_references.clone().unwrap_or_default();
    found.spec == wanted.spec
        && owners(found) == owners(wanted)
        && wanted.labels().iter().all(|(key, value)| found.labels().get(key) == Some(value))
}

/// Makes the policy as it is wanted, where `found` is the one of that name; nothing is written if it is so already.
///
/// # Errors
/// It can't be written, or it is somebody else's.
pub async fn keep(guarded: &Guarded, found: Option<&NetworkPolicy>, wanted: &NetworkPolicy) -> Result<(), Error> {
    let (name, namespace) = (wanted.name_any(), wanted.namespace().unwrap_or_default());
    let policies = Api::<NetworkPolicy>::namespaced(guarded.reader().clone(), &namespace);
    let parameters = PostParams { field_manager: Some(names::OPERATOR.into()), ..PostParams::default() };
    let Some(found) = found else {
        guarded.write(Verb::Create, Kind::NetworkPolicy, policies.create(&parameters, wanted)).await?;
        tracing::info!(namespace, policy = name, "made network policy");
        return Ok(());
    };
    if is_as(found, wanted) {
        return Ok(());
    }
    if !may_take(found, wanted) {
        return Err(Error::Foreign { name });
    }
    // Replaced as a whole, at the version that was read: what somebody added to it would stay in the result of an apply.
    let mut whole = NetworkPolicy { metadata: found.metadata.clone(), ..wanted.clone() };
    whole.metadata.managed_fields = None;
    whole.metadata.labels.get_or_insert_default().extend(wanted.labels().clone());
    whole.metadata.owner_references.clone_from(&wanted.metadata.owner_references);
    guarded.write(Verb::Replace, Kind::NetworkPolicy, policies.replace(&name, &parameters, &whole)).await?;
    tracing::info!(namespace, policy = name, "changed network policy");
    Ok(())
}

/// The names of the levels' policies are the operator's in every namespace; that of a mission may be a person's.
fn may_take(found: &NetworkPolicy, wanted: &NetworkPolicy) -> bool {
    let Some(owner) = wanted.owner_references().first() else { return true };
    let controller = found.owner_references().iter().find(|owner| owner.controller == Some(true));
    match controller {
        Some(controller) => controller.uid == owner.uid,
        // Left by a mission that was deleted without what belongs to it.
        None => [MANAGED_BY, names::CELL].iter().all(|key| found.labels().get(*key) == wanted.labels().get(*key)),
    }
}

/// Deletes a policy as it was found.
///
/// # Errors
/// It can't be deleted.
pub async fn remove(guarded: &Guarded, found: &NetworkPolicy) -> Result<(), Error> {
    let (name, namespace) = (found.name_any(), found.namespace().unwrap_or_default());
    let policies = Api::<NetworkPolicy>::namespaced(guarded.reader().clone(), &namespace);
    let parameters =
        DeleteParams::default().preconditions(Preconditions { uid: found.uid(), resource_version: found.resource_version() });
    match guarded.write(Verb::Delete, Kind::NetworkPolicy, policies.delete(&name, &parameters)).await {
        Ok(_) => {
            tracing::info!(namespace, policy = name, "deleted network policy");
            Ok(())
        }
        // Gone, or somebody has just changed it: the next look says more.
        Err(error) if error.not_found() || error.is_conflict() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

async fn bounded<T>(what: &'static str, read: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Error> {
    let read = tokio::time::timeout(LONGEST_READ, read).await.map_err(|_| Error::Slow { what })?;
    read.map_err(|source| Error::Read { what, source: Box::new(source) })
}
