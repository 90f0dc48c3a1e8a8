//! Who asks, who answers, and who may do away with the question.

use serde_json::{Value, json};

use super::access::{cell, grant};
use super::lab::{Namespace, User, assert_refused, eventually, install, is_ruled_out};

const GROUP: &str = "lazarus-pit.io";
/// What the API server says to someone who would need the verb `approve`.
const NEEDS: &str = "takes the verb `approve` on revivalrequests.lazarus-pit.io in namespace";

fn request(name: &str) -> Value {
    json!({
        "apiVersion": "lazarus-pit.io/v1alpha1", "kind": "RevivalRequest", "metadata": {"name": name},
        "spec": {
            "cellRef": {"name": "one", "uid": "1"}, "verb": "Revive", "options": ["Revive", "Substitute/relay"],
            "incidents": [{"agent": "scout", "podUID": "2", "cause": "Error", "attempts": 1}],
            "requestedAt": "2026-01-31T12:00:00Z", "onTimeout": "Wait", "quorum": 1,
        },
    })
}

/// A request as a person makes it.
fn order(name: &str, user: &str) -> Value {
    let mut order = request(name);
    order["spec"]["options"] = json!(["Revive"]);
    order["spec"]["requestedBy"] = json!(format!("k8s:{user}"));
    order
}

fn decision(user: &str, verdict: &str) -> Value {
    json!({"by": format!("k8s:{user}"), "verdict": verdict})
}

fn decisions(entries: impl IntoIterator<Item = Value>) -> Value {
    json!({"status": {"decisions": entries.into_iter().collect::<Vec<_>>()}})
}

/// What lets someone make, delete and answer requests as far as the roles go.
fn everything_but_approve(names: &Value) -> Value {
    let mut rules = json!([
        {"apiGroups": [GROUP], "resources": ["revivalrequests"], "verbs": ["get", "create", "update", "delete"]},
        {"apiGroups": [GROUP], "resources": ["revivalrequests/status"], "verbs": ["get", "update", "patch"]},
    ]);
    if !names.is_null() {
        let one = json!({"apiGroups": [GROUP], "resources": ["revivalrequests"], "verbs": ["approve"], "resourceNames": names});
        rules.as_array_mut().unwrap().push(one);
    }
    rules
}

struct People {
    admin: User,
    namespace: Namespace,
    operator: User,
    /// Hold `approve`.
    alice: User,
    dave: User,
    /// Has all other rights about requests.
    bob: User,
    /// Holds `approve`, but agents run in its name.
    agent: User,
}

async fn people(test: &str) -> People {
    install().await;
    let admin = User::admin().await;
    let namespace = Namespace::new(&admin, test).await;
    let account = format!("system:serviceaccount:{}:default", namespace.0);
    for user in ["alice", "dave", &account] {
        grant(&admin, &namespace, user, Some("lazarus-approve"), Value::Null).await;
    }
    grant(&admin, &namespace, "bob", None, everything_but_approve(&Value::Null)).await;
    let [alice, dave, bob] = [User::named("alice").await, User::named("dave").await, User::named("bob").await];
    let agent = User::account(&namespace.0, "default").await;
    for user in [&alice, &dave, &bob, &agent] {
        eventually("rights", || user.may(&namespace.0, "patch", GROUP, "revivalrequests/status")).await;
    }
    let operator = User::operator().await;
    eventually("the operator's rights", || operator.may(&namespace.0, "patch", GROUP, "revivalrequests/status")).await;
    let dry = namespace.ours("revivalrequests?dryRun=All");
    eventually("the rule about orders", || async { is_ruled_out(&admin.create(&dry, &order("a", "nobody")).await) }).await;
    let people = People { admin, namespace, operator, alice, dave, bob, agent };
    people.operator.create(&people.all(), &request("probe")).await.unwrap();
    let probe = people.status("probe?dryRun=All");
    eventually("the rule about decisions", || async {
        is_ruled_out(&people.alice.merge(&probe, decisions([decision("bob", "Approve")])).await)
    })
    .await;
    let probe = people.one("probe?dryRun=All");
    eventually("the rule about deletions", || async { is_ruled_out(&people.bob.delete(&probe).await) }).await;
    people
}

impl People {
    fn all(&self) -> String {
        self.namespace.ours("revivalrequests")
    }

    fn one(&self, name: &str) -> String {
        self.namespace.ours(&format!("revivalrequests/{name}"))
    }

    fn status(&self, name: &str) -> String {
        let (name, query) = name.split_once('?').unwrap_or((name, ""));
        self.namespace.ours(&format!("revivalrequests/{name}/status?{query}"))
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_decision_is_ones_own_and_takes_the_verb() {
    let people = people("decide").await;
    let People { operator, alice, dave, bob, agent, namespace, .. } = &people;
    operator.create(&people.all(), &request("ask")).await.unwrap();
    let status = people.status("ask");

    for (user, name) in [(bob, "bob".to_owned()), (agent, format!("system:serviceaccount:{}:default", namespace.0))] {
        let refused = format!("user '{name}' may not write a decision about this RevivalRequest: that {NEEDS}");
        assert_refused(user.merge(&status, decisions([decision(&name, "Approve")])).await, 403, &refused);
    }
    assert_refused(User::named("carol").await.merge(&status, decisions([])).await, 403, "cannot patch resource");

    let [mine, hers] = [decision("alice", "Approve"), decision("bob", "Approve")];
    let offered = {
        let mut offered = mine.clone();
        offered["option"] = json!("Substitute");
        offered
    };
    let condition = json!({"type": "Approved", "status": "True", "reason": "Approved", "message": "", "lastTransitionTime": "2026-01-31T12:00:00Z"});
    let summary = json!({"agents": "scout", "decision": "Approved", "message": "done"});
    for (what, status_patch, says) in [
        ("another's name", json!({"decisions": [hers]}), "write `by: k8s:alice` in the entry"),
        ("two at once", json!({"decisions": [mine, hers]}), "there is one for each person"),
        ("none", json!({"decisions": []}), "there is one for each person"),
        ("an option that is not offered", json!({"decisions": [offered]}), "`option` must be one of Revive, Substitute/relay"),
        ("a condition", json!({"decisions": [mine], "conditions": [condition]}), "only the operator writes `status.conditions`"),
        ("a summary", json!({"decisions": [mine], "summary": summary}), "only the operator writes `status.conditions`"),
    ] {
        println!("{what}");
        assert_refused(alice.merge(&status, json!({"status": status_patch})).await, 403, says);
    }
    alice.merge(&status, decisions([mine.clone()])).await.unwrap();

    // What is decided stays.
    let [denied, other] = [decision("alice", "Deny"), decision("dave", "Deny")];
    for (user, entries) in [
        (alice, vec![mine.clone()]),
        (alice, vec![denied.clone()]),
        (alice, vec![]),
        (dave, vec![other.clone()]),
        (dave, vec![denied, other.clone()]),
    ] {
        assert_refused(user.merge(&status, json!({"status": {"decisions": entries}})).await, 403, "never changed or removed");
    }
    // Refused by the type already: there is one for each name.
    alice.merge(&status, decisions([mine.clone(), decision("alice", "Deny")])).await.unwrap_err();

    // Another one's stands beside it.
    let applied = json!({"apiVersion": "lazarus-pit.io/v1alpha1", "kind": "RevivalRequest", "status": {"decisions": [other]}});
    let query = people.status("ask").replace('?', "");
    let both = dave.apply(&query, applied).await.unwrap();
    assert_eq!(both["status"]["decisions"].as_array().unwrap().len(), 2, "{both}");

    // The operator says what became of it, and decides nothing.
    operator.merge(&status, json!({"status": {"conditions": [condition], "summary": summary}})).await.unwrap();
    for entries in [
        json!(null),
        json!([mine]),
        json!([mine, other, decision("system:serviceaccount:lazarus-pit:lazarus-operator", "Approve")]),
    ] {
        let change = json!({"status": {"decisions": entries}});
        assert_refused(operator.merge(&status, change).await, 403, "never `status.decisions`: those are people's");
    }

    // The same as a whole object.
    operator.create(&people.all(), &request("whole")).await.unwrap();
    let mut whole = alice.get(&people.one("whole")).await.unwrap();
    let mut option = mine;
    option["option"] = json!("Substitute/relay");
    whole["status"] = json!({"decisions": [option]});
    assert_refused(bob.replace(&people.status("whole"), &whole).await, 403, NEEDS);
    alice.replace(&people.status("whole"), &whole).await.unwrap();
}

/// What the rules compute is bounded by the API server.
#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn sixteen_people_may_say_all_they_can() {
    let people = people("many").await;
    people.operator.create(&people.all(), &request("ask")).await.unwrap();
    let mut entries = Vec::new();
    for number in 0..17 {
        let user = format!("{}-{number}", "u".repeat(240));
        let mut entry = decision(&user, "Deny");
        entry["comment"] = json!("\u{fffd}".repeat(1024));
        entry["via"] = json!("v".repeat(64));
        entries.push(entry);
        let answer = User::master(&user).await.merge(&people.status("ask"), json!({"status": {"decisions": entries}})).await;
        assert_eq!(answer.is_ok(), number < 16, "{number}: {answer:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_verb_may_be_given_for_one_request() {
    let people = people("named").await;
    grant(&people.admin, &people.namespace, "erin", None, everything_but_approve(&json!(["this"]))).await;
    let erin = User::named("erin").await;
    eventually("rights", || erin.may_named(&people.namespace.0, "approve", GROUP, "revivalrequests", "this")).await;
    for name in ["this", "that"] {
        people.operator.create(&people.all(), &request(name)).await.unwrap();
    }
    let approved = decisions([decision("erin", "Approve")]);
    assert_refused(erin.merge(&people.status("that"), approved.clone()).await, 403, NEEDS);
    erin.merge(&people.status("this"), approved).await.unwrap();
    assert_refused(erin.delete(&people.one("that")).await, 403, NEEDS);
    erin.delete(&people.one("this")).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn an_order_is_made_in_ones_own_name() {
    let people = people("order").await;
    let People { operator, alice, bob, agent, namespace, .. } = &people;
    let all = people.all();
    let account = format!("system:serviceaccount:{}:default", namespace.0);
    for (user, name) in [(bob, "bob"), (agent, &account)] {
        assert_refused(
            user.create(&all, &order("a", name)).await,
            403,
            &format!("user '{name}' may not make a RevivalRequest: that {NEEDS}"),
        );
    }
    grant(&people.admin, namespace, "carol", Some("edit"), Value::Null).await;
    let carol = User::named("carol").await;
    eventually("edit covers requests", || carol.may(&namespace.0, "list", GROUP, "revivalrequests")).await;
    assert_refused(carol.create(&all, &order("a", "carol")).await, 403, "cannot create resource");

    for (field, value, says) in [
        ("requestedBy", json!("k8s:bob"), "write `spec.requestedBy: k8s:alice`"),
        ("requestedBy", json!("alice"), "write `spec.requestedBy: k8s:alice`"),
        ("requestedBy", Value::Null, "write `spec.requestedBy: k8s:alice`"),
        ("options", json!(["Revive", "Substitute"]), "an order says one thing"),
        ("options", json!(["Substitute"]), "an order says one thing"),
        ("options", json!(["Substitute/relay"]), "an order says one thing"),
        ("verb", json!("Substitute"), "an order says one thing"),
        ("expiresAt", json!("2026-01-31T12:00:00Z"), "leave `spec.expiresAt` out"),
    ] {
        let mut forged = order("a", "alice");
        forged["spec"][field] = value;
        assert_refused(alice.create(&all, &forged).await, 403, says);
    }
    // Decisions that come with the order are dropped.
    let mut decided = order("a", "alice");
    decided["status"] = json!({"decisions": [decision("bob", "Approve")]});
    let made = alice.create(&all, &decided).await.unwrap();
    assert_eq!(made.get("status"), None, "{made}");
    let mut nameless = order("b", "alice");
    nameless["metadata"] = json!({"generateName": "one-"});
    alice.create(&all, &nameless).await.unwrap();
    for option in ["Substitute", "Substitute/relay"] {
        let mut substitute = nameless.clone();
        substitute["spec"]["verb"] = json!("Substitute");
        substitute["spec"]["options"] = json!([option]);
        alice.create(&all, &substitute).await.unwrap();
    }
    let own = order("c", "system:serviceaccount:lazarus-pit:lazarus-operator");
    assert_refused(operator.create(&all, &own).await, 403, "the operator asks, and never orders");
    operator.create(&all, &request("c")).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn requests_go_by_those_who_may_and_with_what_they_belong_to() {
    let people = people("delete").await;
    let People { admin, operator, alice, bob, agent, namespace, .. } = &people;
    let made = admin.create(&namespace.ours("missioncells"), &cell("one")).await.unwrap();
    let mut owned = request("owned");
    owned["metadata"]["ownerReferences"] = json!([{
        "apiVersion": "lazarus-pit.io/v1alpha1", "kind": "MissionCell", "name": "one", "uid": made["metadata"]["uid"],
        "controller": true, "blockOwnerDeletion": true,
    }]);
    operator.create(&people.all(), &owned).await.unwrap();
    for name in ["a", "b", "c"] {
        operator.create(&people.all(), &request(name)).await.unwrap();
    }
    let account = format!("system:serviceaccount:{}:default", namespace.0);
    for (user, name) in [(bob, "bob"), (agent, &account)] {
        assert_refused(
            user.delete(&people.one("a")).await,
            403,
            &format!("user '{name}' may not delete this RevivalRequest: that {NEEDS}"),
        );
    }
    alice.delete(&people.one("a")).await.unwrap();
    operator.delete(&people.one("b")).await.unwrap();

    admin.delete(&namespace.ours("missioncells/one")).await.unwrap();
    eventually("the request goes with its mission", || async { admin.get(&people.one("owned")).await.is_err() }).await;
    admin.get(&people.one("c")).await.unwrap();
    let place = format!("api/v1/namespaces/{}", namespace.0);
    admin.delete(&place).await.unwrap();
    eventually("the namespace goes with its requests", || async { admin.get(&place).await.is_err() }).await;
}

/// One test, because what it takes away is everyone's: no other one asks for the rule about owners.
#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_missing_rule_is_noticed() {
    let people = people("enforce").await;
    let People { admin, operator, alice, .. } = &people;
    let all = people.all();
    let labels = "only the operator sets, changes or removes labels of RevivalRequests that start with lazarus-pit.io/";
    let mut labelled = order("mine", "alice");
    labelled["metadata"]["labels"] = json!({"lazarus-pit.io/cell": "one"});
    let rules = "apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings";
    let name = "revivalrequest-ownership.lazarus-pit.io";
    let everywhere = json!({"spec": {"matchResources": null}});
    // An earlier run may have ended in between.
    admin.merge(&format!("{rules}/{name}"), everywhere.clone()).await.unwrap();
    let dry = format!("{all}?dryRun=All");
    eventually("the rule about owners", || async { is_ruled_out(&alice.create(&dry, &labelled).await) }).await;
    assert_refused(alice.create(&all, &labelled).await, 403, &format!("{labels}: leave lazarus-pit.io/cell as it is"));
    labelled["metadata"]["name"] = json!("theirs");
    labelled["spec"].as_object_mut().unwrap().remove("requestedBy");
    operator.create(&all, &labelled).await.unwrap();
    let owner = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "none", "uid": "none"}]);
    for (path, change, says) in [
        ("theirs", json!({"metadata": {"labels": null}}), labels),
        ("theirs", json!({"metadata": {"annotations": {"lazarus-pit.io/x": ""}}}), "annotations of RevivalRequests"),
        ("theirs", json!({"metadata": {"ownerReferences": owner}}), "change `metadata.ownerReferences`"),
    ] {
        assert_refused(admin.merge(&people.one(path), change.clone()).await, 403, says);
        // Metadata that comes with a status is dropped.
        let mut decided = change;
        decided["status"] = json!({"decisions": [decision("alice", "Deny")]});
        let kept = alice.merge(&people.status("theirs?dryRun=All"), decided).await.unwrap();
        assert_eq!(kept["metadata"]["labels"], json!({"lazarus-pit.io/cell": "one"}));
        assert_eq!(kept["metadata"]["ownerReferences"], Value::Null);
    }
    admin.merge(&people.one("theirs"), json!({"metadata": {"labels": {"team": "night"}}})).await.unwrap();

    eventually("nothing is missing", || async { operator.unenforced().await.is_none() }).await;
    let mut binding = admin.get(&format!("{rules}/{name}")).await.unwrap();
    for key in ["uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"] {
        binding["metadata"].as_object_mut().unwrap().remove(key);
    }
    admin.delete(&format!("{rules}/{name}")).await.unwrap();
    let missing = operator.unenforced().await;
    binding["spec"]["matchResources"] = json!({"namespaceSelector": {"matchLabels": {"guarded": "yes"}}});
    admin.create(rules, &binding).await.unwrap();
    let narrowed = operator.unenforced().await;
    admin.merge(&format!("{rules}/{name}"), everywhere).await.unwrap();
    let kind = "ValidatingAdmissionPolicyBinding";
    assert_eq!(missing, Some(format!("{kind} {name} is missing")));
    assert_eq!(narrowed, Some(format!("{kind} {name} is not as it was installed: its matchResources")));
    assert_eq!(operator.unenforced().await, None);
    let unknown = User::named("nobody").await.unenforced().await.unwrap();
    assert!(unknown.starts_with("the operator may not read ValidatingAdmissionPolicy "), "{unknown}");
}
