//! The gateway moves, falls ill, is replaced or says no; the reports go on, and never as a storm.

use std::time::Duration;

use crate::gateway::{Authority, Gateway, TAKEN, TAKEN_FOR_NOW};
use crate::sidecar::{Sidecar, folder};

#[test]
fn reports_share_a_connection_and_new_files_are_used_at_once() {
    let old = Authority::new();
    let gateway = Gateway::start(&old);
    let mut sidecar = Sidecar::start(&gateway, &old, &[]);
    let first = gateway.beat();
    assert_eq!((first.connection, first.token.as_str()), (0, "first"));
    sidecar.put("token", "second\n");
    let rotated = gateway.next_where(|asked| asked.token == "second");
    assert_eq!(rotated.connection, 0, "a new token needs no new connection");

    // Garbage is survived, and the connection with it.
    for (name, garbage) in [("address", "lazarus-gateway"), ("token", "\u{0}"), ("ca.crt", "-----BEGIN CERTIFICATE-----\n")] {
        let good = std::fs::read_to_string(sidecar.folder.join(name)).unwrap();
        sidecar.put(name, garbage);
        let logged = if name == "ca.crt" { "ca.crt holds no certificate" } else { &format!("{name} holds no") };
        sidecar.until_logged(logged);
        sidecar.put(name, &good);
        gateway.next_where(|asked| asked.path == "/beat");
        sidecar.until_logged("the gateway answers again");
    }

    let new = Authority::new();
    let successor = Gateway::start(&new);
    sidecar.put("ca.crt", &format!("{}{}", old.bundle, new.bundle));
    sidecar.put("address", &successor.address.to_string());
    assert_eq!(successor.next().path, "/beat", "admission is not asked twice");
    assert_eq!(sidecar.stop(), Some(0));
}

#[test]
fn a_gateway_that_comes_back_meets_no_storm() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let sidecar = Sidecar::start(&gateway, &authority, &[]);
    gateway.beat();
    let address = gateway.address;
    drop(gateway);
    sidecar.until_logged("cannot connect");
    let gateway = Gateway::start_as("lazarus-gateway", &authority, address);
    assert_eq!(gateway.beat().body["agent"], "Unobserved");
    sidecar.until_logged("the gateway answers again");
    // A replica that does not lead, then one that is asked too often.
    for (status, most) in [(503, 12), (429, 1)] {
        gateway.answer("/beat", status, r#"{"message":"not now"}"#);
        gateway.next();
        let count = gateway.count(Duration::from_secs(3));
        assert!(count <= most, "{count} requests in 3 s after {status}");
    }
    gateway.answer("/beat", 200, TAKEN);
    gateway.beat();
}

#[test]
fn a_connection_that_the_gateway_closed_is_no_trouble() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    gateway.answer("/beat", 200, TAKEN_FOR_NOW);
    let sidecar = Sidecar::start(&gateway, &authority, &[]);
    gateway.next_where(|asked| asked.connection == 2);
    gateway.answer("/beat", 200, TAKEN);
    let kept = gateway.next_where(|asked| asked.connection == 3).connection;
    assert_eq!(gateway.beat().connection, kept);
    assert!(!sidecar.log().contains("broke"), "{}", sidecar.log());
}

#[test]
fn a_gateway_that_hangs_is_given_up() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let sidecar = Sidecar::start(&gateway, &authority, &[]);
    gateway.beat();
    // The kernel takes the connection, and nobody ever reads from it.
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    sidecar.put("address", &hanging.local_addr().unwrap().to_string());
    sidecar.until_logged("no answer within 5 s");
    sidecar.put("address", &gateway.address.to_string());
    gateway.next_where(|asked| asked.connection == 1);
}

#[test]
fn the_token_is_shown_only_to_the_gateway() {
    let authority = Authority::new();
    let [stranger, gateway] = [Gateway::start(&Authority::new()), Gateway::start(&authority)];
    let impostor = Gateway::start_as("another", &authority, "127.0.0.1:0".parse().unwrap());
    let sidecar = Sidecar::start(&stranger, &authority, &[]);
    sidecar.until_logged("cannot connect: invalid peer certificate");
    sidecar.put("address", &impostor.address.to_string());
    assert_eq!(stranger.count(Duration::from_secs(2)) + impostor.count(Duration::from_secs(2)), 0);
    sidecar.put("address", &gateway.address.to_string());
    gateway.beat();
}

#[test]
fn an_incarnation_that_is_over_goes_on_slowly() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    gateway.answer("/beat", 410, r#"{"message":"this pod is not the committed one"}"#);
    let mut sidecar = Sidecar::start(&gateway, &authority, &[]);
    gateway.beat();
    assert!(gateway.count(Duration::from_secs(3)) <= 4);
    assert!(sidecar.log().contains("this incarnation is over") && sidecar.log().contains("not the committed one"));
    assert_eq!(sidecar.stop(), Some(0));
}

#[test]
fn it_stops_at_once_whatever_it_waits_for() {
    let mut sidecar = Sidecar::start_in(folder(), &[]);
    sidecar.until_logged("cannot read");
    assert_eq!(sidecar.stop(), Some(0));
}
