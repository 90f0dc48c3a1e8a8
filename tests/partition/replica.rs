//! One replica of the operator: what `controllers` does, on the simulated cluster and with a clock of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::channel::mpsc::UnboundedReceiver;
use futures::{FutureExt, StreamExt};
use lazarus::api::beat::{Reply, Seen};
use lazarus::api::{AgentPolicySpec, OnExhausted, Revive};
use lazarus::apply::permits::Permits;
use lazarus::controllers::{Heartbeats, MissionRef};
use lazarus::decide::{Action, Plan, Why, cooldown_seconds, decide, expected};
use lazarus::gateway::ledger::{Ledger, Refused, Uid};
use lazarus::observe::{self, Ground, Neighbour, PolicySource, Pulse, Snapshot};
use lazarus::pulse::pace::Failure;
use lazarus::runtime::clock::{Clock, ManualClock};
use lazarus::runtime::config::Config;

use super::cluster::Cluster;
use super::sidecar::{Answer, Request};

/// As in `controllers`.
const LONGEST_WAIT: u64 = 300;
const ROUNDS: usize = 16;

pub struct Replica {
    pub clock: ManualClock,
    ledger: Arc<Mutex<Ledger>>,
    heartbeats: Heartbeats,
    woken: UnboundedReceiver<MissionRef>,
    permits: Permits,
    /// When each mission is looked at again.
    due: Vec<u64>,
    /// What it takes reports for: only to see that a wrong reading does harm.
    pub reads: fn(Pulse) -> Pulse,
    defaults: AgentPolicySpec,
}

/// What an operator would believe for which silence on the network is death.
pub fn silence_is_death(pulse: Pulse) -> Pulse {
    if pulse.reported && pulse.seen == Seen::Healthy {
        return Pulse { seen: Seen::Silent, silent: pulse.age, age: 0, ..pulse };
    }
    pulse
}

/// What an operator would believe that needs no witness.
pub fn silence_elsewhere_is_death(pulse: Pulse) -> Pulse {
    Pulse { witnessed: pulse.age, ..pulse }
}

impl Replica {
    pub fn new(wall: DateTime<Utc>) -> Self {
        Self::with(ManualClock::new(wall), |pulse| pulse)
    }

    fn with(clock: ManualClock, reads: fn(Pulse) -> Pulse) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::new(clock.monotonic())));
        let (heartbeats, woken) = Heartbeats::new(Arc::clone(&ledger), Arc::new(clock.clone()));
        let permits = Permits::new(clock.monotonic());
        let defaults = AgentPolicySpec {
            revive: Some(Revive::Always),
            on_exhausted: Some(OnExhausted::Abandon),
            ..Config::default().defaults
        };
        Self { clock, ledger, heartbeats, woken, permits, due: Vec::new(), reads, defaults }
    }

    /// The process ends, and another one starts on the same machine.
    pub fn restart(&mut self) {
        *self = Self::with(self.clock.clone(), self.reads);
    }

    /// It leads now: the controller looks at every mission.
    pub fn gain(&mut self) {
        self.due.clear();
    }

    /// It leads no more, and its gateway forgets everything.
    pub fn lose(&mut self) {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Sets the wall clock forwards or backwards.
    pub fn step_clock(&mut self, by: TimeDelta) {
        self.clock.set_wall(self.clock.now() + by);
    }

    /// The gateway's part.
    pub fn answer(&self, uid: &str, request: Request) -> Answer {
        let uid = Uid::read(uid).expect("a UID");
        let mut ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = |refused| match refused {
            Refused::Closed => Failure::Slower(1),
            Refused::Gone => Failure::Gone,
            Refused::TooMany => Failure::Slower(5),
        };
        match request {
            Request::Admission if !ledger.is_open() => Answer::Failed(refused(Refused::Closed)),
            Request::Admission if ledger.admits(uid) => Answer::Admitted,
            Request::Admission => Answer::NotYet,
            Request::Beat(beat) => match ledger.note(uid, &beat, self.clock.monotonic()) {
                Ok(next_heartbeat_seconds) => Answer::Taken(Reply { next_heartbeat_seconds, holds: Vec::new() }),
                Err(refusal) => Answer::Failed(refused(refusal)),
            },
        }
    }

    /// One second as the leader.
    pub fn turn(&mut self, cluster: &mut Cluster) {
        let missions = cluster.missions.len();
        self.due.resize(missions, 0);
        if !self.heartbeats.is_open() {
            for number in 0..missions {
                let snapshot = self.snapshot(cluster, number);
                self.heartbeats.expect(&snapshot.cell, &expected(&snapshot));
            }
            self.heartbeats.open();
        }
        self.heartbeats.scan();
        while let Some(Some(woken)) = self.woken.next().now_or_never() {
            self.due[woken.name[1..].parse::<usize>().expect("a number")] = 0;
        }
        for number in 0..missions {
            if std::mem::take(&mut cluster.missions[number].dirty) || self.due[number] <= cluster.t {
                let wait = self.reconcile(cluster, number);
                self.due[number] = cluster.t + wait.max(1);
            }
        }
    }

    fn snapshot(&self, cluster: &Cluster, number: usize) -> Snapshot {
        let mission = &cluster.missions[number];
        let pulses = self.heartbeats.pulses(&mission.cell.uid);
        Snapshot {
            cell: mission.cell.clone(),
            policy: PolicySource::BuiltIn,
            defaults: self.defaults.clone(),
            pods: mission.processes.iter().filter(|process| !process.elsewhere).map(|process| process.pod.clone()).collect(),
            nodes: cluster.nodes.clone(),
            pulses: pulses.into_iter().map(|(uid, pulse)| (uid, (self.reads)(pulse))).collect(),
            obstacle: None,
            account: None,
            refusals: BTreeMap::new(),
            unrest: Vec::new(),
            requests: Vec::new(),
            unenforced: None,
            ground: Ground::default(),
            claim: None,
        }
    }

    /// Until nothing is left to do; the seconds until it is looked at again.
    fn reconcile(&self, cluster: &mut Cluster, number: usize) -> u64 {
        for _ in 0..ROUNDS {
            let mut snapshot = self.snapshot(cluster, number);
            self.heartbeats.expect(&snapshot.cell, &expected(&snapshot));
            let mut plan = decide(&snapshot, self.clock.now());
            if !is_settled(&plan) {
                let others =
                    cluster.missions.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, other)| &other.cell);
                let others = others.map(|cell| Neighbour { namespace: &cell.namespace, spec: &cell.spec, status: &cell.status });
                let (now, window) = (self.clock.now(), TimeDelta::seconds(cooldown_seconds(&snapshot)));
                let troubled = self.heartbeats.troubled();
                snapshot.unrest = observe::unrest(&snapshot.cell, others, &troubled, &(now - window..=now + window));
                plan = decide(&snapshot, self.clock.now());
                while !self.may_try(&snapshot, &plan) {
                    for unrest in snapshot.unrest.iter_mut().filter(|unrest| plan.canaries.contains(&unrest.scope)) {
                        unrest.last_death = Some(self.clock.now());
                    }
                    plan = decide(&snapshot, self.clock.now());
                }
            }
            if is_settled(&plan) {
                let wait = plan.recheck_at.map(|at| (at - self.clock.now()).num_seconds());
                return wait.map_or(LONGEST_WAIT, |wait| u64::try_from(wait).unwrap_or(0).min(LONGEST_WAIT));
            }
            let revives = |action: &Action| matches!(action, Action::Delete { why: Why::Succeed, .. });
            if plan.actions.iter().any(revives)
                && let Err(wait) = self.permits.revival(self.clock.monotonic())
            {
                return wait.as_secs();
            }
            for action in &plan.actions {
                cluster.act(number, action);
            }
            if let Some(status) = plan.status {
                cluster.write(number, status);
            }
        }
        cluster.violations.push(format!("{}: mission {number} does not settle", cluster.t));
        1
    }

    fn may_try(&self, snapshot: &Snapshot, plan: &Plan) -> bool {
        let cooldown = Duration::from_secs(cooldown_seconds(snapshot).unsigned_abs());
        self.permits.canaries(&plan.canaries, &snapshot.cell.uid, cooldown, self.clock.monotonic())
    }
}

fn is_settled(plan: &Plan) -> bool {
    plan.actions.is_empty() && plan.status.is_none()
}
