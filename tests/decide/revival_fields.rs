//! Each field about asking and substituting matters: two worlds that differ in it alone go different ways.

use chrono::TimeDelta;
use lazarus::api::{AgentPolicySpec, AgentSpec, AgentState, DecisionVerdict, MissionCell, MissionCellSpec};
use lazarus::runtime::yaml;

use super::fields::{is, settle, state};
use super::world::{World, policy};

/// A mission of two agents under a policy given as YAML; `a` runs.
fn world(agents: &str, yaml: &str) -> World {
    let agents: Vec<AgentSpec> = yaml::from_str(agents).unwrap();
    let spec = MissionCellSpec { agents, ..MissionCellSpec::default() };
    let mut world = World::new(MissionCell::new("cell", spec), Some(policy(yaml::from_str::<AgentPolicySpec>(yaml).unwrap())));
    settle(&mut world);
    let pod = world.pod_of("a").unwrap();
    world.running(&pod);
    settle(&mut world);
    world
}

const PAIR: &str = "[{name: a, image: i}, {name: b, image: i, standby: true}]";

fn die(world: &mut World) {
    let pod = world.pod_of("a").unwrap();
    world.exit(&pod, 1);
    settle(world);
    pass(world, 5);
}

fn pass(world: &mut World, seconds: i64) {
    world.now += TimeDelta::seconds(seconds);
    settle(world);
}

fn approve(world: &mut World, by: &str) {
    world.decide(by, DecisionVerdict::Approve, None);
    settle(world);
}

/// State and reason of `a` under each of two policies.
fn differ(first: &str, second: &str, go: impl Fn(&mut World)) -> [(AgentState, String); 2] {
    [first, second].map(|yaml| {
        let mut world = world(PAIR, yaml);
        go(&mut world);
        state(&world, "a")
    })
}

#[test]
fn revive() {
    let found = differ("{revive: Ask}", "{revive: Never}", die);
    assert_eq!(found, [is(AgentState::Waiting, "AwaitingApproval"), is(AgentState::Dead, "RevivalSuppressed")]);
    assert_eq!(
        differ("{revive: Always}", "{}", die),
        [is(AgentState::Waiting, "Backoff"), is(AgentState::Waiting, "AwaitingApproval")]
    );
}

#[test]
fn minimum_gate() {
    let found = differ("{revive: Always, minimumGate: Never}", "{revive: Always, minimumGate: Ask}", die);
    assert_eq!(found, [is(AgentState::Dead, "RevivalSuppressed"), is(AgentState::Waiting, "AwaitingApproval")]);
}

#[test]
fn disruption() {
    let found = differ("{disruption: Ask}", "{disruption: Recreate}", |world| {
        let pod = world.pod_of("a").unwrap();
        world.pods.remove(&pod);
        settle(world);
    });
    assert_eq!(found, [is(AgentState::Waiting, "AwaitingApproval"), is(AgentState::Waiting, "Recreating")]);
}

#[test]
fn on_exhausted() {
    let policy = |word: &str| {
        format!(
            "{{revive: Always, restart: {{maxAttempts: 0}}, onExhausted: {word}, substitutions: [{{agent: a, candidates: [b]}}]}}"
        )
    };
    let found = differ(&policy("Ask"), &policy("Substitute"), die);
    assert_eq!(found, [is(AgentState::Waiting, "AwaitingApproval"), is(AgentState::Dead, "Substituted")]);
    assert_eq!(differ(&policy("Abandon"), &policy("Ask"), die)[0], is(AgentState::Dead, "AttemptsExhausted"));
}

#[test]
fn substitutions() {
    let policy = |agent: &str, candidate: &str| {
        format!(
            "{{revive: Always, restart: {{maxAttempts: 0}}, onExhausted: Substitute, substitutions: [{{agent: {agent}, candidates: [{candidate}]}}]}}"
        )
    };
    let (substituted, asked) = (is(AgentState::Dead, "Substituted"), is(AgentState::Waiting, "AwaitingApproval"));
    assert_eq!(differ(&policy("a", "b"), &policy("c", "b"), die), [substituted.clone(), asked.clone()]);
    assert_eq!(differ(&policy("a", "b"), &policy("a", "stranger"), die), [substituted, asked]);
}

#[test]
fn substitutes_and_standby_of_an_agent() {
    let policy = "{revive: Always, restart: {maxAttempts: 0}, onExhausted: Substitute}";
    let found = |agents: &str| {
        let mut world = world(agents, policy);
        let b = state(&world, "b");
        die(&mut world);
        (b, state(&world, "a"))
    };
    let (standby, pending) = (is(AgentState::Standby, ""), is(AgentState::Pending, ""));
    let (substituted, asked) = (is(AgentState::Dead, "Substituted"), is(AgentState::Waiting, "AwaitingApproval"));
    let [named, unnamed] =
        ["substitutes: [b], ", ""].map(|names| format!("[{{name: a, {names}image: i}}, {{name: b, image: i, standby: true}}]"));
    assert_eq!(found(&named), (standby.clone(), substituted));
    assert_eq!(found(&unnamed), (standby, asked.clone()));
    // Not a standby, and not alive: it can't take over.
    assert_eq!(found("[{name: a, substitutes: [b], image: i}, {name: b, image: i}]"), (pending, asked));
}

#[test]
fn timeout_seconds() {
    let policy = |seconds: i64| format!("{{revive: Ask, approval: {{timeoutSeconds: {seconds}, onTimeout: Deny}}}}");
    let found = differ(&policy(60), &policy(61), |world| {
        die(world);
        pass(world, 60);
    });
    assert_eq!(found, [is(AgentState::Dead, "Denied"), is(AgentState::Waiting, "AwaitingApproval")]);
}

#[test]
fn on_timeout() {
    let found = ["Wait", "Deny", "Revive", "Substitute"].map(|word| {
        let yaml = format!(
            "{{revive: Ask, approval: {{timeoutSeconds: 60, onTimeout: {word}}}, substitutions: [{{agent: a, candidates: [b]}}]}}"
        );
        let mut world = world(PAIR, &yaml);
        die(&mut world);
        pass(&mut world, 60);
        state(&world, "a")
    });
    let wanted = [
        is(AgentState::Waiting, "AwaitingApproval"),
        is(AgentState::Dead, "Denied"),
        is(AgentState::Pending, ""),
        is(AgentState::Dead, "Substituted"),
    ];
    assert_eq!(found, wanted);
}

#[test]
fn quorum() {
    let found = differ("{approval: {quorum: 1}}", "{approval: {quorum: 2}}", |world| {
        die(world);
        approve(world, "alice");
    });
    assert_eq!(found, [is(AgentState::Pending, ""), is(AgentState::Waiting, "AwaitingApproval")]);
}

#[test]
fn retain_seconds() {
    let kept = ["{approval: {retainSeconds: 100}}", "{approval: {retainSeconds: 101}}"].map(|yaml| {
        let mut world = world(PAIR, yaml);
        die(&mut world);
        approve(&mut world, "alice");
        pass(&mut world, 100);
        world.requests.len()
    });
    assert_eq!(kept, [0, 1]);
}
