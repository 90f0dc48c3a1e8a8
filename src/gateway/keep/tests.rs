use std::sync::atomic::{AtomicUsize, Ordering};

use chrono::{DateTime, TimeDelta};
use http::{Method, Request, Response};
use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::api::beat::Network;
use crate::runtime::clock::ManualClock;

const SECRET: &str = "/api/v1/namespaces/lazarus-pit/secrets/lazarus-gateway-ca";
const SERVICE: &str = "/api/v1/namespaces/lazarus-pit/services/lazarus-gateway";
const SLICE: &str = "/apis/discovery.k8s.io/v1/namespaces/lazarus-pit/endpointslices/lazarus-gateway";
const MAP: &str = "/api/v1/namespaces/missions/configmaps/lazarus-gateway";
/// Nothing of it is ever answered.
const SLOW: &str = "/api/v1/namespaces/a-slow-one/configmaps/lazarus-gateway";

/// An API server that stores objects by path, and counts what it is asked and what is written.
#[derive(Clone, Default)]
struct Server {
    objects: Arc<Mutex<HashMap<String, Value>>>,
    writes: Arc<Mutex<Vec<String>>>,
    asked: Arc<AtomicUsize>,
    /// What may not be written.
    forbidden: Arc<Mutex<&'static str>>,
}

impl Server {
    fn new() -> Self {
        let server = Self::default();
        server.put(SECRET, json!({"metadata": {"name": "lazarus-gateway-ca"}}));
        server.put(SERVICE, json!({"metadata": {"name": "lazarus-gateway"}, "spec": {"clusterIP": "10.96.0.7"}}));
        server
    }

    fn put(&self, path: &str, mut object: Value) {
        let mut objects = self.objects.lock().unwrap();
        let version = objects.get(path).map_or(0, version) + 1;
        object["metadata"]["resourceVersion"] = json!(version.to_string());
        objects.insert(path.to_owned(), object);
    }

    fn get(&self, path: &str) -> Value {
        self.objects.lock().unwrap().get(path).cloned().unwrap_or_default()
    }

    fn written(&self) -> Vec<String> {
        std::mem::take(&mut *self.writes.lock().unwrap())
    }

    fn answer(&self, method: &Method, path: &str, body: Value) -> (u16, Value) {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let failure =
            |code: u16, reason: &str| (code, json!({"status": "Failure", "code": code, "reason": reason, "message": ""}));
        let found = self.get(path);
        if *method != Method::GET {
            if *self.forbidden.lock().unwrap() == path {
                return failure(403, "Forbidden");
            }
            self.writes.lock().unwrap().push(format!("{method} {path}"));
            if *method == Method::PUT && version(&found) != version(&body) {
                return failure(409, "Conflict");
            }
            self.put(path, body);
        }
        let found = self.get(path);
        if found.is_null() { failure(404, "NotFound") } else { (200, found) }
    }

    fn client(&self) -> Client {
        let (service, mut handle) = tower_test::mock::pair::<Request<Body>, Response<Body>>();
        let server = self.clone();
        tokio::spawn(async move {
            let mut unanswered = Vec::new();
            while let Some((request, respond)) = handle.next_request().await {
                if request.uri().path() == SLOW {
                    unanswered.push(respond);
                    continue;
                }
                let (parts, body) = request.into_parts();
                let body = serde_json::from_slice(&body.collect().await.unwrap().to_bytes()).unwrap_or_default();
                let (code, value) = server.answer(&parts.method, parts.uri.path(), body);
                respond.send_response(Response::builder().status(code).body(value.to_string().into_bytes().into()).unwrap());
            }
        });
        Client::new(service, "default")
    }
}

fn version(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().map_or(0, |version| version.parse().unwrap())
}

struct World {
    server: Server,
    clock: ManualClock,
    leadership: Leadership,
    gateway: Gateway,
}

fn world(server: &Server, address: &str) -> World {
    let clock = ManualClock::new(DateTime::from_timestamp(1_800_000_000, 0).unwrap());
    let (leadership, metrics) = (Leadership::none(Arc::new(clock.clone())), Arc::new(Metrics::new()));
    let guarded = Guarded::new(server.client(), leadership.clone(), Duration::from_secs(5), Arc::clone(&metrics));
    let gateway = Gateway::new(Parts {
        guarded,
        leadership: leadership.clone(),
        clock: Arc::new(clock.clone()),
        metrics,
        namespace: "lazarus-pit".into(),
        address: address.parse().unwrap(),
        sans: Vec::new(),
    });
    let world = World { server: server.clone(), clock, leadership, gateway };
    world.lead();
    world
}

impl World {
    fn lead(&self) {
        self.leadership.publish(Some(self.clock.monotonic() + Duration::from_mins(10)));
    }

    /// At everything, once.
    async fn look(&self) -> Result<(), Error> {
        let looked = self.gateway.shared.look().await;
        let told = self.gateway.shared.tell(BTreeSet::from(["missions".to_owned()])).await;
        assert!(told || looked.is_err());
        looked
    }
}

#[tokio::test]
async fn the_leader_makes_everything_once_and_writes_nothing_at_rest() {
    let world = world(&Server::new(), "10.0.0.5");
    let not_ready = world.gateway.ensure_published("missions").await.unwrap_err();
    assert!(not_ready.to_string().starts_with("the gateway is not ready yet"), "{not_ready}");
    world.look().await.unwrap();
    assert_eq!(world.server.written(), [format!("PUT {SECRET}"), format!("PATCH {SLICE}"), format!("PATCH {MAP}")]);
    let (slice, map) = (world.server.get(SLICE), world.server.get(MAP));
    assert_eq!((&slice["addressType"], &slice["endpoints"][0]["addresses"]), (&json!("IPv4"), &json!(["10.0.0.5"])));
    assert_eq!((&slice["ports"][0]["port"], &slice["ports"][0]["name"]), (&json!(8443), &json!("gateway")));
    assert_eq!((&slice["ports"][1]["port"], &slice["ports"][1]["name"]), (&json!(8444), &json!("canary")));
    assert_eq!(slice["metadata"]["labels"]["kubernetes.io/service-name"], "lazarus-gateway");
    assert_eq!(map["data"]["address"], "10.96.0.7:443");
    assert!(map["data"]["ca.crt"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
    for _ in 0..3 {
        world.clock.advance(COMPARED);
        world.lead();
        world.look().await.unwrap();
    }
    assert_eq!(world.server.written(), [""; 0]);
    let asked = world.server.asked.load(Ordering::SeqCst);
    world.gateway.ensure_published("missions").await.unwrap();
    assert_eq!(world.server.asked.load(Ordering::SeqCst), asked, "what was told costs no request");
    world.gateway.ensure_published("others").await.unwrap();
    assert_eq!(world.server.written(), ["PATCH /api/v1/namespaces/others/configmaps/lazarus-gateway"]);
}

#[tokio::test]
async fn what_somebody_else_changed_is_put_right() {
    let world = world(&Server::new(), "10.0.0.5");
    world.look().await.unwrap();
    world.server.written();
    let mut slice = world.server.get(SLICE);
    slice["endpoints"][0]["addresses"] = json!(["10.0.0.6"]);
    world.server.put(SLICE, slice);
    world.server.objects.lock().unwrap().remove(MAP);
    world.look().await.unwrap();
    assert_eq!(world.server.written(), [format!("PUT {SLICE}")]);
    world.clock.advance(COMPARED);
    world.look().await.unwrap();
    assert_eq!(world.server.written(), [format!("PATCH {MAP}")]);
    // A new address of the Service reaches the namespaces at once.
    world.server.put(SERVICE, json!({"metadata": {"name": "lazarus-gateway"}, "spec": {"clusterIP": "fd00::7"}}));
    world.look().await.unwrap();
    assert_eq!(world.server.get(MAP)["data"]["address"], "[fd00::7]:443");
}

#[tokio::test]
async fn another_replica_takes_over_with_the_same_authority() {
    let server = Server::new();
    let [first, second] = ["10.0.0.5", "fd00::6"].map(|address| world(&server, address));
    second.leadership.publish(None);
    second.look().await.unwrap();
    assert_eq!(server.written(), [""; 0], "a replica that does not lead writes nothing");
    first.look().await.unwrap();
    server.written();
    second.lead();
    second.look().await.unwrap();
    let slice = format!("{SLICE}-v6");
    assert_eq!(server.written(), [format!("PATCH {slice}")]);
    assert_eq!(server.get(&slice)["addressType"], "IPv6");
}

#[tokio::test]
async fn a_rotation_keeps_what_is_trusted_and_tells_everybody() {
    let world = world(&Server::new(), "10.0.0.5");
    world.look().await.unwrap();
    let before = world.server.get(MAP)["data"]["ca.crt"].as_str().unwrap().to_owned();
    world.server.written();
    world.clock.advance(TimeDelta::days(243).to_std().unwrap());
    world.lead();
    world.look().await.unwrap();
    assert_eq!(world.server.written(), [format!("PUT {SECRET}"), format!("PATCH {MAP}")]);
    let after = world.server.get(MAP)["data"]["ca.crt"].as_str().unwrap().to_owned();
    assert!(after.ends_with(&before) && after.len() > before.len());
}

#[tokio::test]
async fn a_corrupt_secret_is_left_alone_and_a_missing_service_is_named() {
    let world = world(&Server::new(), "10.0.0.5");
    let corrupt = json!({"metadata": {"name": "lazarus-gateway-ca"}, "data": {"ca.crt": "eA=="}});
    world.server.put(SECRET, corrupt.clone());
    let error = world.look().await.unwrap_err().to_string();
    assert!(error.contains("of Secret lazarus-gateway-ca") && error.contains("remove everything under `data`"), "{error}");
    assert_eq!((world.server.written(), &world.server.get(SECRET)["data"]), (vec![], &corrupt["data"]));
    world.gateway.shared.complain(Some(error.clone()));
    assert!(world.gateway.ensure_published("missions").await.unwrap_err().to_string().contains(&error));

    world.server.put(SECRET, json!({"metadata": {"name": "lazarus-gateway-ca"}}));
    world.server.objects.lock().unwrap().remove(SERVICE);
    let error = world.look().await.unwrap_err().to_string();
    assert!(error.contains("there is no Service lazarus-gateway"), "{error}");
}

#[tokio::test]
async fn a_slow_namespace_holds_up_neither_the_others_nor_the_way_to_the_leader() {
    let world = world(&Server::new(), "10.0.0.5");
    let (_trigger, shutdown) = Shutdown::manual();
    let (shared, gained) = (Arc::clone(&world.gateway.shared), Box::pin(world.leadership.gained()));
    let kept = tokio::spawn(async move {
        let namespaces = || BTreeSet::from(["a-slow-one", "missions"].map(str::to_owned));
        futures::join!(shared.keep(gained, &shutdown), shared.keep_telling(&namespaces, &shutdown));
    });
    let written = async |path: &str| {
        let written = async {
            while world.server.get(path).is_null() {
                tokio::task::yield_now().await;
            }
        };
        // Less than what is waited for the slow one.
        tokio::time::timeout(LONGEST_STEP / 2, written).await.expect("it waits for the slow one");
    };
    written(MAP).await;
    world.server.objects.lock().unwrap().remove(SLICE);
    world.leadership.publish(None);
    world.lead();
    written(SLICE).await;
    kept.abort();
}

#[tokio::test]
async fn what_keeps_sidecars_from_admission_is_known() {
    let world = world(&Server::new(), "10.0.0.5");
    let Shared { parts, keyring, .. } = &*world.gateway.shared;
    assert_eq!(world.gateway.obstacle("missions"), Some(Obstacle::NoKeys));
    world.server.put("/.well-known/openid-configuration", json!({"issuer": "https://issuer"}));
    world.server.put("/openid/v1/jwks", json!({"keys": []}));
    keyring.look(parts.guarded.reader()).await.unwrap();
    assert_eq!(world.gateway.obstacle("missions"), None);
    *world.server.forbidden.lock().unwrap() = MAP;
    world.gateway.shared.look().await.unwrap();
    assert!(world.gateway.ensure_published("missions").await.is_err());
    assert_eq!(["missions", "others"].map(|name| world.gateway.obstacle(name)), [Some(Obstacle::Untold), None]);
    *world.server.forbidden.lock().unwrap() = "";
    world.look().await.unwrap();
    assert_eq!(world.gateway.obstacle("missions"), None);
    world.gateway.ledger.lock().unwrap().canary(Network::Closed, world.clock.monotonic());
    assert_eq!(world.gateway.obstacle("missions"), Some(Obstacle::Blind));
}

#[tokio::test]
async fn a_slice_of_an_older_version_gets_the_port_that_no_agent_may_reach() {
    let server = Server::new();
    let world = world(&server, "10.0.0.5");
    world.lead();
    world.look().await.unwrap();
    let mut slice = world.server.get(SLICE);
    slice["ports"].as_array_mut().unwrap().truncate(1);
    world.server.put(SLICE, slice);
    world.server.written();
    world.look().await.unwrap();
    assert_eq!(world.server.written(), [format!("PUT {SLICE}")]);
    assert_eq!(world.server.get(SLICE)["ports"][1]["port"], json!(8444));
}
