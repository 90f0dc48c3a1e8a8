//! Which policy applies, and that each of its fields matters.

use lazarus::api::conditions::ConditionType::{PolicyResolved, Ready, Stalled};
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentPolicy, AgentPolicySpec, AgentState, MissionCell, ObjectName, Restart, Revive};

use super::support::stage::CELL;
use super::support::{Stage, agent, agent_that, mission, quick};

fn under(policy: &str, mut cell: MissionCell) -> MissionCell {
    cell.spec.policy_ref = Some(ObjectName { name: policy.into() });
    cell
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn nothing_is_started_or_revived_without_the_policy_that_is_named() {
    let stage = Stage::new("missing").await;
    stage.apply(&under("careful", mission(CELL, [agent("scout")]))).await;
    let missing = |mission: &super::support::Mission<'_>| mission.has(PolicyResolved, "False", Reason::PolicyMissing);
    stage.until("the policy is missed", missing).await;
    assert_eq!(stage.look(|mission| mission.pods().len()), 0);
    stage.policy("careful", quick(3)).await;
    stage.until("the agent is alive", |mission| mission.alive("scout", 1)).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    assert!(stage.look(|mission| mission.has(PolicyResolved, "True", Reason::PolicyFound)));

    stage.api::<AgentPolicy>().delete("careful", &kube::api::DeleteParams::default()).await.unwrap();
    stage.until("the policy is missed again", missing).await;
    assert!(stage.look(|mission| mission.alive("scout", 1)), "who lives goes on living");
    stage.tell("scout", "crash");
    stage.until("the agent is dead", |mission| !mission.alive("scout", 1)).await;
    stage
        .until("nothing is done about it", |mission| {
            mission.agent("scout").reason == Some(Reason::PolicyMissing) && mission.agent("scout").deaths == 1
        })
        .await;
    stage.policy("careful", quick(3)).await;
    stage.until("it is revived", |mission| mission.alive("scout", 2)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_changed_policy_applies_at_once() {
    let stage = Stage::new("changed").await;
    stage.policy("careful", AgentPolicySpec { revive: Some(Revive::Never), ..quick(0) }).await;
    stage.apply(&under("careful", mission(CELL, [agent("scout")]))).await;
    stage.until("the agent is alive", |mission| mission.alive("scout", 1)).await;
    stage.tell("scout", "crash");
    stage.until("it stays dead", |mission| mission.is_in("scout", AgentState::Dead, Reason::RevivalSuppressed)).await;
    stage.policy("careful", quick(0)).await;
    stage.until("no attempt is left", |mission| mission.is_in("scout", AgentState::Dead, Reason::AttemptsExhausted)).await;
    stage.until("the mission has failed", |mission| mission.has(Stalled, "True", Reason::MissionFailed)).await;
    stage.policy("careful", quick(1)).await;
    stage.until("the agent is revived", |mission| mission.alive("scout", 2)).await;
    let effective = stage.look(|mission| mission.status().effective_policy.unwrap());
    assert_eq!((effective.source.as_str(), effective.revive), ("AgentPolicy/careful", Revive::Always));
    assert_eq!((effective.restart.max_attempts, effective.restart.backoff_seconds), (1, 1));
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn waits_double_up_to_the_longest() {
    let stage = Stage::new("backoff").await;
    let restart = Restart { backoff_seconds: Some(3), max_backoff_seconds: Some(6), ..quick(3).restart.unwrap() };
    stage.policy("default", AgentPolicySpec { restart: Some(restart), ..quick(3) }).await;
    stage.apply(&mission(CELL, [agent_that("scout", &["--work-seconds", "0", "--exit-code", "1"])])).await;
    stage.until("the agent is given up", |mission| mission.is_in("scout", AgentState::Dead, Reason::AttemptsExhausted)).await;
    let ends: Vec<_> = stage.look(|mission| mission.status().incidents.iter().map(|found| found.at.0.as_second()).collect());
    let [first, second, third, fourth] = ends[..] else { panic!("four deaths: {ends:?}") };
    // Less at most a tenth, and a second each for starting and for rounding; a busy machine may take longer.
    let waits = [second - first, third - second, fourth - third];
    assert!(waits[0] >= 2 && waits[1] >= 5 && waits[2] >= 5, "3, 6 and 6 seconds: {waits:?}");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn without_any_policy_the_operators_own_applies() {
    let stage = Stage::new("builtin").await;
    stage.api::<AgentPolicy>().delete("default", &kube::api::DeleteParams::default()).await.unwrap();
    let mut cell = mission(CELL, [agent("scout")]);
    stage.apply(&cell).await;
    stage.until("the agent is alive", |mission| mission.alive("scout", 1)).await;
    let effective = stage.look(|mission| mission.status().effective_policy.unwrap());
    assert_eq!((effective.source.as_str(), effective.revive), ("BuiltIn", Revive::Ask));
    assert_eq!((effective.restart.max_attempts, effective.restart.backoff_seconds), (3, 30));
    stage.tell("scout", "crash");
    stage.until("a person is asked", |mission| mission.is_in("scout", AgentState::Waiting, Reason::AwaitingApproval)).await;
    // A change of the spec is no answer: the condition stays, for the new generation.
    cell.spec.agents[0].revive = Some(Revive::Always);
    let generation = stage.apply(&cell).await.metadata.generation;
    stage.until("the change was seen", |mission| mission.status().observed_generation == generation).await;
    assert!(stage.look(|mission| mission.is_in("scout", AgentState::Waiting, Reason::AwaitingApproval)));
}
