//! An API server with missions and requests, on loopback, and the program run against it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex, mpsc};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What the operator does to a request once a person has written to it.
pub type Reaction = fn(&mut Value);

#[derive(Default)]
pub struct State {
    /// Objects by plural, namespace and name.
    pub objects: BTreeMap<(String, String, String), Value>,
    /// Requests whose method and path contain this text are forbidden.
    pub forbidden: Option<&'static str>,
    /// A kind that nobody may write.
    pub withheld: Option<&'static str>,
    /// The kinds are not installed.
    pub bare: bool,
    /// How often somebody else decides just before.
    pub rivals: usize,
    pub reaction: Option<Reaction>,
    pub writes: usize,
    version: u64,
}

#[derive(Clone)]
pub struct Server {
    pub state: Arc<Mutex<State>>,
    address: SocketAddr,
}

/// What a run of the program came to.
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Run {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {}{}", self.out, self.err))
    }
}

impl Server {
    pub fn new(objects: impl IntoIterator<Item = Value>) -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        for object in objects {
            state.lock().unwrap().store(object);
        }
        let (sender, receiver) = mpsc::channel();
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                sender.send(listener.local_addr().unwrap()).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let state = Arc::clone(&shared);
                    let service = service_fn(move |request| answer(Arc::clone(&state), request));
                    tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
                }
            });
        });
        Self { state, address: receiver.recv().unwrap() }
    }

    pub fn object(&self, plural: &str, name: &str) -> Value {
        self.state.lock().unwrap().objects[&(plural.into(), "missions".into(), name.into())].clone()
    }

    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap());
    }

    /// Runs `kubectl lazarus …` against this server.
    pub fn run(&self, arguments: &[&str]) -> Run {
        run_against(self.address, arguments)
    }

    /// The same, but with Ctrl-C as soon as something is written.
    pub fn interrupt(&self, arguments: &[&str]) -> Run {
        let mut command = plugin(self.address);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let child = command.spawn().unwrap();
        while self.state.lock().unwrap().writes == 0 {
            std::thread::yield_now();
        }
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
        run(child.wait_with_output().unwrap())
    }
}

/// Runs the program as kubectl's plugin with a kubeconfig that leads to this address.
pub fn run_against(address: SocketAddr, arguments: &[&str]) -> Run {
    finish(plugin(address).args(arguments))
}

fn plugin(address: SocketAddr) -> Command {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("kubeconfig-{}", address.port()));
    let config = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "here",
        "contexts": [{ "name": "here", "context": { "cluster": "here", "user": "alice", "namespace": "missions" } }],
        "clusters": [{ "name": "here", "cluster": { "server": format!("http://{address}") } }],
        "users": [{ "name": "alice", "user": {} }],
    });
    std::fs::write(&file, config.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_lazarus"));
    command.arg0("/usr/local/bin/kubectl-lazarus").env("KUBECONFIG", &file);
    command
}

pub fn finish(command: &mut Command) -> Run {
    run(command.stdin(Stdio::null()).output().unwrap())
}

fn run(output: Output) -> Run {
    let Output { status, stdout, stderr } = output;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

async fn answer(state: Arc<Mutex<State>>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let user = parts.headers.get("impersonate-user").map_or("alice", |user| user.to_str().unwrap());
    let query = parts.uri.query().unwrap_or_default();
    let (status, value) = state.lock().unwrap().answer(&parts.method, parts.uri.path(), query, user, &body);
    Ok(Response::builder().status(status).body(Full::from(value.to_string())).unwrap())
}

impl State {
    pub fn store(&mut self, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        // What belongs to the whole cluster is in the namespace without a name.
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let key = (plural(&text(&object["kind"])), namespace, text(&object["metadata"]["name"]));
        self.objects.insert(key, object.clone());
        object
    }

    fn answer(&mut self, method: &Method, path: &str, query: &str, user: &str, body: &Value) -> (StatusCode, Value) {
        if path.ends_with("/selfsubjectreviews") {
            let mut review = body.clone();
            review["status"] = json!({ "userInfo": { "username": user } });
            return (StatusCode::CREATED, review);
        }
        if self.forbidden.is_some_and(|text| format!("{method} {path}").contains(text)) {
            let message = format!("User \"{user}\" cannot do this");
            return failure(StatusCode::FORBIDDEN, "Forbidden", &message, "x");
        }
        if path == "/version" {
            return (StatusCode::OK, version());
        }
        if path.ends_with("/selfsubjectaccessreviews") {
            let mut review = body.clone();
            review["status"] = json!({ "allowed": body["spec"]["resourceAttributes"]["resource"] != json!(self.withheld) });
            return (StatusCode::CREATED, review);
        }
        if let Some(group) = path.strip_prefix("/apis/").filter(|group| group.split('/').count() == 2) {
            return (StatusCode::OK, served(group));
        }
        let words: Vec<_> = path.split('/').skip(if path.starts_with("/api/") { 3 } else { 4 }).collect();
        if self.bare {
            return failure(StatusCode::NOT_FOUND, "NotFound", "the server could not find the requested resource", "");
        }
        let dry_run = query.contains("dryRun=All");
        match (method, words.as_slice()) {
            (&Method::GET, [plural]) => (StatusCode::OK, self.list(plural, None, query)),
            (&Method::GET, ["namespaces", namespace, plural]) => (StatusCode::OK, self.list(plural, Some(namespace), query)),
            (&Method::GET, [plural, name]) => self.get(&key(plural, "", name)),
            (&Method::GET, ["namespaces", namespace, plural, name]) => self.get(&key(plural, namespace, name)),
            (&Method::PATCH, ["namespaces", namespace, plural, name, "status"]) => {
                self.patch(&key(plural, namespace, name), dry_run, body)
            }
            (&Method::POST, ["namespaces", namespace, plural, name, "token"]) => {
                if !self.objects.contains_key(&key(plural, namespace, name)) {
                    return failure(StatusCode::NOT_FOUND, "NotFound", "not found", name);
                }
                let (audience, seconds) = (body["spec"]["audiences"][0].as_str().unwrap(), &body["spec"]["expirationSeconds"]);
                let token = format!("token-for-{audience}-{seconds}");
                let mut made = body.clone();
                made["status"] = json!({ "token": token, "expirationTimestamp": "2126-01-01T00:00:00Z" });
                (StatusCode::CREATED, made)
            }
            (&Method::POST, ["namespaces", namespace, _]) => {
                let mut object = body.clone();
                object["metadata"]["namespace"] = json!(namespace);
                if dry_run {
                    return (StatusCode::CREATED, object);
                }
                self.writes += 1;
                let stored = self.store(object.clone());
                if let Some(reaction) = self.reaction {
                    reaction(&mut object);
                    self.store(object);
                }
                (StatusCode::CREATED, stored)
            }
            other => panic!("{other:?}"),
        }
    }

    fn get(&self, key: &(String, String, String)) -> (StatusCode, Value) {
        match self.objects.get(key) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => failure(StatusCode::NOT_FOUND, "NotFound", "not found", &key.2),
        }
    }

    fn list(&self, plural: &str, namespace: Option<&str>, query: &str) -> Value {
        let selector = |kind: &str| query.split('&').find_map(|part| part.strip_prefix(kind));
        let selected = |object: &&Value| {
            let name = selector("fieldSelector=metadata.name%3D");
            let labelled = match selector("labelSelector=").map(|selector| selector.split_once("%3D").ok_or(selector)) {
                None => true,
                Some(Ok((key, value))) => object["metadata"]["labels"][key] == *value,
                Some(Err(key)) => object["metadata"]["labels"].get(key.replace("%2F", "/")).is_some(),
            };
            labelled && name.is_none_or(|name| object["metadata"]["name"] == *name)
        };
        let of = |key: &(String, String, String)| key.0 == plural && namespace.is_none_or(|namespace| key.1 == namespace);
        let found = self.objects.iter().filter(|(key, _)| of(key)).map(|(_, object)| object);
        let items: Vec<_> = found.filter(selected).cloned().collect();
        json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items })
    }

    fn patch(&mut self, key: &(String, String, String), dry_run: bool, body: &Value) -> (StatusCode, Value) {
        let mut object = self.objects[key].clone();
        if self.rivals > 0 {
            self.rivals -= 1;
            let rival = json!({ "verdict": "Approve", "option": "Revive", "by": format!("k8s:rival-{}", self.rivals) });
            let decisions = &mut object["status"]["decisions"];
            let mut all = decisions.as_array().cloned().unwrap_or_default();
            all.push(rival);
            *decisions = json!(all);
            object = self.store(object);
        }
        if body["metadata"]["resourceVersion"] != object["metadata"]["resourceVersion"] {
            return failure(StatusCode::CONFLICT, "Conflict", "the object has been modified", &key.2);
        }
        object["status"]["decisions"] = body["status"]["decisions"].clone();
        if dry_run {
            return (StatusCode::OK, object);
        }
        self.writes += 1;
        let stored = self.store(object.clone());
        if let Some(reaction) = self.reaction {
            reaction(&mut object);
            self.store(object);
        }
        (StatusCode::OK, stored)
    }
}

fn plural(kind: &str) -> String {
    let kind = kind.to_lowercase();
    match kind.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None if kind.ends_with('s') => format!("{kind}es"),
        None => format!("{kind}s"),
    }
}

fn version() -> Value {
    let words = ["buildDate", "compiler", "gitCommit", "gitTreeState", "goVersion", "platform"];
    let mut version = json!({ "major": "1", "minor": "36", "gitVersion": "v1.36.2" });
    for word in words {
        version[word] = json!("");
    }
    version
}

fn served(group: &str) -> Value {
    let resource = |name: &str| json!({ "name": name, "singularName": "", "namespaced": false, "kind": "K", "verbs": [] });
    let resources = ["validatingadmissionpolicies", "validatingadmissionpolicybindings"].map(resource);
    json!({ "kind": "APIResourceList", "groupVersion": group, "resources": resources })
}

fn key(plural: &str, namespace: &str, name: &str) -> (String, String, String) {
    (plural.into(), namespace.into(), name.into())
}

fn failure(status: StatusCode, reason: &str, message: &str, name: &str) -> (StatusCode, Value) {
    let body = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message,
        "code": status.as_u16(), "details": { "name": name },
    });
    (status, body)
}
