//! `token`: what an agent that runs elsewhere reports with.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lazarus::api::external;
use serde_json::{Value, json};

use crate::objects::{mission, policy};
use crate::server::{Run, Server, run_against};

fn with_oracle(mut status: Value) -> Value {
    let mut mission = mission();
    let agent = json!({ "name": "oracle", "role": "Read", "external": {} });
    mission["spec"]["agents"].as_array_mut().unwrap().push(agent);
    status["name"] = json!("oracle");
    for (key, value) in [("deaths", 0), ("disruptions", 0), ("revived", 0)] {
        status[key] = json!(value);
    }
    mission["status"]["agents"].as_array_mut().unwrap().push(status);
    mission
}

fn committed() -> Value {
    let uid = external::uid("missions", "night-watch-external", &external::audience("cell-uid", "oracle", 2));
    json!({ "state": "Alive", "attempt": 2, "podUID": uid })
}

fn server() -> Server {
    let own = |kind: &str, name: &str| json!({ "apiVersion": "v1", "kind": kind, "metadata": { "name": name, "namespace": "missions" } });
    let mut map = own("ConfigMap", "lazarus-gateway");
    map["data"] = json!({ "address": "10.96.0.7:443", "ca.crt": "a bundle\n" });
    Server::new([with_oracle(committed()), policy(), map, own("ServiceAccount", "night-watch-external")])
}

fn fails(run: &Run, text: &str) {
    assert_eq!((run.code, run.err.lines().count(), run.out.as_str()), (1, 1, ""), "{}", run.err);
    assert!(run.err.contains(text), "{text} is missing in {}", run.err);
}

fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("token-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn content(folder: &Path, name: &str) -> String {
    let file = folder.join(name);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn a_token_is_for_the_present_incarnation() {
    let server = server();
    let run = server.run(&["token", "night-watch", "oracle"]);
    assert_eq!((run.code, run.out.as_str()), (0, "token-for-lazarus-gateway/cell-uid/oracle/2-3600\n"), "{}", run.err);
    let made = server.run(&["token", "night-watch", "oracle", "--duration", "10m", "-o", "json"]).json();
    let wanted = json!({
        "namespace": "missions", "mission": "night-watch", "agent": "oracle", "attempt": 2, "folder": null,
        "audience": "lazarus-gateway/cell-uid/oracle/2", "expiresAt": "2126-01-01T00:00:00Z",
        "token": "token-for-lazarus-gateway/cell-uid/oracle/2-600",
    });
    assert_eq!(made, wanted);
}

#[test]
fn a_folder_holds_what_a_report_needs_and_is_written_anew() {
    let (server, folder) = (server(), folder("whole").join("deep"));
    let path = folder.to_str().unwrap();
    let run = server.run(&["token", "night-watch", "oracle", "--folder", path]);
    let says = format!("wrote token, address and ca.crt to {path}: for incarnation 2 of oracle, until 2126-01-01 00:00:00Z");
    assert!(run.code == 0 && run.out.starts_with(&says), "{}{}", run.out, run.err);
    assert_eq!(std::fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let token = "token-for-lazarus-gateway/cell-uid/oracle/2-3600";
    assert_eq!(["token", "address", "ca.crt"].map(|name| content(&folder, name)), [token, "10.96.0.7:443", "a bundle\n"]);
    let outside = [
        "token",
        "night-watch",
        "oracle",
        "--folder",
        path,
        "--address",
        "agents.example:8443",
        "--duration",
        "2h",
        "-o",
        "json",
    ];
    let made = server.run(&outside).json();
    assert_eq!((&made["folder"], &made["token"]), (&json!(path), &Value::Null));
    assert_eq!(content(&folder, "address"), "agents.example:8443");
    assert!(content(&folder, "token").ends_with("-7200"));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 3, "nothing else is left there");

    let file = folder.join("token");
    fails(&server.run(&["token", "night-watch", "oracle", "--folder", file.to_str().unwrap()]), "cannot write to ");
    for address in ["agents.example", "agents.example:0", "a b:443", "https://agents.example:443"] {
        let run = server.run(&["token", "night-watch", "oracle", "--folder", path, "--address", address]);
        assert!(run.code == 2 && run.err.contains("an address is HOST:PORT"), "{address}: {}", run.err);
    }
}

#[test]
fn whoever_has_no_incarnation_elsewhere_gets_no_token() {
    let server = server();
    fails(
        &server.run(&["token", "nothing", "oracle"]),
        "there is no mission nothing in namespace missions; kubectl lazarus status",
    );
    fails(&server.run(&["token", "night-watch", "nobody"]), "night-watch has no agent nobody: it has scout, scribe,");
    fails(&server.run(&["token", "night-watch", "scout"]), "scout runs in a pod, where its sidecar reports");
    let waits = "oracle has no incarnation yet that could report: kubectl lazarus explain night-watch oracle shows";
    for status in [
        json!({ "state": "Pending", "attempt": 0 }),
        json!({ "state": "Pending", "attempt": 1, "podUID": "that-of-a-pod" }),
        // That of the incarnation before.
        json!({ "state": "Pending", "attempt": 3, "podUID": committed()["podUID"] }),
    ] {
        server.change(|state| drop(state.store(with_oracle(status))));
        fails(&server.run(&["token", "night-watch", "oracle"]), waits);
    }
    let mut held = committed();
    held["holder"] = json!("relay");
    server.change(|state| drop(state.store(with_oracle(held))));
    fails(&server.run(&["token", "night-watch", "oracle"]), "relay has taken over the part of oracle");
}

#[test]
fn missing_forbidden_and_gone() {
    let server = server();
    let folder = folder("none");
    let path = folder.to_str().unwrap();
    server.change(|state| state.forbidden = Some("/token"));
    fails(&server.run(&["token", "night-watch", "oracle"]), "you may not make tokens of ServiceAccount night-watch-external");
    server.change(|state| state.forbidden = Some("/configmaps/"));
    fails(
        &server.run(&["token", "night-watch", "oracle", "--folder", path]),
        "ConfigMap lazarus-gateway: the API server forbids it",
    );
    server.change(|state| {
        state.forbidden = None;
        state.objects.retain(|key, _| key.0 == "missioncells");
    });
    fails(
        &server.run(&["token", "night-watch", "oracle"]),
        "there is no ServiceAccount night-watch-external in namespace missions",
    );
    let map = "ConfigMap lazarus-gateway in namespace missions has no `address` yet";
    fails(&server.run(&["token", "night-watch", "oracle", "--folder", path]), map);
    let given = server.run(&["token", "night-watch", "oracle", "--folder", path, "--address", "10.0.0.1:443"]);
    fails(&given, "has no `ca.crt` yet");
    // Nobody listens there.
    let nobody = ([127, 0, 0, 1], 1).into();
    fails(&run_against(nobody, &["token", "night-watch", "oracle"]), "cannot reach the API server");
    assert!(!folder.exists());
    let wrong = server.run(&["token", "night-watch", "oracle", "--duration", "soon"]);
    assert!(wrong.code == 2 && wrong.err.contains("a span is a number"), "{}", wrong.err);
}
