//! What an installation consists of: the objects of `deploy/install.yaml`, in the order in which to apply them.

mod access;
mod admission;
mod crds;
mod gateway;
mod network;
mod workload;

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

pub use admission::{Rule, approval_rules, isolation_rules, rules};
pub use crds::crds;
pub use workload::CONFIGURATION_FILE;
pub(super) use workload::selected as operator_pods;

use crate::api::names;

/// The image that `make image` builds, and that a lab holds.
pub const DEVELOPMENT_IMAGE: &str = "lazarus-pit:dev";

/// What differs between installations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Image of the operator.
    pub image: String,
}

impl Default for Options {
    fn default() -> Self {
        Self { image: DEVELOPMENT_IMAGE.into() }
    }
}

/// One object of an installation; serialized as the object itself.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Object {
    /// Where the operator runs.
    Namespace(Box<Namespace>),
    /// A kind of this project.
    CustomResourceDefinition(Box<CustomResourceDefinition>),
    /// A rule about who may write what.
    ValidatingAdmissionPolicy(Box<ValidatingAdmissionPolicy>),
    /// Puts such a rule into force.
    ValidatingAdmissionPolicyBinding(Box<ValidatingAdmissionPolicyBinding>),
    /// Who the operator is.
    ServiceAccount(Box<ServiceAccount>),
    /// What the operator may do everywhere, or what people may do with missions.
    ClusterRole(Box<ClusterRole>),
    /// Gives the operator its rights everywhere.
    ClusterRoleBinding(Box<ClusterRoleBinding>),
    /// What the operator may do in its own namespace.
    Role(Box<Role>),
    /// Gives the operator its rights in its own namespace.
    RoleBinding(Box<RoleBinding>),
    /// The operator's configuration.
    ConfigMap(Box<ConfigMap>),
    /// Where the gateway's certificate authority is kept.
    Secret(Box<Secret>),
    /// Where agents' sidecars report.
    Service(Box<Service>),
    /// What reaches the operator, and what it reaches.
    NetworkPolicy(Box<NetworkPolicy>),
    /// Keeps one replica through drains.
    PodDisruptionBudget(Box<PodDisruptionBudget>),
    /// The operator.
    Deployment(Box<Deployment>),
}

/// All objects of an installation. Admission comes before the operator, so that there is no moment in which others
/// can write what the operator reads as its own.
#[must_use]
pub fn manifest(options: &Options) -> Vec<Object> {
    let mut objects = vec![Object::Namespace(Box::new(access::namespace()))];
    objects.extend(crds().map(|crd| Object::CustomResourceDefinition(Box::new(crd))));
    objects.extend(admission::objects());
    objects.extend(access::objects());
    objects.extend(gateway::objects());
    objects.push(Object::NetworkPolicy(Box::new(network::policy())));
    objects.extend(workload::objects(options));
    objects
}

/// Name and labels of an object of the whole cluster.
fn cluster_wide(name: &str) -> ObjectMeta {
    ObjectMeta { name: Some(name.into()), labels: Some(labels()), ..ObjectMeta::default() }
}

/// Name and labels of an object of the operator's namespace.
fn namespaced(name: &str) -> ObjectMeta {
    ObjectMeta { namespace: Some(names::OPERATOR_NAMESPACE.into()), ..cluster_wide(name) }
}

/// The labels of everything that is installed.
fn labels() -> BTreeMap<String, String> {
    strings([
        ("app.kubernetes.io/name", "lazarus-pit"),
        ("app.kubernetes.io/part-of", "lazarus-pit"),
        ("app.kubernetes.io/version", env!("CARGO_PKG_VERSION")),
    ])
}

/// Pairs of text as Kubernetes keeps them.
fn strings<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect()
}

/// Words as Kubernetes keeps them.
fn words<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.into_iter().map(String::from).collect()
}
