//! The sidecar beside an agent, its way to the gateway, and what it costs.

use k8s_openapi::api::core::v1::{ConfigMap, Pod, VolumeMount};
use kube::ResourceExt;
use kube::api::{Patch, PatchParams};
use lazarus::api::beat::{Beat, Seen};
use lazarus::api::conditions::ConditionType::Ready;
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentState, names};
use lazarus::pulse::link::{Link, Trouble};

use super::support::beats::{Way, asked, container, course, impatient, patient, posting, seen_well, signal, starve};
use super::support::stage::{CELL, soon};
use super::support::{Mission, Stage, agent, lab, mission, operator, writes};

async fn all_alive(stage: &Stage) {
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
}

fn pod(mission: &Mission<'_>, agent: &str) -> Pod {
    mission.pods_of(agent)[0].clone()
}

fn restarts(pod: &Pod) -> i32 {
    container(pod, names::PULSE_CONTAINER).map_or(0, |sidecar| sidecar.restart_count)
}

fn agent_process(pod: &Pod) -> Option<String> {
    container(pod, names::AGENT_CONTAINER)?.container_id.clone()
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_killed_or_starved_sidecar_comes_back_beside_its_living_agent() {
    let stage = Stage::new("sidecar").await;
    stage.policy("default", patient()).await;
    let names = ["scout", "relay", "scribe"];
    stage.apply(&mission(CELL, [posting("scout"), asked("relay"), agent("scribe")])).await;
    all_alive(&stage).await;
    let before = names.map(|name| stage.look(|mission| pod(mission, name)));
    let [killed, starved, _] = &before;
    signal(killed, names::PULSE_CONTAINER, "SIGKILL");
    starve(starved, names::PULSE_CONTAINER);
    soon("the sidecar of relay is out of memory", async || {
        // What is run in it needs memory.
        stage.kubectl(&["exec", &stage.pod("relay"), "-c", names::PULSE_CONTAINER, "--", "/lazarus", "--version"]).ok();
        let pod = stage.look(|mission| pod(mission, "relay"));
        let last = container(&pod, names::PULSE_CONTAINER).and_then(|sidecar| sidecar.last_state.clone()?.terminated);
        last.is_some_and(|ended| ended.reason.as_deref() == Some("OOMKilled"))
    })
    .await;
    for (name, before) in names.into_iter().zip(&before).take(2) {
        let back = |mission: &Mission<'_>| {
            let pod = pod(mission, name);
            let sidecar = container(&pod, names::PULSE_CONTAINER);
            restarts(&pod) > restarts(before) && sidecar.is_some_and(|sidecar| sidecar.started == Some(true))
        };
        stage.until(&format!("the sidecar of {name} is back"), back).await;
        let after = stage.look(|mission| pod(mission, name));
        assert_eq!((after.uid(), agent_process(&after)), (before.uid(), agent_process(before)), "{name} does not notice");
    }
    // The new sidecars see as well as the old ones.
    seen_well(&stage, "relay").await;
    stage.policy("default", impatient()).await;
    for name in ["scout", "relay"] {
        stage.tell(name, "hang");
    }
    for name in ["scout", "relay"] {
        stage.until(&format!("{name} is seen hanging"), |mission| mission.alive(name, 2)).await;
        let course = course(&stage, CELL, name);
        let first = course.iter().find(|state| !state.starts_with("Alive") && state.contains("#1") && !starts(state));
        assert!(first.is_some_and(|state| state.starts_with("Stale/Stale")), "nothing before it hung: {course:#?}");
    }
    let course = course(&stage, CELL, "scribe");
    assert!(course.iter().all(|state| state.starts_with("Alive #1") || state.starts_with("Alive/LinkLost #1") || starts(state)));
}

fn starts(state: &str) -> bool {
    state.starts_with("Pending") || state.starts_with("Starting")
}

/// Asks the gateway's leader with this token, as a sidecar does.
async fn beat(stage: &Stage, token: &str, seen: Seen) -> Result<(), Trouble> {
    let leader = operator::holder(&stage.client).await.unwrap();
    let way = Way::to(operator::NAMESPACE, operator::pod_of(&leader), names::GATEWAY_TARGET_PORT);
    let told = stage.api::<ConfigMap>().get(names::GATEWAY).await.unwrap().data.unwrap();
    let folder = std::env::temp_dir().join(&stage.namespace);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("token"), token).unwrap();
    std::fs::write(folder.join(names::GATEWAY_BUNDLE_KEY), &told[names::GATEWAY_BUNDLE_KEY]).unwrap();
    std::fs::write(folder.join(names::GATEWAY_ADDRESS_KEY), way.address.to_string()).unwrap();
    let silent = if seen == Seen::Silent { 100_000 } else { 0 };
    let answer = Link::new(folder.clone()).beat(&Beat { silent_seconds: silent, ever_healthy: true, ..Beat::of(seen) }).await;
    std::fs::remove_dir_all(folder).unwrap();
    answer.map(drop)
}

async fn refused_with(stage: &Stage, token: &str) -> u16 {
    match beat(stage, token, Seen::Silent).await {
        Err(Trouble::Refused { status, .. }) => status.as_u16(),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn only_the_committed_incarnation_is_heard() {
    let stage = Stage::new("token").await;
    stage.policy("default", patient()).await;
    stage.apply(&mission(CELL, [posting("scout")])).await;
    all_alive(&stage).await;
    let token = |audience: &str| {
        let bound = ["--bound-object-kind", "Pod", "--bound-object-name", &stage.pod("scout"), "--audience", audience];
        let token = stage.kubectl(&[&["create", "token", "default"], &bound[..]].concat()).unwrap();
        token.trim().to_owned()
    };
    let old = token(names::AUDIENCE);
    beat(&stage, &old, Seen::Healthy).await.unwrap();
    stage.tell("scout", "crash");
    stage.until("the agent is revived", |mission| mission.alive("scout", 2)).await;
    assert_eq!(refused_with(&stage, &old).await, 410, "a late report of a former incarnation");
    let unbound = stage.kubectl(&["create", "token", "default", "--audience", names::AUDIENCE]).unwrap();
    for stranger in [&token("https://kubernetes.default.svc"), unbound.trim(), "no.token.atall"] {
        assert_eq!(refused_with(&stage, stranger).await, 401);
    }
    // What was refused changed nothing; the same words from the incarnation that counts do.
    assert!(stage.look(|mission| mission.alive("scout", 2) && mission.agent("scout").deaths == 1));
    let current = token(names::AUDIENCE);
    beat(&stage, &current, Seen::Silent).await.unwrap();
    // The real sidecar says otherwise each second: whose word is the last when the leader looks is a matter of luck.
    let insists = async {
        loop {
            beat(&stage, &current, Seen::Silent).await.ok();
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let dead = stage.until("the agent is taken for dead", |mission| mission.agent("scout").deaths == 2);
    tokio::select! {
        () = dead => {}
        () = insists => {}
    }
    assert_eq!(stage.look(|mission| mission.agent("scout").last_end.unwrap().cause), "Hung");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn an_agent_has_no_token_and_its_sidecar_has_one() {
    let stage = Stage::new("tokens").await;
    stage.apply(&mission(CELL, [posting("scout"), asked("relay"), agent("scribe")])).await;
    all_alive(&stage).await;
    for name in ["scout", "relay", "scribe"] {
        // As the API server keeps it, with whatever admission added.
        let spec = stage.look(|mission| pod(mission, name)).spec.unwrap();
        assert_eq!(spec.automount_service_account_token, Some(false));
        let [container] = &spec.containers[..] else { panic!("one container beside the sidecar") };
        let workspace = |mount: &VolumeMount| mount.mount_path.starts_with(names::WORKSPACE_FOLDER);
        assert!(container.volume_mounts.iter().flatten().all(workspace), "{:?}", container.volume_mounts);
        let [sidecar] = &spec.init_containers.as_ref().unwrap()[..] else { panic!("one sidecar") };
        let mounts: Vec<_> = sidecar.volume_mounts.iter().flatten().map(|mount| mount.mount_path.as_str()).collect();
        assert_eq!(mounts, [names::PULSE_FOLDER, "/run/lazarus"]);
        let tokens = spec.volumes.iter().flatten().filter(|volume| format!("{volume:?}").contains("service_account_token: Some"));
        assert_eq!(tokens.count(), 1);
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn agents_wait_for_a_gateway_that_is_not_there() {
    let stage = Stage::new("absent").await;
    stage.apply(&mission("first", [agent("scout")])).await;
    stage.until_all("the namespace knows the gateway", |scene| scene.mission("first").alive("scout", 1)).await;
    let maps = stage.api::<ConfigMap>();
    let right = maps.get(names::GATEWAY).await.unwrap().data.unwrap()[names::GATEWAY_ADDRESS_KEY].clone();
    let tell = async |address: &str| {
        let patch = serde_json::json!({"data": {names::GATEWAY_ADDRESS_KEY: address}});
        maps.patch(names::GATEWAY, &PatchParams::default(), &Patch::Merge(&patch)).await.unwrap();
    };
    tell("127.0.0.1:1").await;
    stage.apply(&mission(CELL, [posting("scout"), agent("relay")])).await;
    let waits =
        |name: &'static str| move |mission: &Mission<'_>| mission.is_in(name, AgentState::Starting, Reason::AwaitingAdmission);
    for name in ["scout", "relay"] {
        stage.until(&format!("{name} waits for admission"), waits(name)).await;
        let pod = stage.pod(name);
        soon("its sidecar asks in vain", async || {
            stage.kubectl(&["logs", &pod, "-c", names::PULSE_CONTAINER]).is_ok_and(|log| log.contains("cannot connect"))
        })
        .await;
    }
    let before = ["scout", "relay"].map(|name| stage.uid(name));
    for name in ["scout", "relay"] {
        assert!(stage.look(waits(name)), "nothing else becomes of {name}");
        let pod = stage.look(|mission| pod(mission, name));
        assert_eq!((restarts(&pod), agent_process(&pod).unwrap_or_default()), (0, String::new()));
    }
    assert!(stage.look_at_all(|scene| scene.mission("first").alive("scout", 1)), "who runs goes on running");
    tell(&right).await;
    for (name, before) in ["scout", "relay"].into_iter().zip(&before) {
        stage.until(&format!("{name} is admitted"), |mission| mission.alive(name, 1)).await;
        let pod = stage.look(|mission| pod(mission, name));
        assert_eq!((pod.uid().as_ref(), restarts(&pod)), (Some(before), 0));
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_mission_that_reports_costs_as_few_writes_as_one_that_does_not() {
    let stage = Stage::new("beatwrites").await;
    stage.policy("default", patient()).await;
    let start = lab::now();
    let agents = [posting("scout"), asked("relay"), agent("scribe"), posting("lookout"), asked("clerk")];
    stage.apply(&mission(CELL, agents)).await;
    all_alive(&stage).await;
    let all = writes::since(start, &stage.namespace);
    let cell = all.cells.iter().find(|cell| cell.cell == CELL).unwrap();
    assert!(cell.total.count <= 7, "five creates and two patches: {:#?}", cell.writes);
    assert_eq!((all.total.conflicts, all.total.refused, all.total.noops), (0, 0, 0), "{:#?}", all.writes);
    // And the namespace is told once where the gateway is.
    let maps = all.writes.iter().filter(|(write, _)| write.contains("configmap")).map(|(_, tally)| tally.count).sum::<u64>();
    assert_eq!(maps, 1, "{:#?}", all.writes);
}
