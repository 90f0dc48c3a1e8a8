//! An API server of one mission, behind `tower_test`: it stores, checks versions and UIDs, and fails when told to.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

/// What happens to a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The request never arrives; the operator is dead from here on.
    LostRequest,
    /// The write happens, but the answer never arrives; the operator is dead from here on.
    LostAnswer,
    /// The server answers 500 once, without having done anything.
    ServerError,
    /// The server answers 504 once, though it did it.
    Timeout,
    /// Somebody else changes the mission just before.
    ForeignChange,
}

#[derive(Default)]
pub struct State {
    pub cell: Value,
    pub pods: BTreeMap<String, Value>,
    pub policies: BTreeMap<String, Value>,
    pub events: Vec<String>,
    /// Verb and object of each write that arrived, Events left out.
    pub writes: Vec<String>,
    /// The write of this number, from 0, meets the fault.
    pub fault: Option<(usize, Fault)>,
    /// Writes of NetworkPolicies are refused.
    pub refuse_policies: bool,
    /// Creations of this agent's pods are refused.
    pub refuse: Option<String>,
    pub dead: bool,
    version: u64,
    made: usize,
    seen: usize,
}

#[derive(Clone, Default)]
pub struct Server {
    pub state: Arc<Mutex<State>>,
}

impl Server {
    pub fn new(cell: Value) -> Self {
        let server = Self::default();
        server.state.lock().unwrap().cell = cell;
        server.state.lock().unwrap().touch();
        server
    }

    /// A client whose requests this server answers.
    pub fn client(&self) -> Client {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let state = Arc::clone(&self.state);
        tokio::spawn(async move {
            while let Some((request, answer)) = handle.next_request().await {
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap().to_bytes();
                let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
                let reply = state.lock().unwrap().answer(&parts.method, parts.uri.path(), &body);
                match reply {
                    Some((status, value)) => {
                        let body = Body::from(value.to_string().into_bytes());
                        answer.send_response(Response::builder().status(status).body(body).unwrap());
                    }
                    None => answer.send_error("connection lost"),
                }
            }
        });
        Client::new(service, "missions")
    }
}

type Reply = Option<(StatusCode, Value)>;

impl State {
    pub fn touch(&mut self) {
        self.version += 1;
        self.cell["metadata"]["resourceVersion"] = json!(self.version.to_string());
    }

    fn answer(&mut self, method: &Method, path: &str, body: &Value) -> Reply {
        if self.dead {
            return None;
        }
        if path.contains("/events") {
            self.events.push(body["reason"].as_str().unwrap_or("?").into());
            return Some((StatusCode::CREATED, body.clone()));
        }
        if method == Method::GET {
            return Some((StatusCode::OK, self.read(path)));
        }
        let number = self.seen;
        self.seen += 1;
        match self.fault.filter(|(at, _)| *at == number).map(|(_, fault)| fault) {
            Some(Fault::LostRequest) => {
                self.dead = true;
                None
            }
            Some(Fault::LostAnswer) => {
                self.write(method, path, body);
                self.dead = true;
                None
            }
            Some(Fault::ServerError) => Some(failure(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "broken")),
            Some(Fault::Timeout) => {
                self.write(method, path, body);
                Some(failure(StatusCode::GATEWAY_TIMEOUT, "Timeout", "too slow"))
            }
            Some(Fault::ForeignChange) => {
                self.touch();
                Some(self.write(method, path, body))
            }
            None => Some(self.write(method, path, body)),
        }
    }

    fn read(&self, path: &str) -> Value {
        if path.ends_with("/missioncells/cell") {
            return self.cell.clone();
        }
        if path.ends_with("/networkpolicies") {
            let items: Vec<_> = self.policies.values().cloned().collect();
            let kind = "NetworkPolicyList";
            return json!({ "kind": kind, "apiVersion": "networking.k8s.io/v1", "metadata": {}, "items": items });
        }
        assert!(path.ends_with("/pods"), "GET {path}");
        let items: Vec<_> = self.pods.values().cloned().collect();
        json!({ "kind": "PodList", "apiVersion": "v1", "metadata": { "resourceVersion": "1" }, "items": items })
    }

    fn write(&mut self, method: &Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        if path.contains("/networkpolicies") {
            return self.write_policy(method, &name, body);
        }
        match *method {
            Method::PATCH => {
                self.writes.push("status".into());
                if body["metadata"]["resourceVersion"] != self.cell["metadata"]["resourceVersion"] {
                    return failure(StatusCode::CONFLICT, "Conflict", "the object has been modified");
                }
                let mut status = self.cell["status"].take();
                merge(&mut status, &body["status"]);
                self.cell["status"] = status;
                self.touch();
                (StatusCode::OK, self.cell.clone())
            }
            Method::POST => {
                let mut pod = body.clone();
                let name = pod["metadata"]["name"].as_str().unwrap().to_owned();
                let agent = pod["metadata"]["labels"]["lazarus-pit.io/agent"].clone();
                self.writes.push(format!("create {}", agent.as_str().unwrap()));
                if self.refuse.as_deref() == agent.as_str() {
                    return failure(StatusCode::FORBIDDEN, "Forbidden", "exceeded quota");
                }
                if self.pods.contains_key(&name) {
                    return failure(StatusCode::CONFLICT, "AlreadyExists", "already exists");
                }
                self.made += 1;
                pod["metadata"]["uid"] = json!(format!("uid-{}", self.made));
                pod["status"] = json!({ "phase": "Pending" });
                self.pods.insert(name, pod.clone());
                (StatusCode::CREATED, pod)
            }
            Method::DELETE => {
                self.writes.push(format!("delete {name}"));
                let Some(pod) = self.pods.get(&name) else {
                    return failure(StatusCode::NOT_FOUND, "NotFound", "not found");
                };
                if pod["metadata"]["uid"] != body["preconditions"]["uid"] {
                    return failure(StatusCode::CONFLICT, "Conflict", "the UID in the precondition does not match");
                }
                let pod = self.pods.remove(&name).unwrap();
                (StatusCode::OK, pod)
            }
            _ => panic!("{method} {path}"),
        }
    }

    fn write_policy(&mut self, method: &Method, name: &str, body: &Value) -> (StatusCode, Value) {
        let name = if *method == Method::POST { body["metadata"]["name"].as_str().unwrap() } else { name }.to_owned();
        let verb = [(Method::POST, "create"), (Method::PUT, "replace"), (Method::DELETE, "delete")];
        let verb = verb.iter().find(|(known, _)| known == method).map(|(_, verb)| *verb).unwrap();
        self.writes.push(format!("{verb} policy {name}"));
        if self.refuse_policies {
            return failure(StatusCode::FORBIDDEN, "Forbidden", "not for you");
        }
        let stored = self.policies.get(&name).cloned();
        self.version += 1;
        match stored {
            None if verb != "create" => return failure(StatusCode::NOT_FOUND, "NotFound", "not found"),
            Some(_) if verb == "create" => return failure(StatusCode::CONFLICT, "AlreadyExists", "already exists"),
            Some(stored) if verb == "delete" => {
                let is_it = ["uid", "resourceVersion"].iter().all(|key| stored["metadata"][key] == body["preconditions"][key]);
                if is_it {
                    self.policies.remove(&name);
                    return (StatusCode::OK, stored);
                }
                return failure(StatusCode::CONFLICT, "Conflict", "the precondition does not match");
            }
            Some(_) | None => {}
        }
        let mut policy = body.clone();
        let uid = json!(format!("policy-{}", self.version));
        policy["metadata"]["uid"] = stored.map_or(uid, |stored| stored["metadata"]["uid"].clone());
        policy["metadata"]["resourceVersion"] = json!(self.version.to_string());
        self.policies.insert(name, policy.clone());
        (StatusCode::OK, policy)
    }

    /// The kubelet runs every pod that has not run.
    pub fn run_all(&mut self) {
        for pod in self.pods.values_mut().filter(|pod| pod["status"]["phase"] == "Pending") {
            let state = json!({ "running": { "startedAt": "2026-01-01T00:00:00Z" } });
            pod["status"] = json!({ "phase": "Running", "containerStatuses": [{ "name": "agent", "state": state }] });
            pod["spec"]["nodeName"] = json!("node-1");
        }
    }

    /// The agent's process ends.
    pub fn exit(&mut self, agent: &str, code: i64, at: &str) {
        let its = |pod: &&mut Value| pod["metadata"]["labels"]["lazarus-pit.io/agent"] == agent;
        let pod = self.pods.values_mut().find(its).expect("a pod");
        let ended = json!({ "exitCode": code, "reason": "Error", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": at });
        pod["status"]["phase"] = json!(if code == 0 { "Succeeded" } else { "Failed" });
        pod["status"]["containerStatuses"] = json!([{ "name": "agent", "state": { "terminated": ended } }]);
    }
}

fn failure(status: StatusCode, reason: &str, message: &str) -> (StatusCode, Value) {
    let body = json!({ "kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": status.as_u16() });
    (status, body)
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (key, value) in patch {
        if value.is_null() {
            target.as_object_mut().unwrap().remove(key);
        } else {
            merge(&mut target[key.as_str()], value);
        }
    }
}
