//! What holds in every history, whatever happens to pods, specs and the operator.

use chrono::TimeDelta;
use lazarus::api::conditions::Reason;
use lazarus::api::{
    AgentPolicySpec, AgentSpec, AgentState, Completion, DecisionVerdict, External, Isolation, MissionCell, MissionCellSpec,
    OnExhausted, Outcome, Restart, Revive,
};
use lazarus::decide::Action;
use lazarus::observe::Pulse;
use proptest::prelude::*;

use super::world::{World, policy};

const AGENTS: [&str; 4] = ["scout", "relay", "scribe", "reserve"];
const ATTEMPTS: i64 = 2;

#[derive(Clone, Debug)]
enum Event {
    Run(usize),
    Schedule(usize),
    Exit(usize, i64),
    ImagePull(usize),
    Delete(usize),
    Disrupt(usize),
    Vanish(usize),
    Edit(usize, u8),
    Remove(usize),
    Add(usize),
    PolicyGone,
    Policy(usize),
    /// A person decides about every open question.
    Decide(bool, Option<&'static str>),
    /// A person orders an agent back.
    Order(usize),
    /// An agent elsewhere reported this many seconds ago.
    Heard(usize, u32),
    /// Records are gone, or the cluster stops checking who approves, or checks again.
    Forget,
    Enforced(bool),
    Wait(i64),
    /// A creation that was sent long ago lands at last.
    Ghost(usize),
    /// The operator dies after this many writes and starts anew.
    Crash(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let agent = 0..AGENTS.len();
    let event = prop_oneof![
        8 => agent.clone().prop_map(Event::Run),
        2 => agent.clone().prop_map(Event::Schedule),
        6 => (agent.clone(), prop_oneof![Just(0_i64), Just(1), Just(137)]).prop_map(|(agent, code)| Event::Exit(agent, code)),
        1 => agent.clone().prop_map(Event::ImagePull),
        2 => agent.clone().prop_map(Event::Delete),
        1 => agent.clone().prop_map(Event::Disrupt),
        1 => agent.clone().prop_map(Event::Vanish),
        2 => (agent.clone(), 0_u8..=ELSEWHERE).prop_map(|(agent, version)| Event::Edit(agent, version)),
        1 => agent.clone().prop_map(Event::Remove),
        1 => agent.clone().prop_map(Event::Ghost),
        1 => agent.prop_map(Event::Add),
        1 => Just(Event::PolicyGone),
        2 => (0..POLICIES).prop_map(Event::Policy),
        4 => (any::<bool>(), prop_oneof![Just(None), Just(Some("Substitute/reserve")), Just(Some("Substitute/relay"))])
            .prop_map(|(approve, option)| Event::Decide(approve, option)),
        2 => (0..AGENTS.len()).prop_map(Event::Order),
        4 => (0..AGENTS.len(), prop_oneof![Just(0), Just(100), Just(400)]).prop_map(|(agent, age)| Event::Heard(agent, age)),
        1 => Just(Event::Forget),
        1 => any::<bool>().prop_map(Event::Enforced),
        6 => (1_i64..700).prop_map(Event::Wait),
        3 => (0_usize..5).prop_map(Event::Crash),
    ];
    prop::collection::vec(event, 1..50)
}

/// In this version of its spec an agent runs elsewhere.
const ELSEWHERE: u8 = 3;

fn spec(name: &str, version: u8) -> AgentSpec {
    let completion = match name {
        "scout" => Completion::Required,
        "relay" => Completion::Service,
        _ => Completion::Optional,
    };
    let elsewhere = version == ELSEWHERE && name != "reserve";
    AgentSpec {
        name: name.into(),
        image: if elsewhere { String::new() } else { format!("image:{version}") },
        external: elsewhere.then_some(External {}),
        completion: Some(completion).filter(|_| !elsewhere),
        standby: (name == "reserve").then_some(true),
        // Only the scout's part can go to the reserve.
        substitutes: (name == "scout").then(|| vec!["reserve".into(), "relay".into()]),
        ..AgentSpec::default()
    }
}

const POLICIES: usize = 5;

fn policy_number(number: usize) -> AgentPolicySpec {
    let (revive, on_exhausted) = match number {
        0 => (Revive::Always, OnExhausted::Abandon),
        1 => (Revive::Always, OnExhausted::Ask),
        2 => (Revive::Always, OnExhausted::Substitute),
        3 => (Revive::Ask, OnExhausted::Ask),
        _ => (Revive::Never, OnExhausted::Abandon),
    };
    AgentPolicySpec {
        revive: Some(revive),
        on_exhausted: Some(on_exhausted),
        restart: Some(Restart { max_attempts: Some(ATTEMPTS), backoff_seconds: Some(10), ..Restart::default() }),
        ..AgentPolicySpec::default()
    }
}

fn world() -> World {
    let spec = MissionCellSpec {
        mission: "m".into(),
        policy_ref: Some(lazarus::api::ObjectName { name: "careful".into() }),
        agents: AGENTS.iter().map(|name| spec(name, 0)).collect(),
        ..MissionCellSpec::default()
    };
    World::new(MissionCell::new("cell", spec), Some(policy(policy_number(0))))
}

fn happen(world: &mut World, event: &Event) -> usize {
    let pod = |world: &World, agent: usize| world.pod_of(AGENTS[agent]);
    let live = |world: &World, agent: usize| {
        pod(world, agent)
            .filter(|name| world.pods[name]["status"]["phase"] != "Succeeded" && world.pods[name]["status"]["phase"] != "Failed")
    };
    match *event {
        Event::Run(agent) => live(world, agent).into_iter().for_each(|name| world.running(&name)),
        Event::Schedule(agent) => live(world, agent).into_iter().for_each(|name| world.schedule(&name)),
        Event::ImagePull(agent) => live(world, agent).into_iter().for_each(|name| world.waiting(&name, "ErrImagePull", "no")),
        Event::Exit(agent, code) => live(world, agent).into_iter().for_each(|name| {
            world.exit(&name, code);
            if world.pods[&name]["metadata"].get("deletionTimestamp").is_some() && code == 0 {
                world.pods.remove(&name);
            }
        }),
        Event::Delete(agent) => pod(world, agent).into_iter().for_each(|name| world.request_deletion(&name)),
        Event::Disrupt(agent) => live(world, agent).into_iter().for_each(|name| {
            world.condition(&name, "DisruptionTarget", "True", "EvictionByEvictionAPI", "");
            world.request_deletion(&name);
        }),
        Event::Vanish(agent) => pod(world, agent).into_iter().for_each(|name| drop(world.pods.remove(&name))),
        Event::Edit(agent, version) => world.edit(|cell| {
            if let Some(found) = cell.spec.agents.iter_mut().find(|spec| spec.name == AGENTS[agent]) {
                *found = spec(AGENTS[agent], version);
            }
        }),
        Event::Remove(agent) if world.cell.spec.agents.len() > 1 => {
            world.edit(|cell| cell.spec.agents.retain(|spec| spec.name != AGENTS[agent]));
        }
        Event::Remove(_) => {}
        Event::Add(agent) => {
            if !world.cell.spec.agents.iter().any(|spec| spec.name == AGENTS[agent]) {
                world.edit(|cell| cell.spec.agents.push(spec(AGENTS[agent], 0)));
            }
        }
        Event::Ghost(agent) => {
            let name = AGENTS[agent];
            let known = world.cell.spec.agents.iter().any(|spec| spec.name == name);
            if known && !world.may_run().contains_key(name) {
                let attempt = world.status().agents.iter().find(|agent| agent.name == name).map_or(0, |agent| agent.attempt);
                world.act(&Action::Create { agent: name.into(), attempt: attempt + 1, level: Isolation::Level1 });
            }
        }
        Event::PolicyGone => world.policy = None,
        Event::Policy(number) => world.policy = Some(policy(policy_number(number))),
        Event::Decide(approve, option) => {
            let verdict = if approve { DecisionVerdict::Approve } else { DecisionVerdict::Deny };
            world.decide("alice", verdict, option.filter(|_| approve));
        }
        Event::Heard(agent, age) => hear(world, AGENTS[agent], age),
        Event::Order(agent) => world.order("bob", "Revive", AGENTS[agent]),
        Event::Forget => world.requests.clear(),
        Event::Enforced(enforced) => world.unenforced = (!enforced).then(|| "a binding is missing".into()),
        Event::Wait(seconds) => world.now += TimeDelta::seconds(seconds),
        Event::Crash(writes) => return writes,
    }
    usize::MAX
}

fn hear(world: &mut World, agent: &str, age: u32) {
    let status = world.status();
    let status = status.agents.iter().find(|status| status.name == agent && status.is_elsewhere());
    if let Some(uid) = status.and_then(|status| status.pod_uid.clone()) {
        let pulse = Pulse { age, reported: true, heard: true, ever_healthy: true, witnessed: age, ..Pulse::default() };
        world.pulses.insert(uid, pulse);
    }
}

/// Decides and applies until nothing is left to do, or until the operator dies.
fn reconcile(world: &mut World, mut writes: usize) -> Result<(), TestCaseError> {
    for _ in 0..24 {
        super::replay::speak(world);
        let plan = world.plan();
        prop_assert_eq!(&plan, &world.plan(), "the same snapshot and time give the same plan");
        super::replay::decides_the_same_without_text(world, &plan)?;
        prop_assert!(plan.actions.is_empty() || plan.status.is_none());
        let settled = plan.actions.is_empty() && plan.status.is_none() && plan.answers.is_empty();
        prop_assert!(plan.recheck_at.is_none_or(|at| at > world.now) || !settled);
        if settled {
            return Ok(());
        }
        for answer in &plan.answers {
            if writes == 0 {
                return Ok(());
            }
            writes -= 1;
            world.answer(answer);
        }
        for action in &plan.actions {
            if writes == 0 {
                return Ok(());
            }
            writes -= 1;
            world.act(action);
            at_most_one(world)?;
        }
        if let Some(status) = plan.status {
            if writes == 0 {
                return Ok(());
            }
            writes -= 1;
            prop_assert_ne!(&status, &world.status(), "no write without a change");
            attempts(world, &status)?;
            world.write(status);
        }
    }
    Err(TestCaseError::fail(format!("does not settle: {:#?}", world.plan())))
}

fn at_most_one(world: &World) -> Result<(), TestCaseError> {
    for (agent, pods) in world.may_run() {
        prop_assert!(pods.len() <= 1, "{} may run as {:?}", agent, pods);
    }
    let runs = |agent: &str| world.may_run().contains_key(agent);
    prop_assert!(!(runs("scout") && runs("reserve")), "one part, two players");
    Ok(())
}

/// Whoever is dead or done has no pod that goes on.
fn nothing_runs_in_vain(world: &World) -> Result<(), TestCaseError> {
    let pods = world.snapshot().pods;
    for agent in world
        .status()
        .agents
        .iter()
        .filter(|agent| matches!(agent.state, AgentState::Dead | AgentState::Done | AgentState::Standby))
    {
        let goes_on = |pod: &&lazarus::observe::Pod| pod.agent == agent.name && pod.may_run() && pod.deletion_requested.is_none();
        prop_assert_eq!(pods.iter().find(goes_on), None, "{} is {:?}", agent.name, agent.state);
    }
    Ok(())
}

fn attempts(world: &World, new: &lazarus::api::MissionCellStatus) -> Result<(), TestCaseError> {
    for agent in &new.agents {
        let approved = agent.ruling.is_some() || world.status().agents.iter().any(|agent| agent.ruling.is_some());
        prop_assert!(approved || agent.deaths <= ATTEMPTS + 2, "{} died {} times in a row", agent.name, agent.deaths);
        let before = world.status();
        let Some(before) = before.agents.iter().find(|before| before.name == agent.name) else { continue };
        prop_assert!(agent.attempt >= before.attempt, "incarnations are counted upwards");
        let charged =
            agent.last_end.as_ref().is_some_and(|end| end.outcome == Outcome::Died) && agent.last_end != before.last_end;
        prop_assert!(charged || agent.deaths <= before.deaths, "only a death uses an attempt");
        // A death that is one too many is followed by nothing, unless the spec is another one or a person says so.
        if before.state == AgentState::Dead && agent.deaths > ATTEMPTS && agent.ruling.is_none() {
            prop_assert_eq!(agent.attempt, before.attempt);
        }
        // Nobody approves while nobody checks who does.
        prop_assert!(world.unenforced.is_none() || agent.ruling == before.ruling || agent.ruling.is_none());
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, rng_seed: proptest::test_runner::RngSeed::Fixed(20_260_101), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_history_keeps_the_promises(events in events()) {
        let mut world = world();
        reconcile(&mut world, usize::MAX)?;
        for event in &events {
            let writes = happen(&mut world, event);
            reconcile(&mut world, writes)?;
            if writes != usize::MAX {
                reconcile(&mut world, usize::MAX)?;
            }
            at_most_one(&world)?;
            nothing_runs_in_vain(&world)?;
        }
        // Left alone with a working cluster, every mission comes to rest with its agents alive, done or given up.
        world.policy = Some(policy(policy_number(0)));
        for _ in 0..12 {
            for agent in AGENTS {
                hear(&mut world, agent, 0);
                let Some(name) = world.pod_of(agent) else { continue };
                if world.pods[&name]["metadata"].get("deletionTimestamp").is_some() {
                    world.pods.remove(&name);
                } else if !matches!(world.pods[&name]["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
                    world.running(&name);
                }
            }
            world.now += TimeDelta::seconds(700);
            reconcile(&mut world, usize::MAX)?;
        }
        for agent in &world.status().agents {
            let rests = matches!(agent.state, AgentState::Alive | AgentState::Done | AgentState::Dead | AgentState::Standby);
            let asked = agent.reason == Some(Reason::AwaitingApproval);
            // What was approved and is not there any more waits for another order.
            let chosen = agent.reason == Some(Reason::Substituting);
            prop_assert!(rests || asked || chosen, "{agent:#?}");
        }
        prop_assert_eq!(world.status().observed_generation, world.cell.metadata.generation);
    }
}
