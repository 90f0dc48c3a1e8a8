//! A cluster of one mission: stores what is applied, and pods as JSON that a scripted kubelet changes.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use kube::ResourceExt;
use lazarus::api::{
    AgentPolicy, AgentPolicySpec, CellReference, Decision, DecisionVerdict, MissionCell, MissionCellStatus, OnTimeout,
    RequestIncident, RequestVerb, RevivalRequestSpec, RevivalRequestStatus,
};
use lazarus::decide::{Action, Answer, ClaimChange, Plan, decide, judge};
use lazarus::observe::pod::SlimPod;
use lazarus::observe::{Account, Cell, Claim, Ground, Node, Obstacle, PolicySource, Pulse, Refusal, Request, Snapshot};
use lazarus::render::{self, Frame};
use lazarus::runtime::config::Config;
use lazarus::runtime::time::to_time;
use serde_json::{Value, json};

pub struct World {
    pub cell: MissionCell,
    pub policy: Option<AgentPolicy>,
    pub pods: BTreeMap<String, Value>,
    pub refusals: BTreeMap<String, Refusal>,
    pub nodes: BTreeMap<String, Node>,
    pub pulses: BTreeMap<String, Pulse>,
    pub requests: Vec<Request>,
    pub unenforced: Option<String>,
    pub ground: Ground,
    pub claim: Option<Claim>,
    pub obstacle: Option<Obstacle>,
    pub account: Option<Account>,
    pub now: DateTime<Utc>,
    made: usize,
}

impl World {
    pub fn new(mut cell: MissionCell, policy: Option<AgentPolicy>) -> Self {
        cell.metadata.uid = Some("cell-uid".into());
        cell.metadata.namespace = Some("missions".into());
        cell.metadata.generation = Some(1);
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        Self {
            cell,
            policy,
            pods: BTreeMap::new(),
            refusals: BTreeMap::new(),
            nodes: BTreeMap::new(),
            pulses: BTreeMap::new(),
            requests: Vec::new(),
            unenforced: None,
            ground: Ground::default(),
            claim: None,
            obstacle: None,
            account: Some(Account::Missing),
            now,
            made: 0,
        }
    }

    pub fn status(&self) -> MissionCellStatus {
        self.cell.status.clone().unwrap_or_default()
    }

    pub fn snapshot(&self) -> Snapshot {
        let cell = &self.cell;
        let named = cell.spec.policy_ref.as_ref().map(|reference| reference.name.clone());
        let policy = match (&self.policy, named) {
            (Some(policy), _) => PolicySource::Found(policy.name_any(), Box::new(policy.spec.clone())),
            (None, Some(name)) => PolicySource::Missing(name),
            (None, None) => PolicySource::BuiltIn,
        };
        let pods = self.pods.values().map(|pod| serde_json::from_value::<SlimPod>(pod.clone()).unwrap().view()).collect();
        let mut snapshot = Snapshot {
            cell: Cell {
                name: cell.name_any(),
                namespace: "missions".into(),
                uid: cell.uid().unwrap(),
                generation: cell.metadata.generation.unwrap(),
                deleting: cell.metadata.deletion_timestamp.is_some(),
                spec: cell.spec.clone(),
                status: self.status(),
            },
            policy,
            defaults: Config::default().defaults,
            pods,
            nodes: self.nodes.clone(),
            pulses: self.pulses.clone(),
            obstacle: self.obstacle,
            account: self.account,
            refusals: self.refusals.clone(),
            unrest: Vec::new(),
            requests: self.requests.clone(),
            unenforced: self.unenforced.clone(),
            ground: self.ground.clone(),
            claim: self.cell.spec.workspace.is_some().then(|| self.claim.clone().unwrap_or(Claim::Missing)),
        };
        let window = TimeDelta::seconds(lazarus::decide::cooldown_seconds(&snapshot));
        let during = self.now - window..=self.now + window;
        snapshot.unrest = lazarus::observe::unrest(&snapshot.cell, std::iter::empty(), &self.troubled(&snapshot), &during);
        snapshot
    }

    fn troubled(&self, snapshot: &Snapshot) -> BTreeSet<String> {
        let trouble = |expected: &lazarus::decide::Expected| {
            self.pulses.get(&expected.uid).is_some_and(|pulse| judge(pulse, &expected.terms).is_trouble())
        };
        lazarus::decide::expected(snapshot).into_iter().filter(trouble).map(|expected| expected.uid).collect()
    }

    pub fn plan(&self) -> Plan {
        decide(&self.snapshot(), self.now)
    }

    pub fn act(&mut self, action: &Action) {
        match action {
            Action::Create { agent, attempt, level } => {
                let snapshot = self.snapshot();
                let spec = self.cell.spec.agents.iter().find(|spec| spec.name == *agent).expect("an agent of the spec");
                let frame = Frame { level: *level, pulse_image: "lazarus", network_check_seconds: 300, proxy: None };
                let pod = render::pod(&snapshot.cell, spec, *attempt, frame);
                let name = pod.name_any();
                let mut pod = serde_json::to_value(pod).unwrap();
                self.made += 1;
                pod["metadata"]["uid"] = json!(format!("uid-{}", self.made));
                pod["metadata"]["creationTimestamp"] = json!(to_time(self.now));
                pod["status"] = json!({ "phase": "Pending" });
                self.pods.entry(name).or_insert(pod);
            }
            Action::Account { .. } => self.account = Some(Account::Present),
            Action::Claim(change) => {
                let found = match &self.claim {
                    Some(Claim::Present { owned, size }) => Some((*owned, size.clone())),
                    _ => None,
                };
                let (owned, size) = match (change, found) {
                    (ClaimChange::Make, _) => {
                        let claim = render::isolation::workspace::claim(&self.snapshot().cell).expect("a workspace");
                        let size = claim.spec.unwrap().resources.unwrap().requests.unwrap()["storage"].0.clone();
                        (claim.metadata.owner_references.is_some(), size)
                    }
                    (ClaimChange::Own(owned), Some((_, size))) => (*owned, size),
                    (ClaimChange::Grow(size), Some((owned, _))) => (owned, size.to_text()),
                    (change, None) => panic!("{change:?} of no claim"),
                };
                self.claim = Some(Claim::Present { owned, size });
            }
            Action::Delete { pod, uid, .. } => {
                if self.pods.get(pod).is_some_and(|pod| pod["metadata"]["uid"] == *uid) {
                    self.request_deletion(&pod.clone());
                }
            }
            Action::Ask { name, spec } => self.ask(name, *spec.clone()),
            Action::Forget { request, uid } => self.requests.retain(|kept| kept.name != *request || kept.uid != *uid),
        }
    }

    /// Stores a request, unless there is one of that name.
    pub fn ask(&mut self, name: &str, spec: RevivalRequestSpec) {
        if self.requests.iter().any(|request| request.name == name) {
            return;
        }
        self.made += 1;
        self.requests.push(Request {
            name: name.into(),
            uid: format!("request-{}", self.made),
            version: self.made.to_string(),
            created: self.now,
            spec,
            status: RevivalRequestStatus::default(),
        });
    }

    /// A person makes a request about an agent's last incarnation.
    pub fn order(&mut self, by: &str, option: &str, name: &str) {
        let status = self.status();
        let Some(agent) = status.agents.iter().find(|agent| agent.name == name) else { return };
        let spec = RevivalRequestSpec {
            cell_ref: CellReference { name: "cell".into(), uid: "cell-uid".into() },
            verb: if option == "Revive" { RequestVerb::Revive } else { RequestVerb::Substitute },
            incidents: vec![RequestIncident {
                agent: name.into(),
                pod_uid: agent.pod_uid.clone().unwrap_or_default(),
                cause: "Ordered".into(),
                exit_code: None,
                attempts: agent.deaths,
                node: None,
                at: None,
            }],
            options: vec![option.into()],
            requested_at: to_time(self.now),
            expires_at: None,
            on_timeout: OnTimeout::Wait,
            quorum: 1,
            requested_by: Some(format!("k8s:{by}")),
            comment: None,
        };
        self.ask(&format!("order-{}", self.made), spec);
    }

    /// Stores where a question stands.
    pub fn answer(&mut self, answer: &Answer) {
        let Answer { request, uid, version, status } = answer;
        let stored = self.requests.iter_mut().find(|stored| stored.name == *request).expect("the request");
        assert_eq!((&stored.uid, &stored.version), (uid, version));
        assert_eq!(stored.status.decisions, status.decisions, "the operator decides nothing");
        assert_ne!(stored.status, **status, "no write without a change");
        stored.status = *status.clone();
        self.made += 1;
        stored.version = self.made.to_string();
    }

    /// A person decides about every question that is open.
    pub fn decide(&mut self, by: &str, verdict: DecisionVerdict, option: Option<&str>) {
        for request in &mut self.requests {
            let (by, via, comment, at) = (format!("k8s:{by}"), None, None, None);
            let option = option.map(Into::into);
            request.status.decisions.push(Decision { verdict, option, by, via, comment, at });
            self.made += 1;
            request.version = self.made.to_string();
        }
    }

    pub fn write(&mut self, status: MissionCellStatus) {
        // As the API server stores it.
        self.cell.status = serde_json::from_value(serde_json::to_value(status).unwrap()).unwrap();
    }

    pub fn request_deletion(&mut self, name: &str) {
        let grace = 30;
        let due = to_time(self.now + TimeDelta::seconds(grace));
        let pod = self.pods.get_mut(name).expect("the pod");
        if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) || pod["spec"].get("nodeName").is_none() {
            // Nothing runs: the API server and the kubelet let it go at once.
            self.pods.remove(name);
            return;
        }
        pod["metadata"]["deletionTimestamp"] = json!(due);
        pod["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    }

    /// The newest pod of an agent.
    pub fn pod_of(&self, agent: &str) -> Option<String> {
        let is_its = |pod: &&Value| pod["metadata"]["labels"]["lazarus-pit.io/agent"] == agent;
        let attempt = |pod: &&Value| {
            pod["metadata"]["labels"]["lazarus-pit.io/attempt"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        let newest = self.pods.values().filter(is_its).max_by_key(attempt)?;
        newest["metadata"]["name"].as_str().map(Into::into)
    }

    pub fn running(&mut self, name: &str) {
        let now = to_time(self.now);
        self.schedule(name);
        let pod = self.pods.get_mut(name).unwrap();
        pod["status"]["phase"] = json!("Running");
        pod["status"]["containerStatuses"] = json!([{ "name": "agent", "state": { "running": { "startedAt": now } } }]);
    }

    pub fn schedule(&mut self, name: &str) {
        let pod = self.pods.get_mut(name).unwrap();
        pod["spec"]["nodeName"] = json!("node-1");
        self.condition(name, "PodScheduled", "True", "", "");
    }

    pub fn waiting(&mut self, name: &str, reason: &str, message: &str) {
        self.schedule(name);
        let state = json!({ "waiting": { "reason": reason, "message": message } });
        self.pods.get_mut(name).unwrap()["status"]["containerStatuses"] = json!([{ "name": "agent", "state": state }]);
    }

    /// The sidecar runs, has admitted the agent, or waits for a reason.
    pub fn sidecar(&mut self, name: &str, word: &str) {
        let now = to_time(self.now);
        self.schedule(name);
        let pod = self.pods.get_mut(name).unwrap();
        let mut status = pod["status"]["initContainerStatuses"].get(0).cloned().unwrap_or_default();
        match word {
            "runs" => status = json!({ "name": "pulse", "started": false, "state": { "running": { "startedAt": now } } }),
            "admitted" => status["started"] = json!(true),
            "lost" => {
                let ended = json!({ "exitCode": 255, "reason": "Unknown", "finishedAt": now });
                status = json!({ "name": "pulse", "state": { "terminated": ended } });
            }
            reason => status = json!({ "name": "pulse", "state": { "waiting": { "reason": reason, "message": reason } } }),
        }
        pod["status"]["initContainerStatuses"] = json!([status]);
    }

    pub fn exit(&mut self, name: &str, code: i64) {
        let now = to_time(self.now);
        let pod = self.pods.get_mut(name).unwrap();
        let started = pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"].clone();
        let (phase, reason) = if code == 0 { ("Succeeded", "Completed") } else { ("Failed", "Error") };
        pod["status"]["phase"] = json!(phase);
        let ended = json!({ "exitCode": code, "reason": reason, "startedAt": started, "finishedAt": now });
        pod["status"]["containerStatuses"] = json!([{ "name": "agent", "state": { "terminated": ended } }]);
    }

    pub fn condition(&mut self, name: &str, r#type: &str, status: &str, reason: &str, message: &str) {
        let now = to_time(self.now);
        let pod = self.pods.get_mut(name).unwrap();
        let condition =
            json!({ "type": r#type, "status": status, "reason": reason, "message": message, "lastTransitionTime": now });
        let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.retain(|condition| condition["type"] != r#type);
        conditions.push(condition);
        pod["status"]["conditions"] = json!(conditions);
    }

    /// Agents with the pods of each that may be running or may start.
    pub fn may_run(&self) -> BTreeMap<String, Vec<String>> {
        let mut agents: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pod in self.snapshot().pods.into_iter().filter(lazarus::observe::Pod::may_run) {
            agents.entry(pod.agent).or_default().push(pod.name);
        }
        agents
    }

    pub fn edit(&mut self, change: impl FnOnce(&mut MissionCell)) {
        change(&mut self.cell);
        *self.cell.metadata.generation.as_mut().unwrap() += 1;
    }
}

pub fn policy(spec: AgentPolicySpec) -> AgentPolicy {
    AgentPolicy::new("careful", spec)
}
