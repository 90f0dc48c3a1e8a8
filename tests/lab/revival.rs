//! People are asked about dead agents, and what they decide is done.

use std::collections::BTreeMap;

use futures::future::join_all;
use kube::ResourceExt;
use kube::api::DeleteParams;
use lazarus::api::conditions::ConditionType::{ApprovalPending, Ready};
use lazarus::api::conditions::Reason;
use lazarus::api::{
    AgentPolicySpec, AgentState, Approval, EnvVar, IncidentOutcome, OnExhausted, OnTimeout, RevivalRequest, Revive,
};

use super::support::beats::{container, impatient, never_was, posting, seen_well, signal};
use super::support::people::{asking, asking_with, decision};
use super::support::stage::{CELL, soon};
use super::support::told::Fate;
use super::support::{Stage, agent, lab, mission, quick, writes};

async fn all_alive(stage: &Stage) {
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}

/// A mission of one agent that dies, about which people are asked.
async fn one_dead(test: &str, policy: AgentPolicySpec) -> (Stage, RevivalRequest) {
    let stage = Stage::new(test).await;
    stage.policy("default", policy).await;
    stage.allow("lazarus-approve", &["alice", "bob"]).await;
    stage.apply(&mission(CELL, [agent("scout")])).await;
    all_alive(&stage).await;
    let request = dies(&stage, "scout").await;
    (stage, request)
}

async fn dies(stage: &Stage, name: &str) -> RevivalRequest {
    stage.tell(name, "crash");
    stage.asked_about(name).await
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_person_approves_another_denies_and_nobody_else_has_a_say() {
    let (stage, request) = one_dead("approve", asking()).await;
    stage.allow("lazarus-edit", &["mallory"]).await;
    let name = request.name_any();
    stage.look(|mission| {
        assert!(mission.is_in("scout", AgentState::Waiting, Reason::AwaitingApproval));
        assert!(mission.has(ApprovalPending, "True", Reason::AwaitingApproval));
        assert_eq!(mission.status().counts.unwrap().asks, 1);
    });
    let told = stage.told(CELL, "scout", &["Person: Revive"]).await;

    let refused = stage.person("mallory", &["approve", &name, "--wait=false"]).unwrap_err();
    assert!(refused.contains("approve"), "says which right is missing: {refused}");
    let mallory = lab::client_as(Some("mallory")).await;
    let theirs = kube::Api::<RevivalRequest>::namespaced(mallory, &stage.namespace);
    theirs.delete(&name, &DeleteParams::default()).await.unwrap_err();
    // A change of the spec is no answer.
    let mut cell = mission(CELL, [agent("scout")]);
    cell.spec.agents[0].env = Some(vec![EnvVar { name: "TRY".into(), value: Some("again".into()), value_from: None }]);
    let generation = stage.apply(&cell).await.metadata.generation;
    stage.until("the change was seen", |mission| mission.status().observed_generation == generation).await;
    assert!(stage.look(|mission| mission.is_in("scout", AgentState::Waiting, Reason::AwaitingApproval)));
    told.came_true(&stage, Fate::Same).await;

    let approved = stage.person("alice", &["approve", &name, "-m", "looks like a glitch"]).unwrap();
    assert!(approved.contains("Executed") || approved.contains("incarnation 2"), "{approved}");
    stage.until("the agent is back", |mission| mission.alive("scout", 2)).await;
    told.came_true(&stage, Fate::Back).await;
    let executed = stage.comes_to(&name, "Executed").await;
    assert_eq!(executed.status.unwrap().decisions[0].by, "k8s:alice");
    stage.person("alice", &["approve", &name, "--wait=false"]).expect("the same decision again is no harm");
    all_alive(&stage).await;
    assert!(stage.look(|mission| mission.lacks(ApprovalPending)));

    let second = dies(&stage, "scout").await;
    assert_ne!(second.name_any(), name, "another death is another question");
    let told = stage.told(CELL, "scout", &["Person: Revive"]).await;
    stage.person("bob", &["deny", &second.name_any()]).unwrap();
    stage.until("it stays dead", |mission| mission.is_in("scout", AgentState::Dead, Reason::Denied)).await;
    stage.comes_to(&second.name_any(), "Denied").await;
    told.came_true(&stage, Fate::Denied).await;
    let outcomes = stage.look(|mission| mission.status().incidents.iter().map(|found| found.outcome).collect::<Vec<_>>());
    assert_eq!(outcomes, [IncidentOutcome::Revived, IncidentOutcome::Denied]);
    // Only a person brings it back, by an order.
    let told = stage.told(CELL, "scout", &["Person: Revive"]).await;
    let ordered = stage.person("alice", &["revive", CELL, "scout"]).unwrap();
    stage.until("the agent is back", |mission| mission.alive("scout", 3)).await;
    told.came_true(&stage, Fate::Back).await;
    all_alive(&stage).await;
    assert!(stage.look(|mission| mission.agent("scout").revived == 2), "{ordered}");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn two_votes_at_once_are_both_counted_and_one_denial_is_enough() {
    let (stage, request) = one_dead("quorum", asking_with(Approval { quorum: Some(2), ..Approval::default() })).await;
    let told = stage.told(CELL, "scout", &["Person: Revive"]).await;
    let votes = ["alice", "bob"].map(|user| {
        let mut command = stage.command(user, &["approve", &request.name_any(), "--wait=false"]);
        command.spawn().unwrap()
    });
    for mut vote in votes {
        assert!(vote.wait().unwrap().success());
    }
    stage.until("the agent is back", |mission| mission.alive("scout", 2)).await;
    told.came_true(&stage, Fate::Back).await;
    let executed = stage.comes_to(&request.name_any(), "Executed").await;
    assert_eq!(executed.status.unwrap().decisions.len(), 2);

    let second = dies(&stage, "scout").await;
    stage.person("alice", &["approve", &second.name_any(), "--wait=false"]).unwrap();
    let told = stage.told(CELL, "scout", &["Person: Revive"]).await;
    stage.person("bob", &["deny", &second.name_any(), "--wait=false"]).unwrap();
    stage.until("one denial is enough", |mission| mission.is_in("scout", AgentState::Dead, Reason::Denied)).await;
    told.came_true(&stage, Fate::Denied).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn when_nobody_decides_the_policy_does() {
    let stage = Stage::new("timeout").await;
    let words = [OnTimeout::Wait, OnTimeout::Deny, OnTimeout::Revive, OnTimeout::Substitute];
    for on_timeout in words {
        let name = format!("{on_timeout:?}").to_lowercase();
        let approval = Approval { timeout_seconds: Some(45), on_timeout: Some(on_timeout), ..Approval::default() };
        stage.policy(&name, asking_with(approval)).await;
        let mut cell = mission(&name, [agent("scout"), agent("reserve")]);
        cell.spec.agents[0].substitutes = Some(vec!["reserve".into()]);
        cell.spec.agents[1].standby = Some(true);
        cell.spec.policy_ref = Some(lazarus::api::ObjectName { name });
        stage.apply(&cell).await;
    }
    let names = words.map(|word| format!("{word:?}").to_lowercase());
    let well = |scene: &super::support::scene::Scene, name: &str| scene.mission(name).has(Ready, "True", Reason::AgentsAlive);
    stage.until_all("all missions are well", |scene| names.iter().all(|name| well(scene, name))).await;
    for name in &names {
        let pod = stage.look_at_all(|scene| scene.mission(name).agent("scout").pod_name).unwrap();
        let _ = stage.kubectl(&["exec", &pod, "--", "/lazarus", "demo-agent", "tell", "crash"]);
    }
    let mut told = Vec::new();
    let ends = [("Overdue", Fate::Same), ("Deny", Fate::Denied), ("Revive", Fate::Back), ("Substitute", Fate::Substituted)];
    for (name, (end, fate)) in names.iter().zip(ends) {
        let asked = |request: &RevivalRequest| request.spec.cell_ref.name == *name;
        stage.request(&format!("a person is asked about {name}"), asked).await;
        let steps = ["Person: Revive or Substitute/reserve".into(), format!("Operator: {end}")];
        told.push((stage.told(name, "scout", &steps.each_ref().map(String::as_str)).await, fate));
    }
    stage
        .until_all("each policy has its way", |scene| {
            scene.mission("deny").is_in("scout", AgentState::Dead, Reason::Denied)
                && scene.mission("revive").alive("scout", 2)
                && scene.mission("substitute").alive("reserve", 1)
                && scene.mission("substitute").is_in("scout", AgentState::Dead, Reason::Substituted)
        })
        .await;
    let overdue = |request: &RevivalRequest| {
        let conditions = request.status.iter().flat_map(|status| &status.conditions);
        request.spec.cell_ref.name == "wait" && conditions.into_iter().any(|condition| condition.reason == "Overdue")
    };
    stage.request("the question is overdue", overdue).await;
    assert!(stage.look_at_all(|scene| scene.mission("wait").is_in("scout", AgentState::Waiting, Reason::AwaitingApproval)));
    for (told, fate) in &told {
        told.came_true(&stage, *fate).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn who_hangs_and_recovers_needs_no_decision() {
    let stage = Stage::new("recover").await;
    stage.policy("default", AgentPolicySpec { revive: Some(Revive::Ask), ..impatient() }).await;
    stage.apply(&mission(CELL, [posting("scout")])).await;
    all_alive(&stage).await;
    seen_well(&stage, "scout").await;
    let pod = stage.look(|mission| mission.pods_of("scout")[0].clone());
    signal(&pod, "agent", "SIGSTOP");
    let request = stage.asked_about("scout").await;
    assert_eq!(request.spec.incidents[0].cause, "Hung");
    let told = stage.told(CELL, "scout", &["Person: Revive"]).await;
    signal(&pod, "agent", "SIGCONT");
    stage.comes_to(&request.name_any(), "Superseded").await;
    all_alive(&stage).await;
    told.came_true(&stage, Fate::Recovered).await;
    assert_eq!(stage.look(|mission| mission.agent("scout").attempt), 1);
    let restarts = stage.look(|mission| container(mission.pods_of("scout")[0], "agent").map(|found| found.restart_count));
    assert_eq!(restarts, Some(0));
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn ten_agents_that_die_of_one_cause_are_one_question() {
    let stage = Stage::new("outage").await;
    stage.policy("default", asking()).await;
    stage.allow("lazarus-approve", &["alice"]).await;
    let names: Vec<_> = (0..10).map(|number| format!("agent-{number}")).collect();
    stage.apply(&mission(CELL, names.iter().map(|name| agent(name)))).await;
    all_alive(&stage).await;
    // All at once, as when the service that they all need says no, and on whichever node each is.
    let mut ids = BTreeMap::<String, Vec<String>>::new();
    stage.look(|mission| {
        for pod in names.iter().map(|name| mission.pods_of(name)[0]) {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone()).unwrap();
            let id = container(pod, "agent").and_then(|found| found.container_id.as_deref()).unwrap();
            ids.entry(node).or_default().push(id.trim_start_matches("containerd://").to_owned());
        }
    });
    for (node, ids) in &ids {
        // One signal for all: a call of the runtime for each takes a busy machine longer than deaths are gathered.
        let script = format!("kill -KILL $(ctr tasks list | grep -E '{}' | awk '{{ print $2 }}')", ids.join("|"));
        lab::script(&["exec-node", "--node", node, "--", "sh", "-c", &script]).unwrap();
    }
    let dead = |mission: &super::support::Mission<'_>| {
        names.iter().all(|name| mission.is_in(name, AgentState::Waiting, Reason::AwaitingApproval))
    };
    stage.until("all wait for a decision", dead).await;
    let request = stage.asked_about("agent-0").await;
    assert_eq!(request.spec.incidents.len(), 10, "{:#?}", request.spec.incidents);
    assert_eq!(stage.requests().await.len(), 1);
    let told = stage.told(CELL, "agent-0", &["Person: Revive"]).await;
    stage.person("alice", &["approve", &request.name_any(), "--wait=false"]).unwrap();
    stage.until("all are back", |mission| names.iter().all(|name| mission.alive(name, 2))).await;
    told.came_true(&stage, Fate::Back).await;
    stage.comes_to(&request.name_any(), "Executed").await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_drain_asks_nobody() {
    let stage = Stage::new("askdrain").await;
    stage.policy("default", asking()).await;
    stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
    all_alive(&stage).await;
    let pods = ["scout", "relay"].map(|name| stage.pod(name));
    join_all(pods.iter().map(|pod| stage.evict(pod))).await;
    stage.until("both are back", |mission| mission.alive("scout", 2) && mission.alive("relay", 2)).await;
    assert!(stage.requests().await.is_empty());
    stage.told(CELL, "scout", &[]).await.came_true(&stage, Fate::Same).await;
    never_was(&stage, CELL, "scout", "Waiting/AwaitingApproval");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn used_attempts_end_as_the_policy_says() {
    let stage = Stage::new("exhausted").await;
    stage.allow("lazarus-approve", &["alice"]).await;
    for (name, on_exhausted) in
        [("ask", OnExhausted::Ask), ("substitute", OnExhausted::Substitute), ("abandon", OnExhausted::Abandon)]
    {
        stage.policy(name, AgentPolicySpec { on_exhausted: Some(on_exhausted), ..quick(1) }).await;
        let mut doomed = super::support::agent_that("scout", &["--work-seconds", "0", "--exit-code", "3"]);
        doomed.substitutes = Some(vec!["reserve".into()]);
        let mut cell = mission(name, [doomed, agent("reserve")]);
        cell.spec.agents[1].standby = Some(true);
        cell.spec.policy_ref = Some(lazarus::api::ObjectName { name: name.into() });
        stage.apply(&cell).await;
    }
    stage
        .until_all("each has its way", |scene| {
            scene.mission("abandon").is_in("scout", AgentState::Dead, Reason::AttemptsExhausted)
                && scene.mission("substitute").alive("reserve", 1)
                && scene.mission("substitute").has(Ready, "True", Reason::AgentsAlive)
                && scene.mission("ask").is_in("scout", AgentState::Waiting, Reason::AwaitingApproval)
        })
        .await;
    // The attempt was used before anybody was asked.
    let attempts =
        ["ask", "substitute", "abandon"].map(|name| stage.look_at_all(|scene| scene.mission(name).agent("scout").attempt));
    assert_eq!(attempts, [2, 2, 2]);
    let request = stage.asked_about("scout").await;
    assert_eq!((request.spec.cell_ref.name.as_str(), request.spec.incidents[0].attempts), ("ask", 2));
    let asked = stage.told("ask", "scout", &["Person: Revive or Substitute/reserve"]).await;
    let [given, abandoned] = ["substitute", "abandon"].map(|name| stage.told(name, "scout", &["Person: Revive"]));
    let (given, abandoned) = (given.await, abandoned.await);
    stage.person("alice", &["approve", &request.name_any(), "--option", "Substitute/reserve", "--wait=false"]).unwrap();
    stage.until_all("the substitute works", |scene| scene.mission("ask").alive("reserve", 1)).await;
    asked.came_true(&stage, Fate::Substituted).await;
    given.came_true(&stage, Fate::Same).await;
    abandoned.came_true(&stage, Fate::Same).await;
    assert_eq!(decision(&stage.comes_to(&request.name_any(), "Executed").await), "Executed");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn what_is_planned_for_a_time_comes_then() {
    let stage = Stage::new("planned").await;
    let mut policy = quick(3);
    if let Some(restart) = &mut policy.restart {
        (restart.backoff_seconds, restart.max_backoff_seconds) = (Some(45), Some(45));
    }
    stage.policy("default", policy).await;
    stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
    all_alive(&stage).await;
    let alive = stage.told(CELL, "scout", &[]).await;
    alive.came_true(&stage, Fate::Same).await;
    stage.tell("scout", "crash");
    stage.until("the agent waits", |mission| mission.is_in("scout", AgentState::Waiting, Reason::Backoff)).await;
    let first = stage.told(CELL, "scout", &["Operator: Restart"]).await;
    // What is next for the mission is not about this one.
    stage.tell("relay", "crash");
    stage.until("the other waits", |mission| mission.is_in("relay", AgentState::Waiting, Reason::Backoff)).await;
    let second = stage.told(CELL, "relay", &["Operator: Restart"]).await;
    stage.until("both are back", |mission| mission.alive("scout", 2) && mission.alive("relay", 2)).await;
    first.came_true(&stage, Fate::Back).await;
    second.came_true(&stage, Fate::Back).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_revival_costs_few_writes() {
    let stage = Stage::new("revwrites").await;
    stage.apply(&mission(CELL, [agent("scout"), agent("relay")])).await;
    all_alive(&stage).await;
    let before = lab::now();
    stage.tell("scout", "crash");
    stage.until("the agent is back", |mission| mission.alive("scout", 2)).await;
    all_alive(&stage).await;
    let counted = writes::since(before, &stage.namespace);
    let cell = counted.cells.iter().find(|cell| cell.cell == CELL).unwrap();
    assert!(cell.total.count <= 5, "one delete, one create, three status patches: {:#?}", cell.writes);
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn what_was_decided_is_kept_no_longer_than_the_policy_says() {
    let (stage, request) = one_dead("retain", asking_with(Approval { retain_seconds: Some(0), ..Approval::default() })).await;
    stage.person("alice", &["approve", &request.name_any(), "--wait=false"]).unwrap();
    stage.until("the agent is back", |mission| mission.alive("scout", 2)).await;
    let requests = stage.api::<RevivalRequest>();
    soon("the request is gone", async || requests.get_opt(&request.name_any()).await.unwrap().is_none()).await;
}
