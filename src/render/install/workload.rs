//! The operator itself: two replicas, of which one acts and the other waits.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, ConfigMap, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction,
    ObjectFieldSelector, PodAffinityTerm, PodAntiAffinity, PodSecurityContext, PodSpec, PodTemplateSpec, Probe,
    ProjectedVolumeSource, ResourceRequirements, SeccompProfile, SecurityContext, ServiceAccountTokenProjection, Volume,
    VolumeMount, VolumeProjection, WeightedPodAffinityTerm,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Object, Options, namespaced, strings, words};
use crate::api::names::{AUDIENCE, CANARY_TARGET_PORT, GATEWAY, GATEWAY_TARGET_PORT, OPERATOR, PULSE_FOLDER, short_hash};
use crate::apply::gateway::{CANARY_PORT_NAME, PORT_NAME};
use crate::pulse::folder::TOKEN;

const CONFIGURATION: &str = include_str!("../../../config/lazarus.yaml");
/// Key of the operator's ConfigMap, and name of the file that it becomes.
pub const CONFIGURATION_FILE: &str = "lazarus.yaml";
const CONFIGURATION_FOLDER: &str = "/etc/lazarus";
/// Any user but root; the image has it in its `/etc/passwd`.
const USER: i64 = 65_532;

/// The operator's configuration, budget and pods.
pub(super) fn objects(options: &Options) -> [Object; 3] {
    [
        Object::ConfigMap(Box::new(ConfigMap {
            metadata: component(OPERATOR),
            data: Some(strings([(CONFIGURATION_FILE, CONFIGURATION)])),
            ..ConfigMap::default()
        })),
        Object::PodDisruptionBudget(Box::new(budget())),
        Object::Deployment(Box::new(deployment(options))),
    ]
}

fn budget() -> PodDisruptionBudget {
    let spec = PodDisruptionBudgetSpec {
        min_available: Some(IntOrString::Int(1)),
        selector: Some(selector()),
        // A replica that isn't ready protects nothing and must not hold up a drain.
        unhealthy_pod_eviction_policy: Some("AlwaysAllow".into()),
        ..PodDisruptionBudgetSpec::default()
    };
    PodDisruptionBudget { metadata: component(OPERATOR), spec: Some(spec), ..PodDisruptionBudget::default() }
}

fn deployment(options: &Options) -> Deployment {
    let template = PodTemplateSpec {
        metadata: Some(ObjectMeta {
            labels: component(OPERATOR).labels,
            // The operator reads its configuration once, at start: a change must replace the pods. The key has no prefix
            // of ours, because admission keeps that for pods the operator makes.
            annotations: Some(strings([("checksum/config", &short_hash(CONFIGURATION, 16))])),
            ..ObjectMeta::default()
        }),
        spec: Some(pod(options)),
    };
    let spec = DeploymentSpec {
        replicas: Some(2),
        selector: selector(),
        strategy: Some(DeploymentStrategy {
            type_: Some("RollingUpdate".into()),
            rolling_update: Some(RollingUpdateDeployment {
                max_unavailable: Some(IntOrString::Int(1)),
                max_surge: Some(IntOrString::Int(1)),
            }),
        }),
        template,
        ..DeploymentSpec::default()
    };
    Deployment { metadata: component(OPERATOR), spec, ..Deployment::default() }
}

/// No priority class: `system-cluster-critical` is refused outside `kube-system` where a quota guards it, and a class
/// of our own would be a decision about other people's workloads.
fn pod(options: &Options) -> PodSpec {
    PodSpec {
        service_account_name: Some(OPERATOR.into()),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(30),
        node_selector: Some(strings([("kubernetes.io/os", "linux")])),
        affinity: Some(Affinity {
            pod_anti_affinity: Some(PodAntiAffinity {
                preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                    weight: 100,
                    pod_affinity_term: PodAffinityTerm {
                        label_selector: Some(selector()),
                        topology_key: "kubernetes.io/hostname".into(),
                        ..PodAffinityTerm::default()
                    },
                }]),
                ..PodAntiAffinity::default()
            }),
            ..Affinity::default()
        }),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".into(), ..SeccompProfile::default() }),
            ..PodSecurityContext::default()
        }),
        containers: vec![container(options)],
        volumes: Some(vec![
            Volume {
                name: "config".into(),
                config_map: Some(ConfigMapVolumeSource { name: OPERATOR.into(), ..ConfigMapVolumeSource::default() }),
                ..Volume::default()
            },
            token(),
        ]),
        ..PodSpec::default()
    }
}

/// With it the replica that does not lead reports to the gateway as a sidecar does.
fn token() -> Volume {
    let token = ServiceAccountTokenProjection {
        audience: Some(AUDIENCE.into()),
        expiration_seconds: Some(3600),
        path: TOKEN.into(),
        ..ServiceAccountTokenProjection::default()
    };
    let token = VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() };
    let projected = ProjectedVolumeSource { sources: Some(vec![token]), ..ProjectedVolumeSource::default() };
    Volume { name: GATEWAY.into(), projected: Some(projected), ..Volume::default() }
}

fn container(options: &Options) -> Container {
    Container {
        name: "operator".into(),
        image: Some(options.image.clone()),
        image_pull_policy: Some("IfNotPresent".into()),
        command: Some(vec![
            "/lazarus".into(),
            "operator".into(),
            "--config".into(),
            format!("{CONFIGURATION_FOLDER}/{CONFIGURATION_FILE}"),
        ]),
        env: Some(vec![
            field("POD_NAMESPACE", "metadata.namespace"),
            field("POD_NAME", "metadata.name"),
            field("POD_IP", "status.podIP"),
            // The sidecars beside agents run the same program.
            EnvVar { name: "LAZARUS_IMAGE".into(), value: Some(options.image.clone()), ..EnvVar::default() },
        ]),
        ports: Some(vec![port("http", 8080), port(PORT_NAME, GATEWAY_TARGET_PORT), port(CANARY_PORT_NAME, CANARY_TARGET_PORT)]),
        // Slow to judge: a restart costs more (a lease to wait for, caches to fill) than a minute of waiting.
        liveness_probe: Some(Probe { initial_delay_seconds: Some(15), failure_threshold: Some(6), ..probe("/healthz", 10) }),
        readiness_probe: Some(Probe { initial_delay_seconds: Some(1), failure_threshold: Some(3), ..probe("/readyz", 5) }),
        resources: Some(ResourceRequirements {
            requests: Some([("cpu", "50m"), ("memory", "64Mi")].map(quantity).into()),
            // No limit of the processor: a throttled leader misses its renewals.
            // 10,000 connections of agents take 230 MiB, and attackers beside them 80 more (`make bench`).
            limits: Some([("memory", "512Mi")].map(quantity).into()),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            run_as_non_root: Some(true),
            read_only_root_filesystem: Some(true),
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(words(["ALL"])), ..Capabilities::default() }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![mount("config", CONFIGURATION_FOLDER), mount(GATEWAY, PULSE_FOLDER)]),
        ..Container::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), read_only: Some(true), ..VolumeMount::default() }
}

fn port(name: &str, number: u16) -> ContainerPort {
    ContainerPort {
        name: Some(name.into()),
        container_port: number.into(),
        protocol: Some("TCP".into()),
        ..ContainerPort::default()
    }
}

fn probe(path: &str, period_seconds: i32) -> Probe {
    let http_get =
        HTTPGetAction { path: Some(path.into()), port: IntOrString::String("http".into()), ..HTTPGetAction::default() };
    Probe { http_get: Some(http_get), period_seconds: Some(period_seconds), timeout_seconds: Some(3), ..Probe::default() }
}

fn field(name: &str, path: &str) -> EnvVar {
    let field_ref = ObjectFieldSelector { field_path: path.into(), ..ObjectFieldSelector::default() };
    EnvVar {
        name: name.into(),
        value_from: Some(EnvVarSource { field_ref: Some(field_ref), ..EnvVarSource::default() }),
        ..EnvVar::default()
    }
}

fn quantity((name, amount): (&str, &str)) -> (String, Quantity) {
    (name.into(), Quantity(amount.into()))
}

fn component(name: &str) -> ObjectMeta {
    let mut metadata = namespaced(name);
    metadata.labels.get_or_insert_default().extend(selected());
    metadata
}

/// The labels by which the operator's pods are known. Never to change: the selector of a Deployment is immutable.
pub(in crate::render) fn selected() -> BTreeMap<String, String> {
    strings([("app.kubernetes.io/name", "lazarus-pit"), ("app.kubernetes.io/component", "operator")])
}

pub(super) fn selector() -> LabelSelector {
    LabelSelector { match_labels: Some(selected()), ..LabelSelector::default() }
}
