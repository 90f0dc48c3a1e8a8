//! `revive` and `substitute`.

use serde_json::{Value, json};

use crate::objects::{condition, mission, policy, request, set};
use crate::server::{Run, Server, run_against};

fn server() -> Server {
    Server::new([mission(), policy(), request("night-watch-7f3k", "scribe")])
}

fn executes(request: &mut Value) {
    set(request, &[condition("Approved", "ByPerson", "an order"), condition("Executed", "Done", "it is done")]);
}

fn fails(run: &Run, text: &str) {
    assert_eq!((run.code, run.err.lines().count()), (1, 1), "{}{}", run.out, run.err);
    assert!(run.err.contains(text), "{text} is missing in {}", run.err);
}

fn ordered(server: &Server) -> Option<Value> {
    let state = server.state.lock().unwrap();
    state.objects.values().find(|object| object["spec"].get("requestedBy").is_some()).cloned()
}

#[test]
fn an_order_is_a_request_in_the_persons_name() {
    let server = server();
    server.change(|state| state.reaction = Some(executes));
    let run = server.run(&["revive", "night-watch", "clerk", "relay", "-m", "mended"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let order = ordered(&server).unwrap();
    let name = order["metadata"]["name"].as_str().unwrap();
    assert!(name.starts_with("night-watch-revive-"), "{name}");
    assert_eq!(
        run.out,
        format!("{name}: ordered: Revive clerk, relay\n{name}: Approved: an order\n{name}: Executed: it is done\n")
    );
    let spec = &order["spec"];
    assert_eq!(spec["cellRef"], json!({ "name": "night-watch", "uid": "cell-uid" }));
    assert_eq!((&spec["verb"], &spec["options"], &spec["quorum"]), (&json!("Revive"), &json!(["Revive"]), &json!(1)));
    assert_eq!(
        (&spec["requestedBy"], &spec["comment"], &spec["onTimeout"]),
        (&json!("k8s:alice"), &json!("mended"), &json!("Wait"))
    );
    let clerk = json!({
        "agent": "clerk", "podUID": "pod-clerk", "cause": "Error", "exitCode": 1, "attempts": 4, "at": "2026-01-01T14:01:00Z",
    });
    assert_eq!(spec["incidents"][0], clerk);
    let owner = json!({
        "apiVersion": "lazarus-pit.io/v1alpha1", "kind": "MissionCell", "name": "night-watch", "uid": "cell-uid",
        "controller": true, "blockOwnerDeletion": false,
    });
    assert_eq!(order["metadata"]["ownerReferences"], json!([owner]));
    assert_eq!(order["metadata"].get("labels"), None);
    let result = server.run(&["revive", "night-watch", "clerk", "-o", "json"]).json()["results"][0].clone();
    assert_eq!((&result["outcome"], &result["message"]), (&json!("Executed"), &json!("Executed: it is done")));
}

#[test]
fn a_substitute_is_the_first_one_or_a_certain_one() {
    let server = server();
    server.change(|state| state.reaction = Some(executes));
    let run = server.run(&["substitute", "night-watch", "scribe", "--with", "spare"]);
    assert_eq!(run.code, 0, "{}", run.err);
    let spec = ordered(&server).unwrap()["spec"].clone();
    assert_eq!((&spec["verb"], &spec["options"]), (&json!("Substitute"), &json!(["Substitute/spare"])));
    assert_eq!(spec["incidents"][0]["cause"], "Hung", "the process runs: the rule says why it is taken for dead");
    fails(
        &server.run(&["substitute", "night-watch", "scribe", "--with", "nobody"]),
        "night-watch has no agent nobody: it has scout,",
    );
    fails(&server.run(&["substitute", "night-watch", "scribe", "--with", "scribe"]), "scribe can't take over its own part");
    let run = server.run(&["substitute", "night-watch", "clerk", "--dry-run", "-o", "json"]);
    let result = run.json()["results"][0].clone();
    assert_eq!((run.code, &result["outcome"], &result["option"]), (0, &json!("DryRun"), &json!("Substitute")), "{}", run.err);
}

#[test]
fn who_is_not_dead_is_not_revived() {
    let server = server();
    for (agent, text) in [
        ("scout", "scout is alive; nothing to revive"),
        ("spare", "spare is a standby"),
        ("nobody", "night-watch has no agent nobody: it has scout, scribe, relay, clerk, spare"),
        ("scribe", "night-watch-7f3k asks about scribe already: kubectl lazarus approve night-watch-7f3k --option Revive"),
    ] {
        fails(&server.run(&["revive", "night-watch", agent]), text);
    }
    fails(&server.run(&["revive", "night-watch", "clerk", "clerk"]), "clerk is named twice");
    assert_eq!(server.state.lock().unwrap().writes, 0);
}

#[test]
fn a_quorum_counts_for_orders_too() {
    let server = server();
    server.change(|state| {
        let mut mission = mission();
        mission["status"]["effectivePolicy"]["approval"]["quorum"] = json!(2);
        state.store(mission);
    });
    let run = server.run(&["revive", "night-watch", "clerk"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert!(run.out.contains("1 of 2 approvals") && run.out.contains("waits for another person's approval"), "{}", run.out);
    let order = ordered(&server).unwrap();
    assert_eq!(order["spec"]["quorum"], 2);
    let name = order["metadata"]["name"].as_str().unwrap();
    let own = server.run(&["approve", name]);
    assert!(
        own.code == 0 && own.out.contains("you (k8s:alice) ordered it, which counts as your approval"),
        "{}{}",
        own.out,
        own.err
    );
    let other = server.run(&["approve", name, "--as", "bob", "--wait=false"]);
    assert_eq!((other.code, other.out), (0, format!("{name}: approved: Revive clerk, 2 of 2 approvals\n")), "{}", other.err);
}

#[test]
fn missing_forbidden_and_gone() {
    let server = server();
    // Nobody listens there.
    let nobody = ([127, 0, 0, 1], 1).into();
    for verb in ["revive", "substitute"] {
        fails(&server.run(&[verb, "nothing", "clerk"]), "there is no mission nothing in namespace missions");
        fails(&run_against(nobody, &[verb, "night-watch", "clerk"]), "cannot reach the API server");
        server.change(|state| state.forbidden = Some("POST"));
        fails(&server.run(&[verb, "night-watch", "clerk"]), "you (k8s:alice) may not order this: User \"alice\" cannot do this");
        server.change(|state| state.forbidden = None);
    }
}
