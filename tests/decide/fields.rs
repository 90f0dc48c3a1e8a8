//! Each field of a policy matters: two worlds that differ in it alone go different ways.

use chrono::TimeDelta;
use lazarus::api::{AgentHeartbeat, AgentPolicySpec, AgentSpec, AgentState, MissionCell, MissionCellSpec, Source};
use lazarus::observe::Pulse;
use lazarus::runtime::yaml;

use super::world::{World, policy};

/// A mission whose agents run, under a policy given as YAML.
fn world(names: &[&str], yaml: &str) -> World {
    let heartbeat = AgentHeartbeat { source: Some(Source::Own), ..AgentHeartbeat::default() };
    let agent = |name: &&str| AgentSpec {
        name: (*name).into(),
        image: "i".into(),
        heartbeat: Some(heartbeat.clone()),
        ..AgentSpec::default()
    };
    let spec = MissionCellSpec { agents: names.iter().map(agent).collect(), ..MissionCellSpec::default() };
    let mut world = World::new(MissionCell::new("cell", spec), Some(policy(yaml::from_str::<AgentPolicySpec>(yaml).unwrap())));
    settle(&mut world);
    for name in names {
        let pod = world.pod_of(name).unwrap();
        world.running(&pod);
    }
    settle(&mut world);
    world
}

pub fn settle(world: &mut World) {
    for _ in 0..16 {
        let plan = world.plan();
        for answer in &plan.answers {
            world.answer(answer);
        }
        for action in &plan.actions {
            world.act(action);
        }
        match plan.status {
            Some(status) => world.write(status),
            None if plan.actions.is_empty() && plan.answers.is_empty() => return,
            None => {}
        }
    }
    panic!("does not settle");
}

fn seen(world: &mut World, agent: &str, change: impl FnOnce(&mut Pulse)) {
    let pod = world.pod_of(agent).unwrap();
    let uid = world.pods[&pod]["metadata"]["uid"].as_str().unwrap().to_owned();
    let mut pulse = Pulse { reported: true, ever_healthy: true, heard: true, ..Pulse::default() };
    change(&mut pulse);
    world.pulses.insert(uid, pulse);
    settle(world);
}

fn silent(seconds: u32) -> impl FnOnce(&mut Pulse) {
    move |pulse| (pulse.seen, pulse.silent) = (lazarus::api::beat::Seen::Silent, seconds)
}

pub fn state(world: &World, agent: &str) -> (AgentState, String) {
    let agent = world.status().agents.into_iter().find(|found| found.name == agent).unwrap();
    (agent.state, agent.reason.map(|reason| reason.to_string()).unwrap_or_default())
}

/// State and reason of the agent under each of two policies.
fn differ(first: &str, second: &str, go: impl Fn(&mut World)) -> [(AgentState, String); 2] {
    [first, second].map(|heartbeat| {
        let mut world = world(&["a"], &format!("{{revive: Always, heartbeat: {heartbeat}}}"));
        go(&mut world);
        state(&world, "a")
    })
}

pub fn is(state: AgentState, reason: &str) -> (AgentState, String) {
    (state, reason.into())
}

#[test]
fn stale_after_seconds() {
    let found = differ("{staleAfterSeconds: 60}", "{staleAfterSeconds: 61}", |world| seen(world, "a", silent(60)));
    assert_eq!(found, [is(AgentState::Stale, "Stale"), is(AgentState::Alive, "")]);
}

#[test]
fn dead_after_seconds() {
    let found = differ("{deadAfterSeconds: 100}", "{deadAfterSeconds: 101}", |world| seen(world, "a", silent(100)));
    assert_eq!(found, [is(AgentState::Dead, "Hung"), is(AgentState::Stale, "Stale")]);
}

#[test]
fn startup_grace_seconds() {
    let found = differ("{startupGraceSeconds: 90}", "{startupGraceSeconds: 91}", |world| {
        seen(world, "a", |pulse| {
            silent(90)(pulse);
            (pulse.ever_healthy, pulse.running) = (false, 90);
        });
    });
    assert_eq!(found, [is(AgentState::Dead, "NeverBeat"), is(AgentState::Alive, "")]);
}

#[test]
fn stalled_after_seconds() {
    let go = |world: &mut World| {
        seen(world, "a", |pulse| (pulse.seen, pulse.unchanged) = (lazarus::api::beat::Seen::Healthy, Some(600)));
    };
    let found = differ("{stalledAfterSeconds: 600}", "{stalledAfterSeconds: 601}", go);
    assert_eq!(found, [is(AgentState::Dead, "Stalled"), is(AgentState::Alive, "")]);
    let found = differ("{stalledAfterSeconds: 0}", "{}", go);
    assert_eq!(found, [is(AgentState::Alive, ""), is(AgentState::Alive, "")]);
}

#[test]
fn max_busy_seconds() {
    let found = differ("{maxBusySeconds: 500}", "{maxBusySeconds: 501}", |world| {
        seen(world, "a", |pulse| {
            silent(500)(pulse);
            pulse.busy = Some(100);
        });
    });
    assert_eq!(found, [is(AgentState::Dead, "Hung"), is(AgentState::Alive, "Busy")]);
}

#[test]
fn interval_seconds() {
    // It is the pace that the gateway asks for, and twice of it is the least that makes an agent stale.
    let world = world(&["a"], "{heartbeat: {intervalSeconds: 200}}");
    let mut expected = lazarus::decide::expected(&world.snapshot());
    let terms = expected.pop().unwrap().terms;
    assert_eq!(
        (terms.heartbeat.interval_seconds, terms.heartbeat.stale_after_seconds, terms.heartbeat.dead_after_seconds),
        (200, 400, 401)
    );
}

#[test]
fn an_agents_own_seconds() {
    let mut world = world(&["a"], "{revive: Always}");
    seen(&mut world, "a", silent(50));
    assert_eq!(state(&world, "a"), is(AgentState::Alive, ""));
    world.edit(|cell| {
        let heartbeat = cell.spec.agents[0].heartbeat.as_mut().unwrap();
        (heartbeat.stale_after_seconds, heartbeat.dead_after_seconds) = (Some(40), Some(60));
    });
    settle(&mut world);
    assert_eq!(state(&world, "a"), is(AgentState::Stale, "Stale"), "and it was not replaced for that");
    seen(&mut world, "a", silent(60));
    assert_eq!(state(&world, "a"), is(AgentState::Dead, "Hung"));
}

/// Where the first of four agents is, of which three died, after the wait for its restart.
fn after_three_deaths(storm: &str, wait: i64) -> (AgentState, String) {
    let mut world = world(&["a", "b", "c", "d"], &format!("{{revive: Always, restart: {{backoffSeconds: 1}}, storm: {storm}}}"));
    for name in ["a", "b", "c"] {
        let pod = world.pod_of(name).unwrap();
        world.exit(&pod, 1);
        settle(&mut world);
    }
    world.now += TimeDelta::seconds(wait);
    settle(&mut world);
    state(&world, "a")
}

#[test]
fn max_unhealthy_percent() {
    let storm = |percent| after_three_deaths(&format!("{{maxUnhealthyPercent: {percent}}}"), 1);
    assert_eq!(storm(75), is(AgentState::Waiting, "StormHold"));
    assert_eq!(storm(76), is(AgentState::Pending, ""));
}

#[test]
fn min_agents() {
    let storm = |agents| after_three_deaths(&format!("{{minAgents: {agents}}}"), 1);
    assert_eq!(storm(3), is(AgentState::Waiting, "StormHold"));
    assert_eq!(storm(4), is(AgentState::Pending, ""));
}

#[test]
fn cooldown_seconds() {
    let storm = |seconds| after_three_deaths(&format!("{{cooldownSeconds: {seconds}}}"), 20);
    assert_eq!(storm(21), is(AgentState::Waiting, "StormHold"));
    assert_eq!(storm(20), is(AgentState::Pending, ""));
}

#[test]
fn max_in_flight() {
    let begun = |most: i64| {
        let yaml = format!("{{revive: Always, restart: {{backoffSeconds: 1}}, storm: {{minAgents: 10, maxInFlight: {most}}}}}");
        let mut world = world(&["a", "b", "c"], &yaml);
        for name in ["a", "b", "c"] {
            let pod = world.pod_of(name).unwrap();
            world.exit(&pod, 1);
        }
        settle(&mut world);
        world.now += TimeDelta::seconds(1);
        settle(&mut world);
        world.status().agents.iter().filter(|agent| agent.attempt == 2).count()
    };
    assert_eq!([begun(1), begun(2), begun(3)], [1, 2, 3]);
}
