//! Who may write missions and their status.

use lazarus::render::install::{Object, Options, manifest};
use serde_json::{Value, json};

use super::lab::{Namespace, User, assert_refused, eventually, install, is_ruled_out};

/// A mission that starts nothing.
pub fn cell(name: &str) -> Value {
    // Where an operator runs, it makes no pods: this policy is missing.
    json!({
        "apiVersion": "lazarus-pit.io/v1alpha1", "kind": "MissionCell", "metadata": {"name": name},
        "spec": {
            "mission": "a test", "policyRef": {"name": "missing"},
            "agents": [{"name": "scout", "image": "none.invalid/scout"}],
        },
    })
}

/// Gives rights in the namespace to users, under a role that is made for it or is there.
pub async fn grant(admin: &User, namespace: &Namespace, user: &str, cluster_role: Option<&str>, rules: Value) {
    let path = |kind: &str| format!("apis/rbac.authorization.k8s.io/v1/namespaces/{}/{kind}", namespace.0);
    let metadata = json!({"name": user});
    if cluster_role.is_none() {
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata, "rules": rules});
        admin.create(&path("roles"), &role).await.unwrap();
    }
    let (kind, name) = cluster_role.map_or(("Role", user), |name| ("ClusterRole", name));
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    });
    admin.create(&path("rolebindings"), &binding).await.unwrap();
}

fn missions_only() -> Value {
    json!([{"apiGroups": ["lazarus-pit.io"], "resources": ["missioncells"], "verbs": ["get", "create", "update", "patch"]}])
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn writing_a_mission_takes_the_right_to_create_pods() {
    install().await;
    let admin = User::admin().await;
    let namespace = Namespace::new(&admin, "create").await;
    let [writer, maker] = ["mission-writer", "pod-maker"];
    let pods = json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["create"]});
    let both = json!([missions_only()[0], pods]);
    grant(&admin, &namespace, writer, None, missions_only()).await;
    grant(&admin, &namespace, maker, None, both).await;
    let [writer, maker] = [User::named(writer).await, User::named(maker).await];
    for user in [&writer, &maker] {
        eventually("the right to write missions", || user.may(&namespace.0, "patch", "lazarus-pit.io", "missioncells")).await;
    }
    eventually("the right to create pods", || maker.may(&namespace.0, "create", "", "pods")).await;

    let dry = namespace.ours("missioncells?dryRun=All");
    eventually("the rule about missions", || async { is_ruled_out(&writer.create(&dry, &cell("one")).await) }).await;
    let refused = "user 'mission-writer' needs the right to create pods in namespace";
    assert_refused(writer.create(&namespace.ours("missioncells"), &cell("one")).await, 403, refused);
    maker.create(&namespace.ours("missioncells"), &cell("one")).await.unwrap();

    let one = namespace.ours("missioncells/one");
    let image = json!({"spec": {"agents": [{"name": "scout", "image": "none.invalid/other"}]}});
    assert_refused(writer.merge(&one, image.clone()).await, 403, refused);
    // The operator writes the status meanwhile, if it runs in this lab.
    let replaced = loop {
        let mut whole = writer.get(&one).await.unwrap();
        whole["spec"]["mission"] = json!("another one");
        match writer.replace(&one, &whole).await {
            Err(refusal) if refusal.code == 409 => {}
            replaced => break replaced,
        }
    };
    assert_refused(replaced, 403, refused);
    // Labels start nothing.
    writer.merge(&one, json!({"metadata": {"labels": {"team": "night"}}})).await.unwrap();
    maker.merge(&one, image).await.unwrap();
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_clusters_own_roles_cover_missions() {
    install().await;
    let admin = User::admin().await;
    let namespace = Namespace::new(&admin, "roles").await;
    for role in ["view", "edit", "admin"] {
        grant(&admin, &namespace, role, Some(role), Value::Null).await;
    }
    let group = "lazarus-pit.io";
    for role in ["edit", "admin"] {
        let user = User::named(role).await;
        eventually("edit covers missions", || user.may(&namespace.0, "create", group, "missioncells")).await;
        for kind in ["missioncells", "agentpolicies"] {
            for verb in ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"] {
                assert!(user.may(&namespace.0, verb, group, kind).await, "{role} may not {verb} {kind}");
            }
        }
        assert!(!user.may(&namespace.0, "patch", group, "missioncells/status").await, "{role} may write the status");
        // To write missions is one thing, to bring agents back another.
        if role == "admin" {
            eventually("admin covers approvals", || user.may(&namespace.0, "approve", group, "revivalrequests")).await;
        }
        for (verb, kind) in [
            ("approve", "revivalrequests"),
            ("create", "revivalrequests"),
            ("delete", "revivalrequests"),
            ("patch", "revivalrequests/status"),
            ("update", "revivalrequests/status"),
        ] {
            assert_eq!(user.may(&namespace.0, verb, group, kind).await, role == "admin", "{role}: {verb} {kind}");
        }
        for verb in ["update", "patch", "deletecollection"] {
            assert!(!user.may(&namespace.0, verb, group, "revivalrequests").await, "{role} may {verb} requests");
        }
        user.create(&namespace.ours("missioncells?dryRun=All"), &cell(role)).await.unwrap();
    }
    let viewer = User::named("view").await;
    eventually("view covers missions", || viewer.may(&namespace.0, "list", group, "missioncells")).await;
    viewer.get(&namespace.ours("missioncells")).await.unwrap();
    assert!(viewer.may(&namespace.0, "get", group, "missioncells/status").await);
    for verb in ["get", "list", "watch"] {
        assert!(viewer.may(&namespace.0, verb, group, "revivalrequests").await, "view may not {verb} requests");
    }
    assert!(viewer.may(&namespace.0, "get", group, "revivalrequests/status").await);
    for verb in ["approve", "create", "update", "patch", "delete"] {
        assert!(!viewer.may(&namespace.0, verb, group, "revivalrequests").await, "view may {verb} requests");
    }
    for verb in ["create", "update", "patch", "delete", "deletecollection"] {
        assert!(!viewer.may(&namespace.0, verb, group, "missioncells").await, "view may {verb} missions");
    }
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn only_the_operator_writes_a_missions_status() {
    install().await;
    let admin = User::admin().await;
    let namespace = Namespace::new(&admin, "status").await;
    // A status sent along with a new mission is dropped, whoever sends it.
    let mut forged = cell("one");
    forged["status"] = json!({"observedGeneration": 7});
    let made = admin.create(&namespace.ours("missioncells"), &forged).await.unwrap();
    assert!(made.get("status").is_none_or(|status| status["observedGeneration"] != 7), "{made}");

    let status = namespace.ours("missioncells/one/status");
    let change = json!({"status": {"observedGeneration": 7}});
    let dry = format!("{status}?dryRun=All");
    eventually("the rule about the status", || async { is_ruled_out(&admin.merge(&dry, change.clone()).await) }).await;
    let refused = "only the operator (system:serviceaccount:lazarus-pit:lazarus-operator) writes the status";
    assert_refused(admin.merge(&status, change.clone()).await, 403, refused);
    // The operator may write in between, which is a conflict before it is a question of rules.
    let replaced = || async {
        let mut whole = admin.get(&status).await.unwrap();
        whole["status"] = change["status"].clone();
        is_ruled_out(&admin.replace(&status, &whole).await)
    };
    eventually("the rule about the whole object", replaced).await;
    let applied = json!({"apiVersion": "lazarus-pit.io/v1alpha1", "kind": "MissionCell", "status": change["status"]});
    assert_refused(admin.apply(&status, applied).await, 403, refused);
    for other in ["system:serviceaccount:lazarus-pit:default", "system:serviceaccount:default:lazarus-operator"] {
        // Even with all rights: `system:masters` is what the rule is about.
        let user = User::master(other).await;
        assert_refused(user.merge(&status, change.clone()).await, 403, refused);
    }

    let operator = User::operator().await;
    operator.merge(&dry, change).await.unwrap();
    let spec = json!({"spec": {"mission": "the operator's own"}});
    assert_refused(operator.merge(&namespace.ours("missioncells/one"), spec).await, 403, "cannot patch resource");
}

#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_operator_may_do_what_it_does_and_no_more() {
    install().await;
    let operator = User::operator().await;
    let ours = "lazarus-pit.io";
    let rules = "admissionregistration.k8s.io";
    let allowed = [
        ("default", "watch", ours, "missioncells"),
        ("default", "patch", ours, "missioncells/status"),
        ("default", "update", ours, "missioncells/finalizers"),
        ("default", "list", ours, "agentpolicies"),
        ("default", "list", ours, "revivalrequests"),
        ("default", "watch", ours, "revivalrequests"),
        ("default", "create", ours, "revivalrequests"),
        ("default", "delete", ours, "revivalrequests"),
        ("default", "patch", ours, "revivalrequests/status"),
        ("default", "watch", "", "nodes"),
        ("default", "watch", "", "namespaces"),
        ("default", "get", "", "persistentvolumeclaims"),
        ("default", "patch", "", "persistentvolumeclaims"),
        ("default", "list", "networking.k8s.io", "networkpolicies"),
        ("default", "update", "networking.k8s.io", "networkpolicies"),
        ("default", "delete", "networking.k8s.io", "networkpolicies"),
        ("default", "create", "", "pods"),
        ("default", "delete", "", "pods"),
        ("default", "create", "events.k8s.io", "events"),
        ("default", "patch", "events.k8s.io", "events"),
        ("lazarus-pit", "create", "coordination.k8s.io", "leases"),
    ];
    let denied = [
        ("default", "update", ours, "missioncells"),
        ("default", "patch", ours, "missioncells"),
        ("default", "delete", ours, "missioncells"),
        ("default", "approve", ours, "revivalrequests"),
        ("default", "update", ours, "revivalrequests"),
        ("default", "patch", ours, "revivalrequests"),
        ("default", "deletecollection", ours, "revivalrequests"),
        ("default", "update", ours, "revivalrequests/status"),
        ("default", "update", ours, "agentpolicies"),
        ("default", "get", "", "pods"),
        ("default", "update", "", "pods"),
        ("default", "patch", "", "pods"),
        ("default", "deletecollection", "", "pods"),
        ("default", "create", "", "pods/exec"),
        ("default", "update", "", "nodes"),
        ("default", "update", "", "namespaces"),
        ("default", "delete", "", "persistentvolumeclaims"),
        ("default", "list", "", "persistentvolumeclaims"),
        ("default", "deletecollection", "networking.k8s.io", "networkpolicies"),
        ("default", "get", "", "secrets"),
        ("default", "get", "", "configmaps"),
        ("default", "create", "coordination.k8s.io", "leases"),
        ("lazarus-pit", "update", "coordination.k8s.io", "leases"),
        // Only those of its own name.
        ("lazarus-pit", "get", "", "secrets"),
        ("lazarus-pit", "update", "", "secrets"),
        ("lazarus-pit", "get", "", "services"),
        ("lazarus-pit", "update", "discovery.k8s.io", "endpointslices"),
        ("default", "create", "", "configmaps"),
        ("default", "patch", "", "configmaps"),
        ("", "get", rules, "validatingadmissionpolicies"),
        ("", "list", rules, "validatingadmissionpolicybindings"),
        ("", "patch", rules, "validatingadmissionpolicies"),
    ];
    for (namespace, verb, group, resource) in allowed {
        eventually(&format!("{verb} {resource}"), || operator.may(namespace, verb, group, resource)).await;
    }
    let (core, slices) = ("", "discovery.k8s.io");
    for (namespace, verb, group, resource, name) in [
        ("lazarus-pit", "get", core, "secrets", "lazarus-gateway-ca"),
        ("lazarus-pit", "update", core, "secrets", "lazarus-gateway-ca"),
        ("lazarus-pit", "get", core, "services", "lazarus-gateway"),
        ("lazarus-pit", "create", slices, "endpointslices", "lazarus-gateway"),
        ("lazarus-pit", "patch", slices, "endpointslices", "lazarus-gateway-v6"),
        ("lazarus-pit", "update", slices, "endpointslices", "lazarus-gateway"),
        ("default", "get", core, "configmaps", "lazarus-gateway"),
        ("default", "create", core, "configmaps", "lazarus-gateway"),
        ("default", "patch", core, "configmaps", "lazarus-gateway"),
        ("", "get", rules, "validatingadmissionpolicies", "revivalrequest-decisions.lazarus-pit.io"),
        ("", "get", rules, "validatingadmissionpolicybindings", "missioncell-status.lazarus-pit.io"),
    ] {
        let may = || operator.may_named(namespace, verb, group, resource, name);
        eventually(&format!("{verb} {resource} {name}"), may).await;
    }
    for (namespace, verb, group, resource) in denied {
        assert!(!operator.may(namespace, verb, group, resource).await, "{verb} {resource} in {namespace}");
    }
}

/// The API server checks the rules against the types they are about, and only warns where a field doesn't exist.
#[tokio::test]
#[ignore = "needs the lab: run make test"]
async fn the_rules_fit_the_types_they_are_about() {
    install().await;
    let admin = User::admin().await;
    let names = manifest(&Options::default()).into_iter().filter_map(|object| match object {
        Object::ValidatingAdmissionPolicy(policy) => policy.metadata.name,
        _ => None,
    });
    for name in names {
        let path = format!("apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/{name}");
        let policy = async || admin.get(&path).await.unwrap();
        eventually("the rules are checked", || async {
            let policy = policy().await;
            policy["status"]["observedGeneration"] == policy["metadata"]["generation"]
        })
        .await;
        assert_eq!(policy().await["status"]["typeChecking"], json!({}), "{name}");
    }
}
