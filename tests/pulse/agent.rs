//! What the sidecar sees of its agent, and what a hostile one can't do.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::gateway::{Authority, Gateway};
use crate::sidecar::{Sidecar, folder, free_port, lazarus, until};

#[test]
fn what_an_agent_posts_is_in_the_next_report() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let sidecar = Sidecar::start(&gateway, &authority, &["--source", "Self"]);
    let silent = gateway.beat().body;
    assert_eq!((&silent["agent"], &silent["everHealthy"]), (&"Silent".into(), &serde_json::Value::Null));
    sidecar.until_listening();
    let posts = [
        ("POST", "/heartbeat", r#"{"status":4}"#, 400, "`status` must be text"),
        ("POST", "/heartbeat", "{", 400, "not a JSON object"),
        ("GET", "/heartbeat", "", 405, "only POST"),
        ("DELETE", "/health", "", 405, "only GET"),
        ("GET", "/", "", 404, "POST /heartbeat and GET /health"),
        ("POST", "/heartbeat", &" ".repeat(1025), 413, "longer than 1024 bytes"),
    ];
    for (method, path, body, status, message) in posts {
        let (found, answer) = sidecar.agent(method, path, body);
        assert!(found == status && answer.contains(message), "{method} {path} {body}: {found} {answer}");
    }
    assert_eq!(gateway.beat().body["agent"], "Silent", "what was refused shows nothing");
    let (status, answer) = sidecar.agent("POST", "/heartbeat", r#"{"status":"thinking","cycle":7,"task":"t","mood":"good"}"#);
    assert!(status == 200 && answer.starts_with(r#"{"status":"ok","agent":"scout","timestamp":"2"#), "{answer}");
    let healthy = gateway.next_where(|asked| asked.body["agent"] == "Healthy").body;
    let said = serde_json::json!({"protocol":1,"agent":"Healthy","everHealthy":true,"status":"thinking","cycle":7,"task":"t"});
    assert_eq!(healthy, said);
    let silent = gateway.next_where(|asked| asked.body["silentSeconds"].as_i64() >= Some(2)).body;
    assert_eq!((&silent["agent"], &silent["everHealthy"], &silent["cycle"]), (&"Silent".into(), &true.into(), &7.into()));
    let health = sidecar.agent("GET", "/health", "").1;
    assert!(health.contains(r#""admitted":true,"lastBeatSeconds":"#) && !health.contains("null"), "{health}");
}

/// A demo agent that is well, then hangs, watched in this way.
fn demo_agent(watched: &[&str], variable: &str, port: u16, sidecar_port: u16) {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let mut agent = lazarus("demo-agent").env(variable, port.to_string()).stdout(std::process::Stdio::null()).spawn().unwrap();
    let sidecar = Sidecar::start_on(sidecar_port, folder(), watched);
    sidecar.put("token", "first");
    sidecar.put("ca.crt", &authority.bundle);
    sidecar.put("address", &gateway.address.to_string());
    let healthy = gateway.next_where(|asked| asked.body["agent"] == "Healthy");
    assert_eq!(healthy.body["status"] == "working", variable == "LAZARUS_PORT");
    let tell = ["tell", "hang", "--pid", &agent.id().to_string()];
    assert!(lazarus("demo-agent").args(tell).status().unwrap().success());
    gateway.next_where(|asked| asked.body["agent"] == "Silent" && asked.body["everHealthy"] == true);
    agent.kill().unwrap();
    agent.wait().unwrap();
}

#[test]
fn a_demo_agent_that_hangs_falls_silent() {
    let port = free_port();
    demo_agent(&["--source", "Self"], "LAZARUS_PORT", port, port);
}

#[test]
fn a_demo_agent_that_hangs_answers_no_more() {
    let port = free_port();
    let watched = ["--source", "Http", "--http-port", &port.to_string(), "--http-timeout-seconds", "1"];
    demo_agent(&watched, "DEMO_HTTP_PORT", port, free_port());
}

#[test]
fn a_hostile_agent_gets_errors_and_the_reports_go_on() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let sidecar = Sidecar::start(&gateway, &authority, &["--source", "Self"]);
    sidecar.until_listening();
    let connect = || TcpStream::connect(("127.0.0.1", sidecar.port)).unwrap();
    let headers = format!("GET /health HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(100));
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100_000));
    for garbage in [&headers, &long, "\u{0}\u{0}\r\n\r\n", "POST /heartbeat HTTP/1.1\r\nContent-Length: -1\r\n\r\n"] {
        let mut stream = connect();
        // It may be refused, or cut off, before all of it is read.
        let _ = stream.write_all(garbage.as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"), "{}", String::from_utf8_lossy(&answer));
    }
    let halves = ["", "POST /hear", "POST /heartbeat HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n{"];
    let slow: Vec<_> = (0..40)
        .map(|number: usize| {
            let mut stream = connect();
            stream.write_all(halves[number % halves.len()].as_bytes()).unwrap();
            stream
        })
        .collect();
    for _ in 0..3 {
        gateway.beat();
    }
    assert_eq!(sidecar.agent("POST", "/heartbeat", "{}").0, 200, "its turn comes when the slow ones are cut off");
    drop(slow);
    gateway.next_where(|asked| asked.body["agent"] == "Healthy");
    // What it holds for itself: pages of the program are shared by all sidecars of a node.
    let status = std::fs::read_to_string(format!("/proc/{}/status", sidecar.child.id())).unwrap();
    let held = status.lines().find_map(|line| line.strip_prefix("RssAnon:")?.trim().strip_suffix(" kB")?.parse::<u32>().ok());
    assert!(held.is_some_and(|kilobytes| kilobytes < 6 * 1024), "{status}");
}

#[test]
fn a_port_that_is_taken_costs_nothing_but_the_posts() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    let sidecar = Sidecar::start_on(taken.local_addr().unwrap().port(), folder(), &["--source", "Self"]);
    sidecar.put("token", "first");
    sidecar.put("ca.crt", &authority.bundle);
    sidecar.put("address", &gateway.address.to_string());
    assert_eq!(gateway.beat().body["agent"], "Silent");
    sidecar.until_logged("cannot listen for the agent");
    drop(taken);
    sidecar.until_listening();
    until("a post that is taken", || sidecar.agent("POST", "/heartbeat", "{}").0 == 200);
    gateway.next_where(|asked| asked.body["agent"] == "Healthy");
}

#[test]
fn wrong_arguments_are_explained() {
    let wrong: &[(&[&str], &str)] = &[
        (&["--source", "Http"], "--http-port <PORT>"),
        (&["--source", "http"], "[possible values: Process, Http, Self]"),
        (&["--http-path", "health"], "a path begins with /"),
        (&["--http-path", "/a b"], "a path begins with /"),
        (&["--interval-seconds", "301"], "301 is not in 1..=300"),
        (&["--port", "0"], "0 is not in 1..=65535"),
    ];
    for (arguments, says) in wrong {
        let output = lazarus("pulse").args(*arguments).output().unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && complaint.contains(says), "{arguments:?}: {complaint}");
    }
}
