//! A pod that is all that its level says, as the operator makes it.

use lazarus::api::Isolation;
use serde_json::{Value, json};

const IMAGE: &str = "registry.invalid/agent@sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";

/// One that no scheduler takes.
pub fn pod(name: &str, level: Isolation) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": name,
            "labels": {
                "lazarus-pit.io/cell": "one", "lazarus-pit.io/agent": "worker", "lazarus-pit.io/attempt": "1",
                "lazarus-pit.io/level": level.as_str(), "team": "night",
            },
            "annotations": {"lazarus-pit.io/template-hash": "x"},
        },
        "spec": spec(level),
    })
}

fn spec(level: Isolation) -> Value {
    let mut volumes = vec![
        json!({"name": "lazarus-gateway", "projected": {"sources": [
            {"serviceAccountToken": {"audience": "lazarus-gateway", "expirationSeconds": 3600, "path": "token"}},
            {"configMap": {"name": "lazarus-gateway", "optional": true}},
        ]}}),
        json!({"name": "lazarus-socket", "emptyDir": {"medium": "Memory", "sizeLimit": "64Ki"}}),
        json!({"name": "workspace", "emptyDir": {"sizeLimit": "1Gi"}}),
    ];
    if level >= Isolation::Level2 {
        volumes.push(json!({"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}));
    }
    let mut spec = json!({
        "schedulerName": "nobody",
        "restartPolicy": "Never",
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "volumes": volumes,
        "initContainers": [{
            "name": "pulse", "image": "lazarus-pit:dev", "restartPolicy": "Always", "resources": {"limits": limits(level)},
            "securityContext": security(level),
            "volumeMounts": [
                {"name": "lazarus-gateway", "mountPath": "/var/run/lazarus", "readOnly": true},
                {"name": "lazarus-socket", "mountPath": "/run/lazarus"},
            ],
        }],
        "containers": [{
            "name": "agent", "image": if level >= Isolation::Level2 { IMAGE } else { "registry.invalid/agent:1" },
            "env": [{"name": "LAZARUS_ROLE", "value": "Write"}], "resources": {"limits": limits(level)},
            "securityContext": security(level), "volumeMounts": mounts(level),
        }],
    });
    if level >= Isolation::Level1 {
        for (key, value) in [
            ("runAsNonRoot", json!(true)),
            ("runAsUser", json!(20_000)),
            ("runAsGroup", json!(20_000)),
            ("fsGroup", json!(20_000)),
            ("supplementalGroupsPolicy", json!("Strict")),
            ("fsGroupChangePolicy", json!("OnRootMismatch")),
        ] {
            spec["securityContext"][key] = value;
        }
        for key in ["runAsUser", "runAsGroup"] {
            spec["initContainers"][0]["securityContext"][key] = json!(65_532);
        }
    }
    if level >= Isolation::Level2 {
        spec["dnsPolicy"] = json!("None");
        spec["dnsConfig"] = json!({"nameservers": ["127.0.0.1"]});
    }
    if level >= Isolation::Level3 {
        spec["hostUsers"] = json!(false);
    }
    spec
}

fn limits(level: Isolation) -> Value {
    let mut limits = json!({"cpu": "200m", "memory": "32Mi"});
    if level >= Isolation::Level1 {
        limits["ephemeral-storage"] = json!("64Mi");
    }
    limits
}

fn security(level: Isolation) -> Value {
    let mut security = json!({});
    if level >= Isolation::Level1 {
        security = json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}});
    }
    if level >= Isolation::Level2 {
        security["readOnlyRootFilesystem"] = json!(true);
    }
    security
}

fn mounts(level: Isolation) -> Value {
    match level {
        Isolation::None => json!([{"name": "workspace", "mountPath": "/workspace"}]),
        Isolation::Level1 => json!([
            {"name": "workspace", "mountPath": "/workspace/agents", "subPath": "agents"},
            {"name": "workspace", "mountPath": "/workspace/shared", "subPath": "shared"},
        ]),
        Isolation::Level2 | Isolation::Level3 => json!([
            {"name": "workspace", "mountPath": "/workspace/agents/worker", "subPath": "agents/worker"},
            {"name": "workspace", "mountPath": "/workspace/shared", "subPath": "shared", "readOnly": true, "recursiveReadOnly": "Enabled"},
            {"name": "tmp", "mountPath": "/tmp"},
        ]),
    }
}
