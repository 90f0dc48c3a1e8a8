//! Everything together, a second at a time.

use std::ops::Range;
use std::time::Duration;

use chrono::{DateTime, Utc};
use lazarus::api::{AgentSpec, AgentState, External};
use lazarus::pulse::pace::Failure;
use lazarus::runtime::clock::{Clock, ManualClock};

use super::cluster::{AGENTS, Change, Cluster, FLEET, MISSIONS, Process};
use super::replica::Replica;
use super::sidecar::Answer;

pub struct Fleet {
    pub cluster: Cluster,
    pub replicas: [Replica; 2],
    pub leader: Option<usize>,
    /// Whether an agent's sidecar can't reach a replica.
    pub cut: [[bool; FLEET]; 2],
}

impl Fleet {
    /// All agents are alive, and have been for a while.
    pub fn new() -> Self {
        Self::of(MISSIONS)
    }

    /// A smaller one.
    pub fn of(missions: usize) -> Self {
        let wall = "2026-01-01T00:00:00Z".parse().unwrap();
        Self::on(Cluster::new(missions, (ManualClock::new(wall).monotonic(), wall)), wall)
    }

    /// One in which these agents run elsewhere.
    pub fn with_elsewhere(agents: &[usize]) -> Self {
        let wall = "2026-01-01T00:00:00Z".parse().unwrap();
        let mut cluster = Cluster::new(MISSIONS, (ManualClock::new(wall).monotonic(), wall));
        for agent in agents {
            let spec = &mut cluster.missions[agent / AGENTS].cell.spec.agents[agent % AGENTS];
            *spec = AgentSpec { name: spec.name.clone(), external: Some(External {}), ..AgentSpec::default() };
        }
        Self::on(cluster, wall)
    }

    fn on(cluster: Cluster, wall: DateTime<Utc>) -> Self {
        let replicas = [Replica::new(wall), Replica::new(wall)];
        let mut fleet = Self { cluster, replicas, leader: Some(0), cut: [[false; FLEET]; 2] };
        fleet.run(60);
        fleet.check_well();
        fleet.cluster.changes.clear();
        fleet
    }

    /// Their numbers.
    pub fn agents(&self) -> Range<usize> {
        0..self.cluster.missions.len() * AGENTS
    }

    pub fn tick(&mut self) {
        let Self { cluster, replicas, leader, cut } = self;
        cluster.t += 1;
        for replica in replicas.iter() {
            replica.clock.advance(Duration::from_secs(1));
        }
        cluster.kubelets();
        let (instant, down) = (cluster.instant(), cluster.provider_down);
        for (number, mission) in cluster.missions.iter_mut().enumerate() {
            // What hangs elsewhere says nothing: no sidecar speaks for it.
            let speaks = |process: &&mut Process| process.pod.node.is_some() && !(process.elsewhere && process.hung);
            for Process { pod, sidecar, hung, .. } in mission.processes.iter_mut().filter(speaks) {
                let index = number * AGENTS + usize::from(pod.agent.as_bytes()[1] - b'0');
                sidecar.step(instant, !*hung && !down, |request| match *leader {
                    // The Service still leads to a replica that only says that it does not lead.
                    None => Answer::Failed(Failure::Slower(1)),
                    Some(leader) if cut[leader][index] => Answer::Lost,
                    Some(leader) => replicas[leader].answer(&pod.uid, request),
                });
            }
        }
        if let Some(leader) = *leader {
            replicas[leader].turn(cluster);
        }
    }

    pub fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.tick();
        }
    }

    /// Runs until something holds; the seconds it took.
    pub fn until(&mut self, most: u64, holds: impl Fn(&Self) -> bool) -> Option<u64> {
        for passed in 0..most {
            if holds(self) {
                return Some(passed);
            }
            self.tick();
        }
        None
    }

    /// Another replica leads, after a while in which nobody does.
    pub fn lead(&mut self, by: usize, gap: u64) {
        if let Some(old) = self.leader.take() {
            self.replicas[old].lose();
        }
        self.run(gap);
        self.leader = Some(by);
        self.replicas[by].gain();
    }

    /// The leader's process ends, and a new one takes the lead.
    pub fn restart_leader(&mut self, gap: u64) {
        let leader = self.leader.unwrap_or(0);
        self.replicas[leader].restart();
        self.leader = None;
        self.run(gap);
        self.leader = Some(leader);
        self.replicas[leader].gain();
    }

    pub fn cut(&mut self, agents: impl Iterator<Item = usize>) {
        agents.for_each(|agent| self.cut.iter_mut().for_each(|cut| cut[agent] = true));
    }

    pub fn heal(&mut self) {
        self.cut = [[false; FLEET]; 2];
    }

    pub fn hang(&mut self, agent: usize) {
        self.cluster.process(agent).expect("a process").hung = true;
    }

    pub fn restart_sidecar(&mut self, agent: usize, seed: u64) {
        let now = self.cluster.instant();
        if let Some(process) = self.cluster.process(agent) {
            process.sidecar.restart(seed, now);
        }
    }

    pub fn state(&self, agent: usize) -> Change {
        let status = &self.cluster.missions[agent / AGENTS].cell.status;
        let found = status.agents.get(agent % AGENTS).map(|status| (status.state, status.reason));
        let (state, reason) = found.unwrap_or_default();
        Change { at: self.cluster.t, agent, state, reason }
    }

    pub fn attempt(&self, agent: usize) -> i64 {
        self.cluster.missions[agent / AGENTS].cell.status.agents[agent % AGENTS].attempt
    }

    pub fn is_well(&self, agent: usize) -> bool {
        let Change { state, reason, .. } = self.state(agent);
        state == AgentState::Alive && reason.is_none()
    }

    pub fn all_well(&self) -> bool {
        self.agents().all(|agent| self.is_well(agent))
    }

    pub fn check_well(&self) {
        let unwell = self.agents().find(|agent| !self.is_well(*agent));
        if let Some(agent) = unwell {
            panic!("{:?}", self.state(agent));
        }
        self.check();
    }

    /// No agent that lived was harmed.
    pub fn check(&self) {
        assert_eq!(self.cluster.violations, [""; 0]);
    }

    /// Nobody was taken for dead at all, and nobody was seen in a worse state than out of reach.
    pub fn check_quiet(&self) {
        use lazarus::api::conditions::Reason;
        self.check_well();
        assert_eq!(self.cluster.verdicts, []);
        let unknown = |reason| matches!(reason, None | Some(Reason::LinkLost | Reason::GatewayDegraded | Reason::Busy));
        let calm = |change: &&Change| change.state == AgentState::Alive && unknown(change.reason);
        assert_eq!(self.cluster.changes.iter().find(|change| !calm(change)), None);
        assert!(self.agents().all(|agent| self.attempt(agent) == 1));
    }
}
