//! The CustomResourceDefinitions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::labels;
use crate::api::{AgentPolicy, MissionCell};

/// Both definitions, as `crds/` holds them.
#[must_use]
pub fn crds() -> [CustomResourceDefinition; 2] {
    [MissionCell::crd(), AgentPolicy::crd()].map(|mut crd| {
        crd.metadata.labels = Some(labels());
        crd
    })
}
