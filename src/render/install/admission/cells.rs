//! Who writes a mission, and what the operator says of it.

use k8s_openapi::api::admissionregistration::v1::{MatchCondition, ValidatingAdmissionPolicySpec, Validation};

use super::{FORBIDDEN, GROUP, Named, approver, on, operator, rule};

/// The status says which pod is an agent, how many attempts it used and what was decided about it: whoever writes it controls
/// revival.
pub(super) fn status() -> Named {
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![rule(GROUP, ["missioncells/status"], ["UPDATE"])])),
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
pub(super) fn creation() -> Named {
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![rule(GROUP, ["missioncells"], ["CREATE", "UPDATE"])])),
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

/// Another policy can ask less: without this, whoever writes a mission would leave a policy's `minimumGate` behind by naming
/// another policy.
pub(super) fn policy_reference() -> Named {
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![rule(GROUP, ["missioncells"], ["UPDATE"])])),
        match_conditions: Some(vec![MatchCondition {
            name: "policy-reference-changes".into(),
            expression: "object.spec.?policyRef != oldObject.spec.?policyRef".into(),
        }]),
        validations: Some(vec![approver(
            None,
            "''",
            "change `spec.policyRef` of a MissionCell, because another policy may ask less",
        )]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("missioncell-policy-reference.lazarus-pit.io", spec)
}
