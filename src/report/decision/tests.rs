use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::api::{MissionCellSpec, names};
use crate::observe::{Ground, Pod, PolicySource};
use crate::runtime::config::Config;

const SECRETS: [&str; 5] = ["said by the agent", "said before", "a key of its own", "told by alice", "--password"];

fn now() -> DateTime<Utc> {
    "2026-01-01T12:00:00.5Z".parse().unwrap()
}

/// An agent that died, with output, after another death.
fn snapshot() -> Snapshot {
    let spec = json!({
        "mission": "m", "revive": "Always", "nodeSelector": { "disk": "fast" },
        "agents": [{
            "name": "scout", "image": "i", "command": ["run", "--password=1"], "env": [{ "name": "KEY", "value": "a key of its own" }],
        }],
    });
    let spec: MissionCellSpec = serde_json::from_value(spec).unwrap();
    let mut cell = Cell {
        name: "cell".into(),
        namespace: "missions".into(),
        uid: "cell-uid".into(),
        generation: 1,
        deleting: false,
        spec,
        status: MissionCellStatus::default(),
    };
    let template = template_hash(&cell, &cell.spec.agents[0]);
    let status = json!({
        "agents": [{
            "name": "scout", "state": "Alive", "attempt": 2, "podName": "p", "podUID": "uid", "template": template,
            "deaths": 0, "disruptions": 0, "revived": 1,
            "lastEnd": { "podUID": "older", "outcome": "Died", "cause": "Error", "at": "2026-01-01T10:00:00Z", "template": template },
        }],
        "incidents": [{
            "at": "2026-01-01T10:00:00Z", "agent": "scout", "podName": "o", "cause": "Error", "outcome": "Revived", "log": "said before",
        }],
    });
    cell.status = serde_json::from_value(status).unwrap();
    let ended = Container::Ended {
        exit_code: 1,
        reason: "Error".into(),
        log: "said by the agent".into(),
        started: None,
        finished: Some(now()),
    };
    let pod = Pod {
        name: names::pod_name("cell", "cell-uid", "scout", 2),
        uid: "uid".into(),
        agent: "scout".into(),
        attempt: 2,
        owner: Some("cell-uid".into()),
        template: Some(template),
        terminal: true,
        container: ended,
        ..Pod::default()
    };
    let request = json!({
        "name": "cell-1", "uid": "r", "version": "1", "created": "2026-01-01T10:00:00Z",
        "spec": {
            "cellRef": { "name": "cell", "uid": "cell-uid" }, "verb": "Revive", "options": ["Revive"], "quorum": 1,
            "incidents": [{ "agent": "scout", "podUID": "older", "cause": "Error", "attempts": 1 }],
            "requestedAt": "2026-01-01T10:00:00Z", "onTimeout": "Wait", "comment": "told by alice",
        },
        "status": { "decisions": [{ "verdict": "Approve", "by": "k8s:alice", "comment": "told by alice" }] },
    });
    Snapshot {
        cell,
        policy: PolicySource::BuiltIn,
        defaults: Config::default().defaults,
        pods: vec![pod],
        nodes: BTreeMap::new(),
        pulses: BTreeMap::new(),
        obstacle: None,
        account: None,
        refusals: BTreeMap::new(),
        unrest: Vec::new(),
        requests: vec![serde_json::from_value(request).unwrap()],
        unenforced: None,
        ground: Ground::default(),
        claim: None,
    }
}

#[test]
fn a_line_holds_no_text_of_agents_and_decides_the_same_again() {
    let snapshot = snapshot();
    let plan = decide(&snapshot, now());
    let whole = serde_json::to_string(&(&snapshot, &plan)).unwrap();
    let record = Record::of(&snapshot, now(), &plan);
    let line = record.line();
    for secret in SECRETS {
        assert!(whole.contains(secret) && !line.contains(secret), "{secret}: {line}");
    }
    assert!(!line.contains('\n'));
    let read: Record = serde_json::from_str(&line).unwrap();
    assert_eq!(read, record);
    assert_eq!(read.replay(), Replay::Identical);
}

#[test]
fn what_is_left_out_twice_is_left_out_once() {
    let bare = without_text(&snapshot());
    assert_eq!(without_text(&bare), bare);
    let record = Record::of(&snapshot(), now(), &decide(&snapshot(), now()));
    assert_eq!(Record::of(&bare, now(), &decide(&bare, now())), record);
}

#[test]
fn a_changed_spec_is_still_a_changed_spec() {
    let mut snapshot = snapshot();
    snapshot.cell.spec.agents[0].env = None;
    snapshot.pods[0].container = Container::Running(None);
    snapshot.pods[0].terminal = false;
    let plan = decide(&snapshot, now());
    assert!(serde_json::to_string(&plan).unwrap().contains("SpecChanged"), "{plan:#?}");
    assert_eq!(Record::of(&snapshot, now(), &plan).replay(), Replay::Identical);
}

#[test]
fn a_snapshot_that_is_too_large_is_left_out_and_said() {
    let mut snapshot = snapshot();
    snapshot.policy = PolicySource::Missing("x".repeat(LARGEST_SNAPSHOT));
    let record = Record::of(&snapshot, now(), &decide(&snapshot, now()));
    assert!(record.snapshot.is_none() && record.snapshot_bytes > LARGEST_SNAPSHOT && record.snapshot_hash.len() == 64);
    assert_eq!(record.replay(), Replay::Skipped);
}

#[test]
fn another_plan_or_snapshot_is_noticed() {
    let mut record = Record::of(&snapshot(), now(), &decide(&snapshot(), now()));
    record.plan["status"]["counts"]["alive"] = json!(7);
    let Replay::Different(found) = record.replay() else { panic!("{:?}", record.replay()) };
    assert_eq!((found.len(), found[0].path.as_str(), &found[0].then), (1, "/status/counts/alive", &json!(7)));
    record.snapshot.as_mut().unwrap()["cell"]["uid"] = json!("another");
    assert_eq!(record.replay(), Replay::Altered);
    record.snapshot = Some(json!({ "of": "another version" }));
    record.snapshot_hash = hash(&json!({ "of": "another version" }).to_string());
    assert!(matches!(record.replay(), Replay::Unreadable(_)));
}
