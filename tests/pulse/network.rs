//! The sidecar finds out whether its pod's network is closed.

use std::net::TcpListener;

use serde_json::json;

use crate::gateway::{ADMITTED, Authority, Gateway, NOT_YET};
use crate::sidecar::{Sidecar, free_port};

#[test]
fn an_agent_in_an_open_network_waits_until_it_is_closed() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    gateway.answer("/admission", 200, NOT_YET);
    let open = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = open.local_addr().unwrap().port();
    let mut sidecar = Sidecar::start_confined(&gateway, &authority, port);
    for _ in 0..2 {
        let asked = gateway.next();
        assert_eq!((asked.path.as_str(), asked.body), ("/admission", json!({"protocol": 1, "network": "Open"})));
    }
    sidecar.until_logged("the pod's network is open");
    drop(open);
    gateway.next_where(|asked| asked.body == json!({"protocol": 1, "network": "Closed"}));
    gateway.answer("/admission", 200, ADMITTED);
    assert_eq!(gateway.beat().body, json!({"protocol": 1, "agent": "Unobserved", "network": "Closed"}));
    assert_eq!(sidecar.stop(), Some(0));
    let log = sidecar.log();
    assert_eq!(["network is open", "network is closed"].map(|words| log.matches(words).count()), [1, 1], "{log}");
}

#[test]
fn a_network_that_is_opened_and_closed_beside_a_running_agent_is_noticed() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let port = free_port();
    let sidecar = Sidecar::start_confined(&gateway, &authority, port);
    gateway.next_where(|asked| asked.path == "/beat" && asked.body["network"] == "Closed");
    let open = TcpListener::bind(("127.0.0.1", port)).unwrap();
    gateway.next_where(|asked| asked.path == "/beat" && asked.body["network"] == "Open");
    drop(open);
    gateway.next_where(|asked| asked.path == "/beat" && asked.body["network"] == "Closed");
    sidecar.until_logged("the pod's network is closed");
}

#[test]
fn each_look_has_its_own_proof_and_is_repeated_in_between() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let port = free_port().to_string();
    let _sidecar = Sidecar::start(&gateway, &authority, &["--check-network", "--canary-port", &port]);
    let first = gateway.next();
    assert_eq!((first.path.as_str(), &first.body["network"]), ("/admission", &json!("Closed")));
    for _ in 0..2 {
        let beat = gateway.next();
        assert_eq!((beat.connection, &beat.body["network"]), (first.connection, &json!("Closed")), "as it was found before");
    }
    // What is found when the gateway does not answer is worth nothing: the next round looks again, over a connection of its own.
    gateway.answer("/beat", 500, "{}");
    gateway.next_where(|asked| asked.path == "/beat");
    let open = TcpListener::bind(format!("127.0.0.1:{port}")).unwrap();
    gateway.answer("/beat", 200, crate::gateway::TAKEN);
    let again = gateway.next_where(|asked| asked.body["network"] == "Open");
    assert!(again.connection > first.connection);
    drop(open);
}
