//! Who may write what the operator relies on: rules that the API server itself checks, without a webhook.

mod cells;
mod isolation;
mod pods;
mod policies;
mod requests;

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation, Variable,
};

use super::{Object, cluster_wide, words};
use crate::api::names::{OPERATOR, OPERATOR_NAMESPACE, PREFIX};

/// Makes a refusal a 403, as one by RBAC is.
const FORBIDDEN: &str = "Forbidden";
const GROUP: &str = "lazarus-pit.io";
/// The names under which the cluster itself removes what belongs to something that is deleted. The last one is all of its
/// controllers, where they have no names of their own.
const CONTROLLERS: [&str; 3] = [
    "system:serviceaccount:kube-system:generic-garbage-collector",
    "system:serviceaccount:kube-system:namespace-controller",
    "system:kube-controller-manager",
];

/// A rule and its name.
type Named = (&'static str, ValidatingAdmissionPolicySpec);

/// A rule, and what puts it into force everywhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The rule.
    pub policy: ValidatingAdmissionPolicy,
    /// What puts it into force.
    pub binding: ValidatingAdmissionPolicyBinding,
}

/// All policies, each with the binding that puts it into force everywhere.
pub(super) fn objects() -> Vec<Object> {
    let all = rules().into_iter();
    all.flat_map(|Rule { policy, binding }| {
        [Object::ValidatingAdmissionPolicy(Box::new(policy)), Object::ValidatingAdmissionPolicyBinding(Box::new(binding))]
    })
    .collect()
}

/// All policies, each with what puts it into force everywhere.
#[must_use]
pub fn rules() -> Vec<Rule> {
    approval_rules().into_iter().chain(isolation_rules()).chain([cells::creation()].map(in_force)).collect()
}

/// The rules without which nobody can say who approved: while one is missing, no approval counts.
#[must_use]
pub fn approval_rules() -> Vec<Rule> {
    approval().map(in_force).into()
}

/// The names of these rules and of their bindings.
pub(super) fn approval_names() -> [&'static str; 7] {
    approval().map(|(name, _)| name)
}

/// The rules without which nobody refuses a pod that is less isolated than its label says: while one is missing, no agent starts.
#[must_use]
pub fn isolation_rules() -> Vec<Rule> {
    isolation().map(in_force).into()
}

/// The names of these rules and of their bindings.
pub(super) fn isolation_names() -> [&'static str; 6] {
    isolation().map(|(name, _)| name)
}

/// Whoever could give a pod an agent's labels would have it let in where agents of a mission are.
fn isolation() -> [Named; 6] {
    let [none, level1, level2, level3, unchanged] = isolation::policies();
    [pods::ownership(), none, level1, level2, level3, unchanged]
}

fn approval() -> [Named; 7] {
    [
        // What was decided is acted on from there.
        cells::status(),
        cells::policy_reference(),
        policies::relaxing(),
        requests::creation(),
        requests::decisions(),
        requests::deletion(),
        requests::ownership(),
    ]
}

/// The rule that only people with the verb `approve` do this, `unless` something holds. `name` is the request it is about, an
/// expression; an empty text is any.
///
/// Agents run under the ServiceAccounts of their mission's namespace. None of these approves, whatever its roles say: an agent
/// would decide about itself.
fn approver(unless: Option<&str>, name: &str, what: &str) -> Validation {
    let unless = unless.map(|unless| format!("{unless} || ")).unwrap_or_default();
    let needs = "that takes the verb `approve` on revivalrequests.lazarus-pit.io";
    let never =
        "and is never for a ServiceAccount of that namespace, as agents have it: ask someone with the role lazarus-approve";
    Validation {
        expression: format!(
            "{unless}(!request.userInfo.username.startsWith('system:serviceaccount:' + request.namespace + ':') && \
             authorizer.group('{GROUP}').resource('revivalrequests').namespace(request.namespace).name({name}).check('approve').allowed())"
        ),
        message: Some(format!("you may not {what}: {needs} in its namespace, {never}")),
        message_expression: Some(format!(
            "\"user '\" + request.userInfo.username + \"' may not {what}: {needs} in namespace '\" + request.namespace + \"', {never}\""
        )),
        reason: Some(FORBIDDEN.into()),
    }
}

fn said(expression: String, message: &str) -> Validation {
    Validation { expression, message: Some(message.into()), reason: Some(FORBIDDEN.into()), ..Validation::default() }
}

/// The rule is not about what these users do.
fn not_by(name: &str, users: &[&str]) -> MatchCondition {
    let expression = match users {
        [user] => format!("request.userInfo.username != '{user}'"),
        users => format!("!(request.userInfo.username in ['{}'])", users.join("', '")),
    };
    MatchCondition { name: name.into(), expression }
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

fn untouched(kinds: &str, map: &str) -> Validation {
    let only = format!("only the operator sets, changes or removes {map} of {kinds} that start with {PREFIX}");
    Validation {
        message_expression: Some(format!("'{only}: leave ' + variables.changed_{map}.join(', ') + ' as it is'")),
        ..said(format!("size(variables.changed_{map}) == 0"), &format!("{only}: leave them as they are"))
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

fn in_force((name, spec): Named) -> Rule {
    let policy = ValidatingAdmissionPolicy {
        metadata: cluster_wide(name),
        // What can't be checked is refused.
        spec: Some(ValidatingAdmissionPolicySpec { failure_policy: Some("Fail".into()), ..spec }),
        ..ValidatingAdmissionPolicy::default()
    };
    let spec = ValidatingAdmissionPolicyBindingSpec {
        policy_name: name.into(),
        validation_actions: words(["Deny"]),
        ..ValidatingAdmissionPolicyBindingSpec::default()
    };
    Rule { policy, binding: ValidatingAdmissionPolicyBinding { metadata: cluster_wide(name), spec } }
}
