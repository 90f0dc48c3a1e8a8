//! The lab: its API server, its kubectl, its script.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use lazarus::runtime::clock::{Clock, SystemClock};

/// The folder of the lab, an absolute path.
pub fn folder() -> PathBuf {
    let project = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    std::env::var_os("LAB_DIR").map_or_else(|| project.join(".lab"), |folder| project.join(folder))
}

// Never the ambient KUBECONFIG: many people's leads to production.
fn kubeconfig() -> Kubeconfig {
    let file = folder().join("kubeconfig");
    Kubeconfig::read_from(&file).unwrap_or_else(|error| {
        panic!("no lab at {}: start one with `make lab`, or name another one in LAB_DIR ({error})", folder().display())
    })
}

/// A client with all rights.
pub async fn client() -> Client {
    client_as(None).await
}

/// A client that acts as somebody else, with that user's rights only.
pub async fn client_as(user: Option<&str>) -> Client {
    let mut config = Config::from_custom_kubeconfig(kubeconfig(), &KubeConfigOptions::default()).await.unwrap();
    config.auth_info.impersonate = user.map(String::from);
    Client::try_from(config).unwrap()
}

/// Runs the lab's kubectl: what it prints, or what it complains of.
pub fn kubectl(arguments: &[&str], input: &str) -> Result<String, String> {
    kubeconfig();
    run(Command::new(folder().join("kubectl")).args(arguments), input)
}

/// Runs `lab.sh` for this lab.
pub fn script(arguments: &[&str]) -> Result<String, String> {
    kubeconfig();
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("deploy/lab/lab.sh");
    run(Command::new(script).env("LAB_DIR", folder()).args(arguments), "")
}

fn run(command: &mut Command, input: &str) -> Result<String, String> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that doesn't read to the end has said why.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let [printed, complaint] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.success() { Ok(printed) } else { Err(format!("{command:?}: {complaint}{printed}")) }
}

/// The time; lab and tests run on one machine.
pub fn now() -> DateTime<Utc> {
    SystemClock.now()
}
