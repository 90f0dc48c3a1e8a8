//! A mission starts.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use lazarus::api::conditions::ConditionType::{PolicyResolved, Ready, Reconciling, Stalled};
use lazarus::api::conditions::Reason;
use lazarus::api::{AgentState, MissionCell, Role, names};

use super::support::stage::CELL;
use super::support::{Stage, agent, mission};

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_mission_starts_and_every_pod_is_committed() {
    let stage = Stage::new("start").await;
    let cell = stage.apply(&mission(CELL, [agent("scout"), agent("relay"), agent("scribe")])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;

    stage.look(|mission| {
        assert!(mission.has(PolicyResolved, "True", Reason::PolicyFound));
        assert!(mission.lacks(Reconciling) && mission.lacks(Stalled), "{:?}", mission.status().conditions);
        let status = mission.status();
        let counts = status.counts.unwrap();
        assert_eq!((counts.desired, counts.alive, counts.revived, counts.summary.as_str()), (3, 3, 0, "3/3"));
        assert_eq!(status.agents.iter().map(|agent| agent.name.as_str()).collect::<Vec<_>>(), ["scout", "relay", "scribe"]);
        assert_eq!((&status.next_action, status.incidents.len()), (&None, 0));
        assert_eq!(mission.pods().len(), 3);
        for agent in &status.agents {
            assert_eq!((agent.state, agent.attempt, agent.deaths, agent.revived), (AgentState::Alive, 1, 0, 0));
            let [pod] = mission.pods_of(&agent.name)[..] else { panic!("{} has not one pod", agent.name) };
            assert_eq!((agent.pod_uid.clone(), agent.pod_name.clone()), (pod.uid(), Some(pod.name_any())));
            assert_eq!(agent.node, pod.spec.as_ref().unwrap().node_name);
            is_as_promised(pod, &cell, &agent.name);
        }
    });
    // What `kubectl wait` is used for in the first steps with a mission.
    stage.kubectl(&["wait", "mcell/watch", "--for=condition=Ready", "--timeout=60s"]).unwrap();
    // Nobody can say of a mission that has just begun that it is not well.
    stage.look_at_all(|scene| {
        let first = scene.history.iter().find(|line| line.contains("Ready=") && !line.contains("Ready=-"));
        assert!(first.is_some_and(|line| line.contains("Ready=Unknown/Starting")), "{:#?}", scene.history);
    });
}

fn is_as_promised(pod: &Pod, cell: &MissionCell, agent: &str) {
    let uid = cell.uid().unwrap();
    assert_eq!(pod.name_any(), names::pod_name(CELL, &uid, agent, 1));
    for (label, value) in [(names::CELL, CELL), (names::AGENT, agent), (names::ATTEMPT, "1")] {
        assert_eq!(pod.labels().get(label).map(String::as_str), Some(value));
    }
    let [owner] = &pod.metadata.owner_references.as_ref().unwrap()[..] else { panic!("one owner") };
    assert_eq!((owner.kind.as_str(), owner.uid.as_str()), ("MissionCell", uid.as_str()));
    assert_eq!((owner.controller, owner.block_owner_deletion), (Some(true), Some(true)));
    let spec = pod.spec.as_ref().unwrap();
    assert_eq!(spec.restart_policy.as_deref(), Some("Never"));
    assert_eq!(spec.automount_service_account_token, Some(false));
    assert_eq!(spec.containers[0].name, names::AGENT_CONTAINER);
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn an_agent_gets_what_its_spec_says() {
    let stage = Stage::new("fields").await;
    stage.apply_yaml(
        "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {MODEL: small, prompt.txt: keep the books}
---
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {API_KEY: sesame}
---
apiVersion: lazarus-pit.io/v1alpha1
kind: MissionCell
metadata: {name: watch}
spec:
  mission: to be tested
  nodeSelector: {kubernetes.io/os: linux}
  agents:
  - name: clerk
    role: Audit
    image: lazarus-pit:dev
    command: [/lazarus]
    args: [demo-agent]
    workingDir: /tmp
    terminationGracePeriodSeconds: 7
    env:
    - {name: LANGUAGE, value: en}
    - {name: GREETING, value: hello in $(LANGUAGE)}
    - {name: MODEL, valueFrom: {configMapKeyRef: {name: settings, key: MODEL}}}
    - {name: API_KEY, valueFrom: {secretKeyRef: {name: keys, key: API_KEY}}}
    - {name: SECOND, valueFrom: {secretKeyRef: {name: keys, key: SECOND, optional: true}}}
    configFiles:
    - {configMap: settings, mountPath: /etc/clerk}
    resources:
      requests: {cpu: 10m, memory: 16Mi}
      limits: {memory: 64Mi}
    ports:
    - {name: http, containerPort: 8081}
",
    );
    stage.until("the agent is alive", |mission| mission.alive("clerk", 1)).await;
    let pod = stage.look(|mission| mission.pods_of("clerk")[0].clone());
    let spec = pod.spec.unwrap();
    let container = &spec.containers[0];
    assert_eq!((spec.termination_grace_period_seconds, container.working_dir.as_deref()), (Some(7), Some("/tmp")));
    assert_eq!(spec.node_selector.unwrap()["kubernetes.io/os"], "linux");
    assert_eq!((&container.command, &container.args), (&Some(vec!["/lazarus".into()]), &Some(vec!["demo-agent".into()])));
    let resources = serde_json::to_value(container.resources.as_ref().unwrap()).unwrap();
    // What the manifest leaves out is limited all the same.
    let requests = serde_json::json!({"cpu": "10m", "memory": "16Mi", "ephemeral-storage": "16Mi"});
    let limits = serde_json::json!({"cpu": "2", "memory": "64Mi", "ephemeral-storage": "2Gi"});
    assert_eq!(resources, serde_json::json!({"requests": requests, "limits": limits}));
    let port = &container.ports.as_ref().unwrap()[0];
    assert_eq!((port.name.as_deref(), port.container_port), (Some("http"), 8081));
    let mount = container.volume_mounts.as_ref().unwrap().iter().find(|mount| mount.mount_path == "/etc/clerk").unwrap();
    assert_eq!(mount.read_only, Some(true));
    let variables: Vec<_> = container.env.as_ref().unwrap().iter().map(|variable| variable.name.as_str()).collect();
    for name in ["LAZARUS_CELL", "LAZARUS_AGENT", "LAZARUS_ROLE", "LANGUAGE", "GREETING", "MODEL", "API_KEY", "SECOND"] {
        assert!(variables.contains(&name), "{name} is not among {variables:?}");
    }
    let log = stage.kubectl(&["logs", &pod.metadata.name.unwrap()]).unwrap();
    assert!(log.starts_with("agent clerk (role Audit) of mission watch is at work\n"), "{log}");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn kubectl_shows_a_mission_in_one_line() {
    let stage = Stage::new("columns").await;
    let mut lead = agent("scout");
    lead.role = Some(Role::Lead);
    stage.apply(&mission(CELL, [lead, agent("relay")])).await;
    stage.until("all agents are alive", |mission| mission.has(Ready, "True", Reason::AgentsAlive)).await;
    let words = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    for name in ["missioncells", "mcell", "missioncell.lazarus-pit.io"] {
        let table = stage.kubectl(&["get", name]).unwrap();
        let lines: Vec<_> = table.lines().map(words).collect();
        assert_eq!(lines[0], ["NAME", "READY", "REASON", "AGENTS", "REVIVED", "ASKS", "AGE"]);
        assert_eq!(lines[1][..6], ["watch", "True", "AgentsAlive", "2/2", "0", "0"]);
    }
    let wide = stage.kubectl(&["get", "lazarus", "-o", "wide"]).unwrap();
    assert!(wide.contains("POLICY") && wide.contains("AgentPolicy/default"), "{wide}");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_samples_come_alive() {
    let stage = Stage::new("samples").await;
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config/samples");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 2);
    let mut missions = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        missions += text.lines().filter(|line| *line == "kind: MissionCell").count();
        stage.apply_yaml(&text);
    }
    stage
        .until_all("the missions of all samples are well", |scene| {
            let well = |name: &String| scene.mission(name).has(Ready, "True", Reason::AgentsAlive);
            scene.cells.len() == missions && scene.cells.keys().all(well)
        })
        .await;
}
