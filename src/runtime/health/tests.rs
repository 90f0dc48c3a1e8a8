#![allow(clippy::unwrap_used)]

use std::io::{Read, Write};
use std::net::TcpStream as Connection;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::runtime::shutdown::Trigger;

async fn server() -> (SocketAddr, Arc<AtomicBool>, Trigger) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (trigger, shutdown) = Shutdown::manual();
    let synced = Arc::new(AtomicBool::new(false));
    let ready = Arc::clone(&synced);
    let answers = Answers {
        alive: Box::new(|| Ok(())),
        ready: Box::new(move || if ready.load(Ordering::Relaxed) { Ok(()) } else { Err("watches are not synced") }),
        metrics: Arc::new(Metrics::new()),
        leadership: Leadership::always(),
    };
    tokio::spawn(serve(listener, answers, shutdown));
    (address, synced, trigger)
}

async fn ask(address: SocketAddr, line: &'static str) -> String {
    let exchange = move || {
        let mut connection = Connection::connect(address).unwrap();
        write!(connection, "{line} HTTP/1.1\r\nHost: probe\r\n\r\n").unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).unwrap();
        answer
    };
    tokio::task::spawn_blocking(exchange).await.unwrap()
}

#[tokio::test]
async fn probes_follow_their_closures() {
    let (address, synced, _trigger) = server().await;
    assert!(ask(address, "GET /healthz").await.starts_with("HTTP/1.1 200"));
    let not_ready = ask(address, "GET /readyz").await;
    assert!(not_ready.starts_with("HTTP/1.1 503") && not_ready.ends_with("watches are not synced\n"), "{not_ready}");
    synced.store(true, Ordering::Relaxed);
    assert!(ask(address, "GET /readyz?verbose").await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn metrics_are_openmetrics_and_say_who_leads() {
    let (address, _synced, _trigger) = server().await;
    let answer = ask(address, "GET /metrics").await;
    assert!(answer.contains("content-type: application/openmetrics-text; version=1.0.0"), "{answer}");
    assert!(answer.contains("\nlazarus_leader 1\n") && answer.ends_with("# EOF\n"), "{answer}");
}

#[tokio::test]
async fn anything_else_is_not_found_or_not_allowed() {
    let (address, _synced, _trigger) = server().await;
    assert!(ask(address, "GET /debug").await.starts_with("HTTP/1.1 404"));
    let post = ask(address, "POST /metrics").await;
    assert!(post.starts_with("HTTP/1.1 405") && post.contains("allow: GET"), "{post}");
}

#[tokio::test]
async fn a_half_sent_header_does_not_hold_a_connection() {
    let (address, _synced, _trigger) = server().await;
    let exchange = move || {
        let mut connections: Vec<_> = (0..MOST_CONNECTIONS).map(|_| Connection::connect(address).unwrap()).collect();
        for connection in &mut connections {
            connection.write_all(b"GET /healthz HTTP/1.1\r\nHo").unwrap();
        }
        connections
    };
    let connections = tokio::task::spawn_blocking(exchange).await.unwrap();
    assert!(ask(address, "GET /healthz").await.starts_with("HTTP/1.1 200"), "answered once the others timed out");
    drop(connections);
}
