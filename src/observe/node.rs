//! The nodes as the watch keeps them: only whether they are well.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer};

use super::Features;
use super::snapshot::Node;
use crate::runtime::time::from_time;

/// Taint by which a person says that a node is shut down for good (KEP-2268).
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// The default runtime of a node has no name (KEP-127).
const DEFAULT_HANDLER: &str = "";

/// A Node of the core API, in part.
#[derive(Deserialize, Clone, Debug, Default)]
pub struct SlimNode {
    #[serde(default, deserialize_with = "slim_metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Clone, Debug, Default)]
struct Spec {
    #[serde(default)]
    taints: Vec<Taint>,
    #[serde(default)]
    unschedulable: bool,
}

#[derive(Deserialize, Clone, Debug)]
struct Taint {
    key: String,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    conditions: Vec<Condition>,
    runtime_handlers: Vec<Handler>,
    features: NodeFeatures,
}

#[derive(Deserialize, Clone, Debug)]
struct Handler {
    #[serde(default)]
    name: String,
    #[serde(default)]
    features: HandlerFeatures,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct HandlerFeatures {
    user_namespaces: bool,
    recursive_read_only_mounts: bool,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct NodeFeatures {
    supplemental_groups_policy: bool,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
struct Condition {
    r#type: String,
    status: String,
    last_transition_time: Option<Time>,
}

// Annotations and managed fields of a node are many, and none is read.
fn slim_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let ObjectMeta { name, uid, resource_version, labels, .. } = ObjectMeta::deserialize(deserializer)?;
    Ok(ObjectMeta { name, uid, resource_version, labels, ..ObjectMeta::default() })
}

impl Resource for SlimNode {
    type DynamicType = ();
    type Scope = k8s_openapi::ClusterResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Node".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "nodes".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl SlimNode {
    /// The node as decisions see it. One whose kubelet has never said that it is ready is not.
    #[must_use]
    pub fn view(&self) -> Node {
        let ready = self.status.conditions.iter().find(|condition| condition.r#type == "Ready");
        let since = || ready.and_then(|ready| ready.last_transition_time.as_ref()).map(from_time).unwrap_or_default();
        Node {
            not_ready: ready.is_none_or(|ready| ready.status != "True").then(since),
            out_of_service: self.spec.taints.iter().any(|taint| taint.key == OUT_OF_SERVICE),
        }
    }

    /// Counts the node, if it takes pods with this selector, by what it can do in its default runtime.
    pub fn count(&self, selector: Option<&BTreeMap<String, String>>, features: &mut Features) {
        self.count_with(DEFAULT_HANDLER, selector, features);
    }

    /// Whether the node says that it has this handler, which a RuntimeClass names.
    #[must_use]
    pub fn has_handler(&self, name: &str) -> bool {
        self.status.runtime_handlers.iter().any(|handler| handler.name == name)
    }

    /// As [`count`](Self::count), with the runtime of this name.
    pub fn count_with(&self, handler: &str, selector: Option<&BTreeMap<String, String>>, features: &mut Features) {
        let labels = self.metadata.labels.as_ref();
        let has = |(key, value): (&String, &String)| labels.and_then(|labels| labels.get(key)) == Some(value);
        // The agents' sidecar is a program for Linux.
        let other = labels.and_then(|labels| labels.get("kubernetes.io/os")).is_some_and(|system| system != "linux");
        if self.spec.unschedulable || other || !selector.into_iter().flatten().all(has) {
            return;
        }
        let Status { conditions: _, runtime_handlers, features: node } = &self.status;
        let found = runtime_handlers.iter().find(|found| found.name == handler);
        let handler = found.map(|handler| handler.features.clone()).unwrap_or_default();
        features.all += 1;
        features.user_namespaces += u32::from(handler.user_namespaces);
        features.recursive_read_only_mounts += u32::from(handler.recursive_read_only_mounts);
        features.supplemental_groups_policy += u32::from(node.supplemental_groups_policy);
    }
}
