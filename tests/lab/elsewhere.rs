//! An agent of the mission runs outside the cluster: here, in a process of the test.

use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::ResourceExt;
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentPolicySpec, AgentSpec, AgentState, External, OnExhausted, Revive, names};
use serde_json::Value;

use super::support::beats::{Way, impatient, post, posting, went};
use super::support::stage::{CELL, soon};
use super::support::told::Fate;
use super::support::{Stage, agent, mission, operator, quick};

fn external(name: &str) -> AgentSpec {
    AgentSpec { name: name.into(), external: Some(External {}), ..AgentSpec::default() }
}

/// A folder with a token, and a way to the gateway.
struct Place {
    folder: PathBuf,
    _way: Way,
}

impl Place {
    /// What a person does who gives an agent its token.
    async fn given(stage: &Stage, agent: &str, name: &str) -> Self {
        let leader = operator::holder(&stage.client).await.unwrap();
        let way = Way::to(operator::NAMESPACE, operator::pod_of(&leader), names::GATEWAY_TARGET_PORT);
        let folder = std::env::temp_dir().join(format!("{}-{name}", stage.namespace));
        let (address, path) = (way.address.to_string(), folder.to_str().unwrap());
        stage.person("alice", &["token", CELL, agent, "--folder", path, "--address", &address]).unwrap();
        Self { folder, _way: way }
    }

    fn beat(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lazarus"));
        command.arg("beat").arg("--folder").arg(&self.folder).args(arguments);
        command
    }

    /// Reports once.
    fn report(&self) -> Output {
        self.beat(&["-o", "json"]).output().unwrap()
    }

    /// Reports until it is killed.
    fn keep(&self) -> Running {
        Running(self.beat(&["--watch", "--status", "working"]).stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

async fn all_alive(stage: &Stage) {
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn who_reports_from_elsewhere_is_alive_and_who_falls_silent_is_asked_about() {
    let stage = Stage::new("elsewhere").await;
    stage.policy("default", AgentPolicySpec { revive: Some(Revive::Ask), ..impatient() }).await;
    stage.allow("admin", &["alice"]).await;
    let cell = stage.apply(&mission(CELL, [posting("scout"), external("oracle")])).await;
    let awaits = |attempt| {
        move |mission: &super::support::Mission<'_>| {
            let agent = mission.agent("oracle");
            (agent.state, agent.reason, agent.attempt) == (AgentState::Waiting, Some(Reason::AwaitingReport), attempt)
        }
    };
    stage.until("its first report is awaited", awaits(1)).await;
    let account = stage.api::<ServiceAccount>().get(&format!("{CELL}-external")).await.unwrap();
    assert_eq!(account.owner_references()[0].uid, cell.uid().unwrap());
    assert!(stage.look(|mission| mission.pods_of("oracle").is_empty() && mission.agent("oracle").pod_name.is_none()));

    let first = Place::given(&stage, "oracle", "first").await;
    let running = first.keep();
    all_alive(&stage).await;
    drop(running);
    let asked = stage.asked_about("oracle").await;
    assert_eq!(asked.spec.incidents[0].cause, "Silent");
    went(&stage, CELL, "oracle", &["Alive", "Stale/Stale #1", "Dead/AwaitingApproval #1"]);
    assert!(stage.look(|mission| mission.alive("scout", 1)), "who is heard is left alone");

    // It is not stopped, so it may come back by itself; then there is nothing to decide.
    let told = stage.told(CELL, "oracle", &["Person: Revive"]).await;
    let running = first.keep();
    stage.comes_to(&asked.name_any(), "Superseded").await;
    all_alive(&stage).await;
    told.came_true(&stage, Fate::Recovered).await;
    drop(running);

    let asked = stage.asked_about("oracle").await;
    let told = stage.told(CELL, "oracle", &["Person: Revive"]).await;
    stage.person("alice", &["approve", &asked.name_any(), "--wait=false"]).unwrap();
    stage.until("the next incarnation is awaited", awaits(2)).await;
    soon("the former incarnation is refused", async || {
        let refused = first.report();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        !refused.status.success() && said.contains("no longer the agent")
    })
    .await;
    assert!(stage.look(awaits(2)), "its late report changed nothing");
    let second = Place::given(&stage, "oracle", "second").await;
    let _running = second.keep();
    stage.until("the agent is back", |mission| mission.alive("oracle", 2)).await;
    told.came_true(&stage, Fate::Back).await;
    assert_eq!(stage.look(|mission| mission.agent("oracle").revived), 1, "it came back by itself before, which is no revival");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn parts_go_from_elsewhere_to_a_pod_and_from_a_pod_to_elsewhere() {
    let stage = Stage::new("elsesub").await;
    let policy = AgentPolicySpec { on_exhausted: Some(OnExhausted::Substitute), heartbeat: impatient().heartbeat, ..quick(0) };
    stage.policy("default", policy).await;
    stage.allow("edit", &["alice"]).await;
    let mut cell = mission(CELL, [agent("scout"), external("oracle"), posting("relay")]);
    cell.spec.agents[0].substitutes = Some(vec!["oracle".into()]);
    cell.spec.agents[1].substitutes = Some(vec!["relay".into()]);
    stage.apply(&cell).await;
    stage.until("the mission is known", |mission| mission.agent("oracle").attempt == 1).await;
    let place = Place::given(&stage, "oracle", "place").await;
    let running = place.keep();
    all_alive(&stage).await;

    stage.tell("scout", "crash");
    stage.until("the part goes elsewhere", |mission| mission.agent("oracle").holds == ["scout"]).await;
    // It is told with the answer to its next report.
    soon("it hears whose part it has", async || {
        let reply = serde_json::from_slice(&place.report().stdout).unwrap_or(Value::Null);
        reply["holds"] == serde_json::json!(["scout"])
    })
    .await;

    drop(running);
    stage.until("both parts go on", |mission| mission.agent("relay").holds == ["scout", "oracle"]).await;
    all_alive(&stage).await;
    stage.look(|mission| {
        let end = mission.agent("oracle").last_end.unwrap();
        assert_eq!((end.cause.as_str(), mission.agent("oracle").holder.as_deref()), ("Silent", Some("relay")));
    });
    let status = serde_json::json!({"status": "working"});
    soon("the agent hears whose parts it has", async || post(&stage, "relay", &status).contains(r#""holds":["scout","oracle"]"#))
        .await;
    // Fenced: it runs on, but nobody hears it.
    assert!(!place.report().status.success());
    assert!(stage.look(|mission| mission.is_in("oracle", AgentState::Dead, Reason::Substituted)));
}
