//! Whether the cluster makes sure that only those approve who may, and that agents are as isolated as they should be.

use std::time::Duration;

use k8s_openapi::api::admissionregistration::v1::{
    MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding,
    ValidatingAdmissionPolicyBindingSpec, ValidatingAdmissionPolicySpec, Validation,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use crate::render::install::{Rule, approval_rules, isolation_rules};

const TIMEOUT: Duration = Duration::from_secs(30);
/// An entry of this list makes what the rule says count; others only tell of it.
const DENY: &str = "Deny";

/// Why it is not known whether the rules are in force.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not give it.
    #[error("cannot read {what}: {source}")]
    Read {
        /// Kind and name of what was read.
        what: String,
        /// What kube reported.
        source: Box<kube::Error>,
    },
    /// The API server did not answer in time.
    #[error("cannot read the admission policies: no answer after {} s", after.as_secs())]
    TimedOut {
        /// How long the answer was waited for.
        after: Duration,
    },
}

/// Reads the rules that approvals rest on, and says what is missing or altered: `None` if nothing is. What the operator may not
/// read is as good as missing.
///
/// # Errors
/// The API server did not answer, or with something that is not what was asked for.
pub async fn unenforced(client: &Client) -> Result<Option<String>, Error> {
    lacking(client, approval_rules()).await
}

/// As [`unenforced`], about the rules that refuse pods of agents that are less isolated than their label says.
///
/// # Errors
/// As [`unenforced`].
pub async fn unchecked(client: &Client) -> Result<Option<String>, Error> {
    lacking(client, isolation_rules()).await
}

async fn lacking(client: &Client, rules: Vec<Rule>) -> Result<Option<String>, Error> {
    let read = tokio::time::timeout(TIMEOUT, read(client, rules)).await;
    read.unwrap_or(Err(Error::TimedOut { after: TIMEOUT }))
}

async fn read(client: &Client, rules: Vec<Rule>) -> Result<Option<String>, Error> {
    for Rule { policy, binding } in rules {
        if let Some(lack) = compare(client, &policy, |found| altered_policy(&policy, found)).await? {
            return Ok(Some(lack));
        }
        if let Some(lack) = compare(client, &binding, |found| altered_binding(&binding, found)).await? {
            return Ok(Some(lack));
        }
    }
    Ok(None)
}

async fn compare<K>(client: &Client, wanted: &K, altered: impl Fn(&K) -> Option<&'static str>) -> Result<Option<String>, Error>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let what = format!("{} {}", K::kind(&()), wanted.name_any());
    match Api::<K>::all(client.clone()).get_opt(&wanted.name_any()).await {
        Ok(Some(found)) => Ok(altered(&found).map(|how| format!("{what} is not as it was installed: {how}"))),
        Ok(None) => Ok(Some(format!("{what} is missing"))),
        Err(kube::Error::Api(status)) if status.is_forbidden() => Ok(Some(format!("the operator may not read {what}"))),
        Err(source) => Err(Error::Read { what, source: Box::new(source) }),
    }
}

/// In what the rule differs from what was installed, if it lets through more or less.
pub(crate) fn altered_policy(wanted: &ValidatingAdmissionPolicy, found: &ValidatingAdmissionPolicy) -> Option<&'static str> {
    let [wanted, found] = [wanted, found].map(|policy| effective(policy.spec.clone().unwrap_or_default()));
    let ValidatingAdmissionPolicySpec {
        // For the log of the API server alone.
        audit_annotations: _,
        failure_policy,
        match_conditions,
        match_constraints,
        param_kind,
        validations,
        variables,
    } = found;
    [
        (failure_policy == wanted.failure_policy, "its failurePolicy"),
        (match_conditions == wanted.match_conditions, "its matchConditions"),
        (match_constraints == wanted.match_constraints, "its matchConstraints"),
        (param_kind == wanted.param_kind, "its paramKind"),
        (variables == wanted.variables, "its variables"),
        (validations == wanted.validations, "its validations"),
    ]
    .into_iter()
    .find_map(|(same, what)| (!same).then_some(what))
}

/// In what the binding differs from what was installed, if it narrows the rule.
pub(crate) fn altered_binding(
    wanted: &ValidatingAdmissionPolicyBinding,
    found: &ValidatingAdmissionPolicyBinding,
) -> Option<&'static str> {
    let ValidatingAdmissionPolicyBindingSpec { match_resources, param_ref, policy_name, validation_actions } = &found.spec;
    let everything = MatchResources { match_policy: None, ..matched(MatchResources::default()) };
    let narrowed = match_resources.clone().map(|narrowed| MatchResources { match_policy: None, ..matched(narrowed) });
    [
        (*policy_name == wanted.spec.policy_name, "its policyName"),
        (validation_actions.iter().any(|action| action == DENY), "its validationActions"),
        (param_ref.is_none(), "its paramRef"),
        (narrowed.is_none_or(|narrowed| narrowed == everything), "its matchResources"),
    ]
    .into_iter()
    .find_map(|(same, what)| (!same).then_some(what))
}

/// The rule as it counts: with what the API server fills in, without what it only says.
fn effective(spec: ValidatingAdmissionPolicySpec) -> ValidatingAdmissionPolicySpec {
    let unsaid = |validation| Validation { message: None, message_expression: None, reason: None, ..validation };
    ValidatingAdmissionPolicySpec {
        audit_annotations: None,
        failure_policy: spec.failure_policy.or_else(|| Some("Fail".into())),
        match_conditions: filled(spec.match_conditions),
        match_constraints: spec.match_constraints.map(matched),
        param_kind: spec.param_kind,
        validations: filled(spec.validations).map(|validations| validations.into_iter().map(unsaid).collect()),
        variables: filled(spec.variables),
    }
}

fn matched(resources: MatchResources) -> MatchResources {
    let rules = |rules: Option<Vec<NamedRuleWithOperations>>| filled(rules).map(|rules| rules.into_iter().map(scoped).collect());
    MatchResources {
        exclude_resource_rules: rules(resources.exclude_resource_rules),
        match_policy: resources.match_policy.or_else(|| Some("Equivalent".into())),
        namespace_selector: resources.namespace_selector.or_else(|| Some(LabelSelector::default())),
        object_selector: resources.object_selector.or_else(|| Some(LabelSelector::default())),
        resource_rules: rules(resources.resource_rules),
    }
}

fn scoped(rule: NamedRuleWithOperations) -> NamedRuleWithOperations {
    NamedRuleWithOperations {
        scope: rule.scope.or_else(|| Some("*".into())),
        resource_names: filled(rule.resource_names),
        ..rule
    }
}

fn filled<T>(list: Option<Vec<T>>) -> Option<Vec<T>> {
    list.filter(|list| !list.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The first rule as the API server gives it back: with its defaults.
    fn stored() -> (Rule, Value, Value) {
        let rule = approval_rules().into_iter().find(|rule| rule.policy.name_any().contains("decisions")).unwrap();
        let mut policy = serde_json::to_value(&rule.policy).unwrap();
        let constraints = &mut policy["spec"]["matchConstraints"];
        constraints["matchPolicy"] = json!("Equivalent");
        constraints["namespaceSelector"] = json!({});
        constraints["objectSelector"] = json!({});
        constraints["resourceRules"][0]["scope"] = json!("*");
        policy["metadata"]["uid"] = json!("1");
        policy["status"] = json!({"observedGeneration": 1});
        let binding = serde_json::to_value(&rule.binding).unwrap();
        (rule, policy, binding)
    }

    fn policy(value: Value) -> Option<&'static str> {
        altered_policy(&stored().0.policy, &serde_json::from_value(value).unwrap())
    }

    fn binding(value: Value) -> Option<&'static str> {
        altered_binding(&stored().0.binding, &serde_json::from_value(value).unwrap())
    }

    #[test]
    fn what_the_api_server_fills_in_is_no_change() {
        let (rule, stored_policy, stored_binding) = stored();
        assert_eq!(altered_policy(&rule.policy, &rule.policy), None);
        assert_eq!(policy(stored_policy), None);
        assert_eq!(altered_binding(&rule.binding, &rule.binding), None);
        assert_eq!(binding(stored_binding), None);
    }

    #[test]
    fn what_a_rule_says_and_notes_is_no_change() {
        let (_, mut stored_policy, mut stored_binding) = stored();
        stored_policy["spec"]["validations"][0]["message"] = json!("nein");
        stored_policy["spec"]["auditAnnotations"] = json!([{"key": "who", "valueExpression": "'x'"}]);
        assert_eq!(policy(stored_policy), None);
        stored_binding["spec"]["validationActions"] = json!(["Audit", "Deny"]);
        stored_binding["spec"]["matchResources"] =
            json!({"matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {}});
        assert_eq!(binding(stored_binding), None);
    }

    #[test]
    fn a_rule_that_lets_more_through_is_noticed() {
        let selector = json!({"matchLabels": {"a": "b"}});
        for (pointer, value, wanted) in [
            ("/spec/failurePolicy", json!("Ignore"), "its failurePolicy"),
            ("/spec/matchConditions", json!([{"name": "never", "expression": "false"}]), "its matchConditions"),
            ("/spec/matchConstraints/namespaceSelector", selector.clone(), "its matchConstraints"),
            ("/spec/matchConstraints/objectSelector", selector.clone(), "its matchConstraints"),
            ("/spec/matchConstraints/matchPolicy", json!("Exact"), "its matchConstraints"),
            ("/spec/matchConstraints/resourceRules/0/operations", json!(["CREATE"]), "its matchConstraints"),
            ("/spec/matchConstraints/resourceRules/0/resourceNames", json!(["a"]), "its matchConstraints"),
            ("/spec/paramKind", json!({"apiVersion": "v1", "kind": "ConfigMap"}), "its paramKind"),
            ("/spec/variables/2/expression", json!("[]"), "its variables"),
            ("/spec/validations/1/expression", json!("true"), "its validations"),
            ("/spec/validations", json!([]), "its validations"),
        ] {
            let (_, mut stored, _) = stored();
            put(&mut stored, pointer, value);
            assert_eq!(policy(stored), Some(wanted), "{pointer}");
        }
        for (pointer, value, wanted) in [
            ("/spec/policyName", json!("another"), "its policyName"),
            ("/spec/validationActions", json!(["Warn", "Audit"]), "its validationActions"),
            ("/spec/paramRef", json!({"name": "a"}), "its paramRef"),
            ("/spec/matchResources", json!({"namespaceSelector": selector}), "its matchResources"),
        ] {
            let (_, _, mut stored) = stored();
            put(&mut stored, pointer, value);
            assert_eq!(binding(stored), Some(wanted), "{pointer}");
        }
    }

    fn put(object: &mut Value, pointer: &str, value: Value) {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let parent = object.pointer_mut(parent).unwrap();
        match key.parse::<usize>() {
            Ok(index) => parent[index] = value,
            Err(_) => parent[key] = value,
        }
    }
}
