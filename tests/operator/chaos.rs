//! Twenty missions live and die while the operator is killed fifty times.

use std::collections::BTreeMap;
use std::time::Duration;

use lazarus::api::conditions::Reason;
use lazarus::api::{AgentState, AgentStatus, Outcome};

use super::harm::{Harm, SHORT_LEASE};
use super::support::operator::{kill, leader_other_than, pod_of};
use super::support::{Stage, agent_that, lab, mission, quick};

const SEED: u64 = 0x1a2a_2026;
const KILLS: usize = 50;
const MISSIONS: usize = 20;
/// Restarts of an agent that dies again and again; its last death is one more.
const ATTEMPTS: i64 = 4;

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn fifty_kills_yield_no_double_and_lose_no_agent() {
    let client = lab::client().await;
    let mut harm = Harm::begin(&client).await;
    harm.configure(&client, SHORT_LEASE).await;
    let stage = Stage::new("chaos").await;
    stage.policy("default", quick(ATTEMPTS)).await;
    let mut dice = Dice(SEED);
    let (mut killed, mut begun) = (Vec::new(), 0);
    while killed.len() < KILLS {
        // Missions begin all the time but near the end: each kill meets some that start and some that die.
        while begun < MISSIONS && begun * 2 <= killed.len() {
            let [short, long] = [6 + dice.below(20), 20 + dice.below(60)].map(|seconds| seconds.to_string());
            let mortal = agent_that("mortal", &["--work-seconds", &short, "--exit-code", "1"]);
            let worker = agent_that("worker", &["--work-seconds", &long]);
            stage.apply(&mission(&format!("mission-{begun:02}"), [mortal, worker])).await;
            begun += 1;
        }
        let leader = leader_other_than(&client, &killed).await;
        tokio::time::sleep(Duration::from_millis(dice.below(2500))).await;
        if kill(&client, pod_of(&leader)).await {
            killed.push(leader);
            assert!(stage.look_at_all(|scene| scene.broken.is_empty()), "after {} kills", killed.len());
        }
    }
    let end = Duration::from_mins(10);
    stage
        .within(end, "every agent of every mission has come to its end", |scene| {
            let names = (0..MISSIONS).map(|number| format!("mission-{number:02}"));
            names.into_iter().all(|name| {
                let mission = scene.mission(&name);
                is_given_up(&mission.agent("mortal")) && is_done(&mission.agent("worker"))
            })
        })
        .await;
    stage.look_at_all(|scene| {
        let mut incarnations = BTreeMap::new();
        for name in scene.seen.values() {
            *incarnations.entry(name.clone()).or_insert(0) += 1;
        }
        assert_eq!(incarnations.values().max(), Some(&1), "every pod was made once: {incarnations:#?}");
        for number in 0..MISSIONS {
            for (agent, lives) in [("mortal", ATTEMPTS + 1), ("worker", 1)] {
                let prefix = format!("mission-{number:02}-{agent}-");
                let made = incarnations.keys().filter(|name| name.starts_with(&prefix)).count();
                assert_eq!(i64::try_from(made).unwrap(), lives, "pods of {prefix}");
            }
        }
    });
}

fn is_given_up(agent: &AgentStatus) -> bool {
    (agent.state, agent.reason) == (AgentState::Dead, Some(Reason::AttemptsExhausted))
        && (agent.deaths, agent.attempt) == (ATTEMPTS + 1, ATTEMPTS + 1)
}

fn is_done(agent: &AgentStatus) -> bool {
    let completed = agent.last_end.as_ref().is_some_and(|end| end.outcome == Outcome::Completed);
    completed && (agent.state, agent.deaths, agent.attempt) == (AgentState::Done, 0, 1)
}
