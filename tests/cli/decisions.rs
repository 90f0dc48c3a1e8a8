//! `approve` and `deny`.

use serde_json::{Value, json};

use crate::objects::{condition, mission, policy, request, set};
use crate::server::{Run, Server, run_against};

const NAME: &str = "night-watch-7f3k";

fn server() -> Server {
    Server::new([mission(), policy(), request(NAME, "scribe"), request("night-watch-other", "clerk")])
}

fn executes(request: &mut Value) {
    set(
        request,
        &[condition("Approved", "ByPerson", "k8s:alice approved it"), condition("Executed", "Done", "scribe came back")],
    );
}

fn denies(request: &mut Value) {
    set(request, &[condition("Denied", "ByPerson", "k8s:alice denied it")]);
}

fn decisions(server: &Server, name: &str) -> Vec<Value> {
    server.object("revivalrequests", name)["status"]["decisions"].as_array().cloned().unwrap_or_default()
}

fn fails(run: &Run, text: &str) {
    assert_eq!((run.code, run.err.lines().count()), (1, 1), "{}{}", run.out, run.err);
    assert!(run.err.contains(text), "{text} is missing in {}", run.err);
}

#[test]
fn an_approval_is_written_and_waited_for() {
    let server = server();
    server.change(|state| state.reaction = Some(executes));
    let run = server.run(&["approve", NAME, "-m", "the outage is over"]);
    assert_eq!(run.code, 0, "{}", run.err);
    assert_eq!(
        run.out,
        "night-watch-7f3k: approved: Revive scribe\n\
         night-watch-7f3k: Approved: k8s:alice approved it\n\
         night-watch-7f3k: Executed: scribe came back\n"
    );
    let decision = &decisions(&server, NAME)[0];
    for (field, value) in [
        ("verdict", "Approve"),
        ("option", "Revive"),
        ("by", "k8s:alice"),
        ("via", "kubectl-lazarus"),
        ("comment", "the outage is over"),
    ] {
        assert_eq!(decision[field], value, "{decision}");
    }
    // The same again is no failure, and writes nothing.
    let again = server.run(&["approve", NAME]);
    assert_eq!((again.code, server.state.lock().unwrap().writes), (0, 1), "{}", again.err);
    assert!(again.out.contains("you (k8s:alice) approved Revive before"), "{}", again.out);
    fails(&server.run(&["deny", NAME]), "you (k8s:alice) approved Revive before, and a decision can't be changed");
    fails(&server.run(&["deny", NAME, "--as", "bob"]), "was approved already, by k8s:alice, and is done");
    let same = server.run(&["approve", NAME, "--as", "bob"]);
    assert_eq!(same.code, 0, "{}", same.err);
}

#[test]
fn a_denial_is_written_and_waited_for() {
    let server = server();
    server.change(|state| state.reaction = Some(denies));
    let run = server.run(&["deny", NAME]);
    assert_eq!(
        (run.code, run.out.as_str()),
        (0, "night-watch-7f3k: denied: scribe stays dead\nnight-watch-7f3k: Denied: k8s:alice denied it\n")
    );
    assert_eq!(decisions(&server, NAME)[0].get("option"), None);
    fails(&server.run(&["approve", NAME, "--as", "bob"]), "was denied already, by k8s:alice");
    assert_eq!(server.run(&["deny", NAME, "--as", "bob"]).code, 0);
}

#[test]
fn nobodys_decision_is_lost_when_many_write_at_once() {
    let server = server();
    server.change(|state| {
        state.rivals = 3;
        state.reaction = Some(executes);
    });
    let run = server.run(&["approve", NAME]);
    assert_eq!(run.code, 0, "{}", run.err);
    let by: Vec<_> = decisions(&server, NAME).iter().map(|decision| decision["by"].as_str().unwrap().to_owned()).collect();
    assert_eq!(by, ["k8s:rival-2", "k8s:rival-1", "k8s:rival-0", "k8s:alice"]);
}

#[test]
fn an_option_is_chosen_from_those_that_are_offered() {
    let server = server();
    let run = server.run(&["approve", NAME, "--option", "substitute/relay", "--wait=false"]);
    assert_eq!((run.code, run.out.as_str()), (0, "night-watch-7f3k: approved: Substitute/relay scribe\n"), "{}", run.err);
    assert_eq!(decisions(&server, NAME)[0]["option"], "Substitute/relay");
    fails(
        &server.run(&["approve", "night-watch-other", "--option", "Substitute/spare"]),
        "choose --option Revive or --option Substitute or",
    );
}

#[test]
fn a_dry_run_writes_nothing() {
    let server = server();
    let run = server.run(&["approve", NAME, "--dry-run"]);
    assert_eq!(run.out, "night-watch-7f3k: would be approved: Revive scribe (dry run, nothing was written)\n");
    assert_eq!((run.code, server.state.lock().unwrap().writes), (0, 0));
    assert_eq!(server.run(&["deny", NAME, "--dry-run", "-o", "json"]).json()["results"][0]["outcome"], "DryRun");
}

#[test]
fn a_quorum_that_is_missing_is_said_at_once() {
    let server = server();
    server.change(|state| {
        let mut request = request(NAME, "scribe");
        request["spec"]["quorum"] = json!(2);
        state.store(request);
    });
    let run = server.run(&["approve", NAME]);
    assert_eq!(
        (run.code, run.out.as_str()),
        (
            0,
            "night-watch-7f3k: approved: Revive scribe, 1 of 2 approvals\nnight-watch-7f3k: waits for another person's approval\n"
        )
    );
    // The policy asks for more than the request, as the operator says.
    let other = "night-watch-other";
    server.change(|state| state.reaction = Some(|request| set(request, &[condition("Pending", "AwaitingQuorum", "1 of 2")])));
    let run = server.run(&["approve", other, "--timeout", "1s"]);
    assert!(run.code == 0 && run.out.ends_with("waits for another person's approval\n"), "{}{}", run.out, run.err);
    server.change(|state| state.reaction = Some(executes));
    let run = server.run(&["approve", NAME, "--as", "bob"]);
    assert!(run.code == 0 && run.out.contains("2 of 2 approvals"), "{}{}", run.out, run.err);
}

#[test]
fn many_and_all_and_those_of_a_mission() {
    let server = server();
    server.change(|state| state.reaction = Some(executes));
    let run = server.run(&["approve", NAME, "night-watch-other", NAME]);
    assert_eq!((run.code, server.state.lock().unwrap().writes), (0, 2), "{}", run.err);
    let none = server.run(&["approve", "--all"]);
    assert_eq!((none.code, none.err.as_str()), (0, "no request of namespace missions waits for a decision\n"));

    let server = self::server();
    let run = server.run(&["deny", "--all", "-l", "about=clerk", "--wait=false"]);
    assert_eq!((run.code, run.out.as_str()), (0, "night-watch-other: denied: clerk stays dead\n"), "{}", run.err);
    let run = server.run(&["approve", "cell/night-watch/scribe", "--wait=false"]);
    assert_eq!((run.code, run.out.as_str()), (0, "night-watch-7f3k: approved: Revive scribe\n"), "{}", run.err);
    fails(&server.run(&["approve", "cell/ledger"]), "nothing about cell/ledger waits for a decision");
    let some = server.run(&["approve", "nobody", NAME, "--wait=false"]);
    fails(&some, "1 of 2 did not come to what was asked for: nobody (there is no request nobody in namespace missions");
}

#[test]
fn what_stands_in_the_way_is_said() {
    let server = server();
    server.change(|state| {
        state.reaction = Some(|request| set(request, &[condition("Superseded", "NothingToDecide", "scribe is alive")]));
    });
    let run = server.run(&["approve", NAME]);
    assert!(run.out.contains("Superseded: scribe is alive"), "{}", run.out);
    fails(&run, "there was nothing left to decide");
    fails(&server.run(&["deny", NAME, "--as", "bob"]), "there is nothing left to decide");

    let server = self::server();
    server.change(|state| {
        state.reaction = Some(|request| set(request, &[condition("Pending", "ApprovalUnenforced", "no policies")]));
    });
    fails(&server.run(&["approve", NAME]), "the operator acts on none");

    let server = self::server();
    server.change(|state| state.reaction = Some(denies));
    fails(&server.run(&["approve", NAME]), "was denied by somebody");

    // The operator is not there.
    let late = self::server().run(&["approve", NAME, "--timeout", "1s"]);
    fails(&late, "the approval is recorded, but the operator has not acted on it within 1 s: is it running?");
}

#[test]
fn missing_forbidden_and_gone() {
    let server = server();
    // Nobody listens there.
    let nobody = ([127, 0, 0, 1], 1).into();
    for verb in ["approve", "deny"] {
        fails(&server.run(&[verb, "nothing"]), "there is no request nothing in namespace missions; kubectl get rvr");
        fails(&run_against(nobody, &[verb, NAME]), "cannot reach the API server");
        server.change(|state| state.forbidden = Some("PATCH"));
        fails(
            &server.run(&[verb, NAME]),
            "you (k8s:alice) may not decide this: User \"alice\" cannot do this; ask for the role lazarus-approve in namespace missions",
        );
        server.change(|state| state.forbidden = Some("GET"));
        fails(&server.run(&[verb, "--all"]), "the API server forbids it");
        server.change(|state| state.forbidden = None);
    }
    let json = server.run(&["approve", "nothing", NAME, "--wait=false", "-o", "json"]);
    let results = json.json()["results"].clone();
    assert_eq!((json.code, &results[0]["outcome"], &results[1]["outcome"]), (1, &json!("Failed"), &json!("Recorded")));
    assert_eq!(server.run(&["approve", "--all", "-n", "empty", "-o", "json"]).json(), json!({ "results": [] }));
}

#[test]
fn ctrl_c_leaves_nothing_half_done_and_says_what_was_done() {
    let server = server();
    let run = server.interrupt(&["approve", NAME]);
    fails(&run, "the approval is recorded, but interrupted: the operator will act on it all the same");
    assert_eq!(decisions(&server, NAME).len(), 1);
}
