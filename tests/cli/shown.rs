//! `status`, `ps`, `explain` and `plan`.

use std::os::unix::process::CommandExt;
use std::process::Command;

use serde_json::json;

use crate::objects::{mission, policy, request};
use crate::server::{Run, Server, finish, run_against};

const SHOW: [&[&str]; 4] =
    [&["status", "night-watch"], &["ps", "night-watch"], &["explain", "night-watch"], &["plan", "night-watch"]];

/// The mission with other terms of approval.
fn mission_that(change: impl FnOnce(&mut serde_json::Value)) -> serde_json::Value {
    let mut mission = mission();
    change(&mut mission["status"]["effectivePolicy"]["approval"]);
    mission
}

fn server() -> Server {
    let mut other = mission();
    (other["metadata"]["name"], other["metadata"]["namespace"]) = (json!("ledger"), json!("books"));
    other["metadata"]["uid"] = json!("another");
    other["status"] = json!({});
    Server::new([mission(), policy(), request("night-watch-7f3k", "scribe"), other])
}

fn contains(run: &Run, texts: &[&str]) {
    assert_eq!(run.code, 0, "{}", run.err);
    for text in texts {
        assert!(run.out.contains(text), "{text} is missing in\n{}", run.out);
    }
}

#[test]
fn status_of_one_mission_says_how_it_is_and_what_to_type() {
    let run = server().run(&["status", "night-watch"]);
    contains(
        &run,
        &[
            "Mission     missions/night-watch — Keep the release train green\n",
            "Policy      AgentPolicy/careful (revive: Ask)\n",
            "Isolation   Level2 ✔ verified; workspace: night-watch-workspace, 5Gi\n",
            "Status      ✖ not Ready, AwaitingApproval: scribe: hangs\n",
            "Agents      1/4 alive, 5 brought back so far\n",
            "Next        Restart relay 2126-01-01 14:33:00Z (in ",
            "AGENT    STATE       SINCE",
            "scout    ✔ alive ",
            "night-watch-scout-1-x7k2p / n1",
            "scribe   ✖ dead ",
            " 3         2/3 ",
            "AwaitingApproval: is silent for 312 s; a person is asked\n",
            "relay    ‖ waiting ",
            "spare    ○ standby   -",
            "ASKS  night-watch-7f3k   Revive or Substitute or Substitute/relay? scribe (Hung)   asked ",
            " ago, never expires\n      → kubectl lazarus approve night-watch-7f3k\n",
            "relay   Error, exit code 3   → not back yet\n",
            "Why, and what follows: kubectl lazarus explain night-watch\n",
        ],
    );
}

#[test]
fn status_of_all_missions_is_a_table() {
    let run = server().run(&["status"]);
    contains(
        &run,
        &[
            "NAME          READY   REASON             AGENTS   REVIVED   ASKS   AGE",
            "night-watch   False   AwaitingApproval   1/4      5         1",
        ],
    );
    assert!(!run.out.contains("ledger"), "{}", run.out);
    let run = server().run(&["status", "-A"]);
    contains(&run, &["NAMESPACE   NAME", "books       ledger        ?       not seen by an operator", "missions    night-watch"]);
    let run = server().run(&["status", "-n", "books"]);
    contains(&run, &["ledger"]);
    let run = server().run(&["status", "ledger", "-n", "books"]);
    contains(&run, &["? no operator has seen this mission", "? unknown", "explain ledger -n books"]);
}

#[test]
fn ps_lists_agents() {
    let run = server().run(&["ps"]);
    contains(
        &run,
        &[
            "MISSION       AGENT    STATE",
            "night-watch   scout    ✔ alive     –",
            "night-watch   clerk    ✖ dead      AttemptsExhausted",
        ],
    );
    contains(&server().run(&["ps", "-A"]), &["NAMESPACE   MISSION", "books       ledger        scout    ? unknown"]);
    contains(&server().run(&["ps", "night-watch"]), &["relay    ‖ waiting   Backoff"]);
}

#[test]
fn explain_names_rule_evidence_fields_and_who_decides() {
    let run = server().run(&["explain", "night-watch", "scribe"]);
    contains(
        &run,
        &[
            "night-watch/scribe ✖ dead (AwaitingApproval), since ",
            "Meaning   The agent is dead, and a person is asked what to do: see the mission's RevivalRequests.\n",
            "Rule      Hung: is silent for 312 s, as its sidecar sees it\n",
            "revive: Ask (from AgentPolicy careful)\n",
            "approval.quorum: 1 (from AgentPolicy careful)\n",
            "approval.onTimeout: Wait (from the operator's defaults, as AgentPolicy careful does not say)\n",
            "Decides   a person who holds the verb approve\n",
            "Type      kubectl lazarus approve night-watch-7f3k\n",
        ],
    );
    assert!(!run.out.contains("scout"), "{}", run.out);
    let run = server().run(&["explain", "night-watch"]);
    contains(
        &run,
        &[
            "night-watch/relay ‖ waiting (Backoff)",
            "Error, exit code 3   → not back yet",
            "Restart at 2126-01-01 14:33:00Z (in ",
            "Decides       the operator, by itself",
            "restart.backoffSeconds: 30 (from the operator's defaults, as AgentPolicy careful does not say)",
            "Decides   a person: all attempts are used; a change of the agent's spec starts it anew as well\n",
            "kubectl lazarus revive night-watch clerk",
        ],
    );
    let run = server().run(&["explain", "night-watch", "nobody"]);
    assert_eq!(
        (run.code, run.err.as_str()),
        (1, "kubectl lazarus: night-watch has no agent nobody: it has scout, scribe, relay, clerk, spare\n")
    );
}

#[test]
fn explain_follows_the_nearest_field_and_the_gate() {
    let server = server();
    server.change(|state| {
        let mut mission = mission();
        let scribe = &mut mission["status"]["agents"][1];
        (scribe["state"], scribe["reason"]) = (json!("Stale"), json!("Stale"));
        mission["spec"]["agents"][1]["revive"] = json!("Always");
        mission["status"]["effectivePolicy"]["minimumGate"] = json!("Ask");
        state.store(mission);
    });
    contains(
        &server.run(&["explain", "night-watch", "scribe"]),
        &[
            "heartbeat.deadAfterSeconds: 200 (from the mission's spec.agents[scribe].heartbeat.deadAfterSeconds)\n",
            "heartbeat.staleAfterSeconds: 60 (from the operator's defaults",
            "revive: Ask (from minimumGate: Ask, which is stricter than the mission's spec.agents[scribe].revive)\n",
        ],
    );
}

#[test]
fn plan_says_what_comes_when_and_by_whom() {
    let run = server().run(&["plan", "night-watch"]);
    contains(
        &run,
        &[
            "missions/night-watch: ✖ not Ready, AwaitingApproval: scribe: hangs\n",
            "WHEN ",
            "when you say so ",
            "Revive or Substitute or Substitute/relay scribe   night-watch-7f3k asks, as it is Hung; nothing is left to decide",
            "→ kubectl lazarus approve night-watch-7f3k\n",
            "Revive clerk ",
            "→ kubectl lazarus revive night-watch clerk\n",
            "operator   Restart relay ",
        ],
    );
    let server = server();
    server.change(|state| {
        let mut request = request("night-watch-7f3k", "scribe");
        (request["spec"]["expiresAt"], request["spec"]["onTimeout"]) = (json!("2126-01-01T14:00:00Z"), json!("Deny"));
        request["spec"]["quorum"] = json!(2);
        state.store(request);
        state.store(mission_that(|approval| (approval["timeoutSeconds"], approval["onTimeout"]) = (json!(3600), json!("Deny"))));
    });
    contains(
        &server.run(&["plan", "night-watch"]),
        &["operator   Deny scribe ", "approval.onTimeout is Deny", "2 of 2 approvals are missing"],
    );
    // The operator goes by the policy as it is now, and never does more than was asked.
    server.change(|state| {
        state.store(mission_that(|approval| {
            (approval["timeoutSeconds"], approval["onTimeout"]) = (json!(3600), json!("Revive"));
            approval["quorum"] = json!(3);
        }));
    });
    contains(&server.run(&["plan", "night-watch"]), &["operator   Overdue scribe ", "3 of 3 approvals are missing"]);
    server.change(|state| {
        let mut mission = mission();
        mission["status"]["agents"] = json!([mission["status"]["agents"][0]]);
        mission["status"]["nextAction"] = json!(null);
        state.objects.clear();
        state.store(mission);
    });
    contains(&server.run(&["plan", "night-watch"]), &["Nothing is planned, and nobody is asked.\n"]);
}

/// Relay is in this state; the mission's next action is about another agent.
fn with_relay(state: &str, reason: &str) -> Server {
    let server = server();
    server.change(|state_of| {
        let mut mission = mission();
        let relay = &mut mission["status"]["agents"][2];
        (relay["state"], relay["reason"], relay["node"]) = (json!(state), json!(reason), json!("n2"));
        relay["message"] = json!("so it is");
        relay["holder"] = if reason == "Substituted" { json!("spare") } else { json!(null) };
        mission["status"]["nextAction"]["agent"] = json!("clerk");
        state_of.store(mission);
    });
    server
}

#[test]
fn who_waits_behind_another_is_told_who_decides() {
    for (state, reason, decides) in [
        ("Waiting", "Backoff", "the operator, by itself\n"),
        ("Waiting", "InFlight", "the operator, by itself\n"),
        ("Waiting", "StormHold", "the operator, by itself\n"),
        ("Stale", "Stale", "the operator, by itself, if it stays silent\n"),
        ("Waiting", "AwaitingApproval", "a person who holds the verb approve, as soon as the request is there\n"),
        ("Stale", "NodeUncertain", "whoever runs the cluster: node n2 comes back, is deleted, or is declared out of service\n"),
        ("Waiting", "PreviousIncarnation", "whoever owns the pod that has to end first\n"),
        ("Dead", "Substituted", "a person: spare has its part, and gives it back when it is revived\n"),
        ("Alive", "LinkLost", "nobody: there is nothing to decide\n"),
    ] {
        let run = with_relay(state, reason).run(&["explain", "night-watch", "relay"]);
        contains(&run, &[&format!("({reason})"), decides]);
    }
    let run = with_relay("Dead", "Substituted").run(&["explain", "night-watch", "relay"]);
    contains(&run, &["Type          kubectl lazarus revive night-watch relay\n"]);
}

#[test]
fn an_agent_elsewhere_is_shown_as_such() {
    let server = server();
    let set = |state: &str, reason: Option<&str>| {
        server.change(|stored| {
            let mut mission = mission();
            let relay = &mut mission["status"]["agents"][2];
            (relay["state"], relay["reason"], relay["podUID"]) = (json!(state), json!(reason), json!("that of no pod"));
            relay.as_object_mut().unwrap().remove("podName");
            relay["message"] = json!("so it is");
            stored.store(mission);
        });
    };
    set("Waiting", Some("AwaitingReport"));
    let token = "kubectl lazarus token night-watch relay --folder relay\n";
    contains(&server.run(&["explain", "night-watch", "relay"]), &["whoever runs the agent: it needs a token", token]);
    contains(&server.run(&["plan", "night-watch"]), &["Give its token to relay ", "it runs elsewhere", token]);
    set("Alive", None);
    contains(&server.run(&["explain", "night-watch", "relay"]), &["It runs elsewhere, and its reports come in time."]);
    for table in ["ps", "status"] {
        contains(&server.run(&[table, "night-watch"]), &["elsewhere"]);
    }
    set("Alive", Some("GatewayDegraded"));
    contains(&server.run(&["explain", "night-watch", "relay"]), &["when others are heard again"]);
    set("Dead", Some("AttemptsExhausted"));
    contains(&server.run(&["explain", "night-watch", "relay"]), &["onExhausted is Abandon; it is alive if it reports again"]);
    contains(&server.run(&["plan", "night-watch"]), &["it runs elsewhere, and onExhausted is Abandon"]);
}

#[test]
fn plan_says_what_people_can_do_about_nodes_and_parts() {
    contains(
        &with_relay("Stale", "NodeUncertain").run(&["plan", "night-watch"]),
        &["Bring back or give up the node of relay ", "NodeUncertain: so it is\n"],
    );
    contains(
        &with_relay("Dead", "Substituted").run(&["plan", "night-watch"]),
        &["it stays dead, as spare has its part, and gives it back then\n", "→ kubectl lazarus revive night-watch relay\n"],
    );
}

#[test]
fn plan_says_what_comes_for_each_agent_that_waits() {
    for (state, reason, what) in [
        ("Waiting", "Backoff", "Restart"),
        ("Dead", "Hung", "Restart"),
        ("Waiting", "Recreating", "Recreate"),
        ("Stale", "StormHold", "Look again"),
    ] {
        let run = with_relay(state, reason).run(&["plan", "night-watch"]);
        contains(&run, &[&format!("operator   {what} relay "), &format!("{reason}: so it is\n")]);
    }
}

#[test]
fn plan_says_once_what_follows_when_nobody_decides() {
    let server = server();
    server.change(|state| {
        let terms = |approval: &mut serde_json::Value| {
            (approval["timeoutSeconds"], approval["onTimeout"]) = (json!(60), json!("Revive"));
        };
        let (mut mission, mut request) = (mission_that(terms), request("night-watch-7f3k", "scribe"));
        let at = json!("2126-01-01T14:00:00Z");
        (request["spec"]["expiresAt"], request["spec"]["onTimeout"]) = (at.clone(), json!("Revive"));
        mission["status"]["nextAction"] =
            json!({ "what": "Restart", "agent": "scribe", "at": at, "because": "unless a person decides before" });
        state.store(request);
        state.store(mission);
    });
    let run = server.run(&["plan", "night-watch"]);
    contains(&run, &["operator   Revive scribe ", "it is Hung; nothing is left to decide if it recovers\n"]);
    assert!(!run.out.contains("Restart scribe"), "{}", run.out);
}

#[test]
fn json_has_the_same_in_fields() {
    let server = server();
    let status = server.run(&["status", "night-watch", "-o", "json"]).json();
    let mission = &status["missions"][0];
    assert_eq!(mission["agents"][1]["state"], "Dead");
    assert_eq!(mission["asks"][0]["command"], "kubectl lazarus approve night-watch-7f3k");
    assert_eq!(mission["nextAction"]["at"], "2126-01-01T14:33:00Z");
    assert_eq!(server.run(&["ps", "-o", "json"]).json()["agents"].as_array().unwrap().len(), 5);
    let explained = server.run(&["explain", "night-watch", "scribe", "-o", "json"]).json();
    assert_eq!(explained["agents"][0]["fields"][0], json!({ "name": "revive", "value": "Ask", "source": "AgentPolicy careful" }));
    let plan = server.run(&["plan", "night-watch", "-o", "json"]).json();
    assert_eq!(
        (&plan["steps"][0]["by"], &plan["steps"][0]["what"]),
        (&json!("Person"), &json!("Revive or Substitute or Substitute/relay"))
    );
}

#[test]
fn nothing_there_is_no_failure() {
    let server = Server::new([]);
    for command in ["status", "ps"] {
        let run = server.run(&[command]);
        assert_eq!((run.code, run.out.as_str(), run.err.as_str()), (0, "", "there are no missions in namespace missions\n"));
    }
    assert_eq!(server.run(&["status", "-A", "-o", "json"]).json(), json!({ "missions": [] }));
    assert_eq!(server.run(&["ps", "-o", "json"]).json(), json!({ "agents": [] }));
}

#[test]
fn what_is_missing_forbidden_or_gone_is_said_in_one_line() {
    let empty = Server::new([]);
    let forbidding = server();
    forbidding.change(|state| state.forbidden = Some("/missioncells"));
    let bare = Server::new([]);
    bare.change(|state| state.bare = true);
    // Nobody listens there.
    let nobody = ([127, 0, 0, 1], 1).into();
    for command in SHOW {
        for (run, text) in [
            (
                empty.run(command),
                "there is no mission night-watch in namespace missions; kubectl lazarus status shows those that are",
            ),
            (forbidding.run(command), "the API server forbids it: User \"alice\" cannot do this"),
            (bare.run(command), "install Lazarus Pit in it"),
            (run_against(nobody, command), "cannot reach the API server at http://127.0.0.1"),
        ] {
            assert_eq!((run.code, run.err.lines().count(), run.out.as_str()), (1, 1, ""), "{command:?}: {}", run.err);
            assert!(run.err.starts_with("kubectl lazarus: ") && run.err.contains(text), "{command:?}: {text}: {}", run.err);
        }
    }
    // Who may not see requests sees the rest.
    let blind = server();
    blind.change(|state| state.forbidden = Some("/revivalrequests"));
    let run = blind.run(&["status", "night-watch"]);
    contains(&run, &["scribe   ✖ dead"]);
    assert!(run.err.contains("what is asked is not shown"), "{}", run.err);
}

#[test]
fn as_another_user() {
    let run = server().run(&["status", "night-watch", "--as", "bob", "--as-group", "crew"]);
    contains(&run, &["approve night-watch-7f3k --as bob --as-group crew\n"]);
}

#[test]
fn as_a_plugin_it_has_the_commands_for_people_alone() {
    let program = || Command::new(env!("CARGO_BIN_EXE_lazarus"));
    let plugin = finish(program().arg0("/somewhere/kubectl-lazarus").arg("--help"));
    assert_eq!(plugin.code, 0);
    assert!(plugin.out.contains("Usage: kubectl lazarus <COMMAND>") && !plugin.out.contains("operator"), "{}", plugin.out);
    let run = finish(program().arg0("kubectl-lazarus").arg("operator"));
    assert_eq!(run.code, 2, "{}", run.err);
    let whole = finish(program().arg("--help"));
    assert!(whole.out.contains("  operator ") && whole.out.contains("  approve "), "{}", whole.out);
    for wrong in
        [&["approve"][..], &["approve", "a", "--all"], &["approve", "a", "-l", "b=c"], &["status", "a", "-A"], &["simulate"]]
    {
        let run = finish(program().args(wrong));
        assert_eq!((run.code, run.out.as_str()), (2, ""), "{wrong:?}: {}", run.err);
    }
}

#[test]
fn a_kubeconfig_that_can_not_be_used_is_said() {
    let run = finish(Command::new(env!("CARGO_BIN_EXE_lazarus")).args(["status", "--kubeconfig", "/nowhere/config"]));
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("lazarus: cannot use the kubeconfig: ") && run.err.contains("--kubeconfig"), "{}", run.err);
    let run = server().run(&["status", "--context", "elsewhere"]);
    assert!(run.code == 1 && run.err.contains("elsewhere"), "{}", run.err);
}
