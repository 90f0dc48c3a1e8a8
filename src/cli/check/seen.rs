//! What was read, as plain data.

use std::collections::BTreeMap;

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, PersistentVolumeClaim};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;

use super::finding::{Finding, skip};
use super::rights::Right;
use crate::api::MissionCell;
use crate::observe::node::SlimNode;

/// What was seen, or why nothing was.
#[derive(Clone)]
pub(super) enum Look<T> {
    Seen(T),
    Hidden(String),
}

impl<T> Look<T> {
    /// What is to be said of it: that it was not looked at, if so.
    pub fn judged(&self, check: &str, judge: impl FnOnce(&T) -> Vec<Finding>) -> Vec<Finding> {
        match self {
            Self::Seen(seen) => judge(seen),
            Self::Hidden(why) => vec![skip(check, why)],
        }
    }

    pub fn seen(&self) -> Option<&T> {
        match self {
            Self::Seen(seen) => Some(seen),
            Self::Hidden(_) => None,
        }
    }
}

/// All that is judged; what was not meant to be looked at is `None`.
#[derive(Clone)]
pub(super) struct Seen {
    pub before: Before,
    pub rights: Option<Look<Vec<Right>>>,
    pub installed: Option<Installed>,
    pub missions: Option<Missions>,
}

/// The cluster without an installation.
#[derive(Clone)]
pub(super) struct Before {
    /// Version of Kubernetes, such as `v1.36.2`.
    pub version: Look<String>,
    /// The kinds that the first version of the admission API has.
    pub admission: Look<Vec<String>>,
    pub nodes: Look<Vec<SlimNode>>,
    pub runtime_classes: Look<Vec<RuntimeClass>>,
}

/// The installation. Definitions, policies and bindings that are there may be somebody else's.
#[derive(Clone)]
pub(super) struct Installed {
    pub crds: Look<Vec<CustomResourceDefinition>>,
    pub policies: Look<Vec<ValidatingAdmissionPolicy>>,
    pub bindings: Look<Vec<ValidatingAdmissionPolicyBinding>>,
    pub operator: Look<Option<Deployment>>,
    pub lease: Look<Option<Lease>>,
    pub configuration: Look<Option<ConfigMap>>,
    pub network: Look<Option<NetworkPolicy>>,
}

/// The missions that are meant, and what they stand on.
#[derive(Clone)]
pub(super) struct Missions {
    pub cells: Look<Vec<MissionCell>>,
    pub namespaces: Look<Vec<Namespace>>,
    /// The ConfigMaps that tell namespaces where the gateway is.
    pub gateways: Look<Vec<ConfigMap>>,
    pub storage: Look<Vec<StorageClass>>,
    pub claims: Look<Vec<PersistentVolumeClaim>>,
}

impl Missions {
    /// The missions; none where they are hidden.
    pub fn readable(&self) -> &[MissionCell] {
        self.cells.seen().map(Vec::as_slice).unwrap_or_default()
    }

    /// The missions by namespace.
    pub fn by_namespace(&self) -> BTreeMap<String, Vec<&MissionCell>> {
        let mut places = BTreeMap::<_, Vec<_>>::new();
        for cell in self.readable() {
            places.entry(cell.metadata.namespace.clone().unwrap_or_default()).or_default().push(cell);
        }
        places
    }
}
