//! Others take over the part of an agent that can't be brought back, and give it back.

use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentPolicySpec, AgentState, OnExhausted, Role};

use super::support::beats::{impatient, post, posting};
use super::support::stage::{CELL, soon};
use super::support::told::Fate;
use super::support::{Stage, agent, mission, quick};

fn substituting() -> AgentPolicySpec {
    AgentPolicySpec { on_exhausted: Some(OnExhausted::Substitute), heartbeat: impatient().heartbeat, ..quick(0) }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_standby_takes_over_and_gives_the_part_back() {
    let stage = Stage::new("standby").await;
    stage.policy("default", substituting()).await;
    stage.allow("lazarus-approve", &["alice"]).await;
    let mut cell = mission(CELL, [agent("scout"), agent("reserve")]);
    cell.spec.agents[0].role = Some(Role::Lead);
    cell.spec.agents[0].substitutes = Some(vec!["reserve".into()]);
    cell.spec.agents[1].standby = Some(true);
    stage.apply(&cell).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.look(|mission| {
        assert_eq!(mission.agent("reserve").state, AgentState::Standby);
        assert!(mission.pods_of("reserve").is_empty(), "it is not started");
        assert_eq!(mission.status().counts.unwrap().summary, "1/1");
    });
    // Never both: one part, one player.
    stage.never(Box::new(|scene| {
        let runs = |name: &str| {
            let pods = scene.mission(CELL).pods_of(name).into_iter().cloned().collect::<Vec<_>>();
            pods.iter().any(|pod| {
                let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
                !matches!(phase, Some("Succeeded" | "Failed"))
            })
        };
        (runs("scout") && runs("reserve")).then(|| "scout and reserve run side by side".to_owned())
    }));
    stage.tell("scout", "crash");
    stage
        .until("the standby works", |mission| mission.alive("reserve", 1) && mission.has(Ready, "True", Reason::AgentsAlive))
        .await;
    stage.look(|mission| {
        let [scout, reserve] = ["scout", "reserve"].map(|name| mission.agent(name));
        assert_eq!((scout.holder.as_deref(), reserve.holds.as_slice()), (Some("reserve"), &["scout".to_owned()][..]));
        let pod = mission.pods_of("reserve")[0].clone();
        let env = pod.spec.unwrap().containers[0].env.clone().unwrap();
        let role = env.iter().find(|variable| variable.name == "LAZARUS_ROLE").and_then(|variable| variable.value.clone());
        assert_eq!(role.as_deref(), Some("Lead"), "with the part goes the role");
    });
    let (scout, reserve) = (stage.told(CELL, "scout", &["Person: Revive"]).await, stage.told(CELL, "reserve", &[]).await);
    reserve.came_true(&stage, Fate::Same).await;
    stage.person("alice", &["revive", CELL, "scout", "--wait=false"]).unwrap();
    stage.until("the agent is back", |mission| mission.alive("scout", 2)).await;
    scout.came_true(&stage, Fate::Back).await;
    stage.until("the standby waits again", |mission| mission.agent("reserve").state == AgentState::Standby).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    stage.look(|mission| {
        assert_eq!((mission.agent("scout").holder, mission.agent("reserve").holds), (None, Vec::new()));
    });
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_living_agent_takes_over_and_keeps_its_pod() {
    let stage = Stage::new("living").await;
    stage.policy("default", substituting()).await;
    let mut cell = mission(CELL, [agent("scout"), posting("relay")]);
    cell.spec.agents[0].substitutes = Some(vec!["relay".into()]);
    stage.apply(&cell).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let relay = stage.uid("relay");
    stage.tell("scout", "crash");
    stage.until("the other has the part", |mission| mission.agent("relay").holds == ["scout"]).await;
    stage.until("the mission is well", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    assert_eq!(stage.uid("relay"), relay);
    assert!(stage.look(|mission| mission.is_in("scout", AgentState::Dead, Reason::Substituted)));
    stage.told(CELL, "scout", &["Person: Revive"]).await;
    // It is told with the answer to its next report.
    let status = serde_json::json!({"status": "working"});
    soon("the agent hears whose part it has", async || post(&stage, "relay", &status).contains(r#""holds":["scout"]"#)).await;
}
