//! What `lazarus plan` and `lazarus explain` tell a person who reads nothing else, held against what is and what comes.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentState, AgentStatus, MissionCell, RevivalRequest};
use lazarus::decide::expiry;
use lazarus::runtime::time::from_time;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Stage;
use super::people::decision;
use super::stage::soon;

/// Whoever asks may see missions and requests, and nothing else.
const READER: &str = "vera";

/// What was told of an agent at one moment.
pub struct Told {
    cell: String,
    agent: AgentStatus,
    steps: Vec<Step>,
}

/// One step of a plan.
#[derive(Debug, Deserialize)]
struct Step {
    at: Option<DateTime<Utc>>,
    by: String,
    what: String,
    agents: Vec<String>,
    because: String,
    command: Option<String>,
}

/// What becomes of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// There is a new incarnation.
    Back,
    /// Another agent has its part.
    Substituted,
    /// It was decided that it stays dead.
    Denied,
    /// It is the same incarnation, and alive again.
    Recovered,
    /// It is as it was.
    Same,
}

impl Stage {
    /// Asks what an agent is and what is planned for it. The answers must be what the status and the requests say, and the
    /// steps of the plan that are about the agent these, such as `Person: Revive` or `Operator: Restart`.
    pub async fn told(&self, cell: &str, agent: &str, expected: &[&str]) -> Told {
        self.allow_once("lazarus-view", &[READER]).await;
        let mut found = None;
        // An answer given while something changed is about neither the one nor the other.
        soon("plan and explain are asked while nothing changes", async || {
            let before = self.known(cell).await;
            let ask = |arguments: &[&str]| self.person(READER, arguments).unwrap();
            let answers = [
                ask(&["plan", cell, "-o", "json"]),
                ask(&["plan", cell]),
                ask(&["explain", cell, agent, "-o", "json"]),
                ask(&["explain", cell, agent]),
            ];
            let calm = versions(&before) == versions(&self.known(cell).await);
            found = calm.then_some((before, answers));
            found.is_some()
        })
        .await;
        let ((object, requests), [plan, plan_text, explained, explain_text]) = found.unwrap();
        let status = of(&object, agent);
        let asks: Vec<_> = requests.iter().filter(|request| is_open(request, &object, agent)).collect();
        let plan: Value = serde_json::from_str(&plan).unwrap();
        let explained: Value = serde_json::from_str(&explained).unwrap();
        let mut steps: Vec<Step> = serde_json::from_value(plan["steps"].clone()).unwrap();
        steps.retain(|step| step.agents.iter().any(|name| name == agent));
        let said: Vec<_> = steps.iter().map(|step| format!("{}: {}", step.by, step.what)).collect();
        assert_eq!(said, expected, "{plan_text}\n{status:#?}");
        explains(&explained["agents"][0], &explain_text, &status, &asks);
        decides(&explained["agents"][0], &steps);
        plans(&steps, &plan_text, &object, &status, &asks);
        Told { cell: cell.into(), agent: status, steps }
    }

    async fn known(&self, cell: &str) -> (MissionCell, Vec<RevivalRequest>) {
        (self.api::<MissionCell>().get(cell).await.unwrap(), self.requests().await)
    }
}

fn versions((cell, requests): &(MissionCell, Vec<RevivalRequest>)) -> Vec<Option<String>> {
    requests.iter().map(ResourceExt::resource_version).chain([cell.resource_version()]).collect()
}

fn of(cell: &MissionCell, agent: &str) -> AgentStatus {
    let agents = cell.status.iter().flat_map(|status| &status.agents);
    agents.into_iter().find(|found| found.name == agent).unwrap().clone()
}

fn is_open(request: &RevivalRequest, cell: &MissionCell, agent: &str) -> bool {
    let about = request.spec.incidents.iter().any(|incident| incident.agent == agent);
    about && Some(&request.spec.cell_ref.uid) == cell.metadata.uid.as_ref() && matches!(decision(request), "Pending" | "")
}

/// The text tells the same as the fields.
fn tells(text: &str, wanted: &str) {
    // A table shows a line as it is, and no cell is cut.
    assert!(text.contains(wanted), "{wanted:?} is not said in\n{text}");
}

fn explains(said: &Value, text: &str, status: &AgentStatus, asks: &[&RevivalRequest]) {
    let known = serde_json::to_value(status).unwrap();
    let or_nothing = |value: &Value| if value == &json!([]) { Value::Null } else { value.clone() };
    for (ours, theirs) in [
        ("state", "state"),
        ("reason", "reason"),
        ("message", "message"),
        ("since", "since"),
        ("attempt", "attempt"),
        ("deaths", "deaths"),
        ("revived", "revived"),
        ("pod", "podName"),
        ("node", "node"),
        ("holder", "holder"),
        ("holds", "holds"),
        ("lastEnd", "lastEnd"),
        ("verdict", "verdict"),
    ] {
        assert_eq!(or_nothing(&said["agent"][ours]), or_nothing(&known[theirs]), "{ours}\n{text}");
    }
    if let Some(reason) = status.reason {
        assert_eq!(said["meaning"], reason.meaning());
        tells(text, &format!("({reason})"));
    }
    tells(text, said["meaning"].as_str().unwrap());
    tells(text, said["decides"].as_str().unwrap());
    let verdict = status.verdict.as_ref().unwrap();
    tells(text, &format!("{}: {}", verdict.rule, verdict.evidence));
    if let Some(since) = &status.since {
        tells(text, &from_time(since).format("%H:%M:%SZ").to_string());
    }
    let named: Vec<_> = said["asks"].as_array().unwrap().iter().map(|ask| ask["request"].as_str().unwrap()).collect();
    assert_eq!(named, asks.iter().map(|request| request.name_any()).collect::<Vec<_>>());
    if let Some(command) = said["command"].as_str() {
        tells(text, command);
    }
}

/// Who decides, says `explain`; it is whoever makes happen what `plan` says.
fn decides(said: &Value, steps: &[Step]) {
    let decides = said["decides"].as_str().unwrap();
    let is = |by: &str| steps.iter().any(|step| step.by == by && step.what != "Look again");
    let wanted: &[&str] = match () {
        () if is("Person") => &["a person", "people who", "whoever"],
        () if is("Operator") => &["the operator"],
        // What is planned for it comes after what is planned for another.
        () => &["nobody", "the operator"],
    };
    assert!(wanted.iter().any(|word| decides.contains(word)), "{decides} decides, but {steps:#?}");
    let commands: Vec<_> = steps.iter().filter_map(|step| step.command.as_deref()).collect();
    assert_eq!(said["command"].as_str(), commands.first().copied(), "{steps:#?}");
}

fn plans(steps: &[Step], text: &str, cell: &MissionCell, status: &AgentStatus, asks: &[&RevivalRequest]) {
    for step in steps {
        tells(text, &step.what);
        tells(text, &step.because);
        if let Some(at) = step.at.filter(|at| *at > super::lab::now()) {
            tells(text, &at.format("%H:%M:%SZ (in ").to_string());
        }
        if let Some(command) = &step.command {
            tells(text, &format!("→ {command}"));
        }
    }
    for ask in asks {
        let (name, spec) = (ask.name_any(), &ask.spec);
        let asked = steps.iter().find(|step| step.by == "Person" && step.because.starts_with(&format!("{name} asks")));
        let asked = asked.unwrap_or_else(|| panic!("{name} is in no step: {steps:#?}"));
        assert_eq!(asked.what, spec.options.join(" or "));
        assert_eq!(asked.agents, spec.incidents.iter().map(|incident| incident.agent.clone()).collect::<Vec<_>>());
        assert!(asked.command.as_ref().is_some_and(|command| command.contains(&format!(" approve {name}"))));
        let ends =
            steps.iter().find(|step| step.by == "Operator" && step.because.starts_with(&format!("{name}: nobody decided")));
        assert_eq!(ends.and_then(|step| step.at), expires(cell, ask), "{steps:#?}");
    }
    let next = cell.status.as_ref().and_then(|status| status.next_action.as_ref());
    if let Some(next) = next.filter(|next| {
        next.agent == status.name
            && !asks.iter().any(|ask| next.at.is_some() && expires(cell, ask) == next.at.as_ref().map(from_time))
    }) {
        let at = next.at.as_ref().map(from_time);
        assert!(steps.iter().any(|step| (step.what.as_str(), step.at) == (&*next.what, at)), "{next:?}: {steps:#?}");
    }
}

/// When the operator decides because nobody did.
fn expires(cell: &MissionCell, ask: &RevivalRequest) -> Option<DateTime<Utc>> {
    let policy = cell.status.as_ref()?.effective_policy.as_ref()?;
    Some(expiry(&policy.approval, &ask.spec, from_time(&ask.creation_timestamp()?))?.0)
}

impl Told {
    /// What became of the agent since is this, and it is what was told: by whom, and not before its time.
    pub async fn came_true(&self, stage: &Stage, fate: Fate) {
        let (cell, requests) = stage.known(&self.cell).await;
        let agent = of(&cell, &self.agent.name);
        let became = self.became(&agent);
        let context = || format!("{:#?}\nwas told, and it is {agent:#?}", self.steps);
        assert_eq!(became, fate, "{}", context());
        let (began, words): (_, &[&str]) = match fate {
            Fate::Back => {
                let made = match &agent.pod_name {
                    Some(pod) => stage.api::<Pod>().get(pod).await.unwrap().creation_timestamp(),
                    None => agent.started_at.clone(),
                };
                (made, &["Revive", "Restart", "Recreate", "node"])
            }
            Fate::Substituted => (agent.since.clone(), &["Substitute", "node"]),
            Fate::Denied => (agent.ruling.as_ref().map(|ruling| ruling.at.clone()), &["Deny", "Revive", "Substitute"]),
            Fate::Recovered => {
                let told = |step: &Step| step.because.contains("recovers") || step.what.contains("node");
                assert!(self.steps.iter().any(told), "{}", context());
                return;
            }
            Fate::Same => {
                let acts = |step: &&Step| step.by == "Operator" && !["Look again", "Overdue"].contains(&step.what.as_str());
                assert_eq!(self.steps.iter().filter(acts).count(), 0, "{}", context());
                return;
            }
        };
        // The API server's times are whole seconds.
        let began = from_time(&began.unwrap()) + TimeDelta::seconds(1);
        let ruling = agent.ruling.as_ref().filter(|ruling| Some(&ruling.pod_uid) == self.agent.pod_uid.as_ref());
        let by_person = ruling.is_some_and(|ruling| ruling.by.starts_with("k8s:"));
        let is_it = |step: &&Step| {
            let by_whom = match step.by.as_str() {
                "Person" if step.command.is_some() => by_person,
                "Person" => true,
                _ => !by_person,
            };
            by_whom && step.at.is_none_or(|at| at <= began) && words.iter().any(|word| step.what.contains(word))
        };
        assert!(self.steps.iter().any(|step| is_it(&step)), "not before its time, by whom it was said: {}", context());
        if let Some(ruling) = ruling {
            assert!(from_time(&ruling.at) <= began, "{}", context());
            let request = requests.iter().find(|request| request.name_any() == ruling.request).unwrap();
            let option = ruling.option.as_deref().unwrap_or("Revive");
            // Whoever stands in when nobody decided is one of those that were named.
            let offered = |offered: &String| offered == option || offered.starts_with(&format!("{option}/"));
            assert!(fate == Fate::Denied || request.spec.options.iter().any(offered), "{}", context());
        }
    }

    fn became(&self, agent: &AgentStatus) -> Fate {
        let was = &self.agent;
        match () {
            () if agent.attempt > was.attempt => Fate::Back,
            () if agent.holder.is_some() && was.holder.is_none() => Fate::Substituted,
            () if agent.reason == Some(Reason::Denied) && was.reason != Some(Reason::Denied) => Fate::Denied,
            () if agent.pod_uid == was.pod_uid && agent.state == AgentState::Alive && was.state != AgentState::Alive => {
                Fate::Recovered
            }
            () => {
                assert_eq!((agent.state, agent.reason, agent.attempt), (was.state, was.reason, was.attempt));
                Fate::Same
            }
        }
    }
}
