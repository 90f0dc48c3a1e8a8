//! What tests of heartbeats need: agents that report, what became of them in order, and ways to harm them from the node.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use lazarus::api::{AgentHeartbeat, AgentPolicySpec, AgentSpec, Heartbeat, HttpSource, Source, names};

use super::mission::{agent_that, quick};
use super::stage::soon;
use super::{Stage, lab};

/// A policy that takes an agent for dead within seconds, but not so soon that a report that comes late on a busy machine
/// hides that it was stale before.
pub fn impatient() -> AgentPolicySpec {
    let heartbeat = Heartbeat {
        interval_seconds: Some(1),
        stale_after_seconds: Some(3),
        dead_after_seconds: Some(15),
        startup_grace_seconds: Some(10),
        ..Heartbeat::default()
    };
    AgentPolicySpec { heartbeat: Some(heartbeat), ..quick(3) }
}

/// The same with a longer patience, for agents that must be well all the time on a machine that may be busy.
pub fn patient() -> AgentPolicySpec {
    let heartbeat = Heartbeat { stale_after_seconds: Some(20), dead_after_seconds: Some(60), ..impatient().heartbeat.unwrap() };
    AgentPolicySpec { heartbeat: Some(heartbeat), ..quick(3) }
}

/// An agent that posts to its sidecar.
pub fn posting(name: &str) -> AgentSpec {
    watched(agent_that(name, &[]), Source::Own, None)
}

/// An agent whose sidecar asks it.
pub fn asked(name: &str) -> AgentSpec {
    watched(agent_that(name, &["--http-port", "8080"]), Source::Http, Some(8080))
}

/// An agent that is watched in this way.
pub fn watched(agent: AgentSpec, source: Source, port: Option<i64>) -> AgentSpec {
    let http = port.map(|port| HttpSource { port, path: None });
    // A process that is stopped does not hear SIGTERM.
    let termination_grace_period_seconds = Some(2);
    let heartbeat = Some(AgentHeartbeat { source: Some(source), http, ..AgentHeartbeat::default() });
    AgentSpec { heartbeat, termination_grace_period_seconds, ..agent }
}

/// Waits for two more steps of the agent, which are more than three seconds: its sidecar looks each second.
pub async fn seen_well(stage: &Stage, agent: &str) {
    let pod = stage.pod(agent);
    let steps = || {
        let log = stage.kubectl(&["logs", &pod, "-c", names::AGENT_CONTAINER]).unwrap_or_default();
        log.matches(": working").count()
    };
    let before = steps();
    soon("the agent is at work", async || steps() >= before + 2).await;
}

/// What became of an agent, in order, such as `Stale/Stale #1 deaths 0`.
pub fn course(stage: &Stage, cell: &str, agent: &str) -> Vec<String> {
    let mut course = Vec::new();
    let history = stage.look_at_all(|scene| scene.history.clone());
    for line in history.iter().filter(|line| line.starts_with(&format!("mission {cell} "))) {
        let agents = line.split_once('[').map_or("", |(_, agents)| agents.trim_end_matches(']'));
        let Some(shown) = agents.split(", ").find_map(|found| found.strip_prefix(&format!("{agent} "))) else { continue };
        if course.last().is_none_or(|last| last != shown) {
            course.push(shown.to_owned());
        }
    }
    course
}

/// Fails unless the agent went through states that begin like this, in this order, whatever lay between.
pub fn went(stage: &Stage, cell: &str, agent: &str, through: &[&str]) {
    let course = course(stage, cell, agent);
    let mut rest = course.iter();
    let missing = through.iter().find(|state| !rest.any(|found| found.starts_with(**state)));
    assert!(missing.is_none(), "{agent} did not go through {through:?}, missing {missing:?}: {course:#?}");
}

/// Fails if the agent was ever in a state that begins like this.
pub fn never_was(stage: &Stage, cell: &str, agent: &str, wrong: &str) {
    let course = course(stage, cell, agent);
    assert!(!course.iter().any(|found| found.starts_with(wrong)), "{agent} was {wrong}: {course:#?}");
}

/// The state of a container of the pod, a sidecar's too.
pub fn container<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let mut all = status.container_statuses.iter().flatten().chain(status.init_container_statuses.iter().flatten());
    all.find(|container| container.name == name)
}

/// Sends a signal from the node to the first process of a container, as neither its pod nor the API could.
pub fn signal(pod: &Pod, name: &str, signal: &str) {
    let id = container(pod, name).and_then(|container| container.container_id.as_deref()).unwrap();
    let id = id.strip_prefix("containerd://").unwrap();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap();
    lab::script(&["exec-node", "--node", node, "--", "ctr", "tasks", "kill", "--signal", signal, id]).unwrap();
}

/// Takes a container's memory from the node, down to what it uses: the next page that it needs is one too many.
pub fn starve(pod: &Pod, name: &str) {
    const SCRIPT: &str = r#"
        for folder in $(find /sys/fs/cgroup -type d -name "$1"); do
            cd "$folder"
            if [ -e memory.max ]; then echo 64K > memory.max; fi
            if [ -e memory.limit_in_bytes ]; then
                echo 1 > memory.force_empty
                limit=$(cat memory.usage_in_bytes)
                until /bin/echo $limit > memory.limit_in_bytes; do limit=$((limit + 65536)); done
            fi
        done"#;
    let id = container(pod, name).and_then(|container| container.container_id.as_deref()).unwrap();
    let id = id.strip_prefix("containerd://").unwrap();
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()).unwrap();
    lab::script(&["exec-node", "--node", node, "--", "sh", "-c", SCRIPT, "sh", id]).unwrap();
}

/// A way to a port of a pod's loopback, closed when dropped.
pub struct Way {
    pub address: SocketAddr,
    kubectl: Child,
    // It ends when nobody reads what it prints.
    _printed: BufReader<ChildStdout>,
}

impl Way {
    pub fn to(namespace: &str, pod: &str, port: u16) -> Self {
        let mut kubectl = Command::new(lab::folder().join("kubectl"))
            .args(["-n", namespace, "port-forward", &format!("pod/{pod}"), &format!(":{port}")])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut printed = BufReader::new(kubectl.stdout.take().unwrap());
        printed.read_line(&mut line).unwrap();
        let address = line.strip_prefix("Forwarding from ").and_then(|line| line.split(' ').next()?.parse().ok());
        let Some(address) = address else {
            let _ = kubectl.kill();
            panic!("no way to {pod}: {line}");
        };
        Self { address, kubectl, _printed: printed }
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        let _ = self.kubectl.kill();
        let _ = self.kubectl.wait();
    }
}

/// Posts to the sidecar in the agent's place: what it answers.
pub fn post(stage: &Stage, agent: &str, body: &serde_json::Value) -> String {
    let way = Way::to(&stage.namespace, &stage.pod(agent), names::PULSE_PORT);
    let body = body.to_string();
    let mut stream = TcpStream::connect(way.address).unwrap();
    write!(stream, "POST /heartbeat HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}
