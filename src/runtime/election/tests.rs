#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use http::{Method, Request, Response};
use kube::client::Body;
use kube::core::Status;
use serde_json::Value;
use tower_test::mock::Handle;

use super::super::shutdown::Trigger;
use super::*;

// Scaled down by fifty; the Lease itself then says 0 s, which candidates read as their own duration.
const DURATIONS: Durations = Durations {
    lease: Duration::from_millis(300),
    renew_deadline: Duration::from_millis(200),
    retry_period: Duration::from_millis(40),
};

/// One Lease with compare-and-swap; while `silent` it takes requests and never answers.
#[derive(Clone, Default)]
struct Server {
    stored: Arc<Mutex<Option<Value>>>,
    silent: Arc<AtomicBool>,
}

impl Server {
    async fn run(self, mut requests: Handle<Request<Body>, Response<Body>>) {
        let mut unanswered = Vec::new();
        while let Some((request, reply)) = requests.next_request().await {
            if self.silent.load(Ordering::Relaxed) {
                unanswered.push(reply);
                continue;
            }
            let method = request.method().clone();
            let body = request.into_body().collect_bytes().await.unwrap();
            reply.send_response(self.answer(&method, &body));
        }
    }

    fn answer(&self, method: &Method, body: &[u8]) -> Response<Body> {
        let mut stored = self.stored.lock().unwrap();
        let version =
            |lease: &Value| lease.pointer("/metadata/resourceVersion").and_then(Value::as_str).unwrap_or("0").parse().unwrap();
        let current: u64 = stored.as_ref().map_or(0, version);
        let sent: Option<Value> = serde_json::from_slice(body).ok();
        let refused = |code, reason| (code, serde_json::to_value(Status::failure("no", reason).with_code(code)).unwrap());
        let (code, answer) = match (method, stored.clone(), sent) {
            (&Method::GET, Some(lease), _) => (200, lease),
            (&Method::POST, None, Some(lease)) => (201, lease),
            (&Method::PUT, Some(_), Some(lease)) if version(&lease) == current => (200, lease),
            (&Method::GET | &Method::PUT, None, _) => refused(404, "NotFound"),
            _ => refused(409, "Conflict"),
        };
        let mut answer = answer;
        if method != Method::GET && code < 300 {
            answer["metadata"]["resourceVersion"] = (current + 1).to_string().into();
            *stored = Some(answer.clone());
        }
        Response::builder().status(code).body(Body::from(serde_json::to_vec(&answer).unwrap())).unwrap()
    }

    fn holder(&self) -> String {
        self.stored.lock().unwrap().as_ref().unwrap()["spec"]["holderIdentity"].as_str().unwrap().to_owned()
    }

    fn candidate(&self, holder: &str) -> (Leadership, Trigger, tokio::task::JoinHandle<()>) {
        let (service, requests) = tower_test::mock::pair();
        tokio::spawn(self.clone().run(requests));
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let leadership = Leadership::none(Arc::clone(&clock));
        let candidate = Candidate {
            elector: Elector::new("pit", "lazarus", holder, DURATIONS),
            leases: Api::namespaced(Client::new(service, "pit"), "pit"),
            lease_name: "lazarus".into(),
            durations: DURATIONS,
            leadership: leadership.clone(),
            clock,
            complaint: String::new(),
        };
        let (trigger, shutdown) = Shutdown::manual();
        (leadership, trigger, tokio::spawn(async move { candidate.run(&shutdown).await }))
    }
}

async fn becomes(leadership: &Leadership, leading: bool) {
    let mut changes = leadership.subscribe();
    tokio::time::timeout(Duration::from_secs(20), changes.wait_for(|value| *value == leading)).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_silent_server_ends_the_token_and_an_answer_brings_it_back() {
    let server = Server::default();
    let (leadership, _trigger, task) = server.candidate("first");
    let mut gained = Box::pin(leadership.gained());
    becomes(&leadership, true).await;
    gained.next().await.unwrap();
    assert!(leadership.is_leader());
    server.silent.store(true, Ordering::Relaxed);
    becomes(&leadership, false).await;
    assert!(!leadership.is_leader() && !task.is_finished());
    server.silent.store(false, Ordering::Relaxed);
    becomes(&leadership, true).await;
    gained.next().await.unwrap();
    assert_eq!(server.holder(), "first");
}

#[tokio::test]
async fn a_release_waits_for_writes_under_way_and_hands_over_at_once() {
    let server = Server::default();
    let (first, trigger, task) = server.candidate("first");
    becomes(&first, true).await;
    let (second, _second_trigger, _task) = server.candidate("second");
    let permit = first.permit(Duration::ZERO).unwrap();
    trigger.request();
    becomes(&first, false).await;
    assert!(first.permit(Duration::ZERO).is_err(), "the token goes before the lease does");
    assert!(server.holder() == "first" && !second.is_leader());
    drop(permit);
    task.await.unwrap();
    becomes(&second, true).await;
    assert_eq!(server.holder(), "second");
}

#[tokio::test]
async fn a_write_that_does_not_end_leaves_the_lease_to_run_out() {
    let server = Server::default();
    let (leadership, trigger, task) = server.candidate("first");
    becomes(&leadership, true).await;
    let permit = leadership.permit(Duration::ZERO).unwrap();
    trigger.request();
    task.await.unwrap();
    assert_eq!(server.holder(), "first");
    drop(permit);
}

#[test]
fn two_processes_never_share_a_name() {
    assert_ne!(random(), random());
    assert!((0..1000).map(|_| fraction()).all(|value| (0.0..=1.0).contains(&value)));
}
