//! The reading: everything that is looked at, and no opinion about it.

use futures::future::try_join_all;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::rights;
use super::seen::{Before, Installed, Look, Missions, Seen};
use crate::api::names::{CELL, GATEWAY, OPERATOR, OPERATOR_NAMESPACE};
use crate::cli::cluster::{Cluster, Failure};
use crate::render::install::crds;

/// The group whose first version the admission rules are written in.
const ADMISSION: &str = "admissionregistration.k8s.io/v1";

/// What is needed before the installation, and whether whoever asks may install.
pub(super) async fn before(cluster: &Cluster) -> Result<Seen, Failure> {
    let rights = Some(rights::read(cluster).await?);
    Ok(Seen { before: ground(cluster).await?, rights, installed: None, missions: None })
}

/// What a cluster with an installation has; `scope` is the namespace of the missions that are meant, `None` all of them.
pub(super) async fn all(cluster: &Cluster, scope: Option<&str>) -> Result<Seen, Failure> {
    let (before, installed, missions) = futures::try_join!(ground(cluster), installed(cluster), missions(cluster, scope))?;
    Ok(Seen { before, rights: None, installed: Some(installed), missions: Some(missions) })
}

async fn ground(cluster: &Cluster) -> Result<Before, Failure> {
    let client = cluster.client();
    let version = async { Ok(client.apiserver_version().await?.git_version) };
    let admission = async {
        let served = client.list_api_group_resources(ADMISSION).await;
        match served {
            Ok(served) => Ok(served.resources.into_iter().map(|resource| resource.name).collect()),
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    };
    Ok(Before {
        version: look(cluster, "read the version", version).await?,
        admission: look(cluster, &format!("read {ADMISSION}"), admission).await?,
        nodes: list(cluster, Api::all(cluster.client()), &ListParams::default()).await?,
        runtime_classes: list(cluster, Api::all(cluster.client()), &ListParams::default()).await?,
    })
}

async fn installed(cluster: &Cluster) -> Result<Installed, Failure> {
    let everything = ListParams::default();
    let definitions = crds().map(|crd| get(cluster, Api::all(cluster.client()), crd.name_any()));
    Ok(Installed {
        crds: together(try_join_all(definitions).await?),
        policies: list(cluster, Api::all(cluster.client()), &everything).await?,
        bindings: list(cluster, Api::all(cluster.client()), &everything).await?,
        operator: get(cluster, own(cluster), OPERATOR.into()).await?,
        lease: get(cluster, own(cluster), OPERATOR.into()).await?,
        configuration: get(cluster, own(cluster), OPERATOR.into()).await?,
        network: get(cluster, own(cluster), OPERATOR.into()).await?,
    })
}

async fn missions(cluster: &Cluster, scope: Option<&str>) -> Result<Missions, Failure> {
    let everything = ListParams::default();
    let namespaces = Api::<Namespace>::all(cluster.client());
    let namespaces = match scope {
        // Who lives in a namespace may see it, and not the others.
        Some(name) => together(vec![get(cluster, namespaces, name.into()).await?]),
        None => list(cluster, namespaces, &everything).await?,
    };
    Ok(Missions {
        cells: list(cluster, within(cluster, scope), &everything).await?,
        namespaces,
        gateways: list(cluster, within(cluster, scope), &everything.clone().fields(&format!("metadata.name={GATEWAY}"))).await?,
        storage: list(cluster, Api::all(cluster.client()), &everything).await?,
        claims: list(cluster, within(cluster, scope), &everything.labels(CELL)).await?,
    })
}

fn own<K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>>(cluster: &Cluster) -> Api<K> {
    Api::namespaced(cluster.client(), OPERATOR_NAMESPACE)
}

fn within<K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>>(cluster: &Cluster, scope: Option<&str>) -> Api<K> {
    scope.map_or_else(|| Api::all(cluster.client()), |namespace| Api::namespaced(cluster.client(), namespace))
}

async fn list<K>(cluster: &Cluster, api: Api<K>, parameters: &ListParams) -> Result<Look<Vec<K>>, Failure>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    let request = async { Ok(api.list(parameters).await?.items) };
    look(cluster, &format!("list {}", K::plural(&())), request).await
}

async fn get<K>(cluster: &Cluster, api: Api<K>, name: String) -> Result<Look<Option<K>>, Failure>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + DeserializeOwned,
{
    look(cluster, &format!("get {} {name}", K::plural(&())), api.get_opt(&name)).await
}

/// Those that are there; one that is hidden hides all.
fn together<T>(looks: Vec<Look<Option<T>>>) -> Look<Vec<T>> {
    let mut found = Vec::new();
    for look in looks {
        match look {
            Look::Seen(one) => found.extend(one),
            Look::Hidden(why) => return Look::Hidden(why),
        }
    }
    Look::Seen(found)
}

/// Sends a request. What can't be seen is no failure; an API server that does not answer is one.
pub(super) async fn look<T>(
    cluster: &Cluster,
    what: &str,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<Look<T>, Failure> {
    match cluster.ask(request).await {
        Ok(found) => Ok(Look::Seen(found)),
        Err(Failure::Forbidden(_)) => Ok(Look::Hidden(format!("no right to {what}"))),
        Err(Failure::NotFound | Failure::NoSuchKind(_)) => {
            Ok(Look::Hidden(format!("can't {what}: the cluster does not know this kind")))
        }
        Err(failure @ (Failure::Conflict | Failure::Exists | Failure::Refused(_) | Failure::Strange(_))) => {
            Ok(Look::Hidden(format!("can't {what}: {failure}")))
        }
        Err(failure @ (Failure::Unauthorized(_) | Failure::Unreachable { .. } | Failure::TimedOut { .. })) => Err(failure),
    }
}
