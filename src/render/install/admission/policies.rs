//! Who may have agents revived with fewer questions.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicySpec, Variable};

use super::{CONTROLLERS, GROUP, Named, approver, not_by, on, rule};

/// A policy that asks less, or asks otherwise, is an approval of all that it no longer asks about.
///
/// What a policy leaves out is the operator's to say, and a rule can't read its configuration. So a field left out is taken for
/// the freest value that it can come to, and for the built-in `Ask` where it was left out before. A policy that is deleted
/// leaves out everything.
pub(super) fn relaxing() -> Named {
    let gate = |field: &str| {
        let written = |side: &str| format!("({side} != null ? {side}.spec.?{field}.orValue('') : '')");
        format!(
            "({new} != {old} && {{'': 0, 'Always': 0, 'Ask': 1, 'Never': 2}}[{new}] < {{'': 1, 'Always': 0, 'Ask': 1, 'Never': 2}}[{old}] \
             ? ['spec.{field}'] : [])",
            new = written("object"),
            old = written("oldObject"),
        )
    };
    let approval = |side: &str| format!("({side} != null ? {side}.spec.?approval : optional.none())");
    let approval = format!("({} != {} ? ['spec.approval'] : [])", approval("object"), approval("oldObject"));
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![rule(GROUP, ["agentpolicies"], ["CREATE", "UPDATE", "DELETE"])])),
        match_conditions: Some(vec![not_by("not-a-controller", &CONTROLLERS)]),
        variables: Some(vec![Variable {
            name: "relaxed".into(),
            expression: [gate("revive"), gate("minimumGate"), approval].join(" + "),
        }]),
        validations: Some(vec![approver(
            Some("size(variables.relaxed) == 0"),
            "''",
            "have an AgentPolicy ask people less or otherwise (`spec.approval`, a freer `revive` or `minimumGate`)",
        )]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("agentpolicy-relaxing.lazarus-pit.io", spec)
}
