//! The CustomResourceDefinitions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use super::labels;
use crate::api::{AgentPolicy, MissionCell, RevivalRequest};

/// All definitions, as `crds/` holds them.
#[must_use]
pub fn crds() -> [CustomResourceDefinition; 3] {
    [MissionCell::crd(), AgentPolicy::crd(), RevivalRequest::crd()].map(|mut crd| {
        crd.metadata.labels = Some(labels());
        crd
    })
}
