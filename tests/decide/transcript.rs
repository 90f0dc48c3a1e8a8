//! Runs `tests/scenarios/*.txt`: manifests, then lines of input (`> …`) with what follows each.
//!
//! `UPDATE_GENERATED=1` writes what was found; read the difference as you would read code.

use std::fmt::Write as _;
use std::path::Path;

use chrono::TimeDelta;
use lazarus::api::{AgentStatus, DecisionVerdict, Isolation, MissionCell, MissionCellStatus};
use lazarus::decide::{Action, Plan};
use lazarus::observe::{Node, Refusal};
use lazarus::report;
use lazarus::runtime::yaml;
use serde_json::{Value, json};

use super::world::World;

#[test]
fn scenarios_go_as_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 10, "the scenarios are there");
    let mut wrong = Vec::new();
    for file in files {
        let stored = std::fs::read_to_string(&file).unwrap();
        let found = run(&stored);
        if found != stored {
            if std::env::var_os("UPDATE_GENERATED").is_some() {
                std::fs::write(&file, &found).unwrap();
            } else {
                wrong.push(format!("{}:\n{}", file.display(), difference(&stored, &found)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}\nif this is meant: make generate", wrong.join("\n"));
}

fn difference(stored: &str, found: &str) -> String {
    let lines = stored.lines().zip(found.lines()).enumerate().find(|(_, (stored, found))| stored != found);
    match lines {
        Some((line, (stored, found))) => format!("line {}: is\n{found}\nshould be\n{stored}", line + 1),
        None => format!("{} lines, should be {}", found.lines().count(), stored.lines().count()),
    }
}

fn run(text: &str) -> String {
    let (manifests, script) = text.split_once("\n===\n").expect("a line === after the manifests");
    let mut cell = None;
    let mut policy = None;
    for document in yaml::from_documents::<Value>(manifests).expect("manifests") {
        match document["kind"].as_str() {
            Some("MissionCell") => cell = Some(serde_json::from_value::<MissionCell>(document).unwrap()),
            Some("AgentPolicy") => policy = Some(serde_json::from_value(document).unwrap()),
            kind => panic!("kind {kind:?}"),
        }
    }
    let mut world = World::new(cell.expect("a MissionCell"), policy);
    let mut out = format!("{manifests}\n===\n");
    for input in script.lines().filter(|line| line.starts_with('>') || line.starts_with('#')) {
        writeln!(out, "{input}").unwrap();
        if let Some(command) = input.strip_prefix("> ") {
            // Where a script is wrong, what has happened so far says why.
            let performed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| perform(&mut world, command)));
            performed.unwrap_or_else(|_| panic!("{command} is not possible here:\n{out}"));
            settle(&mut world, &mut out);
        }
    }
    out
}

fn perform(world: &mut World, command: &str) {
    let mut words = command.splitn(3, ' ');
    let (verb, agent, rest) = (words.next().unwrap(), words.next().unwrap_or(""), words.next().unwrap_or(""));
    let pod = world.pod_of(agent).unwrap_or_default();
    match verb {
        "start" => {}
        "wait" => world.now += TimeDelta::seconds(agent.parse().unwrap()),
        "running" => world.running(&pod),
        "scheduled" => world.schedule(&pod),
        "waiting" => {
            let (reason, message) = rest.split_once(' ').unwrap_or((rest, ""));
            world.waiting(&pod, reason, message);
        }
        "unschedulable" => world.condition(&pod, "PodScheduled", "False", "Unschedulable", rest),
        "exit" => world.exit(&pod, rest.parse().unwrap()),
        "delete" => world.request_deletion(&pod),
        "disrupt" => world.condition(&pod, "DisruptionTarget", "True", rest, ""),
        "failed" => {
            let status = &mut world.pods.get_mut(&pod).unwrap()["status"];
            (status["phase"], status["reason"]) = (json!("Failed"), json!(rest));
        }
        "gone" => drop(world.pods.remove(&pod).expect("a pod")),
        "edit" => {
            let change: Value = yaml::from_str(rest).unwrap();
            world.edit(|cell| {
                let spec = cell.spec.agents.iter_mut().find(|spec| spec.name == agent).expect("an agent");
                let mut value = serde_json::to_value(&spec).unwrap();
                for (key, field) in change.as_object().unwrap() {
                    value[key] = field.clone();
                }
                *spec = serde_json::from_value(value).unwrap();
            });
        }
        "add" => {
            let spec = yaml::from_str(&format!("{{name: {agent}, image: i, {rest}}}")).unwrap();
            world.edit(|cell| cell.spec.agents.push(spec));
        }
        "remove" => world.edit(|cell| cell.spec.agents.retain(|spec| spec.name != agent)),
        "policy" if agent == "missing" => world.policy = None,
        "policy" => world.policy = Some(super::world::policy(yaml::from_str(&format!("{agent} {rest}")).unwrap())),
        "refuse" => {
            let until = world.now + TimeDelta::seconds(5);
            let generation = world.snapshot().cell.generation;
            world.refusals.insert(agent.into(), Refusal { message: rest.into(), generation, until });
        }
        "accept" => drop(world.refusals.remove(agent)),
        "foreign" => {
            let name = format!("older-{agent}");
            let labels = json!({ "lazarus-pit.io/cell": "cell", "lazarus-pit.io/agent": agent, "lazarus-pit.io/attempt": "1" });
            let pod = json!({ "metadata": { "name": name, "uid": name, "labels": labels }, "status": { "phase": "Running" } });
            world.pods.insert(name, pod);
        }
        // What the gateway knows: `seen AGENT {seen: Silent, silent: 70}`; what is not given is of a fresh report.
        "seen" => {
            let uid = uid_of(world, &pod).or_else(|| world.status().agents.iter().find(|one| one.name == agent)?.pod_uid.clone());
            see(world, uid.expect("an incarnation"), rest);
        }
        "all-seen" => {
            let report = command.strip_prefix("all-seen ").unwrap();
            let pods = world.pods.keys().filter_map(|pod| uid_of(world, pod));
            let elsewhere = world.status().agents.into_iter().filter(AgentStatus::is_elsewhere);
            for uid in pods.chain(elsewhere.filter_map(|agent| agent.pod_uid)).collect::<Vec<_>>() {
                see(world, uid, report);
            }
        }
        "ground" => {
            let change: Value = yaml::from_str(command.strip_prefix("ground ").unwrap()).unwrap();
            let mut ground = serde_json::to_value(&world.ground).unwrap();
            ground.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            world.ground = serde_json::from_value(ground).unwrap();
        }
        "isolation" => {
            let level = Isolation::of(agent).expect("a level");
            world.edit(|cell| cell.spec.isolation = Some(level));
        }
        "claim" => world.claim = Some(serde_json::from_value(yaml::from_str(agent).unwrap()).unwrap()),
        "workspace" => {
            let workspace = yaml::from_str(command.strip_prefix("workspace ").unwrap()).unwrap();
            world.edit(|cell| cell.spec.workspace = Some(workspace));
        }
        "obstacle" => world.obstacle = serde_json::from_value(yaml::from_str(agent).unwrap()).unwrap(),
        "forget" => world.pulses.clear(),
        "account" => world.account = serde_json::from_value(yaml::from_str(agent).unwrap()).unwrap(),
        "node" => {
            let not_ready = (rest == "lost").then_some(world.now);
            world.nodes.insert(agent.into(), Node { not_ready, out_of_service: false });
        }
        "approve" => world.decide(agent, DecisionVerdict::Approve, Some(rest).filter(|option| !option.is_empty())),
        "deny" => world.decide(agent, DecisionVerdict::Deny, None),
        // A person's own request: `order alice Revive scout`.
        "order" => {
            let (option, name) = rest.split_once(' ').expect("an option and an agent");
            world.order(agent, option, name);
        }
        "withdraw" => world.requests.clear(),
        "unenforced" => world.unenforced = Some(format!("{agent} {rest}")).filter(|_| agent != "no-more"),
        "sidecar" => world.sidecar(&pod, rest),
        "drop" => drop(world.pods.remove(&format!("older-{agent}"))),
        "ghost" => world.act(&Action::Create { agent: agent.into(), attempt: rest.parse().unwrap(), level: Isolation::Level1 }),
        "delete-mission" => world.cell.metadata.deletion_timestamp = Some(lazarus::runtime::time::to_time(world.now)),
        _ => panic!("no such command: {command}"),
    }
}

fn uid_of(world: &World, pod: &str) -> Option<String> {
    world.pods.get(pod)?["metadata"]["uid"].as_str().map(Into::into)
}

fn see(world: &mut World, uid: String, report: &str) {
    let mut pulse = json!({ "age": 0, "reported": true, "ever_healthy": true, "heard": true, "seen": "Healthy", "silent": 0,
        "unchanged": null, "busy": null, "running": 0 });
    let change: Value = yaml::from_str(report).unwrap();
    for (key, value) in change.as_object().unwrap() {
        pulse[key] = value.clone();
    }
    world.pulses.insert(uid, serde_json::from_value(pulse).unwrap());
}

fn settle(world: &mut World, out: &mut String) {
    for _ in 0..16 {
        let Plan { actions, status, answers, canaries, recheck_at } = world.plan();
        assert!(actions.is_empty() || status.is_none(), "a plan is actions or a status");
        for answer in &answers {
            let summary = answer.status.summary.as_ref().expect("words");
            let by = summary.by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
            writeln!(out, "  {} is {}{by}: {}", answer.request, summary.decision, summary.message).unwrap();
            world.answer(answer);
        }
        if actions.is_empty() && status.is_none() && answers.is_empty() {
            if let Some(at) = recheck_at {
                writeln!(out, "  look again in {} s", (at - world.now).num_seconds()).unwrap();
            }
            return;
        }
        for action in &actions {
            match action {
                Action::Create { agent, attempt, level: Isolation::Level1 } => {
                    writeln!(out, "  create {agent} {attempt}").unwrap();
                }
                Action::Create { agent, attempt, level } => writeln!(out, "  create {agent} {attempt} at {level}").unwrap(),
                Action::Claim(change) => writeln!(out, "  claim of the workspace: {change:?}").unwrap(),
                Action::Account { agent } => writeln!(out, "  account for {agent}").unwrap(),
                Action::Delete { pod, why, .. } => writeln!(out, "  delete {pod} ({why:?})").unwrap(),
                Action::Ask { name, spec } => {
                    let agents: Vec<_> = spec.incidents.iter().map(|incident| incident.agent.as_str()).collect();
                    let (cause, options) = (&spec.incidents[0].cause, spec.options.join(" or "));
                    writeln!(out, "  ask {name} about {} ({cause}): {options}", agents.join(", ")).unwrap();
                }
                Action::Forget { request, .. } => writeln!(out, "  forget {request}").unwrap(),
            }
            world.act(action);
        }
        for scope in canaries {
            writeln!(out, "  one agent of {scope} tries").unwrap();
        }
        // A refused pod is not there.
        let refused: Vec<_> = world.refusals.keys().filter_map(|agent| world.pod_of(agent)).collect();
        world.pods.retain(|name, _| !refused.contains(name));
        for agent in world.refusals.keys().cloned().collect::<Vec<_>>() {
            let until = world.now + TimeDelta::seconds(5);
            world.refusals.entry(agent).and_modify(|refusal| refusal.until = until);
        }
        if let Some(status) = status {
            tell(out, &world.status(), &status);
            world.write(status);
        }
    }
    panic!("does not settle:\n{out}");
}

fn tell(out: &mut String, old: &MissionCellStatus, new: &MissionCellStatus) {
    let conditions: Vec<_> = new
        .conditions
        .iter()
        .filter(|condition| condition.type_ != "PolicyResolved" || condition.status != "True")
        .filter(|condition| condition.type_ != "IsolationVerified" || condition.status == "False")
        .map(|condition| format!("{}={} {}", condition.type_, condition.status, condition.reason))
        .collect();
    let counts = new.counts.as_ref().unwrap();
    writeln!(out, "  status {} agents={} revived={}", conditions.join(", "), counts.summary, counts.revived).unwrap();
    for agent in new.agents.iter().filter(|agent| !old.agents.contains(agent)) {
        writeln!(out, "    {}", line(agent)).unwrap();
        let before = old.agents.iter().find(|before| (&before.name, before.reason) == (&agent.name, agent.reason));
        if let Some(message) =
            agent.message.as_ref().filter(|message| before.is_some_and(|before| before.message.as_ref() != Some(message)))
        {
            writeln!(out, "      {message}").unwrap();
        }
    }
    if let Some(message) = new.workspace.as_ref().and_then(|workspace| workspace.message.as_ref()) {
        writeln!(out, "    workspace: {message}").unwrap();
    }
    for gone in old.agents.iter().filter(|before| !new.agents.iter().any(|agent| agent.name == before.name)) {
        writeln!(out, "    {} is forgotten", gone.name).unwrap();
    }
    for event in report::between(old, new) {
        writeln!(out, "    {} {}: {}", if event.warning { "!" } else { "·" }, event.reason, event.note).unwrap();
    }
}

fn line(agent: &AgentStatus) -> String {
    let reason = agent.reason.map(|reason| format!("/{reason}")).unwrap_or_default();
    let end = agent.last_end.as_ref().map(|end| format!(", last end {:?} ({})", end.outcome, end.cause)).unwrap_or_default();
    let deaths = if agent.deaths > 0 { format!(", deaths {}", agent.deaths) } else { String::new() };
    let holder = agent.holder.as_ref().map(|holder| format!(", held by {holder}")).unwrap_or_default();
    let holds = if agent.holds.is_empty() { String::new() } else { format!(", holds {}", agent.holds.join(" and ")) };
    format!("{} {:?}{reason} {}{deaths}{end}{holder}{holds}", agent.name, agent.state, agent.attempt)
}
