//! The API server and the kubelets: missions with their pods, as plain values.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};
use lazarus::api::conditions::Reason;
use lazarus::api::{
    AgentHeartbeat, AgentSpec, AgentState, HttpSource, MissionCellSpec, MissionCellStatus, Revive, Source, names,
};
use lazarus::decide::{Action, Why, template_hash};
use lazarus::observe::{self, Cell, Container, Node, Pod};
use lazarus::pulse;

use super::sidecar::{Sidecar, source};

pub const MISSIONS: usize = 10;
pub const AGENTS: usize = 5;
/// Also the number of nodes: each has one agent of every mission.
pub const FLEET: usize = MISSIONS * AGENTS;
/// A report may be this old and still count (`staleAfterSeconds`).
const FRESH: u64 = 60;

/// A pod, and what is true of it whatever anybody knows.
#[derive(Debug)]
pub struct Process {
    pub pod: Pod,
    pub sidecar: Sidecar,
    pub hung: bool,
    /// When its agent was last not well.
    pub last_hung: Option<u64>,
    /// The operator was right to take it for dead.
    pub condemned: bool,
    /// It runs elsewhere: the cluster has no pod of it.
    pub elsewhere: bool,
}

pub struct Mission {
    pub cell: Cell,
    pub processes: Vec<Process>,
    /// Something changed that the watches tell the operator.
    pub dirty: bool,
}

/// A state that was written down.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    pub at: u64,
    pub agent: usize,
    pub state: AgentState,
    pub reason: Option<Reason>,
}

pub struct Cluster {
    /// Seconds since the beginning.
    pub t: u64,
    pub began: (Instant, DateTime<Utc>),
    pub missions: Vec<Mission>,
    pub nodes: BTreeMap<String, Node>,
    /// Every agent that is watched is silent while this holds.
    pub provider_down: bool,
    pub changes: Vec<Change>,
    /// Agents taken for dead while their process ran, and when.
    pub verdicts: Vec<(u64, usize)>,
    /// What must never happen.
    pub violations: Vec<String>,
    made: u64,
}

fn agent(mission: usize, agent: usize) -> AgentSpec {
    let source = [Source::Process, Source::Http, Source::Own][(mission + agent) % 3];
    let http = (source == Source::Http).then_some(HttpSource { port: 80, path: None });
    AgentSpec {
        name: format!("a{agent}"),
        image: "i".into(),
        heartbeat: Some(AgentHeartbeat { source: Some(source), http, ..AgentHeartbeat::default() }),
        // One agent of the fleet is nobody's to bring back.
        revive: (mission * AGENTS + agent == NEVER).then_some(Revive::Never),
        ..AgentSpec::default()
    }
}

/// The agent whose `revive` is `Never`; it is watched.
pub const NEVER: usize = 4;

/// Whether a hang of this agent can be seen at all.
pub fn is_watched(index: usize) -> bool {
    !(index / AGENTS + index % AGENTS).is_multiple_of(3)
}

pub fn node_of(index: usize) -> usize {
    (index / AGENTS + index % AGENTS) % AGENTS
}

impl Cluster {
    pub fn new(missions: usize, began: (Instant, DateTime<Utc>)) -> Self {
        let mission = |number: usize| {
            let agents = (0..AGENTS).map(|index| agent(number, index)).collect();
            let cell = Cell {
                name: format!("m{number}"),
                namespace: ["red", "blue"][number % 2].into(),
                uid: format!("cell-{number}"),
                generation: 1,
                deleting: false,
                spec: MissionCellSpec { mission: "m".into(), agents, ..MissionCellSpec::default() },
                status: MissionCellStatus::default(),
            };
            Mission { cell, processes: Vec::new(), dirty: true }
        };
        Self {
            t: 0,
            began,
            missions: (0..missions).map(mission).collect(),
            nodes: (0..AGENTS).map(|node| (format!("n{node}"), Node::default())).collect(),
            provider_down: false,
            changes: Vec::new(),
            verdicts: Vec::new(),
            violations: Vec::new(),
            made: 0,
        }
    }

    pub fn instant(&self) -> Instant {
        self.began.0 + Duration::from_secs(self.t)
    }

    pub fn wall(&self) -> DateTime<Utc> {
        self.began.1 + TimeDelta::seconds(i64::try_from(self.t).unwrap())
    }

    /// The process of an agent that its mission means by it.
    pub fn process(&mut self, index: usize) -> Option<&mut Process> {
        let mission = &mut self.missions[index / AGENTS];
        let uid = mission.cell.status.agents.get(index % AGENTS)?.pod_uid.clone();
        mission.processes.iter_mut().find(|process| Some(&process.pod.uid) == uid.as_ref())
    }

    /// The kubelets' second.
    pub fn kubelets(&mut self) {
        let (now, t, down) = (self.wall(), self.t, self.provider_down);
        for (number, mission) in self.missions.iter_mut().enumerate() {
            let before = mission.processes.len();
            mission
                .processes
                .retain(|process| process.pod.deletion_requested.is_none_or(|asked| now < asked + TimeDelta::seconds(2)));
            mission.dirty |= mission.processes.len() != before;
            for Process { pod, sidecar, hung, last_hung, elsewhere, condemned: _ } in &mut mission.processes {
                let index: usize = number * AGENTS + pod.agent[1..].parse::<usize>().unwrap();
                if *hung || (down && is_watched(index)) {
                    *last_hung = Some(t);
                }
                if *elsewhere {
                    continue;
                }
                if pod.node.is_none() {
                    (pod.node, pod.scheduled) = (Some(format!("n{}", node_of(index))), Some(now));
                    pod.sidecar = Some(observe::Sidecar { running: Some(now), ..observe::Sidecar::default() });
                    mission.dirty = true;
                }
                let Some(shown) = pod.sidecar.as_mut().filter(|shown| shown.admitted != sidecar.admitted) else { continue };
                shown.admitted = sidecar.admitted;
                if shown.admitted && !matches!(pod.container, Container::Running(_)) {
                    pod.container = Container::Running(Some(now));
                }
                mission.dirty = true;
            }
        }
    }

    /// Does what the operator wants, and notes what it should not have wanted.
    pub fn act(&mut self, number: usize, action: &Action) {
        let (now, instant, t) = (self.wall(), self.instant(), self.t);
        let mission = &mut self.missions[number];
        mission.dirty = true;
        match action {
            Action::Create { agent, attempt, level: _ } => {
                let cell = &mission.cell;
                let name = names::pod_name(&cell.name, &cell.uid, agent, *attempt);
                if mission.processes.iter().any(|process| process.pod.name == name) {
                    return;
                }
                if mission.processes.iter().any(|process| process.pod.agent == *agent) {
                    self.violations.push(format!("{t}: a second pod of {number}/{agent}"));
                }
                self.made += 1;
                let spec = cell.spec.agents.iter().find(|spec| spec.name == *agent).expect("an agent of the spec");
                let pod = Pod {
                    name,
                    uid: format!("00000000-0000-0000-0000-{:012x}", self.made),
                    agent: agent.clone(),
                    attempt: *attempt,
                    owner: Some(cell.uid.clone()),
                    template: Some(template_hash(cell, spec)),
                    created: Some(now),
                    sidecar: Some(observe::Sidecar::default()),
                    ..Pod::default()
                };
                let sidecar = Sidecar::new(source(spec), self.made, instant);
                mission.processes.push(Process {
                    pod,
                    sidecar,
                    hung: false,
                    last_hung: None,
                    condemned: false,
                    elsewhere: false,
                });
            }
            Action::Delete { pod, uid, why } => {
                let found = |process: &&mut Process| process.pod.name == *pod && process.pod.uid == *uid;
                let Some(process) = mission.processes.iter_mut().find(found) else { return };
                let lives = matches!(process.pod.container, Container::Running(_));
                if lives && !(process.condemned && *why == Why::Succeed) {
                    self.violations.push(format!("{t}: {pod} lives, but is deleted ({why:?})"));
                }
                process.pod.deletion_requested = Some(now);
            }
            Action::Account { .. } | Action::Claim(_) => {}
            Action::Ask { .. } | Action::Forget { .. } => {
                self.violations.push(format!("{t}: nobody is to be asked here"));
            }
        }
    }

    /// Somebody gives each incarnation elsewhere its token.
    fn give_tokens(&mut self, number: usize, status: &MissionCellStatus) {
        let now = self.instant();
        let processes = &mut self.missions[number].processes;
        for agent in status.agents.iter().filter(|agent| agent.is_elsewhere()) {
            let uid = agent.pod_uid.clone().unwrap_or_default();
            if processes.iter().any(|process| process.pod.uid == uid) {
                continue;
            }
            self.made += 1;
            let mut sidecar = Sidecar::new(pulse::sight::Source::Own, self.made, now);
            sidecar.admitted = true;
            let pod = Pod { uid, agent: agent.name.clone(), node: Some("elsewhere".into()), ..Pod::default() };
            processes.push(Process { pod, sidecar, hung: false, last_hung: None, condemned: false, elsewhere: true });
        }
    }

    /// Stores a status, and notes what it should not say.
    pub fn write(&mut self, number: usize, status: MissionCellStatus) {
        let t = self.t;
        self.give_tokens(number, &status);
        let mission = &mut self.missions[number];
        mission.dirty = true;
        for (index, agent) in status.agents.iter().enumerate() {
            let old = mission.cell.status.agents.get(index);
            if old.is_none_or(|old| (old.state, old.reason) != (agent.state, agent.reason)) {
                let change = Change { at: t, agent: number * AGENTS + index, state: agent.state, reason: agent.reason };
                self.changes.push(change);
            }
            let Some(end) = agent.last_end.as_ref().filter(|end| old.and_then(|old| old.last_end.as_ref()) != Some(end)) else {
                continue;
            };
            let ended = mission.processes.iter_mut().find(|process| process.pod.uid == end.pod_uid);
            let rightly = |process: &&mut Process| process.last_hung.is_some_and(|last| t <= last + FRESH);
            match ended.filter(|_| end.by_verdict()).filter(rightly) {
                Some(process) => process.condemned = true,
                None => self.violations.push(format!("{t}: {number}/{} is taken for dead: {}", agent.name, end.cause)),
            }
            self.verdicts.push((t, number * AGENTS + index));
        }
        mission.cell.status = status;
    }
}
