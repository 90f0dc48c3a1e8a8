//! The pod of an incarnation.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapKeySelector, ConfigMapVolumeSource, Container, ContainerPort, EnvVar, EnvVarSource, LocalObjectReference, Pod,
    PodSpec, SecretKeySelector, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Frame, isolation, owner, sidecar};
use crate::api::{AgentSpec, ConfigFile, EnvSource, Isolation, KeyRef, Port, Protocol, names};
use crate::decide::{role, template_hash};
use crate::observe::Cell;

/// The pod of an agent's incarnation number `attempt`.
#[must_use]
pub fn pod(cell: &Cell, agent: &AgentSpec, attempt: i64, frame: Frame<'_>) -> Pod {
    Pod { metadata: metadata(cell, agent, attempt, frame.level), spec: Some(spec(cell, agent, frame)), status: None }
}

fn metadata(cell: &Cell, agent: &AgentSpec, attempt: i64, level: Isolation) -> ObjectMeta {
    let labels = [
        (names::LEVEL, level.to_string()),
        (names::CELL, cell.name.clone()),
        (names::AGENT, agent.name.clone()),
        (names::ATTEMPT, attempt.to_string()),
        ("app.kubernetes.io/name", agent.name.clone()),
        ("app.kubernetes.io/part-of", cell.name.clone()),
        ("app.kubernetes.io/managed-by", names::OPERATOR.into()),
    ];
    let annotations = [
        (names::TEMPLATE, template_hash(cell, agent)),
        // Argo CD takes a running pod with restartPolicy Never for one that never gets ready.
        ("argocd.argoproj.io/ignore-restart-policy", "true".into()),
    ];
    ObjectMeta {
        name: Some(names::pod_name(&cell.name, &cell.uid, &agent.name, attempt)),
        namespace: Some(cell.namespace.clone()),
        labels: Some(owned(labels)),
        annotations: Some(owned(annotations)),
        owner_references: Some(vec![owner(cell)]),
        ..ObjectMeta::default()
    }
}

fn spec(cell: &Cell, agent: &AgentSpec, frame: Frame<'_>) -> PodSpec {
    let level = frame.level;
    let files = agent.config_files.as_deref().unwrap_or_default();
    let secrets = cell.spec.image_pull_secrets.as_ref();
    PodSpec {
        init_containers: Some(vec![sidecar::container(agent, frame)]),
        containers: vec![container(cell, agent, frame)],
        // Whether a dead agent comes back is decided here, not by the kubelet.
        restart_policy: Some("Never".into()),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        image_pull_secrets: secrets
            .map(|secrets| secrets.iter().map(|secret| LocalObjectReference { name: secret.name.clone() }).collect()),
        node_selector: cell.spec.node_selector.clone(),
        runtime_class_name: agent.runtime_class_name.clone(),
        termination_grace_period_seconds: agent.termination_grace_period_seconds,
        security_context: Some(isolation::pod_security(&cell.uid, level)),
        host_users: (level >= Isolation::Level3).then_some(false),
        dns_policy: (level >= Isolation::Level2).then(|| "None".into()),
        dns_config: isolation::dns(level),
        affinity: isolation::workspace::affinity(cell),
        volumes: Some(
            sidecar::volumes()
                .into_iter()
                .chain(isolation::workspace::volumes(cell, level))
                .chain(files.iter().enumerate().map(|(index, file)| volume(index, file)))
                .collect(),
        ),
        ..PodSpec::default()
    }
}

fn container(cell: &Cell, agent: &AgentSpec, frame: Frame<'_>) -> Container {
    let Frame { level, pulse_image: _, network_check_seconds: _, proxy } = frame;
    let files = agent.config_files.as_deref().unwrap_or_default();
    let port = names::PULSE_PORT.to_string();
    let own = [
        ("LAZARUS_CELL", cell.name.as_str()),
        ("LAZARUS_CELL_UID", &cell.uid),
        ("LAZARUS_AGENT", &agent.name),
        ("LAZARUS_ROLE", role(cell, agent).as_str()),
        ("LAZARUS_PORT", &port),
        ("LAZARUS_WORKSPACE", names::WORKSPACE_FOLDER),
    ];
    // Without isolation there is nothing to get around.
    let proxy = proxy.filter(|_| level >= Isolation::Level1);
    let way_out = proxy.map(|proxy| [("HTTPS_PROXY", proxy.url.as_str()), ("NO_PROXY", "127.0.0.1,localhost")]);
    let own = own.into_iter().chain(way_out.into_iter().flatten());
    let own = own.map(|(name, value)| EnvVar { name: name.into(), value: Some(value.into()), value_from: None });
    let user = agent.env.iter().flatten().map(|variable| EnvVar {
        name: variable.name.clone(),
        value: variable.value.clone(),
        value_from: variable.value_from.as_ref().map(source),
    });
    Container {
        name: names::AGENT_CONTAINER.into(),
        image: Some(agent.image.clone()),
        command: agent.command.clone(),
        args: agent.args.clone(),
        working_dir: agent.working_dir.clone(),
        env: Some(own.chain(user).collect()),
        ports: agent.ports.as_ref().map(|ports| ports.iter().map(listed).collect()),
        resources: Some(isolation::limited(agent.resources.as_ref(), level)),
        security_context: isolation::container_security(level),
        volume_mounts: Some(
            isolation::workspace::mounts(cell, agent, level)
                .into_iter()
                .chain(files.iter().enumerate().map(|(index, file)| mount(index, file)))
                .collect(),
        ),
        // What the agent said last explains its death, also if it wrote no termination message.
        termination_message_policy: Some("FallbackToLogsOnError".into()),
        ..Container::default()
    }
}

fn source(source: &EnvSource) -> EnvVarSource {
    let EnvSource { secret_key_ref, config_map_key_ref } = source;
    EnvVarSource {
        secret_key_ref: secret_key_ref.clone().map(|KeyRef { name, key, optional }| SecretKeySelector { name, key, optional }),
        config_map_key_ref: config_map_key_ref.clone().map(|KeyRef { name, key, optional }| ConfigMapKeySelector {
            name,
            key,
            optional,
        }),
        ..EnvVarSource::default()
    }
}

fn listed(port: &Port) -> ContainerPort {
    let protocol = port.protocol.map(|protocol| match protocol {
        Protocol::Tcp => "TCP".into(),
        Protocol::Udp => "UDP".into(),
    });
    ContainerPort {
        name: Some(port.name.clone()),
        // The CRD admits 1 to 65535; anything else would be refused by the API server as 0 is.
        container_port: i32::try_from(port.container_port).unwrap_or(0),
        protocol,
        ..ContainerPort::default()
    }
}

fn volume(index: usize, file: &ConfigFile) -> Volume {
    Volume {
        name: format!("config-{index}"),
        config_map: Some(ConfigMapVolumeSource { name: file.config_map.clone(), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    }
}

fn mount(index: usize, file: &ConfigFile) -> VolumeMount {
    VolumeMount {
        name: format!("config-{index}"),
        mount_path: file.mount_path.clone(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

fn owned<const N: usize>(pairs: [(&str, String); N]) -> BTreeMap<String, String> {
    pairs.map(|(key, value)| (key.to_owned(), value)).into()
}
