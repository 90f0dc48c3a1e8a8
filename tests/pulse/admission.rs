//! The agent is held back until it may start.

use std::process::Child;

use crate::gateway::{ADMITTED, Authority, Gateway, NOT_YET};
use crate::sidecar::{Sidecar, folder, until};

fn code(mut probe: Child) -> Option<i32> {
    probe.wait().unwrap().code()
}

#[test]
fn the_probe_waits_for_admission_and_the_first_report_follows_it() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    gateway.answer("/admission", 200, NOT_YET);
    let mut sidecar = Sidecar::start(&gateway, &authority, &[]);
    let asked = gateway.next();
    assert_eq!((asked.path.as_str(), asked.token.as_str()), ("/admission", "first"));
    assert_eq!(asked.body, serde_json::json!({"protocol": 1}));
    let mut probe = sidecar.probe(&[]);
    for _ in 0..2 {
        assert_eq!(gateway.next().path, "/admission", "nothing is reported of an agent that may not start");
    }
    assert_eq!(probe.try_wait().unwrap(), None);
    assert_eq!(code(sidecar.probe(&["--timeout", "1"])), Some(1));
    sidecar.until_listening();
    assert_eq!(
        sidecar.agent("GET", "/health", ""),
        (200, r#"{"status":"ok","admitted":false,"lastBeatSeconds":null,"holds":[]}"#.into())
    );

    gateway.answer("/admission", 200, ADMITTED);
    assert_eq!(code(probe), Some(0));
    assert_eq!(code(sidecar.probe(&[])), Some(0), "who asks later is told at once");
    assert_eq!(gateway.beat().body, serde_json::json!({"protocol": 1, "agent": "Unobserved"}));
    assert_eq!(sidecar.stop(), Some(0));
    assert_eq!(sidecar.log().matches("may not start yet").count(), 1, "{}", sidecar.log());
}

#[test]
fn without_a_sidecar_or_a_gateway_the_probe_says_no() {
    let left = folder();
    std::fs::create_dir(left.join("run")).unwrap();
    // As after a kill: a socket that nobody listens on.
    drop(std::os::unix::net::UnixListener::bind(left.join("run/admitted")).unwrap());
    let nobody = Sidecar::start_in(folder(), &["--wait-admitted"]);
    assert_eq!(code(nobody.probe(&[])), Some(1));
    let mut sidecar = Sidecar::start_in(left, &[]);
    sidecar.until_logged("cannot read address");
    assert_eq!(code(sidecar.probe(&["--timeout", "1"])), Some(1));
    let waiting = sidecar.probe(&[]);
    sidecar.child.kill().unwrap();
    assert_eq!(code(waiting), Some(1), "a probe does not outlive the sidecar that it asks");
}

#[test]
fn what_the_gateway_says_before_admission_does_not_end_the_asking() {
    let authority = Authority::new();
    let gateway = Gateway::start(&authority);
    // Not committed yet is no end: an incarnation that is over is known only after its admission.
    gateway.answer("/admission", 410, "{}");
    let sidecar = Sidecar::start(&gateway, &authority, &[]);
    for (status, body) in [(410, "{}"), (401, "no"), (503, ""), (200, "hello"), (200, r#"{"admitted":"yes"}"#)] {
        gateway.answer("/admission", status, body);
        gateway.next();
    }
    gateway.answer("/admission", 200, ADMITTED);
    gateway.beat();
    until("a probe that succeeds", || code(sidecar.probe(&[])) == Some(0));
}
