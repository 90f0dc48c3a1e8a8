//! Agents that run elsewhere, and the replica that does not lead, on their way to the real server.

use hyper::header::HeaderValue;

use super::*;
use crate::api::beat::{Beat, Network, Reply, Seen};
use crate::api::external;
use crate::pulse::folder::Place;
use crate::pulse::link::{Link, Trouble};

const CELL: &str = "5d1c9f1e-0000-4000-8000-000000000000";

impl World {
    /// A token of this ServiceAccount of the namespace `missions`, bound to no pod.
    fn token_of(&self, account: &str, audience: &str) -> String {
        let mut claims = claims(POD, SystemClock.now());
        claims["aud"] = json!([audience]);
        claims["sub"] = json!(format!("system:serviceaccount:missions:{account}"));
        claims["kubernetes.io"].as_object_mut().unwrap().remove("pod");
        self.issuer.token(&claims)
    }

    fn link(&self, token: &str) -> Link {
        let place = Place { address: self.address.to_string(), bundle: self.bundle.clone().into_bytes() };
        Link::to(place, HeaderValue::from_str(&format!("Bearer {token}")).unwrap())
    }
}

fn healthy() -> Beat {
    Beat::of(Seen::Healthy)
}

fn code(trouble: &Trouble) -> u16 {
    match trouble {
        Trouble::Refused { status, .. } => status.as_u16(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn only_the_committed_incarnation_elsewhere_is_heard() {
    let world = world(Limits::default()).await;
    let [account, audience] = [external::account("watch"), external::audience(CELL, "oracle", 2)];
    let uid = Uid::read(&external::uid("missions", &account, &audience)).unwrap();
    world.ledger().enter(uid, 15, true, SystemClock.monotonic());
    let mut link = world.link(&world.token_of(&account, &audience));
    for _ in 0..2 {
        let reply = link.beat(&healthy()).await.unwrap();
        assert_eq!(reply, Reply { next_heartbeat_seconds: 15, holds: Vec::new() });
    }
    assert_eq!(world.metrics.gateway().open(), 1, "it keeps its connection as a sidecar does");
    assert!(world.ledger().pulse(uid, SystemClock.monotonic()).unwrap().ever_healthy);
    for (account, audience) in [
        (account.clone(), external::audience(CELL, "oracle", 1)),
        (account.clone(), external::audience(&CELL.replace('5', "6"), "oracle", 2)),
        (account.clone(), external::audience(CELL, "scout", 2)),
        ("default".to_owned(), audience.clone()),
        (external::account("match"), audience.clone()),
    ] {
        let trouble = world.link(&world.token_of(&account, &audience)).beat(&healthy()).await.unwrap_err();
        assert_eq!(code(&trouble), 410, "{account} {audience}");
    }
    world.ledger().leave(uid);
    assert_eq!(code(&link.beat(&healthy()).await.unwrap_err()), 410, "its part is another's now");
}

#[tokio::test]
async fn a_replica_that_does_not_lead_bears_witness_and_nobody_else_in_its_name() {
    let world = world(Limits::default()).await;
    let token = |namespace: &str, account: &str| {
        let mut claims = claims("5d1c9f1e-0000-4000-8000-0000000000aa", SystemClock.now());
        claims["sub"] = json!(format!("system:serviceaccount:{namespace}:{account}"));
        claims["kubernetes.io"]["namespace"] = json!(namespace);
        world.issuer.token(&claims)
    };
    let silent = Uid::read(POD).unwrap();
    let canaries = || world.metrics.gateway().answers(Answered::Canary);
    for (namespace, account) in [("missions", "lazarus-operator"), ("lazarus-pit", "default")] {
        assert_eq!(code(&world.link(&token(namespace, account)).beat(&healthy()).await.unwrap_err()), 410);
        assert_eq!(canaries(), 0, "{namespace} {account}");
    }
    let mut link = world.link(&token("lazarus-pit", "lazarus-operator"));
    assert_eq!(link.beat(&healthy()).await.unwrap().next_heartbeat_seconds, 15);
    world.until_open(0).await;
    assert_eq!(canaries(), 1);
    // It goes on half a minute later, as the ledger counts.
    let later = SystemClock.monotonic() + Duration::from_secs(30);
    world.ledger().canary(Network::Unknown, later);
    assert!(world.ledger().witnessed(silent, 60) >= 25);
    assert_eq!(world.ledger().entered(), 1, "it is no agent");
}
