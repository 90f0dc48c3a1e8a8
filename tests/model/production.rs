//! The bridge to the operator's own functions: from the model's small values to a [`Snapshot`], and back from a [`Plan`].
//!
//! What decides is the real `decide`, `expected`, `render::pod` and `SlimPod::view`. Their results depend on the small values
//! alone, so each is worked out once.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, RwLock};

use chrono::{DateTime, TimeDelta, Utc};
use lazarus::api;
use lazarus::api::beat::Seen;
use lazarus::api::conditions::Reason;
use lazarus::api::{
    AgentPolicySpec, AgentSpec, AgentState, AgentStatus, CellReference, Completion, DecisionVerdict, Isolation, LastEnd,
    MissionCellSpec, MissionCellStatus, OnTimeout, Outcome, RequestIncident, RequestVerb, Restart, RevivalRequestSpec,
    RevivalRequestStatus, Revive, Ruling, names,
};
use lazarus::decide::{Action, Plan, decide, expected};
use lazarus::observe::pod::SlimPod;
use lazarus::observe::{self, Ground, PolicySource, Pulse, Snapshot};
use lazarus::render::{self, Frame};
use lazarus::runtime::config::Config;
use lazarus::runtime::time::to_time;
use serde_json::json;

use super::state::{Answer, Cell, End, Pod, Ranks, Request, Stage, Status, Write};

const MISSION: &str = "night-watch";
const AGENT: &str = "scout";
const REVIVE: &str = "Revive";
const PERSON: &str = "k8s:alice";
/// Stands for the pod of an incarnation before those that the model knows.
const EARLIER: u8 = 255;

/// What a replica goes by besides what it reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum View {
    /// Every wait is over, and reports say that the agent is well.
    Plain,
    /// Reports say that the agent is silent for too long.
    Hung,
    /// By its clock, what is written down was only just written.
    Early,
    /// Its cache knows of no question yet. As the record does not wait for a person either, it does not list the requests.
    Unaware,
}

/// What a replica decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Its writes, in order; none: there is nothing to do.
    pub writes: Vec<Write>,
    /// It brings back an agent that died, or one that was taken away and of which a person said that it stays so.
    pub revives: bool,
}

type Memo<Key, Value> = RwLock<HashMap<Key, Arc<Value>>>;

/// The operator's functions, with what they said before.
#[derive(Debug)]
pub struct Production {
    revive: Revive,
    decisions: Memo<(Cell, Vec<Pod>, Vec<Request>, View), Decision>,
    expectations: Memo<(Cell, Vec<Pod>), Vec<u8>>,
    views: Memo<Pod, observe::Pod>,
}

impl Production {
    /// Under a policy that says this about deaths.
    pub fn new(revive: Revive) -> Self {
        Self { revive, decisions: RwLock::default(), expectations: RwLock::default(), views: RwLock::default() }
    }

    /// Whether people are asked about deaths.
    pub fn asks(&self) -> bool {
        self.revive == Revive::Ask
    }

    /// What the operator does about this mission and these pods, if people were asked this.
    pub fn decide(&self, cell: &Cell, pods: &[Pod], requests: &[Request], view: View) -> Decision {
        let (view, unaware) = if view == View::Unaware { (View::Plain, true) } else { (view, false) };
        // Those of another mission are none of its business. Whether one was acted on only the model knows.
        let own = requests.iter().filter(|request| request.cell == cell.number && !unaware);
        let requests: Vec<_> = own.map(|request| Request { used: false, ..*request }).collect();
        // Only the order of UIDs matters: that makes fewer questions of them.
        let ranks = Ranks::among(cell, pods, &requests);
        let question = (ranks.cell(cell), plain(&ranks.pods(pods)), ranks.requests(&requests), view);
        let work =
            |(cell, pods, requests, view): &(Cell, Vec<Pod>, Vec<Request>, View)| self.work_out(cell, pods, requests, *view);
        let decision = once(&self.decisions, question, work);
        let back = |write: &Write| match *write {
            Write::Create { .. } => *write,
            Write::Delete(rank) => Write::Delete(ranks.back(rank)),
            Write::Ask { cell, pod } => Write::Ask { cell, pod: ranks.back(pod) },
            Write::Patch { cell, status } => {
                Write::Patch { cell, status: Status { pod: status.pod.map(|rank| ranks.back(rank)), ..status } }
            }
        };
        Decision { writes: decision.writes.iter().map(back).collect(), revives: decision.revives }
    }

    /// The pods that the gateway admits, if it knows this record.
    pub fn expected(&self, cell: &Cell, pods: &[Pod]) -> Arc<Vec<u8>> {
        once(&self.expectations, (cell.clone(), plain(pods)), |(cell, pods)| {
            let snapshot = self.snapshot(cell, pods, &[], View::Plain, &Told::default());
            expected(&snapshot).iter().map(|expected| pod_number(&expected.uid)).collect()
        })
    }

    /// How many different questions `decide` was asked.
    pub fn questions(&self) -> usize {
        self.decisions.read().unwrap().len()
    }

    /// The model leaves out what is in the status for people. That is right as long as nothing that is done depends on it: so
    /// each question is asked in several ways, and the answer must be the same.
    fn work_out(&self, cell: &Cell, pods: &[Pod], requests: &[Request], view: View) -> Decision {
        let ask = |told: &Told| compress(&decide(&self.snapshot(cell, pods, requests, view, told), now()), cell);
        let decision = ask(&Told::default());
        for told in Told::others(cell.status.end) {
            assert_eq!(ask(&told), decision, "the model leaves out too much: {cell:?} {pods:?} {requests:?} {view:?} {told:?}");
        }
        decision
    }

    fn snapshot(&self, cell: &Cell, pods: &[Pod], requests: &[Request], view: View, told: &Told) -> Snapshot {
        let mut views: Vec<_> = pods.iter().map(|pod| (*self.view(*pod)).clone()).collect();
        // As the reader does.
        views.sort_by(|left, right| (&left.agent, left.attempt, &left.uid).cmp(&(&right.agent, right.attempt, &right.uid)));
        let committed = pods.iter().filter(|pod| Some(pod.uid) == cell.status.pod && pod.stage == Stage::Runs);
        let pulses = committed.map(|pod| (pod_uid(pod.uid), pulse(view))).collect();
        let mut observed = mission(cell.number, cell.spec);
        observed.deleting = cell.deleting;
        observed.status = status(cell, view, told);
        Snapshot {
            cell: observed,
            policy: PolicySource::Found("model".into(), Box::new(self.policy())),
            defaults: Config::default().defaults,
            pods: views,
            nodes: <_>::default(),
            pulses,
            obstacle: None,
            account: None,
            refusals: <_>::default(),
            unrest: Vec::new(),
            requests: requests.iter().copied().map(request).collect(),
            unenforced: None,
            ground: Ground::default(),
            claim: None,
        }
    }

    fn policy(&self) -> AgentPolicySpec {
        // Attempts are never used up: how many there are is not what is checked here.
        let restart = Restart { max_attempts: Some(100), backoff_seconds: Some(30), ..Restart::default() };
        AgentPolicySpec { revive: Some(self.revive), restart: Some(restart), ..AgentPolicySpec::default() }
    }

    fn view(&self, pod: Pod) -> Arc<observe::Pod> {
        once(&self.views, pod, |pod| view(*pod))
    }
}

fn once<Key: Clone + Eq + Hash, Value>(memo: &Memo<Key, Value>, key: Key, work: impl FnOnce(&Key) -> Value) -> Arc<Value> {
    if let Some(known) = memo.read().unwrap().get(&key) {
        return known.clone();
    }
    let value = Arc::new(work(&key));
    memo.write().unwrap().entry(key).or_insert(value).clone()
}

/// Without what only the model knows.
fn plain(pods: &[Pod]) -> Vec<Pod> {
    pods.iter().map(|pod| Pod { expected: false, ..*pod }).collect()
}

/// Parts of the record that the model leaves out, because only people read them.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    state: AgentState,
    reason: Option<Reason>,
    deaths: i64,
    /// How an earlier incarnation ended, and that a person approved of its successor.
    earlier: bool,
}

impl Told {
    /// What else may be told of an incarnation that has ended, or has not.
    fn others(end: Option<End>) -> Vec<Self> {
        let told = |state, reason, deaths| Self { state, reason, deaths, earlier: end.is_none() };
        match end {
            None => vec![
                told(AgentState::Starting, None, 1),
                told(AgentState::Alive, None, 2),
                told(AgentState::Stale, Some(Reason::Stale), 0),
                told(AgentState::Waiting, Some(Reason::Terminating), 0),
                told(AgentState::Dead, Some(Reason::RevivalSuppressed), 1),
            ],
            Some(End::Died | End::Disrupted | End::Replaced) => vec![
                told(AgentState::Waiting, Some(Reason::Backoff), 1),
                told(AgentState::Waiting, Some(Reason::Recreating), 0),
                told(AgentState::Waiting, Some(Reason::PreviousIncarnation), 2),
                told(AgentState::Dead, Some(Reason::Hung), 1),
            ],
        }
    }
}

/// The one time at which everything is decided: there is no clock in the model. What a wait is counted from was hours ago, or
/// it is now; a replica may take it for either at any time, as clocks differ.
fn now() -> DateTime<Utc> {
    "2026-01-02T00:00:00Z".parse().unwrap()
}

fn ago(hours: i64) -> DateTime<Utc> {
    now() - TimeDelta::hours(hours)
}

fn mission(number: u8, spec: u8) -> observe::Cell {
    let agent = AgentSpec {
        name: AGENT.into(),
        image: format!("registry.example/scout:{spec}"),
        completion: Some(Completion::Service),
        ..AgentSpec::default()
    };
    observe::Cell {
        name: MISSION.into(),
        namespace: "missions".into(),
        uid: format!("0000000{number}-0000-4000-8000-000000000000"),
        generation: i64::from(spec) + 1,
        deleting: false,
        spec: MissionCellSpec { mission: "Keep watch.".into(), agents: vec![agent], ..MissionCellSpec::default() },
        status: MissionCellStatus::default(),
    }
}

/// Name of the pod of an incarnation.
pub fn pod_name(cell: u8, attempt: u8) -> String {
    names::pod_name(MISSION, &mission(cell, 0).uid, AGENT, i64::from(attempt))
}

fn pod_uid(number: u8) -> String {
    format!("00000000-0000-4000-8000-0000000000{number:02x}")
}

fn pod_number(uid: &str) -> u8 {
    u8::from_str_radix(&uid[uid.len() - 2..], 16).unwrap()
}

fn pulse(view: View) -> Pulse {
    let (seen, silent) = match view {
        View::Hung => (Seen::Silent, 100_000),
        View::Plain | View::Early | View::Unaware => (Seen::Healthy, 0),
    };
    Pulse { age: 0, reported: true, ever_healthy: true, heard: true, seen, silent, running: 100_000, ..Pulse::default() }
}

/// The pod as the operator makes it, with what the cluster adds, as the operator reads it.
fn view(pod: Pod) -> observe::Pod {
    let cell = mission(pod.cell, pod.spec);
    let frame = Frame { level: Isolation::Level1, pulse_image: "lazarus", network_check_seconds: 300, proxy: None };
    let mut object = serde_json::to_value(render::pod(&cell, &cell.spec.agents[0], i64::from(pod.attempt), frame)).unwrap();
    object["metadata"]["uid"] = json!(pod_uid(pod.uid));
    object["metadata"]["creationTimestamp"] = json!(to_time(ago(10)));
    if pod.deleting {
        object["metadata"]["deletionTimestamp"] = json!(to_time(ago(6)));
        object["metadata"]["deletionGracePeriodSeconds"] = json!(0);
    }
    if !pod.owned {
        object["metadata"]["ownerReferences"] = json!([]);
    }
    object["spec"]["nodeName"] = json!("node-1");
    let started = to_time(ago(9));
    // By the kubelet's clock the process ended before the deletion was asked for, or after.
    let ended = |hours| {
        let finished = to_time(ago(hours));
        json!({ "terminated": { "exitCode": 1, "reason": "Error", "startedAt": started, "finishedAt": finished } })
    };
    let (phase, state) = match pod.stage {
        Stage::Asks | Stage::Admitted => ("Pending", json!({ "waiting": { "reason": "PodInitializing" } })),
        Stage::Runs => ("Running", json!({ "running": { "startedAt": started } })),
        Stage::Died => ("Failed", ended(7)),
        Stage::Stopped => ("Failed", ended(5)),
    };
    let sidecar = json!({ "running": { "startedAt": started } });
    object["status"] = json!({
        "phase": phase,
        "conditions": [{ "type": "PodScheduled", "status": "True", "lastTransitionTime": to_time(ago(10)) }],
        "initContainerStatuses": [{ "name": names::PULSE_CONTAINER, "started": pod.stage != Stage::Asks, "state": sidecar }],
        "containerStatuses": [{ "name": names::AGENT_CONTAINER, "state": state }],
    });
    serde_json::from_value::<SlimPod>(object).unwrap().view()
}

fn status(cell: &Cell, view: View, told: &Told) -> MissionCellStatus {
    let Status { attempt, pod, end, waits, ruling } = cell.status;
    let Some(pod) = pod else { return MissionCellStatus::default() };
    let Told { state, reason, deaths, earlier } = *told;
    let at = if view == View::Early { now() } else { ago(4) };
    let ended = |uid, end| LastEnd {
        pod_uid: uid,
        outcome: match end {
            End::Died => Outcome::Died,
            End::Disrupted => Outcome::Disrupted,
            End::Replaced => Outcome::Replaced,
        },
        cause: if reason == Some(Reason::Hung) { "Hung" } else { "Error" }.into(),
        exit_code: None,
        started_at: Some(to_time(if view == View::Early { now() } else { ago(9) })),
        at: to_time(at),
        template: None,
    };
    let ruled = |uid, answer| Ruling {
        request: request_name(uid),
        pod_uid: pod_uid(uid),
        verdict: verdict(answer),
        option: (answer == Answer::Approve).then(|| REVIVE.into()),
        by: PERSON.into(),
        at: to_time(at),
    };
    let (earlier_end, earlier_ruling) =
        earlier.then(|| (ended(pod_uid(EARLIER), End::Died), ruled(EARLIER, Answer::Approve))).unzip();
    let (state, reason) = match end {
        _ if !waits => (state, reason),
        None => (AgentState::Dead, Some(Reason::AwaitingApproval)),
        Some(_) => (AgentState::Waiting, Some(Reason::AwaitingApproval)),
    };
    let agent = AgentStatus {
        name: AGENT.into(),
        state,
        reason,
        attempt: i64::from(attempt),
        pod_name: Some(pod_name(cell.number, attempt)),
        pod_uid: Some(pod_uid(pod)),
        since: Some(to_time(at)),
        deaths,
        last_end: end.map(|end| ended(pod_uid(pod), end)).or(earlier_end),
        ruling: ruling.map(|answer| ruled(pod, answer)).or(earlier_ruling),
        ..AgentStatus::default()
    };
    MissionCellStatus { agents: vec![agent], ..MissionCellStatus::default() }
}

fn verdict(answer: Answer) -> DecisionVerdict {
    match answer {
        Answer::Approve => DecisionVerdict::Approve,
        Answer::Deny => DecisionVerdict::Deny,
    }
}

fn request_name(pod: u8) -> String {
    format!("{MISSION}-{pod}")
}

/// What people were asked, as the operator reads it. What it wrote about the answer is left out: that follows from the record.
fn request(request: Request) -> observe::Request {
    let incident = RequestIncident {
        agent: AGENT.into(),
        pod_uid: pod_uid(request.pod),
        cause: "Error".into(),
        exit_code: None,
        attempts: 1,
        node: None,
        at: None,
    };
    let spec = RevivalRequestSpec {
        cell_ref: CellReference { name: MISSION.into(), uid: mission(request.cell, 0).uid },
        verb: RequestVerb::Revive,
        incidents: vec![incident],
        options: vec![REVIVE.into()],
        requested_at: to_time(ago(3)),
        expires_at: None,
        on_timeout: OnTimeout::Wait,
        quorum: 1,
        requested_by: None,
        comment: None,
    };
    let decision =
        |answer| api::Decision { verdict: verdict(answer), option: None, by: PERSON.into(), via: None, comment: None, at: None };
    let decisions = request.answer.map(decision).into_iter().collect();
    let status = RevivalRequestStatus { decisions, ..RevivalRequestStatus::default() };
    let name = request_name(request.pod);
    observe::Request { uid: name.clone(), name, version: "1".into(), created: ago(3), spec, status }
}

/// What of a plan changes what is done later. A status in which only words changed is left out: that it makes other writes
/// fail is covered, as any replica may give up its writes at any time.
fn compress(plan: &Plan, cell: &Cell) -> Decision {
    let mut decision = Decision { writes: Vec::new(), revives: false };
    let Status { end, ruling, .. } = cell.status;
    let dead = end == Some(End::Died) || end == Some(End::Disrupted) && ruling == Some(Answer::Deny);
    for action in &plan.actions {
        let write = match action {
            Action::Create { agent, attempt, level: _ } => {
                assert_eq!(agent, AGENT);
                decision.revives |= dead;
                Write::Create { cell: cell.number, attempt: u8::try_from(*attempt).unwrap(), spec: cell.spec }
            }
            Action::Delete { pod: _, uid, why: _ } => {
                decision.revives |= dead && Some(pod_number(uid)) == cell.status.pod;
                Write::Delete(pod_number(uid))
            }
            Action::Ask { name: _, spec } => {
                let [incident] = spec.incidents.as_slice() else { panic!("a question is about one agent: {spec:?}") };
                let asked = (incident.agent.as_str(), spec.options.join(","), spec.quorum, spec.on_timeout);
                assert_eq!(asked, (AGENT, REVIVE.into(), 1, OnTimeout::Wait));
                Write::Ask { cell: cell.number, pod: pod_number(&incident.pod_uid) }
            }
            Action::Account { .. } => panic!("nobody runs elsewhere"),
            Action::Claim(_) => panic!("no volume is asked for"),
            Action::Forget { .. } => panic!("there is no request to forget"),
        };
        decision.writes.push(write);
    }
    let Some(new) = &plan.status else { return decision };
    assert!(plan.actions.is_empty(), "a plan is actions or a status: {plan:?}");
    let status = new.agents.first().map_or_else(Status::default, compressed);
    if status != cell.status {
        decision.writes.push(Write::Patch { cell: cell.number, status });
    }
    decision
}

fn compressed(agent: &AgentStatus) -> Status {
    let end = agent.last_end.as_ref().filter(|end| Some(&end.pod_uid) == agent.pod_uid.as_ref());
    let end = end.map(|end| match end.outcome {
        Outcome::Died => End::Died,
        Outcome::Disrupted => End::Disrupted,
        Outcome::Replaced => End::Replaced,
        Outcome::Completed | Outcome::Stopped => panic!("a service of a mission that goes on neither completes nor stops"),
    });
    let ruling = agent.ruling.as_ref().filter(|ruling| Some(&ruling.pod_uid) == agent.pod_uid.as_ref());
    let ruling = ruling.map(|ruling| match ruling.verdict {
        DecisionVerdict::Approve => Answer::Approve,
        DecisionVerdict::Deny => Answer::Deny,
    });
    let pod = agent.pod_uid.as_ref().map(|uid| pod_number(uid));
    let waits = agent.reason == Some(Reason::AwaitingApproval);
    Status { attempt: u8::try_from(agent.attempt).unwrap(), pod, end, waits, ruling }
}
