#![allow(clippy::disallowed_methods, reason = "real sockets take real time")]

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::*;
use crate::gateway::authority::Authority;
use crate::gateway::identity::Identity;
use crate::gateway::keys::Keyring;
use crate::gateway::ledger::{Ledger, Uid};
use crate::gateway::testing::{Issuer, POD, api, claims};
use crate::observe::Asked;
use crate::report::metrics::{Answered, Metrics};
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::leadership::Leadership;
use crate::runtime::shutdown::Trigger;

mod abuse;
mod client;
mod elsewhere;

use self::client::{Answer, Connection, Stream, answer, ask, connect, is_closed};

const BEAT: &str = r#"{"protocol":1,"agent":"Healthy"}"#;

struct World {
    address: SocketAddr,
    issuer: Issuer,
    ledger: Arc<Mutex<Ledger>>,
    leadership: Leadership,
    metrics: Arc<Metrics>,
    identity: Identity,
    authority: Authority,
    bundle: String,
    _trigger: Trigger,
}

/// A server that leads, knows the issuer's key, and has the pod in its ledger.
async fn world(limits: Limits) -> World {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (trigger, shutdown) = Shutdown::manual();
    let (address, issuer, identity) = (listener.local_addr().unwrap(), Issuer::new("k"), Identity::default());
    let authority = Authority::new(clock.now() - TimeDelta::hours(1)).unwrap();
    let bundle = authority.bundle(clock.now());
    identity.show(authority.leaf("lazarus-pit", &[], clock.now()).unwrap().certified);
    let published = issuer.published();
    let (client, _) = api(move || Some(published.clone()));
    let keyring = Arc::new(Keyring::new(Arc::clone(&clock)));
    keyring.look(&client).await.unwrap();
    let leadership = Leadership::none(Arc::clone(&clock));
    let metrics = Arc::new(Metrics::new());
    let ledger = Arc::new(Mutex::new(Ledger::new(clock.monotonic())));
    let answers =
        Answers::new(Arc::clone(&ledger), keyring, client, "lazarus-pit".into(), leadership.clone(), clock, Arc::clone(&metrics));
    tokio::spawn(serve(listener, identity.config().unwrap(), Arc::new(answers), limits, shutdown));
    let world = World { address, issuer, ledger, leadership, metrics, identity, authority, bundle, _trigger: trigger };
    world.lead();
    world.enter();
    world
}

impl World {
    fn lead(&self) {
        self.leadership.publish(Some(SystemClock.monotonic() + Duration::from_mins(10)));
    }

    fn ledger(&self) -> std::sync::MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self) {
        let mut ledger = self.ledger();
        ledger.enter(Uid::read(POD).unwrap(), 15, true, SystemClock.monotonic());
        ledger.open();
    }

    fn token(&self) -> String {
        self.issuer.token(&claims(POD, SystemClock.now()))
    }

    /// Waits until this many connections are open.
    async fn until_open(&self, connections: i64) {
        let ended = async {
            while self.metrics.gateway().open() != connections {
                tokio::task::yield_now().await;
            }
        };
        let open = || format!("{} are open", self.metrics.gateway().open());
        tokio::time::timeout(Duration::from_secs(10), ended).await.unwrap_or_else(|_| panic!("{}", open()));
    }

    async fn connect(&self) -> std::io::Result<Connection> {
        connect(self.address, &self.bundle).await
    }

    /// One request on a connection of its own.
    async fn ask(&self, head: &str, token: Option<&str>, body: &str) -> Answer {
        ask(&mut self.connect().await.unwrap(), head, token, body).await.unwrap()
    }

    async fn beat(&self) -> Answer {
        self.ask("POST /beat", Some(&self.token()), BEAT).await
    }
}

#[tokio::test]
async fn beats_are_taken_on_one_connection_and_reach_the_ledger() {
    let world = world(Limits::default()).await;
    let mut connection = world.connect().await.unwrap();
    for _ in 0..3 {
        let answer = ask(&mut connection, "POST /beat", Some(&world.token()), BEAT).await.unwrap();
        assert_eq!((answer.code, &answer.body), (200, &json!({"nextHeartbeatSeconds": 15})));
        assert!(!answer.head.contains("connection: close"), "{}", answer.head);
    }
    let pulse = world.ledger().pulse(Uid::read(POD).unwrap(), SystemClock.monotonic()).unwrap();
    assert!(pulse.reported && pulse.ever_healthy);
    assert_eq!((world.metrics.gateway().answers(Answered::Beat), world.metrics.gateway().open()), (3, 1));
}

#[tokio::test]
async fn only_the_committed_are_admitted() {
    let world = world(Limits::default()).await;
    let mut connection = world.connect().await.unwrap();
    let ask_again = async |connection: &mut Connection| {
        ask(connection, "POST /admission", Some(&world.token()), r#"{"protocol":1}"#).await.unwrap()
    };
    assert_eq!(ask_again(&mut connection).await.body, json!({"admitted": true}));
    world.ledger().leave(Uid::read(POD).unwrap());
    let waiting = ask_again(&mut connection).await;
    assert_eq!((waiting.code, waiting.body), (200, json!({"admitted": false, "retrySeconds": 2})));
    assert!(is_closed(&mut connection).await, "only the committed keep their connection");
    let mut connection = world.connect().await.unwrap();
    let gone = ask(&mut connection, "POST /beat", Some(&world.token()), BEAT).await.unwrap();
    assert_eq!((gone.code, gone.body["message"].as_str().unwrap().contains("not committed")), (410, true));
    assert!(is_closed(&mut connection).await);
    world.enter();
    assert_eq!(ask_again(&mut world.connect().await.unwrap()).await.body, json!({"admitted": true}));
}

#[tokio::test]
async fn every_kind_of_bad_token_is_401_and_counted_by_kind() {
    let world = world(Limits::default()).await;
    let claims = |path: &str, value: Value| {
        let mut claims = claims(POD, SystemClock.now());
        *claims.pointer_mut(path).unwrap() = value;
        world.issuer.token(&claims)
    };
    let mut nobodys = crate::gateway::testing::claims(POD, SystemClock.now());
    (nobodys["aud"], nobodys["kubernetes.io"]["pod"]) = (json!("lazarus-gateway/cell/agent/1"), Value::Null);
    let nobodys = world.issuer.token(&nobodys);
    let good = world.token();
    let (head, rest) = good.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIn0.{}.", rest.split_once('.').unwrap().0);
    let cases = [
        (Some("x".to_owned()), Answered::TokenMalformed),
        (Some(unsigned), Answered::TokenAlgorithm),
        (Some(Issuer::new("other").token(&crate::gateway::testing::claims(POD, SystemClock.now()))), Answered::TokenKey),
        (Some(format!("{head}.e30.{}", good.rsplit_once('.').unwrap().1)), Answered::TokenSignature),
        (Some(claims("/iss", json!("https://other"))), Answered::TokenIssuer),
        (Some(claims("/aud/0", json!("kubernetes"))), Answered::TokenAudience),
        (Some(claims("/exp", json!(1_000_000))), Answered::TokenTime),
        (Some(claims("/kubernetes.io/pod", Value::Null)), Answered::TokenUnbound),
        (Some(claims("/aud/0", json!("lazarus-gateway/cell/agent/1"))), Answered::TokenBound),
        (Some(nobodys), Answered::TokenAccount),
        (None, Answered::NoToken),
    ];
    for (token, counted) in cases {
        let answer = world.ask("POST /beat", token.as_deref(), BEAT).await;
        assert_eq!((answer.code, world.metrics.gateway().answers(counted)), (401, 1), "{counted}");
        assert!(answer.head.contains("connection: close") && answer.body["message"].is_string(), "{counted}");
    }
    assert_eq!(world.metrics.gateway().answers(Answered::Beat), 0);
}

#[tokio::test]
async fn without_a_bearers_token_it_is_401_and_leaves_nothing() {
    let world = world(Limits::default()).await;
    let token = world.token();
    let good = format!("Authorization: Bearer {token}\r\n");
    for header in [
        String::new(),
        "Authorization: \r\n".into(),
        "Authorization: Bearer\r\n".into(),
        "Authorization: Bearer \r\n".into(),
        format!("Authorization: {token}\r\n"),
        format!("Authorization: Basic {token}\r\n"),
        format!("Authorization: Bearer,{token}\r\n"),
        format!("Authorization: Bearer {token}, Bearer {token}\r\n"),
        "Authorization: Bearer garbage\r\n".into(),
        "Authorization: Bearer ..\r\n".into(),
        format!("Authorization: Bearer {}\r\n", "a.".repeat(4000)),
        "Authorization: Bearer \u{fffd}\r\n".into(),
        // The first of several is the one that counts.
        format!("Authorization: Basic x\r\n{good}"),
        format!("Proxy-{good}Cookie: {token}\r\n"),
    ] {
        for path in ["/beat", "/admission"] {
            let mut connection = world.connect().await.unwrap();
            let request = format!("POST {path} HTTP/1.1\r\n{header}Content-Length: {}\r\n\r\n{BEAT}", BEAT.len());
            connection.write_all(request.as_bytes()).await.unwrap();
            let answer = answer(&mut connection).await.unwrap();
            assert_eq!(answer.code, 401, "{header}");
            assert!(is_closed(&mut connection).await, "{header}");
        }
    }
    let pulse = world.ledger().pulse(Uid::read(POD).unwrap(), SystemClock.monotonic()).unwrap();
    assert_eq!((pulse.reported, pulse.asked), (false, Asked::Never));
    assert_eq!(world.ledger().entered(), 1, "only who was there before");
    world.until_open(0).await;
}

#[tokio::test]
async fn what_a_pod_was_refused_for_is_known_if_its_token_is_the_clusters() {
    let world = world(Limits::default()).await;
    let asked = || world.ledger().pulse(Uid::read(POD).unwrap(), SystemClock.monotonic()).unwrap().asked;
    let expired = |mut claims: Value| {
        claims["exp"] = json!(1_000_000);
        claims
    };
    let claims = claims(POD, SystemClock.now());
    let forged = Issuer::new("k").token(&expired(claims.clone()));
    assert_eq!(world.ask("POST /admission", Some(&forged), r#"{"protocol":1}"#).await.code, 401);
    assert_eq!(asked(), Asked::Never, "anybody can say that");
    let old = world.issuer.token(&expired(claims));
    assert_eq!(world.ask("POST /admission", Some(&old), r#"{"protocol":1}"#).await.code, 401);
    assert_eq!(asked(), Asked::NotNow);
    assert_eq!(world.ask("POST /admission", Some(&world.token()), "{}").await.code, 400);
    assert_eq!(asked(), Asked::NotNow, "one thing is told at a time");
    assert_eq!(world.ask("POST /admission", Some(&world.token()), r#"{"protocol":1}"#).await.code, 200);
    assert_eq!(asked(), Asked::Taken);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_has_its_own_answer() {
    let world = world(Limits::default()).await;
    let token = world.token();
    for (head, body, code, says) in [
        ("POST /beat", "{}", 400, "`protocol` (a number)"),
        ("POST /beat", r#"{"protocol":9,"agent":"Healthy"}"#, 400, "`protocol` must be 1"),
        ("POST /admission", "[[[[", 400, "not a report"),
        ("GET /beat", "", 405, "only POST"),
        ("POST /health", "", 405, "only GET"),
        ("GET /metrics", "", 404, "POST /beat"),
        ("POST /beat/", BEAT, 404, "POST /beat"),
    ] {
        let answer = world.ask(head, Some(&token), body).await;
        let message = answer.body["message"].as_str().unwrap();
        assert!(answer.code == code && message.contains(says), "{head} {body}: {} {message}", answer.code);
        assert_eq!(answer.head.contains("allow: "), code == 405);
    }
    let mut connection = world.connect().await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..11 {
        let answer = ask(&mut connection, "POST /beat", Some(&token), BEAT).await.unwrap();
        codes.push((answer.code, answer.head.contains("retry-after: 1")));
    }
    assert!(codes[..10].iter().all(|code| *code == (200, false)) && codes[10] == (429, true), "{codes:?}");
}

#[tokio::test]
async fn health_says_how_the_agents_report() {
    let world = world(Limits::default()).await;
    let mut health = world.ask("GET /health", None, "").await.body;
    let seconds = health["ts"].as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp();
    assert!((SystemClock.now().timestamp() - seconds).abs() < 60);
    health["ts"] = Value::Null;
    let agents = json!({"healthy": 1, "degraded": 0, "unhealthy": 0});
    let wanted =
        json!({"status": "ok", "service": "lazarus-gateway", "uptimeSeconds": 0, "agents": agents, "leader": true, "ts": null});
    assert_eq!(health, wanted);
}

#[tokio::test]
async fn a_demoted_replica_closes_every_connection_and_refuses_until_it_leads_again() {
    let world = world(Limits::default()).await;
    let mut connection = world.connect().await.unwrap();
    assert_eq!(ask(&mut connection, "POST /beat", Some(&world.token()), BEAT).await.unwrap().code, 200);
    world.leadership.publish(None);
    assert!(is_closed(&mut connection).await);
    assert!(!world.ledger().admits(Uid::read(POD).unwrap()), "it forgets");
    for (head, body) in [("POST /beat", BEAT), ("POST /admission", r#"{"protocol":1}"#)] {
        let answer = world.ask(head, Some(&world.token()), body).await;
        assert_eq!((answer.code, answer.head.contains("connection: close")), (503, true), "{head}");
    }
    assert_eq!(world.ask("GET /health", None, "").await.body["leader"], false);
    world.lead();
    assert_eq!(world.beat().await.code, 503, "not everybody who may report is entered yet");
    world.enter();
    assert_eq!(world.beat().await.code, 200);
}

#[tokio::test]
async fn a_client_that_knows_only_the_old_authority_connects_right_after_a_rotation() {
    let world = world(Limits::default()).await;
    let (now, ago) = (SystemClock.now(), SystemClock.now() - TimeDelta::minutes(10));
    let rotated = world.authority.rotate(ago).unwrap();
    world.identity.show(rotated.leaf("lazarus-pit", &[], ago).unwrap().certified);
    for bundle in [world.bundle.clone(), rotated.bundle(now)] {
        connect(world.address, &bundle).await.unwrap();
    }
    // Ten minutes later the new one signs; the bundles have arrived everywhere by then.
    world.identity.show(rotated.leaf("lazarus-pit", &[], now).unwrap().certified);
    connect(world.address, &rotated.bundle(now)).await.unwrap();
    assert!(connect(world.address, &world.bundle).await.is_err());
}
