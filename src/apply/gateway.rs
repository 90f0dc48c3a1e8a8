//! The gateway's objects: its authority's Secret, the EndpointSlice that leads to the leader, and the ConfigMaps that tell
//! missions' namespaces where it is.

use std::net::IpAddr;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice};
use kube::api::{Api, ObjectMeta, Patch, PatchParams, PostParams};

use super::guard::{Guarded, WriteError};
use crate::api::names::{
    CANARY_TARGET_PORT, GATEWAY, GATEWAY_ADDRESS_KEY, GATEWAY_AUTHORITY, GATEWAY_BUNDLE_KEY, GATEWAY_PORT, GATEWAY_TARGET_PORT,
    OPERATOR,
};
use crate::gateway::authority::{self, Authority, Data};
use crate::report::metrics::{Kind, Verb};

/// Name of the gateway's port in its Service and EndpointSlices.
pub const PORT_NAME: &str = "gateway";

/// Name of the port there that no agent may reach.
pub const CANARY_PORT_NAME: &str = "canary";

/// Names of its EndpointSlices: one for each family of addresses, as a slice can't change its own.
pub const SLICES: [&str; 2] = [GATEWAY, "lazarus-gateway-v6"];

/// Why an object of the gateway could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An object that the installation makes is not there.
    #[error("there is no {kind} {name} in the operator's namespace: install the operator's manifest again")]
    Missing {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: &'static str,
    },
    /// The Service has no address of its own.
    #[error("Service {GATEWAY} has no cluster IP: it must not be headless")]
    NoAddress,
    /// There was no answer in time.
    #[error("the API server did not answer in time; it may still happen")]
    Slow,
    /// It is not known yet where the gateway is or what it shows; the text says why, if that is known.
    #[error("the gateway is not ready yet: {0}")]
    NotReady(String),
    /// It can't be read.
    #[error("cannot read {kind} {name}: {source}")]
    Read {
        /// Kind of the object.
        kind: &'static str,
        /// Its name.
        name: &'static str,
        /// What kube reported.
        source: Box<kube::Error>,
    },
    /// It can't be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// The authority can't be used or made.
    #[error(transparent)]
    Authority(#[from] authority::Error),
}

/// What the Secret holds, to be given back when it is written.
#[derive(Clone, Debug)]
pub struct Stored {
    secret: Secret,
}

impl Stored {
    /// Its data.
    #[must_use]
    pub fn data(&self) -> Data {
        self.secret.data.iter().flatten().map(|(key, bytes)| (key.clone(), bytes.0.clone())).collect()
    }
}

/// Reads the authority's Secret.
///
/// # Errors
/// It is not there, or can't be read.
pub async fn read_authority(guarded: &Guarded, namespace: &str) -> Result<Stored, Error> {
    let secrets: Api<Secret> = Api::namespaced(guarded.reader().clone(), namespace);
    let secret = secrets.get_opt(GATEWAY_AUTHORITY).await.map_err(|source| read("Secret", GATEWAY_AUTHORITY, source))?;
    Ok(Stored { secret: secret.ok_or(Error::Missing { kind: "Secret", name: GATEWAY_AUTHORITY })? })
}

/// Stores an authority in the place of what was read, if nobody else wrote in between.
///
/// # Errors
/// The write failed; a conflict means that another replica was first: read again.
pub async fn write_authority(
    guarded: &Guarded,
    namespace: &str,
    stored: Stored,
    authority: &Authority,
) -> Result<Stored, WriteError> {
    // It carries the resourceVersion of the read.
    let mut secret = stored.secret;
    secret.data = Some(authority.data().into_iter().map(|(key, bytes)| (key, ByteString(bytes))).collect());
    let secrets: Api<Secret> = Api::namespaced(guarded.reader().clone(), namespace);
    let parameters = parameters();
    let call = secrets.replace(GATEWAY_AUTHORITY, &parameters, &secret);
    Ok(Stored { secret: guarded.write(Verb::Replace, Kind::Secret, call).await? })
}

/// Address and port of the gateway's Service, as sidecars use it.
///
/// # Errors
/// There is no such Service, it has no address, or it can't be read.
pub async fn service_address(guarded: &Guarded, namespace: &str) -> Result<String, Error> {
    let services: Api<Service> = Api::namespaced(guarded.reader().clone(), namespace);
    let service = services.get_opt(GATEWAY).await.map_err(|source| read("Service", GATEWAY, source))?;
    let spec = service.ok_or(Error::Missing { kind: "Service", name: GATEWAY })?.spec.unwrap_or_default();
    let address = spec.cluster_ip.and_then(|address| address.parse::<IpAddr>().ok()).ok_or(Error::NoAddress)?;
    Ok(std::net::SocketAddr::new(address, GATEWAY_PORT).to_string())
}

/// Leads the Service to `address`, which is this replica's; nothing is written if it does already.
///
/// # Errors
/// It can't be read or written; a conflict means that another replica was first.
pub async fn lead_here(guarded: &Guarded, namespace: &str, address: IpAddr) -> Result<(), Error> {
    let wanted = slice(namespace, address);
    let name = slice_name(address);
    let slices: Api<EndpointSlice> = Api::namespaced(guarded.reader().clone(), namespace);
    match slices.get_opt(name).await.map_err(|source| read("EndpointSlice", name, source))? {
        Some(found) if leads_there(&found, &wanted) => return Ok(()),
        Some(mut found) => {
            // Its resourceVersion stays: whoever led before can't undo this with an older one.
            found.metadata.labels.get_or_insert_default().extend(wanted.metadata.labels.unwrap_or_default());
            found = EndpointSlice { metadata: found.metadata, ..wanted };
            guarded.write(Verb::Replace, Kind::EndpointSlice, slices.replace(name, &parameters(), &found)).await?;
        }
        // Applied, not created: rights can be given by name then.
        None => {
            let (parameters, patch) = (PatchParams::apply(OPERATOR), Patch::Apply(&wanted));
            let call = slices.patch(name, &parameters, &patch);
            guarded.write(Verb::Patch, Kind::EndpointSlice, call).await?;
        }
    }
    tracing::info!(slice = name, %address, "the gateway's Service leads here");
    Ok(())
}

/// Tells the pods of a namespace where the gateway is and what to trust; nothing is written if they know.
///
/// # Errors
/// It can't be read or written.
pub async fn publish(guarded: &Guarded, namespace: &str, address: &str, bundle: &str) -> Result<(), Error> {
    let wanted = config_map(namespace, address, bundle);
    let maps: Api<ConfigMap> = Api::namespaced(guarded.reader().clone(), namespace);
    let found = maps.get_opt(GATEWAY).await.map_err(|source| read("ConfigMap", GATEWAY, source))?;
    if found.is_some_and(|found| found.data == wanted.data) {
        return Ok(());
    }
    let (parameters, patch) = (PatchParams::apply(OPERATOR).force(), Patch::Apply(&wanted));
    let call = maps.patch(GATEWAY, &parameters, &patch);
    guarded.write(Verb::Patch, Kind::ConfigMap, call).await?;
    Ok(())
}

fn slice_name(address: IpAddr) -> &'static str {
    let [four, six] = SLICES;
    if address.is_ipv4() { four } else { six }
}

fn slice(namespace: &str, address: IpAddr) -> EndpointSlice {
    let mut metadata = metadata(namespace, slice_name(address));
    metadata.labels.get_or_insert_default().extend(
        [("kubernetes.io/service-name", GATEWAY), ("endpointslice.kubernetes.io/managed-by", OPERATOR)]
            .map(|(key, value)| (key.to_owned(), value.to_owned())),
    );
    EndpointSlice {
        metadata,
        address_type: if address.is_ipv4() { "IPv4" } else { "IPv6" }.into(),
        endpoints: Some(vec![Endpoint {
            addresses: vec![address.to_string()],
            conditions: Some(EndpointConditions { ready: Some(true), ..EndpointConditions::default() }),
            ..Endpoint::default()
        }]),
        ports: Some(vec![port(PORT_NAME, GATEWAY_TARGET_PORT), port(CANARY_PORT_NAME, CANARY_TARGET_PORT)]),
    }
}

fn port(name: &str, number: u16) -> EndpointPort {
    EndpointPort { name: Some(name.into()), port: Some(number.into()), protocol: Some("TCP".into()), ..EndpointPort::default() }
}

fn leads_there(found: &EndpointSlice, wanted: &EndpointSlice) -> bool {
    let labels = |slice: &EndpointSlice| slice.metadata.labels.clone().unwrap_or_default();
    let found_labels = labels(found);
    found.endpoints == wanted.endpoints
        && found.ports == wanted.ports
        && labels(wanted).iter().all(|(key, value)| found_labels.get(key) == Some(value))
}

fn config_map(namespace: &str, address: &str, bundle: &str) -> ConfigMap {
    let data = [(GATEWAY_ADDRESS_KEY, address), (GATEWAY_BUNDLE_KEY, bundle)];
    ConfigMap {
        metadata: metadata(namespace, GATEWAY),
        data: Some(data.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ConfigMap::default()
    }
}

fn metadata(namespace: &str, name: &str) -> ObjectMeta {
    let labels = [("app.kubernetes.io/managed-by", OPERATOR), ("app.kubernetes.io/part-of", "lazarus-pit")];
    ObjectMeta {
        name: Some(name.into()),
        namespace: Some(namespace.into()),
        labels: Some(labels.map(|(key, value)| (key.to_owned(), value.to_owned())).into()),
        ..ObjectMeta::default()
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(OPERATOR.into()), ..PostParams::default() }
}

fn read(kind: &'static str, name: &'static str, source: kube::Error) -> Error {
    Error::Read { kind, name, source: Box::new(source) }
}
