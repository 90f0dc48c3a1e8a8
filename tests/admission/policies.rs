//! Who may have agents revived with fewer questions.

use serde_json::{Value, json};

use super::access::{cell, grant};
use super::lab::{Namespace, User, assert_refused, eventually, install, is_ruled_out};

const GROUP: &str = "lazarus-pit.io";
const REFUSED: &str = "user 'carol' may not have an AgentPolicy ask people less or otherwise";

fn policy(spec: &Value) -> Value {
    json!({"apiVersion": "lazarus-pit.io/v1alpha1", "kind": "AgentPolicy", "metadata": {"name": "row"}, "spec": spec})
}

/// Someone with `edit`, and someone with `admin` and so with `approve`.
async fn start(test: &str) -> (User, Namespace, User, User) {
    install().await;
    let admin = User::admin().await;
    let namespace = Namespace::new(&admin, test).await;
    for (user, role) in [("carol", "edit"), ("adam", "admin")] {
        grant(&admin, &namespace, user, Some(role), Value::Null).await;
    }
    let [carol, adam] = [User::named("carol").await, User::named("adam").await];
    eventually("edit", || carol.may(&namespace.0, "update", GROUP, "agentpolicies")).await;
    eventually("admin", || adam.may(&namespace.0, "approve", GROUP, "revivalrequests")).await;
    eventually("edit covers pods", || carol.may(&namespace.0, "create", "", "pods")).await;
    (admin, namespace, carol, adam)
}

/// What a policy says before and after, and whether that takes `approve`; null is no policy.
fn table() -> Vec<(Value, Value, bool)> {
    let revive = |value: &str| json!({"revive": value});
    let gate = |value: &str| json!({"minimumGate": value});
    let none = json!(null);
    vec![
        (none.clone(), json!({}), false),
        (none.clone(), revive("Always"), true),
        (none.clone(), revive("Ask"), false),
        (none.clone(), revive("Never"), false),
        (none.clone(), gate("Always"), true),
        (none.clone(), gate("Ask"), false),
        (none.clone(), json!({"approval": {}}), true),
        (none.clone(), json!({"restart": {"maxAttempts": 9}, "onExhausted": "Ask"}), false),
        (json!({}), revive("Always"), true),
        (json!({}), revive("Ask"), false),
        (revive("Always"), revive("Ask"), false),
        (revive("Always"), json!({}), false),
        (revive("Ask"), revive("Always"), true),
        (revive("Ask"), json!({}), true),
        (revive("Ask"), revive("Never"), false),
        (revive("Never"), revive("Ask"), true),
        (revive("Never"), json!({}), true),
        (gate("Ask"), json!({}), true),
        (gate("Ask"), gate("Always"), true),
        (gate("Ask"), gate("Never"), false),
        (gate("Never"), gate("Ask"), true),
        (gate("Ask"), json!({"minimumGate": "Ask", "storm": {"minAgents": 9}}), false),
        (json!({"approval": {"quorum": 2}}), json!({"approval": {"quorum": 1}}), true),
        (json!({"approval": {"quorum": 1}}), json!({"approval": {"quorum": 2}}), true),
        (json!({"approval": {"quorum": 1}}), json!({}), true),
        (json!({"approval": {"quorum": 1}}), json!({"approval": {"quorum": 1}, "disruption": "Ask"}), false),
        (json!({}), none.clone(), false),
        (revive("Always"), none.clone(), false),
        (revive("Ask"), none.clone(), true),
        (gate("Ask"), none.clone(), true),
        (json!({"approval": {}}), none, true),
    ]
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn asking_less_takes_the_verb() {
    let (admin, namespace, carol, adam) = start("relax").await;
    let dry = namespace.ours("agentpolicies?dryRun=All");
    eventually("the rule about policies", || async {
        is_ruled_out(&carol.create(&dry, &policy(&json!({"revive": "Always"}))).await)
    })
    .await;
    let all = namespace.ours("agentpolicies");
    let one = namespace.ours("agentpolicies/row");
    for (before, after, takes) in table() {
        println!("{before} -> {after}");
        if !before.is_null() {
            admin.create(&all, &policy(&before)).await.unwrap();
        }
        let change = async |user: &User| match (&before, &after) {
            (Value::Null, after) => user.create(&all, &policy(after)).await,
            (_, Value::Null) => user.delete(&one).await,
            (_, after) => {
                let mut whole = user.get(&one).await.unwrap();
                whole["spec"] = after.clone();
                user.replace(&one, &whole).await
            }
        };
        let answer = change(&carol).await;
        if takes {
            assert_refused(answer, 403, REFUSED);
            change(&adam).await.unwrap();
        } else {
            answer.unwrap();
        }
        let _ = admin.delete(&one).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn naming_another_policy_takes_the_verb() {
    let (_, namespace, carol, adam) = start("policyref").await;
    carol.create(&namespace.ours("missioncells"), &cell("one")).await.unwrap();
    let one = namespace.ours("missioncells/one");
    let other = json!({"spec": {"policyRef": {"name": "other"}}});
    let dry = namespace.ours("missioncells/one?dryRun=All");
    eventually("the rule about the policy's name", || async { is_ruled_out(&carol.merge(&dry, other.clone()).await) }).await;
    let refused = "user 'carol' may not change `spec.policyRef` of a MissionCell";
    assert_refused(carol.merge(&one, other.clone()).await, 403, refused);
    assert_refused(carol.merge(&one, json!({"spec": {"policyRef": null}})).await, 403, refused);
    carol.merge(&one, json!({"spec": {"mission": "another one", "revive": "Never"}})).await.unwrap();
    adam.merge(&one, other).await.unwrap();
    adam.merge(&one, json!({"spec": {"policyRef": null}})).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn a_namespace_goes_with_its_policies() {
    let (admin, namespace, _, adam) = start("strict").await;
    adam.create(&namespace.ours("agentpolicies"), &policy(&json!({"minimumGate": "Never"}))).await.unwrap();
    let place = format!("api/v1/namespaces/{}", namespace.0);
    admin.delete(&place).await.unwrap();
    eventually("the namespace is gone", || async { admin.get(&place).await.is_err() }).await;
}
