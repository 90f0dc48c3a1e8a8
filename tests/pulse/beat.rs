//! `lazarus beat`: reports for an agent that runs elsewhere.

use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::gateway::{Authority, Gateway};
use crate::sidecar::{folder, lazarus, until};

const OVER: &str = r#"{"message":"this incarnation is not committed, or no longer: it must not act"}"#;

fn put(folder: &Path, name: &str, content: &str) {
    std::fs::write(folder.join(".new"), content).unwrap();
    std::fs::rename(folder.join(".new"), folder.join(name)).unwrap();
}

/// A folder that leads to this gateway.
fn leading_to(gateway: &Gateway, authority: &Authority) -> PathBuf {
    let folder = folder();
    put(&folder, "token", "first");
    put(&folder, "ca.crt", &authority.bundle);
    put(&folder, "address", &gateway.address.to_string());
    folder
}

fn beat(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = lazarus("beat").arg("--folder").arg(folder).args(arguments).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn fails(folder: &Path, texts: &[&str]) {
    let (code, out, complaint) = beat(folder, &[]);
    assert_eq!((code, out.as_str(), complaint.lines().count()), (1, "", 1), "{complaint}");
    for text in texts {
        assert!(complaint.contains(text), "{text} is missing in {complaint}");
    }
}

#[test]
fn a_report_says_what_it_is_told_and_shows_the_answer() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let folder = leading_to(&gateway, &authority);
    let (code, out, complaint) = beat(&folder, &[]);
    assert_eq!((code, out.as_str()), (0, "taken: the next report is wanted in 1 s\n"), "{complaint}");
    let asked = gateway.next();
    assert_eq!((asked.path.as_str(), asked.token.as_str()), ("/beat", "first"));
    assert_eq!(asked.body, json!({"protocol": 1, "agent": "Healthy", "everHealthy": true}));

    gateway.answer("/beat", 200, r#"{"nextHeartbeatSeconds":15,"holds":["scribe"]}"#);
    let long = "é".repeat(100);
    let all = ["--status", "thinking", "--cycle", "7", "--task", &long, "--provider", "ok", "--busy", "600", "-o", "json"];
    let (code, out, complaint) = beat(&folder, &all);
    assert_eq!(code, 0, "{complaint}");
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&out).unwrap(),
        json!({"nextHeartbeatSeconds": 15, "holds": ["scribe"]})
    );
    let said = gateway.next().body;
    assert_eq!((&said["status"], &said["cycle"], &said["busySeconds"]), (&json!("thinking"), &json!(7), &json!(600)));
    assert_eq!((&said["task"], &said["provider"]), (&json!("é".repeat(64)), &json!("ok")));
    let (_, out, _) = beat(&folder, &["--silent", "90"]);
    assert_eq!(out, "taken: the next report is wanted in 15 s; it has the parts of scribe\n");
    assert_eq!(gateway.next().body, json!({"protocol": 1, "agent": "Silent", "silentSeconds": 90}));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_wrong_is_said_with_what_to_do() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let folder = leading_to(&gateway, &authority);
    gateway.answer("/beat", 410, OVER);
    fails(&folder, &["this incarnation is no longer the agent: stop working", "it must not act"]);
    gateway.answer("/beat", 401, r#"{"message":"the token has expired or is not valid yet"}"#);
    fails(&folder, &["does not take the token in", "has expired", "lazarus token MISSION AGENT --folder"]);
    gateway.answer("/beat", 503, r#"{"message":"this replica does not lead: connect again"}"#);
    fails(&folder, &["did not take the report", "503", "does not lead"]);
    let address = gateway.address.to_string();
    put(&folder, "ca.crt", &Authority::new().bundle);
    fails(&folder, &["is not the gateway that ca.crt in", "invalid peer certificate", &address]);
    put(&folder, "ca.crt", "nothing");
    fails(&folder, &["ca.crt holds no certificate"]);
    put(&folder, "ca.crt", &authority.bundle);
    drop(gateway);
    fails(&folder, &["cannot reach the gateway at", &address, "--address"]);
    put(&folder, "token", "two words");
    fails(&folder, &["token holds no token"]);
    std::fs::remove_file(folder.join("token")).unwrap();
    fails(&folder, &["cannot read token", "lazarus token MISSION AGENT --folder"]);
    std::fs::remove_dir_all(&folder).unwrap();
    fails(&folder, &["cannot read address"]);
}

struct Watch {
    folder: PathBuf,
    child: Child,
}

impl Watch {
    fn start(folder: PathBuf) -> Self {
        let [out, log] = ["out", "log"].map(|name| std::fs::File::create(folder.join(name)).unwrap());
        let mut command = lazarus("beat");
        command.arg("--folder").arg(&folder).args(["--watch", "--cycle", "3"]).stdin(Stdio::null()).stdout(out).stderr(log);
        let child = command.spawn().unwrap();
        Self { folder, child }
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn it_goes_on_with_new_tokens_and_over_gaps_until_it_is_refused() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let mut watch = Watch::start(leading_to(&gateway, &authority));
    gateway.beat();
    put(&watch.folder, "token", "second");
    let renewed = gateway.next_where(|asked| asked.token == "second");
    assert_eq!((renewed.connection, &renewed.body["cycle"]), (0, &json!(3)));
    let address = gateway.address;
    drop(gateway);
    until("a complaint", || watch.read("log").contains("cannot reach the gateway"));
    let gateway = Gateway::start_as("lazarus-gateway", &authority, address);
    gateway.beat();
    assert_eq!(watch.read("log").lines().count(), 1, "{}", watch.read("log"));
    // A leader that has just begun may not know it yet.
    gateway.answer("/beat", 410, OVER);
    gateway.next();
    gateway.answer("/beat", 200, r#"{"nextHeartbeatSeconds":1}"#);
    gateway.beat();
    gateway.answer("/beat", 410, OVER);
    assert_eq!(watch.code(), Some(1));
    assert!(watch.read("log").contains("no longer the agent: stop working"), "{}", watch.read("log"));
    assert!(gateway.count(Duration::from_millis(100)) > 0);
}

#[test]
fn it_stops_when_it_is_told_to() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let mut watch = Watch::start(leading_to(&gateway, &authority));
    gateway.beat();
    until("an answer", || watch.read("out").contains("taken: the next report is wanted in 1 s\n"));
    rustix::process::kill_process(rustix::process::Pid::from_child(&watch.child), rustix::process::Signal::INT).unwrap();
    assert_eq!((watch.code(), watch.read("log")), (Some(0), String::new()));
}
