//! The least that takes one predicate from a good pod, and no other.

use lazarus::api::Isolation;
use lazarus::render::isolation::predicates::{Predicate, all};
use serde_json::{Value, json};

/// What takes a predicate away.
pub struct Harm {
    /// The predicate's name.
    pub lacks: &'static str,
    /// Where, as a JSON pointer, and what is put there; null removes it, and `-` is the end of a list.
    edits: Vec<(&'static str, Value)>,
    /// Whether the API server would admit it but for the predicate.
    pub valid: bool,
}

impl Harm {
    pub fn predicate(&self) -> &'static Predicate {
        all().find(|predicate| predicate.name == self.lacks).unwrap_or_else(|| panic!("no predicate {}", self.lacks))
    }

    /// The lowest level to which it is harm.
    pub fn level(&self) -> Isolation {
        self.predicate().from
    }

    /// The harmed pod; `None`: it is made otherwise, so there is nothing to edit there.
    pub fn done_to(&self, mut pod: Value) -> Option<Value> {
        for (pointer, value) in &self.edits {
            edit(&mut pod, pointer, value)?;
        }
        Some(pod)
    }

    pub fn shown(&self) -> String {
        format!("{}: {:?}", self.lacks, self.edits)
    }
}

fn edit(pod: &mut Value, pointer: &str, value: &Value) -> Option<()> {
    let (path, last) = pointer.rsplit_once('/')?;
    if last == "-" && pod.pointer(path).is_none() {
        // A list that is not there yet.
        let (path, name) = path.rsplit_once('/')?;
        pod.pointer_mut(path)?[name] = json!([]);
    }
    match (pod.pointer_mut(path)?, value) {
        (Value::Array(items), value) if last == "-" => items.push(value.clone()),
        (Value::Array(items), Value::Null) => {
            let index = last.parse().ok().filter(|index| *index < items.len())?;
            items.remove(index);
        }
        (Value::Object(object), Value::Null) => {
            object.remove(last)?;
        }
        (Value::Object(object), value) => {
            object.insert(last.into(), value.clone());
        }
        (place, _) => panic!("{pointer}: {place}"),
    }
    Some(())
}

fn one(lacks: &'static str, pointer: &'static str, value: Value) -> Harm {
    some(lacks, vec![(pointer, value)])
}

fn some(lacks: &'static str, edits: Vec<(&'static str, Value)>) -> Harm {
    Harm { lacks, edits, valid: true }
}

/// The API server itself refuses it, at least without some feature.
fn invalid(harm: Harm) -> Harm {
    Harm { valid: false, ..harm }
}

fn source(source: &Value) -> Value {
    json!({"name": "other", "projected": {"sources": [source]}})
}

/// Every predicate is here at least once.
pub fn table() -> Vec<Harm> {
    [cluster(), node(), level1(), level2(), level3()].into_iter().flatten().collect()
}

fn cluster() -> Vec<Harm> {
    vec![
        one("only-its-containers", "/spec/containers/0/name", json!("main")),
        one(
            "only-its-containers",
            "/spec/initContainers/-",
            json!({
                "name": "extra", "image": "registry.invalid/extra:1",
                "resources": {"limits": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}},
                "securityContext": {
                    "runAsUser": 65532, "runAsGroup": 65532, "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": true,
                },
            }),
        ),
        invalid(one(
            "no-ephemeral-containers",
            "/spec/ephemeralContainers/-",
            json!({"name": "debugger", "image": "registry.invalid/debug:1"}),
        )),
        one("never-restarted", "/spec/restartPolicy", json!("OnFailure")),
        one("no-api-token", "/spec/automountServiceAccountToken", json!(true)),
        one("no-api-token", "/spec/automountServiceAccountToken", Value::Null),
        one(
            "gateway-token-only",
            "/spec/volumes/-",
            source(&json!({"serviceAccountToken": {"audience": "lazarus-gateway", "path": "token"}})),
        ),
        one("gateway-token-only", "/spec/volumes/0/projected/sources/0/serviceAccountToken/audience", Value::Null),
        one(
            "token-in-the-sidecar-only",
            "/spec/containers/0/volumeMounts/-",
            json!({"name": "lazarus-gateway", "mountPath": "/token"}),
        ),
        invalid(one(
            "no-certificates",
            "/spec/volumes/-",
            source(
                &json!({"podCertificate": {"signerName": "example.com/any", "keyType": "ED25519", "credentialBundlePath": "bundle.pem"}}),
            ),
        )),
        one("default-account", "/spec/serviceAccountName", json!("other")),
        one("no-service-links", "/spec/enableServiceLinks", json!(true)),
        one("no-service-links", "/spec/enableServiceLinks", Value::Null),
        one("volume-kinds", "/spec/volumes/-", json!({"name": "other", "hostPath": {"path": "/"}})),
        one("volume-kinds", "/spec/volumes/-", json!({"name": "other", "nfs": {"server": "192.0.2.1", "path": "/"}})),
        one("volume-kinds", "/spec/volumes/-", json!({"name": "other", "secret": {"secretName": "any"}})),
        some(
            "own-claim",
            vec![
                ("/spec/volumes/2/emptyDir", Value::Null),
                ("/spec/volumes/2/persistentVolumeClaim", json!({"claimName": "two-workspace"})),
            ],
        ),
        one("own-claim", "/spec/volumes/-", json!({"name": "other", "persistentVolumeClaim": {"claimName": "one-workspace"}})),
        one("workspace", "/spec/containers/0/volumeMounts/0/mountPath", json!("/elsewhere")),
        one("workspace", "/spec/initContainers/0/volumeMounts/-", json!({"name": "workspace", "mountPath": "/workspace"})),
        one("no-devices", "/spec/resourceClaims/-", json!({"name": "device", "resourceClaimName": "any"})),
        one("no-chosen-node", "/spec/nodeName", json!("somewhere")),
        one("no-tolerations", "/spec/tolerations/-", json!({"operator": "Exists"})),
        one("no-tolerations", "/spec/tolerations/-", json!({"key": "node.kubernetes.io/unschedulable", "operator": "Exists"})),
        one("no-system-priority", "/spec/priorityClassName", json!("system-cluster-critical")),
        one("no-probing", "/spec/containers/0/livenessProbe", json!({"httpGet": {"host": "192.0.2.1", "port": 80}})),
        one("no-probing", "/spec/containers/0/lifecycle", json!({"preStop": {"httpGet": {"port": 80}}})),
        one("processor-and-memory-limits", "/spec/containers/0/resources/limits/cpu", Value::Null),
        one("processor-and-memory-limits", "/spec/initContainers/0/resources/limits/memory", json!("0")),
    ]
}

fn node() -> Vec<Harm> {
    vec![
        one("own-namespaces", "/spec/hostNetwork", json!(true)),
        one("own-namespaces", "/spec/hostPID", json!(true)),
        one("own-namespaces", "/spec/hostIPC", json!(true)),
        one("own-processes", "/spec/shareProcessNamespace", json!(true)),
        one("no-host-ports", "/spec/containers/0/ports/-", json!({"containerPort": 80, "hostPort": 80})),
        one("unprivileged", "/spec/containers/0/securityContext/privileged", json!(true)),
        one(
            "no-added-capabilities",
            "/spec/containers/0/securityContext/capabilities",
            json!({"drop": ["ALL"], "add": ["NET_RAW"]}),
        ),
        one("seccomp", "/spec/securityContext/seccompProfile", Value::Null),
        one("seccomp", "/spec/containers/0/securityContext/seccompProfile", json!({"type": "Unconfined"})),
        one("apparmor", "/spec/securityContext/appArmorProfile", json!({"type": "Unconfined"})),
        one("apparmor", "/spec/containers/0/securityContext/appArmorProfile", json!({"type": "Unconfined"})),
        one("no-selinux-options", "/spec/containers/0/securityContext/seLinuxOptions", json!({"level": "s0:c1,c2"})),
        some(
            "masked-proc",
            vec![("/spec/containers/0/securityContext/procMount", json!("Unmasked")), ("/spec/hostUsers", json!(false))],
        ),
        one(
            "no-sysctls",
            "/spec/securityContext/sysctls/-",
            json!({"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}),
        ),
        one("no-windows-options", "/spec/securityContext/windowsOptions", json!({"runAsUserName": "any"})),
    ]
}

fn level1() -> Vec<Harm> {
    vec![
        one("not-root", "/spec/securityContext/runAsNonRoot", json!(false)),
        one("not-root", "/spec/containers/0/securityContext/runAsNonRoot", json!(false)),
        one("user-of-its-mission", "/spec/securityContext/fsGroup", json!(20_001)),
        one("user-of-its-mission", "/spec/securityContext/runAsUser", json!(0)),
        some(
            "user-of-its-mission",
            vec![
                ("/spec/securityContext/runAsUser", json!(65_001)),
                ("/spec/securityContext/runAsGroup", json!(65_001)),
                ("/spec/securityContext/fsGroup", json!(65_001)),
            ],
        ),
        one("no-other-user", "/spec/containers/0/securityContext/runAsUser", json!(20_001)),
        one("no-other-user", "/spec/initContainers/0/securityContext/runAsUser", Value::Null),
        one("no-other-groups", "/spec/securityContext/supplementalGroups", json!([20_001])),
        one("no-other-groups", "/spec/securityContext/supplementalGroupsPolicy", json!("Merge")),
        one("group-changed-once", "/spec/securityContext/fsGroupChangePolicy", Value::Null),
        one("no-escalation", "/spec/containers/0/securityContext/allowPrivilegeEscalation", Value::Null),
        one("no-capabilities", "/spec/containers/0/securityContext/capabilities/drop", json!(["NET_RAW"])),
        one("disk-limits", "/spec/containers/0/resources/limits/ephemeral-storage", Value::Null),
        one("bounded-directories", "/spec/volumes/2/emptyDir/sizeLimit", Value::Null),
        one(
            "workspace-directories",
            "/spec/containers/0/volumeMounts/-",
            json!({"name": "workspace", "mountPath": "/workspace"}),
        ),
        one("workspace-directories", "/spec/containers/0/volumeMounts/1/mountPath", json!("/workspace/agents/shared")),
    ]
}

fn level2() -> Vec<Harm> {
    vec![
        one("read-only-root", "/spec/containers/0/securityContext/readOnlyRootFilesystem", json!(false)),
        one("own-tmp", "/spec/containers/0/volumeMounts/2", Value::Null),
        some(
            "own-directory",
            vec![
                ("/spec/containers/0/volumeMounts/0/subPath", json!("agents")),
                ("/spec/containers/0/volumeMounts/0/mountPath", json!("/workspace/agents")),
            ],
        ),
        one(
            "own-directory",
            "/spec/containers/0/volumeMounts/-",
            json!({"name": "workspace", "mountPath": "/workspace/agents/other", "subPath": "agents/other"}),
        ),
        one("shared-read-only", "/spec/containers/0/volumeMounts/1/recursiveReadOnly", Value::Null),
        some(
            "shared-read-only",
            vec![
                ("/spec/containers/0/volumeMounts/1/recursiveReadOnly", Value::Null),
                ("/spec/containers/0/volumeMounts/1/readOnly", Value::Null),
            ],
        ),
        one("no-cluster-names", "/spec/dnsPolicy", json!("ClusterFirst")),
        one("no-cluster-names", "/spec/dnsConfig/nameservers/-", json!("192.0.2.1")),
        one("no-cluster-names", "/spec/dnsConfig/searches/-", json!("svc.cluster.local")),
        one("pinned-image", "/spec/containers/0/image", json!("registry.invalid/agent:1")),
    ]
}

fn level3() -> Vec<Harm> {
    vec![
        one("user-namespace", "/spec/hostUsers", Value::Null),
        one(
            "no-secret-variables",
            "/spec/containers/0/env/-",
            json!({"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "any", "key": "any"}}}),
        ),
        one("no-imported-variables", "/spec/containers/0/envFrom/-", json!({"configMapRef": {"name": "any"}})),
        one("no-secret-volumes", "/spec/volumes/-", source(&json!({"secret": {"name": "any"}}))),
    ]
}
