//! Isolation: the level that applies, what keeps a mission from it, and what is said of it. Refuse, do not degrade.

use super::mission::{Finding, finding};
use crate::api::conditions::{ConditionType, Reason};
use crate::api::egress::refused_egress;
use crate::api::{AgentSpec, AgentStatus, Ceilings, Isolation, IsolationStatus, MissionCellSpec};
use crate::observe::{Container, Features, Ground, Network, Obstacle, Pod, Snapshot};

/// The level that new incarnations of a mission get: the highest of what the mission, its namespace and the operator's
/// configuration say, and of what its living agents already have.
#[must_use]
pub fn level(snapshot: &Snapshot) -> Isolation {
    // Who has not started has nothing to lose.
    let own = |pod: &&Pod| pod.owner.as_ref() == Some(&snapshot.cell.uid);
    let living = snapshot.pods.iter().filter(own).filter(|pod| pod.may_run() && runs(pod)).filter_map(|pod| pod.level).max();
    wanted(snapshot).max(living.unwrap_or(Isolation::None))
}

fn wanted(snapshot: &Snapshot) -> Isolation {
    let ground = &snapshot.ground;
    let least = ground.minimum_level.max(ground.ceilings.minimum_level).unwrap_or(Isolation::None);
    snapshot.cell.spec.isolation.unwrap_or_default().max(least)
}

/// Why an agent's pod is not ended for a successor, which would have to wait; `None`: nothing speaks against it. Who has not
/// started has less to lose.
pub(super) fn postponed(snapshot: &Snapshot, spec: &AgentSpec, pod: &Pod) -> Option<String> {
    if let Some((_, why)) = obstacle(snapshot, spec) {
        return Some(why);
    }
    if level(snapshot) == Isolation::None || !runs(pod) {
        return None;
    }
    let is_open = |pod: &&Pod| runs(pod) && snapshot.pulses.get(&pod.uid).is_some_and(|pulse| pulse.network == Network::Open);
    if snapshot.pods.iter().any(|pod| is_open(&pod)) {
        return Some("its pod could reach what its level closes".into());
    }
    (snapshot.obstacle == Some(Obstacle::Blind)).then(|| "whether its network is closed could not be found out".into())
}

/// Whether a pod is to be replaced for its level: it has less than what applies by now, or more, and its agent has not started,
/// perhaps for just that. What an operator made that knew no levels keeps what it has: no upgrade restarts an agent.
pub(super) fn is_misplaced(snapshot: &Snapshot, pod: &Pod) -> bool {
    let wanted = wanted(snapshot);
    pod.level.is_some_and(|level| level < wanted || level > self::level(snapshot) && !runs(pod))
}

fn runs(pod: &Pod) -> bool {
    matches!(pod.container, Container::Running(_))
}

/// Why no pod of an agent can be made as its level asks for.
pub(super) fn obstacle(snapshot: &Snapshot, spec: &AgentSpec) -> Option<(Reason, String)> {
    let level = level(snapshot);
    let refused = refusal(&snapshot.cell.spec, spec, level, &snapshot.ground.ceilings);
    let refused = refused.map(|why| (Reason::IsolationRefused, why));
    refused.or_else(|| unavailable(&snapshot.ground, spec, level).map(|why| (Reason::IsolationUnavailable, why)))
}

/// What the manifest says of a mission, or of one of its agents, that the level or an administrator forbids.
#[must_use]
pub fn refusal(mission: &MissionCellSpec, spec: &AgentSpec, level: Isolation, ceilings: &Ceilings) -> Option<String> {
    let name = &spec.name;
    if let (Some(allowed), Some(class)) = (&ceilings.runtime_classes, &spec.runtime_class_name)
        && !allowed.contains(class)
    {
        return Some(format!(
            "runtimeClassName {class} of agent {name} is not one of those that the operator allows: {}",
            allowed.join(", ")
        ));
    }
    if level >= Isolation::Level2 && !spec.image.contains("@sha256:") {
        return Some(format!(
            "{level} needs the image of agent {name} by digest: write {}@sha256:… instead of a tag",
            untagged(&spec.image)
        ));
    }
    let declared = mission.egress.as_deref().unwrap_or_default();
    if let Some(why) = refused_egress(declared, level, ceilings.max_egress.as_deref()).filter(|_| level > Isolation::None) {
        return Some(why);
    }
    if level < Isolation::Level3 {
        return None;
    }
    if let Some(allowed) =
        ceilings.allowed_registries.as_ref().filter(|allowed| !allowed.iter().any(|one| spec.image.starts_with(one)))
    {
        return Some(format!(
            "the image of agent {name} is not from a registry that the operator allows at {level}: {}",
            allowed.join(", ")
        ));
    }
    let secret = |source: &crate::api::EnvSource| source.secret_key_ref.is_some();
    let secret = spec.env.iter().flatten().find(|variable| variable.value_from.as_ref().is_some_and(secret));
    secret.map(|variable| {
        format!(
            "at {level} no secret is in a pod: remove env {} of agent {name}, and let the egress proxy hold it",
            variable.name
        )
    })
}

/// What the cluster can't do.
fn unavailable(ground: &Ground, spec: &AgentSpec, level: Isolation) -> Option<String> {
    if let Some(why) = &ground.obscure {
        return Some(format!("which level applies is not known: {why}"));
    }
    if let Some(lack) = &ground.unfenced {
        return Some(format!("the NetworkPolicies of {level} can't be written: {lack}"));
    }
    if level == Isolation::None {
        return None;
    }
    if let Some(lack) = &ground.unchecked {
        return Some(format!("the API server would not refuse a pod with less than {level}: {lack}"));
    }
    let nodes = ground.nodes;
    // Where there is no node at all the scheduler says so; where another runtime is named, the kubelet refuses what it can't do.
    let runtime = if spec.runtime_class_name.is_none() { level } else { level.min(Isolation::Level1) };
    let Lack { able, what, needs } = node_lack(nodes, runtime)?;
    Some(format!("{able} of the {} nodes that nodeSelector admits have {what}, which {level} needs: {needs}", nodes.all))
}

/// What not all of some nodes can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lack {
    /// How many of them can.
    pub able: u32,
    /// What it is.
    pub what: &'static str,
    /// What it takes.
    pub needs: &'static str,
}

/// What the nodes lack that a level needs; `None`: nothing, or there are none.
#[must_use]
pub fn node_lack(nodes: Features, level: Isolation) -> Option<Lack> {
    let Features { all, user_namespaces, recursive_read_only_mounts, supplemental_groups_policy } = nodes;
    let needed = [
        (
            Isolation::Level1,
            supplemental_groups_policy,
            "supplementalGroupsPolicy",
            "that takes Kubernetes 1.31 and containerd 2.0",
        ),
        (
            Isolation::Level2,
            recursive_read_only_mounts,
            "mounts that are read-only all the way down",
            "that takes Linux 5.12 and runc 1.1",
        ),
        (Isolation::Level3, user_namespaces, "user namespaces", "that takes Linux 6.3, containerd 2.0 and runc 1.2"),
    ];
    // The scheduler does not look at these, so any node may be the one.
    let lacking = needed.into_iter().find(|(least, able, _, _)| level >= *least && *able < all);
    lacking.map(|(_, able, what, needs)| Lack { able, what, needs })
}

/// The name of an image without its tag.
fn untagged(image: &str) -> &str {
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    let tag = image.get(name..).and_then(|name| name.find(':'));
    tag.and_then(|tag| image.get(..name + tag)).unwrap_or(image)
}

/// What is said of the mission's isolation.
pub(super) fn status(snapshot: &Snapshot, verdict: Option<&Finding>) -> IsolationStatus {
    IsolationStatus { level: level(snapshot), verified: verdict.is_some_and(|verdict| verdict.status == "True") }
}

/// The condition `IsolationVerified`; without isolation nothing is claimed.
pub(super) fn verdict(snapshot: &Snapshot, agents: &[AgentStatus]) -> Option<Finding> {
    let level = level(snapshot);
    let say = |status, reason, message: String| Some(finding(ConditionType::IsolationVerified, status, reason, message));
    if level == Isolation::None {
        return None;
    }
    let holds =
        |reason: &Reason| matches!(reason, Reason::IsolationRefused | Reason::IsolationUnavailable | Reason::NetworkNotEnforced);
    if let Some((agent, reason)) = agents.iter().find_map(|agent| Some((agent, agent.reason.filter(holds)?))) {
        let message = agent.message.clone().unwrap_or_else(|| reason.meaning().into());
        return say("False", reason, format!("{}: {message}", agent.name));
    }
    let living: Vec<_> = agents.iter().filter_map(|agent| Some((agent, living(snapshot, agent)?))).collect();
    let network = |pod: &Pod| snapshot.pulses.get(&pod.uid).copied().unwrap_or_default().network;
    if let Some((agent, _)) =
        living.iter().find(|(_, pod)| runs(pod) && network(pod) == Network::Open && pod.level >= Some(Isolation::Level1))
    {
        let message = "its pod reaches what its level closes: look for a NetworkPolicy that allows it, and whether the cluster enforces them";
        return say("False", Reason::NetworkNotEnforced, format!("{}: {message}", agent.name));
    }
    if let Some((agent, _)) = living.iter().find(|(_, pod)| pod.level < Some(wanted(snapshot))) {
        let spec = snapshot.cell.spec.agents.iter().find(|spec| spec.name == agent.name);
        if let Some((reason, why)) = spec.and_then(|spec| obstacle(snapshot, spec)) {
            return say("False", reason, format!("{level} applies, and {} keeps the less that it has: {why}", agent.name));
        }
        return say("Unknown", Reason::Replacing, format!("{level} applies; {} has less until it is replaced", agent.name));
    }
    let stored = snapshot.cell.status.conditions.iter().find(|stored| stored.type_ == ConditionType::IsolationVerified.as_str());
    let unknown = living.iter().any(|(_, pod)| runs(pod) && network(pod) == Network::Unknown);
    if let Some(stored) = stored.filter(|stored| unknown && stored.reason == Reason::NetworkNotEnforced.as_str()) {
        // This replica leads since a moment ago; what the one before found out still holds.
        return say("False", Reason::NetworkNotEnforced, stored.message.clone());
    }
    let was_true = stored.is_some_and(|stored| stored.status == "True");
    if !(was_true || !living.is_empty() && living.iter().all(|(_, pod)| runs(pod))) {
        return say("Unknown", Reason::Starting, format!("{level} is checked when the agents start"));
    }
    let lower = wanted(snapshot) < level;
    let kept = if lower { "; a lower level waits until no agent lives" } else { "" };
    let namespace = &snapshot.cell.namespace;
    let hint = match snapshot.ground.pod_security.as_deref() {
        Some("restricted") => String::new(),
        Some(_) | None => {
            format!("; a further net is missing: label namespace {namespace} pod-security.kubernetes.io/enforce=restricted")
        }
    };
    say(
        "True",
        Reason::IsolationEnforced,
        format!("{level}: each pod was checked by the API server, and each network found closed{kept}{hint}"),
    )
}

/// The pod of an agent's incarnation, while it may run.
fn living<'a>(snapshot: &'a Snapshot, agent: &AgentStatus) -> Option<&'a Pod> {
    snapshot.pods.iter().find(|pod| Some(&pod.uid) == agent.pod_uid.as_ref()).filter(|pod| pod.may_run())
}
