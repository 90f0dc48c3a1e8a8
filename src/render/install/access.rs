//! Who the operator is and what it may do; what people may do with missions.

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::{Object, admission, cluster_wide, labels, namespaced, strings, words};
use crate::api::names::{GATEWAY, GATEWAY_AUTHORITY, OPERATOR, OPERATOR_NAMESPACE, POD_SECURITY};
use crate::apply::gateway::SLICES;

const GROUP: &str = "lazarus-pit.io";
const ADMISSION: &str = "admissionregistration.k8s.io";
const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// The operator's namespace. Its pods need no privileges, so none are allowed.
pub(super) fn namespace() -> Namespace {
    let mut namespace = Namespace { metadata: cluster_wide(OPERATOR_NAMESPACE), ..Namespace::default() };
    let mut labels = labels();
    labels.extend(strings([
        (POD_SECURITY, "restricted"),
        ("pod-security.kubernetes.io/audit", "restricted"),
        ("pod-security.kubernetes.io/warn", "restricted"),
    ]));
    namespace.metadata.labels = Some(labels);
    namespace
}

/// The operator's service account with its rights, and the roles for people.
pub(super) fn objects() -> [Object; 8] {
    [
        Object::ServiceAccount(Box::new(ServiceAccount { metadata: namespaced(OPERATOR), ..ServiceAccount::default() })),
        Object::ClusterRole(Box::new(operator())),
        Object::ClusterRoleBinding(Box::new(ClusterRoleBinding {
            metadata: cluster_wide(OPERATOR),
            role_ref: role("ClusterRole"),
            subjects: Some(vec![subject()]),
        })),
        Object::Role(Box::new(own_namespace())),
        Object::RoleBinding(Box::new(RoleBinding {
            metadata: namespaced(OPERATOR),
            role_ref: role("Role"),
            subjects: Some(vec![subject()]),
        })),
        Object::ClusterRole(Box::new(viewer())),
        Object::ClusterRole(Box::new(editor())),
        Object::ClusterRole(Box::new(approver())),
    ]
}

/// The calls the operator makes, and no others: it can't change a mission's spec, update a pod, or read any Secret but its own.
fn operator() -> ClusterRole {
    let rules = vec![
        rule(GROUP, ["missioncells"], ["get", "list", "watch"]),
        rule(GROUP, ["agentpolicies"], ["list", "watch"]),
        rule(GROUP, ["revivalrequests"], ["list", "watch", "create", "delete"]),
        rule(GROUP, ["missioncells/status", "revivalrequests/status"], ["patch"]),
        // Lets it make pods and requests whose owner reference blocks the owner's deletion.
        rule(GROUP, ["missioncells/finalizers"], ["update"]),
        rule("", ["pods"], ["list", "watch", "create", "delete"]),
        // What agents elsewhere report with.
        rule("", ["serviceaccounts"], ["get", "create"]),
        // Whether an agent's node is well, and what it can do; what a namespace asks for.
        rule("", ["nodes", "namespaces"], ["list", "watch"]),
        // The volume that the agents of a mission share.
        rule("", ["persistentvolumeclaims"], ["get", "create", "patch"]),
        rule("events.k8s.io", ["events"], ["create", "patch"]),
        // The keys that the sidecars' tokens are signed with. Most clusters let every ServiceAccount read them; some don't.
        PolicyRule {
            non_resource_urls: Some(words(["/.well-known/openid-configuration", "/openid/v1/jwks"])),
            verbs: words(["get"]),
            ..PolicyRule::default()
        },
        // Tells a mission's namespace where the gateway is. Server-side apply names the object, so `create` has a name too.
        named(rule("", ["configmaps"], ["get", "create", "patch"]), [GATEWAY]),
        // Closes the network around agents before there are any.
        rule("networking.k8s.io", ["networkpolicies"], ["list", "create", "update", "delete"]),
        // Whether the rules are in force that say who may approve.
        named(
            rule(ADMISSION, ["validatingadmissionpolicies", "validatingadmissionpolicybindings"], ["get"]),
            admission::approval_names(),
        ),
        // And those that say which pods of agents are admitted.
        named(
            rule(ADMISSION, ["validatingadmissionpolicies", "validatingadmissionpolicybindings"], ["get"]),
            admission::isolation_names(),
        ),
    ];
    ClusterRole { metadata: cluster_wide(OPERATOR), rules: Some(rules), ..ClusterRole::default() }
}

/// The Lease by which replicas agree on a leader, and the gateway's own objects. A `create` of a Lease has no name to check, so
/// it stands alone.
fn own_namespace() -> Role {
    let rules = vec![
        named(rule("coordination.k8s.io", ["leases"], ["get", "update"]), [OPERATOR]),
        rule("coordination.k8s.io", ["leases"], ["create"]),
        named(rule("", ["secrets"], ["get", "update"]), [GATEWAY_AUTHORITY]),
        named(rule("", ["services"], ["get"]), [GATEWAY]),
        named(rule("discovery.k8s.io", ["endpointslices"], ["get", "create", "update", "patch"]), SLICES),
    ];
    Role { metadata: namespaced(OPERATOR), rules: Some(rules) }
}

/// Reading missions: part of the cluster's own roles `view`, `edit` and `admin`.
fn viewer() -> ClusterRole {
    let rules = vec![
        rule(GROUP, ["missioncells", "agentpolicies", "revivalrequests"], ["get", "list", "watch"]),
        rule(GROUP, ["missioncells/status", "revivalrequests/status"], ["get"]),
    ];
    aggregated("lazarus-view", ["view", "edit", "admin"], rules)
}

/// Writing missions: part of `edit` and `admin`. A MissionCell also needs `create` on pods; see the admission rules.
fn editor() -> ClusterRole {
    let verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];
    let rules = vec![
        rule(GROUP, ["missioncells", "agentpolicies"], verbs),
        rule(GROUP, ["revivalrequests"], ["get", "list", "watch"]),
        rule(GROUP, ["missioncells/status", "revivalrequests/status"], ["get"]),
    ];
    aggregated("lazarus-edit", ["edit", "admin"], rules)
}

/// Deciding about RevivalRequests, and relaxing policies: part of `admin` alone, because who writes missions is not by that
/// one who may bring their agents back.
fn approver() -> ClusterRole {
    let rules = vec![
        rule(GROUP, ["revivalrequests"], ["approve", "get", "list", "watch", "create", "delete"]),
        // Whoever decides has to see about what.
        rule(GROUP, ["missioncells", "agentpolicies"], ["get", "list", "watch"]),
        rule(GROUP, ["revivalrequests/status"], ["get", "update", "patch"]),
    ];
    aggregated("lazarus-approve", ["admin"], rules)
}

fn aggregated<const N: usize>(name: &str, into: [&str; N], rules: Vec<PolicyRule>) -> ClusterRole {
    let mut metadata = cluster_wide(name);
    let aggregation = into.map(|role| (format!("{RBAC_GROUP}/aggregate-to-{role}"), "true".to_owned()));
    metadata.labels.get_or_insert_default().extend(aggregation);
    ClusterRole { metadata, rules: Some(rules), ..ClusterRole::default() }
}

fn rule<const R: usize, const V: usize>(group: &str, resources: [&str; R], verbs: [&str; V]) -> PolicyRule {
    PolicyRule {
        api_groups: Some(words([group])),
        resources: Some(words(resources)),
        verbs: words(verbs),
        ..PolicyRule::default()
    }
}

/// The rule for objects of these names alone.
fn named<const N: usize>(rule: PolicyRule, names: [&str; N]) -> PolicyRule {
    PolicyRule { resource_names: Some(words(names)), ..rule }
}

fn role(kind: &str) -> RoleRef {
    RoleRef { api_group: Some(RBAC_GROUP.into()), kind: kind.into(), name: OPERATOR.into() }
}

fn subject() -> Subject {
    Subject {
        kind: "ServiceAccount".into(),
        name: OPERATOR.into(),
        namespace: Some(OPERATOR_NAMESPACE.into()),
        ..Subject::default()
    }
}
