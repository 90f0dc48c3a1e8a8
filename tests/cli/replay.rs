//! `simulate`: no cluster is there.

use std::path::PathBuf;
use std::process::Command;

use chrono::{DateTime, Utc};
use lazarus::api::{MissionCellSpec, MissionCellStatus};
use lazarus::decide::decide;
use lazarus::observe::{Cell, Ground, PolicySource, Snapshot};
use lazarus::report::decision::Record;
use lazarus::runtime::config::Config;
use serde_json::json;

use crate::server::{Run, finish};

fn now() -> DateTime<Utc> {
    "2026-01-01T12:00:00Z".parse().unwrap()
}

fn snapshot() -> Snapshot {
    let spec =
        json!({ "mission": "m", "agents": [{ "name": "scout", "image": "i", "env": [{ "name": "A", "value": "secret" }] }] });
    Snapshot {
        cell: Cell {
            name: "night-watch".into(),
            namespace: "missions".into(),
            uid: "cell-uid".into(),
            generation: 1,
            deleting: false,
            spec: serde_json::from_value::<MissionCellSpec>(spec).unwrap(),
            status: MissionCellStatus::default(),
        },
        policy: PolicySource::BuiltIn,
        defaults: Config::default().defaults,
        pods: Vec::new(),
        nodes: std::collections::BTreeMap::new(),
        pulses: std::collections::BTreeMap::new(),
        obstacle: None,
        account: None,
        refusals: std::collections::BTreeMap::new(),
        unrest: Vec::new(),
        requests: Vec::new(),
        unenforced: None,
        ground: Ground::default(),
        claim: None,
    }
}

fn record() -> Record {
    Record::of(&snapshot(), now(), &decide(&snapshot(), now()))
}

fn file(name: &str, text: &str) -> String {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn simulate(arguments: &[&str]) -> Run {
    finish(Command::new(env!("CARGO_BIN_EXE_lazarus")).arg("simulate").args(arguments))
}

#[test]
fn a_snapshot_or_a_line_of_the_log_is_decided_on() {
    let saved = file("snapshot.json", &serde_json::to_string(&snapshot()).unwrap());
    let run = simulate(&["--snapshot", &saved, "--at", "2026-01-01T12:00:00Z"]);
    assert_eq!(
        (run.code, run.out.as_str()),
        (
            0,
            "missions/night-watch at 2026-01-01T12:00:00+00:00\n  create the pod of scout, incarnation 1, at isolation Level1\n  look again when something changes\n"
        ),
        "{}",
        run.err
    );
    let line = file("line.json", &record().line());
    assert_eq!(simulate(&["--snapshot", &line]).out, run.out, "with its time");
    let json = simulate(&["--snapshot", &line, "-o", "json"]).json();
    assert_eq!(json["plan"]["actions"], json!([{ "Create": { "agent": "scout", "attempt": 1, "level": "Level1" } }]));
}

#[test]
fn a_log_is_replayed_among_other_lines() {
    let line = record().line();
    assert!(!line.contains("secret"), "{line}");
    let log = file("log.txt", &format!("{{\"level\":\"INFO\"}}\n{line}\n\n2026-01-01 collector {line}\nnot JSON\n"));
    let run = simulate(&["--replay", &log]);
    assert_eq!(
        run.out,
        "2 identical, 0 different, 0 skipped as their snapshots are too large for the log, 0 broken, 2 other lines\n"
    );
    assert_eq!((run.code, run.err.as_str()), (0, ""));
}

#[test]
fn what_differs_or_was_altered_is_shown() {
    let mut different = record();
    different.plan["actions"][0]["Create"]["attempt"] = json!(2);
    let mut altered = record();
    altered.snapshot.as_mut().unwrap()["cell"]["name"] = json!("another");
    let mut large = record();
    large.snapshot = None;
    let lines = [different, altered, large, record()].map(|record| record.line()).join("\n");
    let log = file("different.txt", &lines);
    let run = simulate(&["--replay", &log]);
    assert_eq!((run.code, run.err.as_str()), (1, "lazarus: 2 of 3 decisions are not the same again\n"));
    for text in [
        "line 1: missions/night-watch at 2026-01-01T12:00:00+00:00, decided by ",
        "  /actions/0/Create/attempt: then 2, now 1\n",
        "line 2: missions/night-watch at 2026-01-01T12:00:00+00:00, decided by ",
        "its snapshot is not the one that was decided from\n",
        "1 identical, 1 different, 1 skipped",
    ] {
        assert!(run.out.contains(text), "{text} is missing in\n{}", run.out);
    }
    let json = simulate(&["--replay", &log, "-o", "json"]).json();
    assert_eq!((&json["different"], &json["broken"], &json["skipped"]), (&json!(1), &json!(1), &json!(1)));
    assert_eq!(json["troubles"][0]["differences"][0]["path"], "/actions/0/Create/attempt");
}

#[test]
fn missing_empty_and_senseless_files() {
    let empty = file("empty.txt", "");
    for (arguments, text) in [
        (["--snapshot", "/nowhere/file"], "cannot read /nowhere/file: No such file"),
        (["--replay", "/nowhere/file"], "cannot read /nowhere/file: No such file"),
        (["--snapshot", &empty], "is neither a snapshot nor one line of a decision log"),
        (["--replay", &empty], "holds no decision: is it the operator's log?"),
        (["--replay", "-"], "- holds no decision"),
    ] {
        let run = simulate(&arguments);
        assert!(run.code == 1 && run.err.contains(text), "{arguments:?}: {}", run.err);
        assert_eq!(run.err.lines().count(), 1, "{}", run.err);
    }
}
