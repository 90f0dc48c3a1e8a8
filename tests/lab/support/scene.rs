//! What is on a stage: its missions and pods, followed by watches, and rules that every change is checked against.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ContainerState, Pod};
use kube::ResourceExt;
use kube::core::DeserializeGuard;
use kube::runtime::watcher::Event;
use lazarus::api::conditions::{ConditionType, Reason};
use lazarus::api::{AgentState, AgentStatus, MissionCell, MissionCellStatus, names};

/// Says what is wrong with a scene, if anything.
pub type Rule = Box<dyn Fn(&Scene) -> Option<String> + Send + Sync>;

/// Everything known of a namespace.
#[derive(Default)]
pub struct Scene {
    /// Missions by name; those that can't be understood are left out.
    pub cells: BTreeMap<String, MissionCell>,
    /// Pods by UID.
    pub pods: BTreeMap<String, Pod>,
    /// Name of every pod that was ever seen, by UID.
    pub seen: BTreeMap<String, String>,
    /// One line for each change of a mission's agents or of a pod.
    pub history: Vec<String>,
    /// What the rules found.
    pub broken: Vec<String>,
    rules: Vec<Rule>,
    listed_cells: BTreeMap<String, MissionCell>,
    listed_pods: BTreeMap<String, Pod>,
}

impl Scene {
    /// A scene in which no agent ever has two pods that may run.
    pub fn guarded() -> Self {
        Self { rules: vec![Box::new(two_of_one)], ..Self::default() }
    }

    /// A scene on which pods may appear that nobody meant: no agent ever runs in two at once.
    pub fn haunted() -> Self {
        Self { rules: vec![Box::new(two_running)], ..Self::default() }
    }

    /// Every change from now on is checked against this rule too.
    pub fn add_rule(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// The mission of this name, whether it exists or not.
    pub fn mission<'a>(&'a self, name: &'a str) -> Mission<'a> {
        Mission { scene: self, name }
    }

    pub fn cell_event(&mut self, event: Event<DeserializeGuard<MissionCell>>) {
        match event {
            Event::Init => self.listed_cells.clear(),
            Event::InitApply(DeserializeGuard(Ok(cell))) => drop(self.listed_cells.insert(cell.name_any(), cell)),
            Event::InitApply(_) => {}
            Event::InitDone => self.cells = std::mem::take(&mut self.listed_cells),
            Event::Apply(DeserializeGuard(Ok(cell))) => {
                let line = describe(&cell);
                self.note(line);
                self.cells.insert(cell.name_any(), cell);
            }
            Event::Delete(DeserializeGuard(Ok(cell))) => {
                self.note(format!("mission {} is gone", cell.name_any()));
                self.cells.remove(&cell.name_any());
            }
            Event::Apply(DeserializeGuard(Err(invalid))) | Event::Delete(DeserializeGuard(Err(invalid))) => {
                self.cells.remove(&invalid.metadata.name.unwrap_or_default());
            }
        }
    }

    pub fn pod_event(&mut self, event: Event<Pod>) {
        if let Event::InitApply(pod) | Event::Apply(pod) = &event {
            self.seen.insert(pod.uid().unwrap_or_default(), pod.name_any());
        }
        match event {
            Event::Init => self.listed_pods.clear(),
            Event::InitApply(pod) => drop(self.listed_pods.insert(pod.uid().unwrap_or_default(), pod)),
            Event::InitDone => self.pods = std::mem::take(&mut self.listed_pods),
            Event::Apply(pod) => {
                self.note(format!("pod {} {}", pod.name_any(), condition(&pod)));
                self.pods.insert(pod.uid().unwrap_or_default(), pod);
            }
            Event::Delete(pod) => {
                self.note(format!("pod {} is gone", pod.name_any()));
                self.pods.remove(&pod.uid().unwrap_or_default());
            }
        }
        let found: Vec<_> = self.rules.iter().filter_map(|rule| rule(self)).collect();
        for violation in found {
            self.note(format!("BROKEN RULE: {violation}"));
            self.broken.push(violation);
        }
    }

    fn note(&mut self, line: String) {
        if self.history.iter().rev().find(|old| old.split(' ').nth(1) == line.split(' ').nth(1)) != Some(&line) {
            self.history.push(line);
        }
    }
}

/// One mission on the scene.
#[derive(Clone, Copy)]
pub struct Mission<'a> {
    scene: &'a Scene,
    name: &'a str,
}

impl Mission<'_> {
    pub fn cell(&self) -> Option<&MissionCell> {
        self.scene.cells.get(self.name)
    }

    pub fn status(&self) -> MissionCellStatus {
        self.cell().and_then(|cell| cell.status.clone()).unwrap_or_default()
    }

    /// Whether the status is about the spec as it is now.
    pub fn is_current(&self) -> bool {
        self.cell().is_some_and(|cell| self.status().observed_generation == cell.metadata.generation)
    }

    /// The agent's record; an empty one if there is none.
    pub fn agent(&self, name: &str) -> AgentStatus {
        self.status().agents.into_iter().find(|agent| agent.name == name).unwrap_or_default()
    }

    /// Whether the agent is alive in this incarnation.
    pub fn alive(&self, name: &str, attempt: i64) -> bool {
        let agent = self.agent(name);
        (agent.state, agent.attempt) == (AgentState::Alive, attempt)
    }

    /// Whether the agent is in this state for this reason.
    pub fn is_in(&self, name: &str, state: AgentState, reason: Reason) -> bool {
        let agent = self.agent(name);
        (agent.state, agent.reason) == (state, Some(reason))
    }

    /// Whether the condition is there with this status and reason, about the spec as it is now.
    pub fn has(&self, condition: ConditionType, status: &str, reason: Reason) -> bool {
        self.is_current()
            && self.status().conditions.iter().any(|found| {
                (found.type_.as_str(), found.status.as_str(), found.reason.as_str())
                    == (condition.as_str(), status, reason.as_str())
            })
    }

    pub fn lacks(&self, condition: ConditionType) -> bool {
        self.status().conditions.iter().all(|found| found.type_ != condition.as_str())
    }

    /// Its pods, in no order.
    pub fn pods(&self) -> Vec<&Pod> {
        self.scene.pods.values().filter(|pod| pod.labels().get(names::CELL).is_some_and(|cell| cell == self.name)).collect()
    }

    /// The pods of one of its agents.
    pub fn pods_of(&self, agent: &str) -> Vec<&Pod> {
        let mut pods = self.pods();
        pods.retain(|pod| pod.labels().get(names::AGENT).is_some_and(|found| found == agent));
        pods
    }
}

/// Whether the agent in this pod may be running or may still start.
pub fn may_run(pod: &Pod) -> bool {
    let Some(status) = &pod.status else { return true };
    let ended = |pod: &k8s_openapi::api::core::v1::ContainerStatus| {
        pod.name == names::AGENT_CONTAINER && pod.state.as_ref().is_some_and(|state| state.terminated.is_some())
    };
    let terminal = matches!(status.phase.as_deref(), Some("Succeeded" | "Failed"));
    !terminal && !status.container_statuses.iter().flatten().any(ended)
}

/// Whether the agent in this pod is running, and nobody asked it to stop.
pub fn runs(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none() && is_running(pod)
}

/// Whether the agent in this pod is running.
pub fn is_running(pod: &Pod) -> bool {
    agent_container(pod).is_some_and(|state| state.running.is_some())
}

/// Whether the agent in this pod is running or ever was.
pub fn has_run(pod: &Pod) -> bool {
    let ended = |state: &ContainerState| state.terminated.as_ref().is_some_and(|ended| ended.started_at.is_some());
    agent_container(pod).is_some_and(|state| state.running.is_some() || ended(state))
}

fn agent_container(pod: &Pod) -> Option<&ContainerState> {
    let mut all = pod.status.iter().flat_map(|status| status.container_statuses.iter().flatten());
    all.find(|container| container.name == names::AGENT_CONTAINER)?.state.as_ref()
}

// The one thing that must never happen.
fn two_of_one(scene: &Scene) -> Option<String> {
    two(scene, "two pods that may run", may_run)
}

fn two_running(scene: &Scene) -> Option<String> {
    two(scene, "two pods in which it runs", is_running)
}

fn two(scene: &Scene, what: &str, counts: impl Fn(&Pod) -> bool) -> Option<String> {
    let mut seen = BTreeMap::new();
    for pod in scene.pods.values().filter(|pod| counts(pod)) {
        let (Some(cell), Some(agent)) = (pod.labels().get(names::CELL), pod.labels().get(names::AGENT)) else { continue };
        if let Some(other) = seen.insert((cell, agent), pod.name_any()) {
            return Some(format!("{what} are agent {agent} of {cell}: {other} and {}", pod.name_any()));
        }
    }
    None
}

fn describe(cell: &MissionCell) -> String {
    let Some(status) = &cell.status else { return format!("mission {} without status", cell.name_any()) };
    let ready = status.conditions.iter().find(|condition| condition.type_ == "Ready");
    let ready = ready.map_or_else(|| "-".into(), |ready| format!("{}/{}", ready.status, ready.reason));
    let agents = status.agents.iter().map(|agent| {
        let reason = agent.reason.map_or_else(String::new, |reason| format!("/{reason}"));
        format!("{} {:?}{reason} #{} deaths {}", agent.name, agent.state, agent.attempt, agent.deaths)
    });
    format!("mission {} Ready={ready} [{}]", cell.name_any(), agents.collect::<Vec<_>>().join(", "))
}

fn condition(pod: &Pod) -> String {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref()).unwrap_or("-");
    let deleted = if pod.metadata.deletion_timestamp.is_some() { ", to be deleted" } else { "" };
    let runs = if runs(pod) { ", runs" } else { "" };
    format!("{phase}{runs}{deleted}")
}
