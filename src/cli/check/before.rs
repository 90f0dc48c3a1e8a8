//! What a cluster has to have before anything is installed.

use k8s_openapi::api::node::v1::RuntimeClass;
use kube::ResourceExt;

use super::finding::{Finding, fail, ok, warn};
use super::seen::{Before, Look};
use crate::api::{Isolation, MissionCell};
use crate::decide::{Lack, node_lack};
use crate::observe::Features;
use crate::observe::node::SlimNode;

const KUBERNETES: &str = "Kubernetes";
const ADMISSION: &str = "admission";
const CLASSES: &str = "RuntimeClasses";

/// The first version with the admission policies, and the one that this project is tried on.
const LEAST: (u32, u32) = (1, 30);
const TRIED: (u32, u32) = (1, 36);

/// The levels that nodes are looked at for.
const LEVELS: [Isolation; 3] = [Isolation::Level1, Isolation::Level2, Isolation::Level3];

pub(super) fn judge(before: &Before, cells: &[MissionCell]) -> Vec<Finding> {
    let Before { version, admission, nodes, runtime_classes } = before;
    let levels = match nodes {
        Look::Seen(nodes) => LEVELS.map(|level| node_level(nodes, level)).into(),
        Look::Hidden(_) => nodes.judged("nodes", |_| Vec::new()),
    };
    [
        version.judged(KUBERNETES, |version| vec![kubernetes(version)]),
        admission.judged(ADMISSION, |kinds| vec![policies(kinds)]),
        levels,
        runtime_classes.judged(CLASSES, |found| classes(found, nodes, cells)),
    ]
    .concat()
}

fn kubernetes(version: &str) -> Finding {
    let numbers = version.trim_start_matches('v').split(['.', '-', '+']).map_while(|part| part.parse::<u32>().ok());
    let [major, minor, ..] = *numbers.collect::<Vec<_>>() else {
        return warn(KUBERNETES, format!("its version {version:?} can't be understood"), "see that it is 1.30 at least");
    };
    if (major, minor) < LEAST {
        return fail(KUBERNETES, format!("{version} has no ValidatingAdmissionPolicies"), "upgrade the cluster to 1.30 at least");
    }
    if (major, minor) < TRIED {
        return warn(KUBERNETES, format!("{version} is older than 1.36, which this project is tried on"), "upgrade the cluster");
    }
    ok(KUBERNETES, version)
}

fn policies(kinds: &[String]) -> Finding {
    let wanted = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"];
    if wanted.iter().all(|wanted| kinds.iter().any(|kind| kind == wanted)) {
        return ok(ADMISSION, "ValidatingAdmissionPolicies are served");
    }
    let message =
        "admissionregistration.k8s.io/v1 has no ValidatingAdmissionPolicies: who approves and what pods may do can't be kept";
    fail(ADMISSION, message, "upgrade the cluster to Kubernetes 1.30, and do not disable that API")
}

/// Whether nodes can do what a level needs. Only the one that missions have by default is a must.
fn node_level(nodes: &[SlimNode], level: Isolation) -> Finding {
    let check = format!("nodes for {level}");
    let features = count(nodes, |node, features| node.count(None, features));
    if features.all == 0 {
        return warn(&check, "there is no node of Linux that takes pods", "add one, or uncordon one");
    }
    let Some(Lack { able, what, needs }) = node_lack(features, level) else {
        return ok(&check, of(features.all, features.all));
    };
    let message = format!("{} {what}: {needs}", if able == 1 { "1 node has".into() } else { format!("{able} nodes have") });
    let message = format!("{message}; {} are there", features.all);
    if able > 0 {
        return warn(&check, message, "give those to its missions with nodeSelector, or upgrade the others");
    }
    if level == Isolation::default() {
        return fail(&check, message, "upgrade the nodes: missions have this level where they name no other");
    }
    warn(&check, message, "upgrade the nodes before missions ask for it")
}

fn of(able: u32, all: u32) -> String {
    format!("{able} of {all} {}", if all == 1 { "node" } else { "nodes" })
}

fn count(nodes: &[SlimNode], add: impl Fn(&SlimNode, &mut Features)) -> Features {
    let mut features = Features::default();
    for node in nodes {
        add(node, &mut features);
    }
    features
}

/// The classes that are there, with what their nodes can do, and those that missions name in vain.
fn classes(found: &[RuntimeClass], nodes: &Look<Vec<SlimNode>>, cells: &[MissionCell]) -> Vec<Finding> {
    let mut findings: Vec<_> = found.iter().map(|class| runtime_class(class, nodes, cells)).collect();
    for cell in cells {
        let named = cell.spec.agents.iter().filter_map(|agent| Some((agent, agent.runtime_class_name.as_ref()?)));
        for (agent, name) in named.filter(|(_, name)| !found.iter().any(|class| class.name_any() == **name)) {
            let place = format!("{}/{}", cell.namespace().unwrap_or_default(), cell.name_any());
            let message = format!("agent {} of mission {place} names {name}, which is not there", agent.name);
            findings.push(fail(CLASSES, message, "make it, or change its runtimeClassName"));
        }
    }
    if findings.is_empty() {
        findings.push(ok(CLASSES, "there are none, and none is asked for"));
    }
    findings
}

fn runtime_class(class: &RuntimeClass, nodes: &Look<Vec<SlimNode>>, cells: &[MissionCell]) -> Finding {
    let (name, handler) = (class.name_any(), class.handler.as_str());
    let check = format!("RuntimeClass {name}");
    let nodes = match nodes {
        Look::Seen(nodes) => nodes,
        Look::Hidden(why) => return super::finding::skip(&check, why),
    };
    let selector = class.scheduling.as_ref().and_then(|scheduling| scheduling.node_selector.as_ref());
    if !nodes.iter().any(|node| node.has_handler(handler)) {
        return warn(
            &check,
            format!("no node says that it has its handler {handler}"),
            "set it up in the nodes' container runtime",
        );
    }
    let features = count(nodes, |node, features| node.count_with(handler, selector, features));
    let able = LEVELS.into_iter().rev().find(|level| node_lack(features, *level).is_none()).unwrap_or(Isolation::None);
    let uses = |cell: &&MissionCell| cell.spec.agents.iter().any(|agent| agent.runtime_class_name.as_ref() == Some(&name));
    if let Some(cell) = cells.iter().filter(uses).find(|cell| super::missions::level(cell) > able) {
        let (level, place) =
            (super::missions::level(cell), format!("{}/{}", cell.namespace().unwrap_or_default(), cell.name_any()));
        let message = format!("its nodes can do {able} at most, and mission {place} has {level}");
        return warn(&check, message, "upgrade the runtime behind it, or choose nodes with its scheduling.nodeSelector");
    }
    ok(&check, format!("its nodes can do up to {able}"))
}
