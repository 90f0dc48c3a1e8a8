//! A mission with an agent that is alive, one that is dead and asked about, one that waits, and one whose attempts are used.

use serde_json::{Value, json};

pub fn mission() -> Value {
    let agent = |name: &str| json!({ "name": name, "image": "i" });
    json!({
        "apiVersion": "lazarus-pit.io/v1alpha1", "kind": "MissionCell",
        "metadata": {
            "name": "night-watch", "namespace": "missions", "uid": "cell-uid", "generation": 2,
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {
            "mission": "Keep the release train green",
            "policyRef": { "name": "careful" },
            "agents": [
                agent("scout"),
                { "name": "scribe", "image": "i", "heartbeat": { "source": "Self", "deadAfterSeconds": 200 }, "substitutes": ["relay"] },
                agent("relay"),
                agent("clerk"),
                { "name": "spare", "image": "i", "standby": true },
            ],
        },
        "status": status(),
    })
}

fn status() -> Value {
    let ended = |pod: &str, code: i64| {
        json!({
            "podUID": pod, "outcome": "Died", "cause": "Error", "exitCode": code, "at": "2026-01-01T14:01:00Z",
        })
    };
    let heartbeat = json!({
        "intervalSeconds": 15, "staleAfterSeconds": 60, "deadAfterSeconds": 300, "startupGraceSeconds": 300,
        "stalledAfterSeconds": 0, "maxBusySeconds": 1800, "unreachableAfterSeconds": 0,
    });
    json!({
        "observedGeneration": 2,
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "AwaitingApproval", "message": "scribe: hangs",
            "lastTransitionTime": "2026-01-01T14:07:00Z",
        }],
        "agents": [
            {
                "name": "scout", "state": "Alive", "attempt": 1, "podName": "night-watch-scout-1-x7k2p", "podUID": "pod-scout",
                "node": "n1", "since": "2026-01-01T00:00:00Z", "deaths": 0, "disruptions": 0, "revived": 0,
                "verdict": { "rule": "Alive", "evidence": "the agent's container is running" },
            },
            {
                "name": "scribe", "state": "Dead", "reason": "AwaitingApproval", "message": "is silent for 312 s; a person is asked",
                "attempt": 3, "podName": "night-watch-scribe-3-9fq4d", "podUID": "pod-scribe", "node": "n1",
                "since": "2026-01-01T14:07:00Z", "deaths": 2, "disruptions": 0, "revived": 2,
                "verdict": { "rule": "Hung", "evidence": "is silent for 312 s, as its sidecar sees it" },
            },
            {
                "name": "relay", "state": "Waiting", "reason": "Backoff", "message": "died (Error, exit code 3); restart 1 of 3 follows",
                "attempt": 2, "podName": "night-watch-relay-2-abcde", "podUID": "pod-relay", "since": "2026-01-01T14:01:00Z", "deaths": 1, "disruptions": 0, "revived": 0,
                "lastEnd": ended("pod-relay", 3),
                "verdict": { "rule": "Ended", "evidence": "Error, exit code 3", "recheckAt": "2126-01-01T14:33:00Z" },
            },
            {
                "name": "clerk", "state": "Dead", "reason": "AttemptsExhausted", "message": "died (Error, exit code 1), death 4 in a row",
                "attempt": 4, "podName": "night-watch-clerk-4-abcde", "podUID": "pod-clerk", "since": "2026-01-01T13:00:00Z", "deaths": 4, "disruptions": 0, "revived": 3,
                "lastEnd": ended("pod-clerk", 1),
            },
            { "name": "spare", "state": "Standby", "attempt": 0, "deaths": 0, "disruptions": 0, "revived": 0 },
        ],
        "nextAction": { "what": "Restart", "agent": "relay", "at": "2126-01-01T14:33:00Z", "because": "Error, exit code 3" },
        "incidents": [{
            "at": "2026-01-01T14:01:00Z", "agent": "relay", "podName": "night-watch-relay-2-abcde", "cause": "Error",
            "exitCode": 3, "outcome": "Open", "log": "no more ideas",
        }],
        "counts": { "desired": 4, "alive": 1, "revived": 5, "asks": 1, "summary": "1/4" },
        "isolation": { "level": "Level2", "verified": true },
        "workspace": { "claim": "night-watch-workspace", "size": "5Gi", "retain": "Delete" },
        "effectivePolicy": {
            "source": "AgentPolicy/careful", "revive": "Ask", "minimumGate": "Always", "disruption": "Recreate",
            "heartbeat": heartbeat, "storm": { "maxUnhealthyPercent": 40, "minAgents": 3, "maxInFlight": 1, "cooldownSeconds": 300 },
            "restart": { "maxAttempts": 3, "backoffSeconds": 30, "maxBackoffSeconds": 600, "resetAfterSeconds": 3600 },
            "onExhausted": "Ask",
            "approval": { "timeoutSeconds": 0, "onTimeout": "Wait", "quorum": 1, "retainSeconds": 604_800 },
        },
    })
}

pub fn policy() -> Value {
    json!({
        "apiVersion": "lazarus-pit.io/v1alpha1", "kind": "AgentPolicy",
        "metadata": { "name": "careful", "namespace": "missions", "uid": "policy-uid" },
        "spec": { "revive": "Ask", "approval": { "quorum": 1 } },
    })
}

/// An open question about an agent.
pub fn request(name: &str, agent: &str) -> Value {
    json!({
        "apiVersion": "lazarus-pit.io/v1alpha1", "kind": "RevivalRequest",
        "metadata": { "name": name, "namespace": "missions", "uid": format!("{name}-uid"), "labels": { "about": agent } },
        "spec": {
            "cellRef": { "name": "night-watch", "uid": "cell-uid" },
            "verb": "Revive",
            "incidents": [{ "agent": agent, "podUID": format!("pod-{agent}"), "cause": "Hung", "attempts": 3 }],
            "options": ["Revive", "Substitute", "Substitute/relay"],
            "requestedAt": "2026-01-01T14:07:00Z",
            "onTimeout": "Wait",
            "quorum": 1,
        },
        "status": { "conditions": [condition("Pending", "AwaitingDecision", "nobody has decided yet")] },
    })
}

pub fn condition(kind: &str, reason: &str, message: &str) -> Value {
    json!({
        "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": "2026-01-01T14:07:00Z",
    })
}

/// The question stands like this from now on.
pub fn set(request: &mut Value, conditions: &[Value]) {
    request["status"]["conditions"] = json!(conditions);
}
