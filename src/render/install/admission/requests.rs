//! Who asks, who answers, and who may do away with the question.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicySpec, Validation, Variable};

use super::{CONTROLLERS, GROUP, Named, approver, kept, not_by, on, operator, rule, said, untouched};

/// How a person is named in a request.
const PERSON: &str = "'k8s:' + request.userInfo.username";

/// What holds for everyone but the operator.
fn people(expression: &str) -> String {
    format!("{} || ({expression})", by_operator())
}

fn by_operator() -> String {
    format!("request.userInfo.username == '{}'", operator())
}

/// A decision is a person's own: nobody writes another's, and nobody decides twice. The operator says what became of a request,
/// and never decides.
pub(super) fn decisions() -> Named {
    let variable = |name: &str, expression: &str| Variable { name: name.into(), expression: expression.into() };
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![rule(GROUP, ["revivalrequests/status"], ["UPDATE"])])),
        variables: Some(vec![
            variable("before", "oldObject.?status.?decisions.orValue([])"),
            variable("after", "object.?status.?decisions.orValue([])"),
            variable("added", "variables.after.filter(entry, !(entry in variables.before))"),
        ]),
        validations: Some(vec![
            said(
                format!("!({}) || variables.after == variables.before", by_operator()),
                "the operator writes what became of a RevivalRequest, and never `status.decisions`: those are people's",
            ),
            approver(Some(&by_operator()), "oldObject.metadata.name", "write a decision about this RevivalRequest"),
            said(
                people(
                    "object.?status.?conditions == oldObject.?status.?conditions && \
                     object.?status.?summary == oldObject.?status.?summary",
                ),
                "only the operator writes `status.conditions` and `status.summary` of a RevivalRequest: add your decision to \
                 `status.decisions`, and leave the rest as it is",
            ),
            said(
                people(
                    "variables.before.all(entry, entry in variables.after) && size(variables.added) == 1 && \
                     size(variables.after) == size(variables.before) + 1",
                ),
                "a decision is never changed or removed, and there is one for each person: read the RevivalRequest again, and add \
                 one entry of your own to `status.decisions`",
            ),
            Validation {
                message_expression: Some(format!(
                    "'nobody decides for another: write `by: ' + {PERSON} + '` in the entry that you add to `status.decisions`'"
                )),
                ..said(
                    people(&format!(
                        "variables.added.all(entry, entry.by == {PERSON}) && !variables.before.exists(entry, entry.by == {PERSON})"
                    )),
                    "nobody decides for another: write `by: k8s:<your user name>` in the entry that you add to `status.decisions`",
                )
            },
            Validation {
                message_expression: Some(
                    "'`option` must be one of ' + object.spec.options.join(', ') + ', or left out for the first of them'".into(),
                ),
                ..said(
                    people("variables.added.all(entry, !has(entry.option) || entry.option in object.spec.options)"),
                    "`option` must be one of the request's `spec.options`, or left out for the first of them",
                )
            },
        ]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("revivalrequest-decisions.lazarus-pit.io", spec)
}

/// A request that a person makes is an order, and counts as that person's approval.
pub(super) fn creation() -> Named {
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![rule(GROUP, ["revivalrequests"], ["CREATE"])])),
        validations: Some(vec![
            said(
                format!("!({}) || !has(object.spec.requestedBy)", by_operator()),
                "the operator asks, and never orders: leave `spec.requestedBy` out",
            ),
            approver(
                Some(&by_operator()),
                // With `generateName` there may be none yet; the right to approve all requests is then asked for.
                "object.metadata.?name.orValue('')",
                "make a RevivalRequest",
            ),
            Validation {
                message_expression: Some(format!(
                    "'nobody orders in the name of another: write `spec.requestedBy: ' + {PERSON} + '`'"
                )),
                ..said(
                    people(&format!("has(object.spec.requestedBy) && object.spec.requestedBy == {PERSON}")),
                    "nobody orders in the name of another: write `spec.requestedBy: k8s:<your user name>`",
                )
            },
            said(
                people(
                    "size(object.spec.options) == 1 && (object.spec.options[0] == object.spec.verb || \
                     object.spec.options[0].startsWith(object.spec.verb + '/'))",
                ),
                "an order says one thing: write one entry in `spec.options`, the `verb` or, for `Substitute`, also `Substitute/<agent>`",
            ),
            said(
                people("!has(object.spec.expiresAt)"),
                "an order is decided as it is made: leave `spec.expiresAt` out, which only the operator writes",
            ),
        ]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("revivalrequest-creation.lazarus-pit.io", spec)
}

/// A request that is gone is asked anew, without what was decided: deleting it is taking decisions back.
pub(super) fn deletion() -> Named {
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![rule(GROUP, ["revivalrequests"], ["DELETE"])])),
        match_conditions: Some(vec![
            not_by("not-the-operator", &[&operator()]),
            // With the mission, or with the namespace.
            not_by("not-a-controller", &CONTROLLERS),
        ]),
        validations: Some(vec![approver(None, "oldObject.metadata.name", "delete this RevivalRequest")]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("revivalrequest-deletion.lazarus-pit.io", spec)
}

/// By its labels the operator could know a request as its own, and by its owner reference a request ends with its mission.
pub(super) fn ownership() -> Named {
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(on(vec![rule(GROUP, ["revivalrequests"], ["CREATE", "UPDATE"])])),
        match_conditions: Some(vec![
            not_by("not-the-operator", &[&operator()]),
            // The garbage collector takes the reference to a mission away that is deleted without what belongs to it.
            not_by("not-a-controller", &CONTROLLERS),
        ]),
        variables: Some([kept("labels"), kept("annotations")].concat()),
        validations: Some(vec![
            untouched("RevivalRequests", "labels"),
            untouched("RevivalRequests", "annotations"),
            said(
                "oldObject == null || object.metadata.?ownerReferences == oldObject.metadata.?ownerReferences".into(),
                "only the operator and the garbage collector change `metadata.ownerReferences` of a RevivalRequest: leave them as they are",
            ),
        ]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("revivalrequest-ownership.lazarus-pit.io", spec)
}
