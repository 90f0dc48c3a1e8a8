//! Where agents' sidecars report: an address that stays, and a place for the keys.

use k8s_openapi::api::core::v1::{Secret, Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Object, namespaced};
use crate::api::names::{CANARY_PORT, CANARY_TARGET_PORT, GATEWAY, GATEWAY_AUTHORITY, GATEWAY_PORT, GATEWAY_TARGET_PORT};
use crate::apply::gateway::{CANARY_PORT_NAME, PORT_NAME};

/// The Service and the Secret.
pub(super) fn objects() -> [Object; 2] {
    [Object::Secret(Box::new(authority())), Object::Service(Box::new(service()))]
}

/// Empty: the leader fills it, so that no two installations share a key, and needs no right to create Secrets. Applying this
/// again leaves the data alone.
fn authority() -> Secret {
    Secret { metadata: namespaced(GATEWAY_AUTHORITY), type_: Some("Opaque".into()), ..Secret::default() }
}

/// Without a selector: it leads to the leader alone, which says so in an EndpointSlice.
fn service() -> Service {
    let port = |name: &str, port: u16, target: u16| ServicePort {
        name: Some(name.into()),
        port: port.into(),
        target_port: Some(IntOrString::Int(target.into())),
        protocol: Some("TCP".into()),
        ..ServicePort::default()
    };
    let ports = vec![port(PORT_NAME, GATEWAY_PORT, GATEWAY_TARGET_PORT), port(CANARY_PORT_NAME, CANARY_PORT, CANARY_TARGET_PORT)];
    let spec = ServiceSpec { ports: Some(ports), ..ServiceSpec::default() };
    Service { metadata: namespaced(GATEWAY), spec: Some(spec), ..Service::default() }
}
