//! Which pods are agents: the operator alone says so.

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicySpec;

use super::{Named, kept, not_by, on, operator, rule, untouched};

/// By its labels the operator knows a pod as an agent of a mission. Whoever could set them could pass off a pod as an
/// agent; whoever could strip them could hide one and have a second started.
pub(super) fn ownership() -> Named {
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![
            // A rule for `pods` does not cover its subresources, and each of these can carry metadata: a binding's
            // annotations are copied to the pod. Evictions and deletions stay out of it.
            rule("", ["pods", "pods/status", "pods/ephemeralcontainers", "pods/resize"], ["CREATE", "UPDATE"]),
            rule("", ["pods/binding", "bindings"], ["CREATE"]),
        ])),
        match_conditions: Some(vec![not_by("not-the-operator", &[&operator()])]),
        variables: Some([kept("labels"), kept("annotations")].concat()),
        validations: Some(vec![untouched("pods", "labels"), untouched("pods", "annotations")]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("pod-ownership.lazarus-pit.io", spec)
}
