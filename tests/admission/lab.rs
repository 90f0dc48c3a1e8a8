//! The lab as these tests use it: users, requests, and namespaces that end with their test.

use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use http::{Method, Request};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config, Error};
use lazarus::observe::enforcement::{unchecked, unenforced};
use lazarus::render::install::{Object, Options, manifest};
use lazarus::runtime::yaml;
use serde_json::{Value, json};

pub const CELLS: &str = "apis/lazarus-pit.io/v1alpha1";
/// A lab on a busy machine is slow; one that never answers is broken.
const PATIENCE: Duration = Duration::from_secs(90);

fn folder() -> PathBuf {
    std::env::var_os("LAB_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(".lab"), PathBuf::from)
}

/// Never the ambient KUBECONFIG: many people's leads to production.
fn kubeconfig() -> Kubeconfig {
    let file = folder().join("kubeconfig");
    Kubeconfig::read_from(&file).unwrap_or_else(|error| {
        panic!("no lab at {}: start one with `make lab`, or name it in LAB_DIR ({error})", file.display())
    })
}

/// Runs the lab's kubectl: what it prints, or what it complains of.
pub fn kubectl(arguments: &[&str], input: &str) -> Result<String, String> {
    kubeconfig();
    let mut command = Command::new(folder().join("kubectl"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let [printed, complaint] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if output.status.success() { Ok(printed) } else { Err(complaint) }
}

/// What the API server answers if it doesn't do what it was asked.
#[derive(Debug)]
pub struct Refusal {
    pub code: u16,
    pub message: String,
}

pub type Answer = Result<Value, Refusal>;

/// Someone who sends requests.
#[derive(Clone)]
pub struct User(Client);

impl User {
    /// The administrator of the lab, a member of `system:masters`.
    pub async fn admin() -> Self {
        Self::sign_in(None, &[]).await
    }

    /// The operator's service account, with no more rights than its role gives.
    pub async fn operator() -> Self {
        Self::account("lazarus-pit", "lazarus-operator").await
    }

    /// Anyone else who is known to the cluster.
    pub async fn named(name: &str) -> Self {
        Self::sign_in(Some(name), &["system:authenticated"]).await
    }

    /// A service account, as pods of its namespace have it.
    pub async fn account(namespace: &str, name: &str) -> Self {
        let group = format!("system:serviceaccounts:{namespace}");
        let user = format!("system:serviceaccount:{namespace}:{name}");
        Self::sign_in(Some(&user), &["system:serviceaccounts", &group, "system:authenticated"]).await
    }

    /// Someone with all rights: only admission can say no.
    pub async fn master(name: &str) -> Self {
        Self::sign_in(Some(name), &["system:masters", "system:authenticated"]).await
    }

    async fn sign_in(name: Option<&str>, groups: &[&str]) -> Self {
        let mut config = Config::from_custom_kubeconfig(kubeconfig(), &KubeConfigOptions::default()).await.unwrap();
        config.default_retry = false;
        config.auth_info.impersonate = name.map(String::from);
        config.auth_info.impersonate_groups = name.map(|_| groups.iter().copied().map(String::from).collect());
        Self(Client::try_from(config).unwrap())
    }

    async fn call(&self, method: Method, path: &str, kind: &str, body: &Value) -> Answer {
        let body = if body.is_null() { Vec::new() } else { serde_json::to_vec(body).unwrap() };
        let request = Request::builder().method(method).uri(format!("/{path}")).header("content-type", kind).body(body).unwrap();
        self.0.request(request).await.map_err(|error| match error {
            Error::Api(status) => Refusal { code: status.code, message: status.message },
            error => panic!("{path}: no answer from the lab: {error}"),
        })
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, "application/json", &Value::Null).await
    }

    /// Unknown and duplicate fields are refused, as kubectl asks for.
    pub async fn create(&self, path: &str, body: &Value) -> Answer {
        let path = format!("{path}{}fieldValidation=Strict", if path.contains('?') { '&' } else { '?' });
        self.call(Method::POST, &path, "application/json", body).await
    }

    pub async fn replace(&self, path: &str, body: &Value) -> Answer {
        self.call(Method::PUT, path, "application/json", body).await
    }

    pub async fn merge(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, "application/merge-patch+json", &body).await
    }

    /// A JSON patch: it can name an item of a list.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path, "application/json-patch+json", &body).await
    }

    pub async fn apply(&self, path: &str, body: Value) -> Answer {
        let path = format!("{path}?fieldManager=admission-test&force=true");
        self.call(Method::PATCH, &path, "application/apply-patch+yaml", &body).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path, "application/json", &Value::Null).await
    }

    /// What this user finds missing of the rules that approvals rest on.
    pub async fn unenforced(&self) -> Option<String> {
        unenforced(&self.0).await.unwrap()
    }

    /// What this user finds missing of the rules that say how far agents are isolated.
    pub async fn unchecked(&self) -> Option<String> {
        unchecked(&self.0).await.unwrap()
    }

    /// Whether RBAC lets this user do it; it learns of new roles a moment after they are made.
    pub async fn may(&self, namespace: &str, verb: &str, group: &str, resource: &str) -> bool {
        self.may_named(namespace, verb, group, resource, "").await
    }

    /// As `may`, about one object.
    pub async fn may_named(&self, namespace: &str, verb: &str, group: &str, resource: &str, name: &str) -> bool {
        let attributes = json!({"namespace": namespace, "verb": verb, "group": group, "resource": resource, "name": name});
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes}});
        let answer = self.create("apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).await.unwrap();
        answer["status"]["allowed"] == true
    }
}

/// Fails unless the request was refused as it should be.
#[track_caller]
pub fn assert_refused(answer: Answer, code: u16, says: &str) {
    match answer {
        Ok(object) => panic!("should be refused with `{says}`, but was done: {object}"),
        Err(refusal) => assert!(refusal.code == code && refusal.message.contains(says), "should be {code} `{says}`: {refusal:?}"),
    }
}

/// Asks again until the answer is yes.
pub async fn eventually<F: Future<Output = bool>>(what: &str, mut ask: impl FnMut() -> F) {
    let asking = async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("not within {PATIENCE:?}: {what}"));
}

/// A namespace of one test, removed also when the test fails.
pub struct Namespace(pub String);

impl Namespace {
    /// Makes the namespace and waits until pods can be made in it.
    pub async fn new(admin: &User, test: &str) -> Self {
        let namespace = Self(format!("admission-{test}-{}", std::process::id()));
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": &namespace.0}});
        admin.create("api/v1/namespaces", &body).await.unwrap();
        let account = namespace.core("serviceaccounts/default");
        eventually("the namespace's service account", || async { admin.get(&account).await.is_ok() }).await;
        namespace
    }

    /// Path of a core object in it.
    pub fn core(&self, rest: &str) -> String {
        format!("api/v1/namespaces/{}/{rest}", self.0)
    }

    /// Path of one of our objects in it.
    pub fn ours(&self, rest: &str) -> String {
        format!("{CELLS}/namespaces/{}/{rest}", self.0)
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // The next run has another process id, so nobody waits for the end.
        let _ = kubectl(&["delete", "namespace", &self.0, "--wait=false"], "");
    }
}

/// Installs kinds, rights and rules, once. A running operator and its configuration are left alone.
pub async fn install() {
    static DONE: OnceLock<()> = OnceLock::new();
    DONE.get_or_init(|| {
        let operator =
            |object: &Object| matches!(object, Object::Deployment(_) | Object::ConfigMap(_) | Object::PodDisruptionBudget(_));
        let text = yaml::to_documents(manifest(&Options::default()).into_iter().filter(|object| !operator(object))).unwrap();
        kubectl(&["apply", "--server-side", "--force-conflicts", "--warnings-as-errors", "-f", "-"], &text).unwrap();
    });
    let admin = User::admin().await;
    eventually("the kinds are served", || async { admin.get(&format!("{CELLS}/missioncells")).await.is_ok() }).await;
}

/// Whether an admission policy refused it: a new one takes a moment until it does.
pub fn is_ruled_out(answer: &Answer) -> bool {
    answer.as_ref().is_err_and(|refusal| refusal.message.contains("ValidatingAdmissionPolicy"))
}
