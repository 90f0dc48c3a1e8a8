//! The sidecar that asks for admission and reports for the agent.

use k8s_openapi::api::core::v1::{
    Capabilities, ConfigMapProjection, Container, EmptyDirVolumeSource, EnvVar, ExecAction, KeyToPath, Probe,
    ProjectedVolumeSource, ResourceRequirements, SecurityContext, ServiceAccountTokenProjection, Volume, VolumeMount,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Frame;
use crate::api::{AgentSpec, Isolation, Source, names};

/// How long a token lasts, in seconds; the kubelet renews it at four fifths.
const TOKEN_SECONDS: i64 = 3600;

/// Any user but root; the image has it in its `/etc/passwd`.
const USER: i64 = 65_532;

const GATEWAY_VOLUME: &str = "lazarus-gateway";
const SOCKET_VOLUME: &str = "lazarus-socket";
const SOCKET_FOLDER: &str = "/run/lazarus";

/// The container: a native sidecar, so it starts before the agent, and the agent starts when its startup probe passes
/// (KEP-753). It alone has a token.
pub(super) fn container(agent: &AgentSpec, frame: Frame<'_>) -> Container {
    let probe = ["/lazarus", "pulse", "--wait-admitted"];
    Container {
        name: names::PULSE_CONTAINER.into(),
        image: Some(frame.pulse_image.into()),
        image_pull_policy: Some("IfNotPresent".into()),
        command: Some(vec!["/lazarus".into(), "pulse".into()]),
        args: Some(arguments(agent, frame)),
        env: Some(vec![EnvVar { name: "LAZARUS_AGENT".into(), value: Some(agent.name.clone()), value_from: None }]),
        restart_policy: Some("Always".into()),
        startup_probe: Some(Probe {
            exec: Some(ExecAction { command: Some(probe.map(Into::into).into()) }),
            period_seconds: Some(1),
            timeout_seconds: Some(30),
            // A long wait for admission must not become a restart: the agent would be no nearer to its start.
            failure_threshold: Some(i32::MAX),
            ..Probe::default()
        }),
        resources: Some(ResourceRequirements {
            requests: Some([("cpu", "5m"), ("memory", "12Mi")].map(quantity).into()),
            // A quota on the processor refuses pods of which a container has no limit.
            limits: Some(
                [("cpu", "200m"), ("memory", "32Mi")]
                    .into_iter()
                    // It writes nothing but a line of log when something changes.
                    .chain((frame.level >= Isolation::Level1).then_some(("ephemeral-storage", "64Mi")))
                    .map(quantity)
                    .collect(),
            ),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            read_only_root_filesystem: Some(true),
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".into()]), ..Capabilities::default() }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![mount(GATEWAY_VOLUME, names::PULSE_FOLDER, true), mount(SOCKET_VOLUME, SOCKET_FOLDER, false)]),
        ..Container::default()
    }
}

fn arguments(agent: &AgentSpec, frame: Frame<'_>) -> Vec<String> {
    let heartbeat = agent.heartbeat.clone().unwrap_or_default();
    let source = heartbeat.source.unwrap_or_default();
    let mut arguments = vec![format!("--source={}", source.as_str())];
    if let (Source::Http, Some(http)) = (source, heartbeat.http) {
        arguments.push(format!("--http-port={}", http.port));
        arguments.push(format!("--http-path={}", http.path.unwrap_or_else(|| "/health".into())));
    }
    if frame.level >= Isolation::Level1 {
        arguments.extend(["--check-network".into(), format!("--check-network-seconds={}", frame.network_check_seconds)]);
    }
    arguments
}

/// Where the gateway is and the proof of who asks, and a place for the socket of the startup probe.
pub(super) fn volumes() -> [Volume; 2] {
    let token = VolumeProjection {
        service_account_token: Some(ServiceAccountTokenProjection {
            audience: Some(names::AUDIENCE.into()),
            expiration_seconds: Some(TOKEN_SECONDS),
            path: "token".into(),
            ..ServiceAccountTokenProjection::default()
        }),
        ..VolumeProjection::default()
    };
    let item = |key: &str| KeyToPath { key: key.into(), path: key.into(), ..KeyToPath::default() };
    let address = VolumeProjection {
        config_map: Some(ConfigMapProjection {
            name: names::GATEWAY.into(),
            items: Some(vec![item(names::GATEWAY_ADDRESS_KEY), item(names::GATEWAY_BUNDLE_KEY)]),
            // Without it the sidecar waits, and says so; the pod would hang without a word.
            optional: Some(true),
        }),
        ..VolumeProjection::default()
    };
    let gateway = ProjectedVolumeSource { sources: Some(vec![token, address]), ..ProjectedVolumeSource::default() };
    let socket = EmptyDirVolumeSource {
        medium: Some("Memory".into()),
        size_limit: Some(Quantity("64Ki".into())),
        ..EmptyDirVolumeSource::default()
    };
    [
        Volume { name: GATEWAY_VOLUME.into(), projected: Some(gateway), ..Volume::default() },
        Volume { name: SOCKET_VOLUME.into(), empty_dir: Some(socket), ..Volume::default() },
    ]
}

fn mount(name: &str, path: &str, read_only: bool) -> VolumeMount {
    VolumeMount { name: name.into(), mount_path: path.into(), read_only: read_only.then_some(true), ..VolumeMount::default() }
}

fn quantity((name, amount): (&str, &str)) -> (String, Quantity) {
    (name.into(), Quantity(amount.into()))
}
