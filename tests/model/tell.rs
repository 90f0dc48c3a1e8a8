//! A history in words.

use std::fmt::Write as _;

use super::model::{Action, Lazarus};
use super::production::View;
use super::state::{Answer, Phase, Pod, Request, Stage, State, Status, Write};

const REPLICAS: [&str; 2] = ["replica A", "replica B"];

/// A history, one step a line, with the cluster as it is afterwards wherever it changed.
pub fn history(steps: &[(State, Option<Action>)]) -> String {
    let mut text = String::new();
    let mut shown = String::new();
    for (number, pair) in steps.windows(2).enumerate() {
        let [(before, Some(action)), (after, _)] = pair else { continue };
        let cluster = cluster(after);
        let news = if cluster == shown { String::new() } else { format!("\n      {cluster}") };
        writeln!(text, "{:>4}  {}{news}", number + 1, step(before, *action, after)).unwrap();
        shown = cluster;
    }
    text
}

/// What a replica does alone, and never comes to an end with, from this state on.
pub fn alone(model: &Lazarus, state: &State) -> String {
    let mut steps = Vec::new();
    let end = model.alone(state, |before, action, _| steps.push((before.clone(), Some(action))));
    let came = end.map_or_else(|| "and so on, without an end".into(), |end| format!("and there it stays: {}", cluster(&end)));
    let last = steps.last().and_then(|(state, action)| stateright::Model::next_state(model, state, (*action)?));
    steps.truncate(40);
    steps.extend(last.map(|last| (last, None)));
    format!("      then, with one replica alone and no further fault:\n{}      {came}\n", history(&steps))
}

fn step(before: &State, action: Action, after: &State) -> String {
    match action {
        Action::Read(replica) => match after.replicas[replica].phase {
            Phase::Listed(_) => format!("{} lists the pods", REPLICAS[replica]),
            _ => format!("{} reads the mission", REPLICAS[replica]),
        },
        Action::Look(replica, view) => {
            let second = match before.replicas[replica].phase {
                Phase::Listed(_) => "reads the mission",
                _ if !before.requests.is_empty() => "lists the pods and the requests",
                _ => "lists the pods",
            };
            let view = match view {
                View::Plain => "",
                View::Hung => ", has a report that the agent hangs",
                View::Early => ", by its clock before the wait is over",
                View::Unaware => ", knows of no question",
            };
            let plan = match &after.replicas[replica].phase {
                Phase::Writes(writes) => writes.iter().map(|one| write(before, *one)).collect::<Vec<_>>().join(", then "),
                Phase::Idle | Phase::Read { .. } | Phase::Listed(_) => "do nothing".into(),
            };
            format!("{} {second}{view}, and is to {plan}", REPLICAS[replica])
        }
        Action::Send(replica) => format!("{} does so: {}", REPLICAS[replica], first(before, replica)),
        Action::Forget(replica) => format!("{} crashes, or loses the lease, or is refused", REPLICAS[replica]),
        Action::Lose(replica) => format!("{} gets no answer; still under way: {}", REPLICAS[replica], first(before, replica)),
        Action::Land(index) => format!("what was under way lands: {}", write(before, before.ghosts[index])),
        Action::Admit(uid) => format!("the gateway admits {}", name(before, uid)),
        Action::Start(uid) => format!("the kubelet starts the agent in {}", name(before, uid)),
        Action::Die(uid) => format!("the agent in {} dies", name(before, uid)),
        Action::Stop(uid) if after.pod(uid).is_some() => format!("the kubelet ends the agent in {}", name(before, uid)),
        Action::Stop(uid) => format!("{} is gone", name(before, uid)),
        Action::Evict(uid) => format!("somebody deletes {}", name(before, uid)),
        Action::Collect(uid) => format!("the garbage collector deletes {}", name(before, uid)),
        Action::Delete(way) => format!("a person deletes the mission ({way:?})"),
        Action::Vanish => "the mission is gone".into(),
        Action::Return => "a person makes a mission of the same name".into(),
        Action::Edit => "a person changes the agent's spec".into(),
        Action::Answer(uid, Answer::Approve) => format!("a person approves that {} gets a successor", name(before, uid)),
        Action::Answer(uid, Answer::Deny) => format!("a person denies that {} gets a successor", name(before, uid)),
    }
}

fn first(state: &State, replica: usize) -> String {
    match &state.replicas[replica].phase {
        Phase::Writes(writes) => write(state, writes[0]),
        Phase::Idle | Phase::Read { .. } | Phase::Listed(_) => String::new(),
    }
}

fn write(state: &State, write: Write) -> String {
    match write {
        Write::Create { cell, attempt, spec: _ } => format!("create pod {cell}-{attempt}"),
        Write::Delete(uid) => format!("delete {}", name(state, uid)),
        Write::Ask { cell: _, pod } => format!("ask people about {}", name(state, pod)),
        Write::Patch { cell, status } => match (status.pod, status.end) {
            (Some(uid), None) => format!("write that {} is the agent of mission {cell}{}", name(state, uid), people(status)),
            (Some(uid), Some(end)) => format!("write that {} ended ({end:?}{})", name(state, uid), people(status)),
            (None, _) => format!("write that mission {cell} has no agent"),
        },
    }
}

fn people(status: Status) -> &'static str {
    match status.ruling {
        Some(Answer::Approve) => ", and is to be brought back",
        Some(Answer::Deny) => ", and is not to be brought back",
        None if status.waits => ", and waits for a person",
        None => "",
    }
}

/// Mission and attempt as in the pod's name, and its UID.
fn name(state: &State, uid: u8) -> String {
    state
        .pod(uid)
        .map_or_else(|| format!("the pod with UID {uid}"), |pod| format!("pod {}-{} (UID {uid})", pod.cell, pod.attempt))
}

fn cluster(state: &State) -> String {
    let mission = match &state.cell {
        None => "no mission".into(),
        Some(cell) => {
            let agent = cell.status.pod.map_or("no agent yet".into(), |uid| format!("its agent is UID {uid}"));
            let end = cell.status.end.map(|end| format!(", ended: {end:?}")).unwrap_or_default() + people(cell.status);
            let deleting = if cell.deleting { ", being deleted" } else { "" };
            format!("mission {}: {agent}{end}{deleting}", cell.number)
        }
    };
    let pods: Vec<_> = state.pods.iter().copied().map(pod).collect();
    let requests: Vec<_> = state.requests.iter().copied().map(request).collect();
    let parts = [mission, pods.join(", "), requests.join(", ")];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" | ")
}

fn request(request: Request) -> String {
    let answer = match request.answer {
        None => "asked",
        Some(Answer::Approve) => "approved",
        Some(Answer::Deny) => "denied",
    };
    format!("{answer} about UID {}", request.pod)
}

fn pod(pod: Pod) -> String {
    let stage = match pod.stage {
        Stage::Asks => "waits for admission",
        Stage::Admitted => "is admitted",
        Stage::Runs => "RUNS",
        Stage::Died => "died",
        Stage::Stopped => "was ended",
    };
    let deleting = if pod.deleting { ", being deleted" } else { "" };
    let owner = if pod.owned { "" } else { ", orphan" };
    format!("pod {}-{} (UID {}) {stage}{deleting}{owner}", pod.cell, pod.attempt, pod.uid)
}
