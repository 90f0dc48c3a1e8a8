//! A namespace of one test, with everything in it watched, removed also when the test fails.

use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{Api, DeleteParams, EvictParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::core::DeserializeGuard;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use lazarus::api::{AgentPolicy, AgentPolicySpec, MissionCell};
use tokio::sync::watch::{Receiver, Sender};
use tokio::task::JoinHandle;

use super::scene::{Mission, Rule, Scene};
use super::{lab, mission, operator, report};

/// A lab on a busy machine is slow; what never happens is broken.
pub const PATIENCE: Duration = Duration::from_mins(3);
/// Tests with one mission call it this.
pub const CELL: &str = "watch";

/// A namespace of one test.
pub struct Stage {
    pub client: Client,
    pub namespace: String,
    scene: Receiver<Scene>,
    change: Sender<Scene>,
    watching: [JoinHandle<()>; 2],
}

impl Stage {
    /// Makes the namespace, with a quick policy for all missions in it, and begins to watch.
    pub async fn new(test: &str) -> Self {
        Self::with(test, Scene::guarded()).await
    }

    /// The same with a scene of other rules.
    pub async fn with(test: &str, scene: Scene) -> Self {
        let client = lab::client().await;
        operator::require(&client).await;
        let namespace = format!("lab-{test}-{}", std::process::id());
        let meta = ObjectMeta { name: Some(namespace.clone()), ..ObjectMeta::default() };
        let object = Namespace { metadata: meta, ..Namespace::default() };
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &object).await.unwrap();
        let (change, scene) = tokio::sync::watch::channel(scene);
        let watching = [follow_cells(&client, &namespace, change.clone()), follow_pods(&client, &namespace, change.clone())];
        let stage = Self { client, namespace, scene, change, watching };
        // Without it the API server refuses pods.
        let accounts: Api<ServiceAccount> = stage.api();
        soon("the namespace's service account", async || accounts.get_opt("default").await.unwrap().is_some()).await;
        stage.policy("default", mission::quick(3)).await;
        stage
    }

    pub fn api<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates or changes a policy.
    pub async fn policy(&self, name: &str, spec: AgentPolicySpec) {
        let policy = AgentPolicy::new(name, spec);
        self.api::<AgentPolicy>().patch(name, &applying(), &Patch::Apply(&policy)).await.unwrap();
    }

    /// Creates or changes a mission: what the last call had and this one hasn't is removed.
    pub async fn apply(&self, mission: &MissionCell) -> MissionCell {
        self.api::<MissionCell>().patch(&mission.name_any(), &applying(), &Patch::Apply(mission)).await.unwrap()
    }

    /// Applies YAML with kubectl.
    pub fn apply_yaml(&self, text: &str) {
        let arguments = ["apply", "--server-side", "--force-conflicts", "-n", &self.namespace, "-f", "-"];
        lab::kubectl(&arguments, text).unwrap();
    }

    /// Runs kubectl in the namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, String> {
        lab::kubectl(&[&["-n", &self.namespace], arguments].concat(), "")
    }

    /// Waits until this is true of the mission called [`CELL`].
    pub async fn until(&self, what: &str, mut is_so: impl FnMut(&Mission<'_>) -> bool) {
        self.until_all(what, |scene| is_so(&scene.mission(CELL))).await;
    }

    /// Waits until this is true of everything on the stage.
    pub async fn until_all(&self, what: &str, mut is_so: impl FnMut(&Scene) -> bool) {
        self.within(PATIENCE, what, &mut is_so).await;
    }

    /// Waits this long for something to become true.
    pub async fn within(&self, time: Duration, what: &str, is_so: impl FnMut(&Scene) -> bool) {
        let mut scene = self.scene.clone();
        let became = tokio::time::timeout(time, scene.wait_for(is_so)).await;
        assert!(became.is_ok(), "not within {time:?} in namespace {}: {what}", self.namespace);
    }

    /// Looks at the mission called [`CELL`] as it is now.
    pub fn look<T>(&self, ask: impl FnOnce(&Mission<'_>) -> T) -> T {
        ask(&self.scene.borrow().mission(CELL))
    }

    /// Looks at everything as it is now.
    pub fn look_at_all<T>(&self, ask: impl FnOnce(&Scene) -> T) -> T {
        ask(&self.scene.borrow())
    }

    /// Each further change of a pod is checked against this rule; a broken one fails the test when it ends.
    pub fn never(&self, rule: Rule) {
        self.change.send_modify(|scene| scene.add_rule(rule));
    }

    /// Tells the demo agent of the mission called [`CELL`] to hang, crash or exit.
    pub fn tell(&self, agent: &str, what: &str) {
        let pod = self.pod(agent);
        // The answer may be lost: the agent takes its container with it.
        if let Err(complaint) = self.kubectl(&["exec", &pod, "--", "/lazarus", "demo-agent", "tell", what]) {
            println!("telling {pod} to {what}: {complaint}");
        }
    }

    /// Name of the pod of an agent of the mission called [`CELL`].
    pub fn pod(&self, agent: &str) -> String {
        self.look(|mission| mission.agent(agent).pod_name).unwrap_or_else(|| panic!("{agent} has no pod"))
    }

    /// UID of the pod of an agent of the mission called [`CELL`].
    pub fn uid(&self, agent: &str) -> String {
        self.look(|mission| mission.agent(agent).pod_uid).unwrap_or_else(|| panic!("{agent} has no pod"))
    }

    /// What a drain does to each pod of its node.
    pub async fn evict(&self, pod: &str) {
        self.api::<Pod>().evict(pod, &EvictParams::default()).await.unwrap();
    }

    pub async fn delete_pod(&self, pod: &str) {
        self.api::<Pod>().delete(pod, &DeleteParams::default()).await.unwrap();
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.watching.iter().for_each(JoinHandle::abort);
        let broken = self.scene.borrow().broken.clone();
        if std::thread::panicking() || !broken.is_empty() {
            report::print(&self.namespace, &self.scene.borrow().history);
        }
        // Names end with the process id, so nobody waits for the end of this one.
        let _ = lab::kubectl(&["delete", "namespace", &self.namespace, "--wait=false"], "");
        if !std::thread::panicking() {
            assert!(broken.is_empty(), "broken rules in namespace {}: {broken:#?}", self.namespace);
        }
    }
}

fn applying() -> PatchParams {
    PatchParams::apply("lab-test").force()
}

fn follow_cells(client: &Client, namespace: &str, change: Sender<Scene>) -> JoinHandle<()> {
    let api = Api::<DeserializeGuard<MissionCell>>::namespaced(client.clone(), namespace);
    tokio::spawn(watcher(api, watcher::Config::default()).default_backoff().for_each(move |event| {
        if let Ok(event) = event {
            change.send_modify(|scene| scene.cell_event(event));
        }
        std::future::ready(())
    }))
}

fn follow_pods(client: &Client, namespace: &str, change: Sender<Scene>) -> JoinHandle<()> {
    let api = Api::<Pod>::namespaced(client.clone(), namespace);
    tokio::spawn(watcher(api, watcher::Config::default()).default_backoff().for_each(move |event| {
        if let Ok(event) = event {
            change.send_modify(|scene| scene.pod_event(event));
        }
        std::future::ready(())
    }))
}

/// Asks again until the answer is yes.
pub async fn soon(what: &str, mut ask: impl AsyncFnMut() -> bool) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}
