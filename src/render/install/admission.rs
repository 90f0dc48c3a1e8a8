//! Who may write what the operator relies on: rules that the API server itself checks, without a webhook.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation, Variable,
};

use super::{Object, cluster_wide, words};
use crate::api::names::{OPERATOR, OPERATOR_NAMESPACE, PREFIX};

/// Makes a refusal a 403, as one by RBAC is.
const FORBIDDEN: &str = "Forbidden";

/// All policies, each with the binding that puts it into force everywhere.
pub(super) fn objects() -> Vec<Object> {
    [status(), creation(), ownership()].into_iter().flat_map(|(name, spec)| [policy(name, spec), binding(name)]).collect()
}

/// The status says which pod is an agent and how many attempts it used: whoever writes it controls revival.
fn status() -> (&'static str, ValidatingAdmissionPolicySpec) {
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![rule("lazarus-pit.io", ["missioncells/status"], ["UPDATE"])])),
        validations: Some(vec![Validation {
            expression: format!("request.userInfo.username == '{}'", operator()),
            message: Some(format!(
                "only the operator ({}) writes the status of a MissionCell: leave `status` out and change `spec`",
                operator()
            )),
            reason: Some(FORBIDDEN.into()),
            ..Validation::default()
        }]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("missioncell-status.lazarus-pit.io", spec)
}

/// The operator makes pods for whoever writes a MissionCell, so that must not be a way around the right to make pods.
fn creation() -> (&'static str, ValidatingAdmissionPolicySpec) {
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![rule("lazarus-pit.io", ["missioncells"], ["CREATE", "UPDATE"])])),
        // An authorizer check costs a third of what one expression may cost, and labels are no concern of it.
        match_conditions: Some(vec![MatchCondition {
            name: "spec-is-written".into(),
            expression: "request.operation == 'CREATE' || object.spec != oldObject.spec".into(),
        }]),
        validations: Some(vec![Validation {
            expression: "authorizer.group('').resource('pods').namespace(request.namespace).check('create').allowed()".into(),
            message: Some(
                "who writes the spec of a MissionCell needs the right to create pods in its namespace, because the operator \
                 creates them in return: ask for a role with `create` on `pods`, such as `edit`"
                    .into(),
            ),
            message_expression: Some(
                "\"user '\" + request.userInfo.username + \"' needs the right to create pods in namespace '\" + request.namespace + \
                 \"' to write the spec of a MissionCell there: ask for a role with `create` on `pods`, such as `edit`\""
                    .into(),
            ),
            reason: Some(FORBIDDEN.into()),
        }]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("missioncell-needs-pods.lazarus-pit.io", spec)
}

/// By its labels the operator knows a pod as an agent of a mission. Whoever could set them could pass off a pod as an
/// agent; whoever could strip them could hide one and have a second started.
fn ownership() -> (&'static str, ValidatingAdmissionPolicySpec) {
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![
            // A rule for `pods` does not cover its subresources, and each of these can carry metadata: a binding's
            // annotations are copied to the pod. Evictions and deletions stay out of it.
            rule("", ["pods", "pods/status", "pods/ephemeralcontainers", "pods/resize"], ["CREATE", "UPDATE"]),
            rule("", ["pods/binding", "bindings"], ["CREATE"]),
        ])),
        match_conditions: Some(vec![MatchCondition {
            name: "not-the-operator".into(),
            expression: format!("request.userInfo.username != '{}'", operator()),
        }]),
        variables: Some([kept("labels"), kept("annotations")].concat()),
        validations: Some(vec![untouched("labels"), untouched("annotations")]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("pod-ownership.lazarus-pit.io", spec)
}

/// Variables: the map before and after, and the keys of this project on which the two differ.
fn kept(map: &str) -> Vec<Variable> {
    let variable = |name: &str, expression: String| Variable { name: format!("{name}_{map}"), expression };
    let ours = format!("key.startsWith('{PREFIX}')");
    vec![
        variable("new", format!("has(object.metadata.{map}) ? object.metadata.{map} : {{}}")),
        variable("old", format!("oldObject != null && has(oldObject.metadata.{map}) ? oldObject.metadata.{map} : {{}}")),
        // The comparison of the whole comes first: it is cheap, and enough for the many updates of a pod's status.
        variable(
            "changed",
            format!(
                "variables.new_{map} == variables.old_{map} ? [] : \
                 variables.new_{map}.filter(key, {ours} && !(key in variables.old_{map} && variables.old_{map}[key] == variables.new_{map}[key])) + \
                 variables.old_{map}.filter(key, {ours} && !(key in variables.new_{map}))"
            ),
        ),
    ]
}

fn untouched(map: &str) -> Validation {
    Validation {
        expression: format!("size(variables.changed_{map}) == 0"),
        message: Some(format!(
            "only the operator sets, changes or removes {map} of pods that start with {PREFIX}: leave them as they are"
        )),
        message_expression: Some(format!(
            "'only the operator sets, changes or removes {map} of pods that start with {PREFIX}: leave ' + variables.changed_{map}.join(', ') + ' as it is'"
        )),
        reason: Some(FORBIDDEN.into()),
    }
}

/// The name under which the API server knows the operator.
fn operator() -> String {
    format!("system:serviceaccount:{OPERATOR_NAMESPACE}:{OPERATOR}")
}

fn on(rules: Vec<NamedRuleWithOperations>) -> MatchResources {
    MatchResources { resource_rules: Some(rules), ..MatchResources::default() }
}

fn rule<const R: usize, const O: usize>(group: &str, resources: [&str; R], operations: [&str; O]) -> NamedRuleWithOperations {
    NamedRuleWithOperations {
        api_groups: Some(words([group])),
        // Equivalent requests in other versions are converted to this one by the API server.
        api_versions: Some(words([if group.is_empty() { "v1" } else { "v1alpha1" }])),
        operations: Some(words(operations)),
        resources: Some(words(resources)),
        ..NamedRuleWithOperations::default()
    }
}

fn policy(name: &str, spec: ValidatingAdmissionPolicySpec) -> Object {
    // What can't be checked is refused.
    let spec = ValidatingAdmissionPolicySpec { failure_policy: Some("Fail".into()), ..spec };
    Object::ValidatingAdmissionPolicy(Box::new(ValidatingAdmissionPolicy {
        metadata: cluster_wide(name),
        spec: Some(spec),
        ..ValidatingAdmissionPolicy::default()
    }))
}

fn binding(name: &str) -> Object {
    let spec = ValidatingAdmissionPolicyBindingSpec {
        policy_name: name.into(),
        validation_actions: words(["Deny"]),
        ..ValidatingAdmissionPolicyBindingSpec::default()
    };
    Object::ValidatingAdmissionPolicyBinding(Box::new(ValidatingAdmissionPolicyBinding { metadata: cluster_wide(name), spec }))
}
