//! The pods as the watch keeps them: only what is read here, a hundredth of a full Pod.

use std::borrow::Cow;
use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference, Time};
use kube::Resource;
use serde::{Deserialize, Deserializer};

use super::snapshot::{Container, Pod, Sidecar};
use crate::api::{Isolation, names};
use crate::runtime::time::from_time;

/// A Pod of the core API, in part.
#[derive(Deserialize, Clone, Debug, Default)]
pub struct SlimPod {
    #[serde(default, deserialize_with = "slim_metadata")]
    metadata: ObjectMeta,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase")]
struct Spec {
    node_name: Option<String>,
    #[serde(default)]
    init_containers: Vec<InitContainer>,
}

#[derive(Deserialize, Clone, Debug)]
struct InitContainer {
    name: String,
}

#[derive(Deserialize, Clone, Debug, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    phase: Option<String>,
    reason: Option<String>,
    conditions: Vec<Condition>,
    container_statuses: Vec<ContainerStatus>,
    init_container_statuses: Vec<ContainerStatus>,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
struct Condition {
    r#type: String,
    status: String,
    reason: Option<String>,
    message: Option<String>,
    last_transition_time: Option<Time>,
}

#[derive(Deserialize, Clone, Debug)]
struct ContainerStatus {
    name: String,
    /// Whether the startup probe has passed, if there is one.
    #[serde(default)]
    started: Option<bool>,
    #[serde(default)]
    state: State,
}

#[derive(Deserialize, Clone, Debug, Default)]
struct State {
    waiting: Option<Waiting>,
    running: Option<Running>,
    terminated: Option<Terminated>,
}

#[derive(Deserialize, Clone, Debug)]
struct Waiting {
    reason: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
struct Running {
    started_at: Option<Time>,
}

#[derive(Deserialize, Clone, Debug)]
#[serde(rename_all = "camelCase")]
struct Terminated {
    exit_code: i64,
    reason: Option<String>,
    message: Option<String>,
    started_at: Option<Time>,
    finished_at: Option<Time>,
}

// Managed fields and foreign annotations are most of a Pod's metadata: dropped while parsing.
fn slim_metadata<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Slim {
        name: Option<String>,
        namespace: Option<String>,
        uid: Option<String>,
        resource_version: Option<String>,
        labels: Option<BTreeMap<String, String>>,
        annotations: Option<BTreeMap<String, String>>,
        owner_references: Option<Vec<OwnerReference>>,
        creation_timestamp: Option<Time>,
        deletion_timestamp: Option<Time>,
        deletion_grace_period_seconds: Option<i64>,
    }
    let slim = Slim::deserialize(deserializer)?;
    let ours = |key: &String, _: &mut String| key.starts_with(names::PREFIX);
    Ok(ObjectMeta {
        name: slim.name,
        namespace: slim.namespace,
        uid: slim.uid,
        resource_version: slim.resource_version,
        labels: slim.labels.map(|mut labels| (labels.retain(ours), labels).1),
        annotations: slim.annotations.map(|mut annotations| (annotations.retain(ours), annotations).1),
        owner_references: slim.owner_references,
        creation_timestamp: slim.creation_timestamp,
        deletion_timestamp: slim.deletion_timestamp,
        deletion_grace_period_seconds: slim.deletion_grace_period_seconds,
        ..ObjectMeta::default()
    })
}

impl Resource for SlimPod {
    type DynamicType = ();
    type Scope = k8s_openapi::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "Pod".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "pods".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl SlimPod {
    /// The name of the mission in the pod's label.
    #[must_use]
    pub fn cell(&self) -> Option<&str> {
        Some(self.metadata.labels.as_ref()?.get(names::CELL)?.as_str())
    }

    /// The name of the pod's node.
    #[must_use]
    pub fn node(&self) -> Option<&str> {
        self.spec.node_name.as_deref()
    }

    /// The pod as decisions see it.
    #[must_use]
    pub fn view(&self) -> Pod {
        let Self { metadata, spec, status } = self;
        let label = |key| metadata.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
        let owner = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
        let condition =
            |r#type, wanted| status.conditions.iter().find(|condition| condition.r#type == r#type && condition.status == wanted);
        let unschedulable = condition("PodScheduled", "False").filter(|found| found.reason.as_deref() == Some("Unschedulable"));
        Pod {
            name: metadata.name.clone().unwrap_or_default(),
            uid: metadata.uid.clone().unwrap_or_default(),
            agent: label(names::AGENT).unwrap_or_default(),
            // 0 is never an incarnation's number, so a pod with a broken label is a stray.
            attempt: label(names::ATTEMPT).and_then(|text| text.parse().ok()).unwrap_or(0),
            owner: owner.map(|owner| owner.uid.clone()),
            template: metadata.annotations.as_ref().and_then(|annotations| annotations.get(names::TEMPLATE)).cloned(),
            level: label(names::LEVEL).as_deref().and_then(Isolation::of),
            created: time(metadata.creation_timestamp.as_ref()),
            deletion_requested: time(metadata.deletion_timestamp.as_ref()).map(|due| {
                let grace = TimeDelta::try_seconds(metadata.deletion_grace_period_seconds.unwrap_or(0));
                // A grace period beyond all calendars is a person's whim, and no reason to fail.
                grace.and_then(|grace| due.checked_sub_signed(grace)).unwrap_or(due)
            }),
            terminal: matches!(status.phase.as_deref(), Some("Succeeded" | "Failed")),
            failure: status.reason.clone(),
            disruption: condition("DisruptionTarget", "True").map(|found| found.reason.clone().unwrap_or_default()),
            unschedulable: unschedulable
                .and_then(|found| Some((found.message.clone().unwrap_or_default(), time(found.last_transition_time.as_ref())?))),
            node: spec.node_name.clone(),
            scheduled: condition("PodScheduled", "True").and_then(|found| time(found.last_transition_time.as_ref())),
            container: status.container(),
            sidecar: spec
                .init_containers
                .iter()
                .any(|container| container.name == names::PULSE_CONTAINER)
                .then(|| status.sidecar()),
        }
    }
}

impl Status {
    fn sidecar(&self) -> Sidecar {
        let mut statuses = self.init_container_statuses.iter();
        let Some(found) = statuses.find(|container| container.name == names::PULSE_CONTAINER) else { return Sidecar::default() };
        Sidecar {
            running: found.state.running.as_ref().and_then(|running| time(running.started_at.as_ref())),
            admitted: found.started == Some(true),
            lost: found
                .state
                .terminated
                .as_ref()
                .is_some_and(|ended| matches!(ended.reason.as_deref(), Some("Unknown" | "ContainerStatusUnknown"))),
            waiting: found
                .state
                .waiting
                .as_ref()
                .map(|waiting| (waiting.reason.clone().unwrap_or_default(), waiting.message.clone().unwrap_or_default())),
        }
    }

    fn container(&self) -> Container {
        let Some(ContainerStatus { state, .. }) =
            self.container_statuses.iter().find(|container| container.name == names::AGENT_CONTAINER)
        else {
            return Container::Unknown;
        };
        if let Some(ended) = &state.terminated {
            return Container::Ended {
                exit_code: ended.exit_code,
                reason: ended.reason.clone().unwrap_or_default(),
                log: ended.message.clone().unwrap_or_default(),
                started: time(ended.started_at.as_ref()),
                finished: time(ended.finished_at.as_ref()),
            };
        }
        if let Some(running) = &state.running {
            return Container::Running(time(running.started_at.as_ref()));
        }
        state.waiting.as_ref().map_or(Container::Unknown, |waiting| {
            Container::Waiting(waiting.reason.clone().unwrap_or_default(), waiting.message.clone().unwrap_or_default())
        })
    }
}

// A terminated container that the kubelet lost track of has the zero time 1970-01-01, or none.
fn time(time: Option<&Time>) -> Option<DateTime<Utc>> {
    time.map(from_time).filter(|time| time.timestamp() > 0)
}
