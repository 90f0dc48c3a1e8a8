//! Which pods of agents are admitted: those that are as isolated as their label says.

use k8s_openapi::api::admissionregistration::v1::{
    MatchCondition, MatchResources, NamedRuleWithOperations, ValidatingAdmissionPolicySpec, Validation, Variable,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

use super::{Named, on, rule, said};
use crate::api::Isolation;
use crate::api::names::{CELL, LEVEL};
use crate::render::isolation::predicates::{Predicate, VARIABLES, added};

/// A policy per level, about the pods of that level and of those above it, and one about what becomes of them.
pub(super) fn policies() -> [Named; 5] {
    [
        level("pod-isolation-none.lazarus-pit.io", Isolation::None),
        level("pod-isolation-level1.lazarus-pit.io", Isolation::Level1),
        level("pod-isolation-level2.lazarus-pit.io", Isolation::Level2),
        level("pod-isolation-level3.lazarus-pit.io", Isolation::Level3),
        unchanged(),
    ]
}

/// What `level` adds. Nobody is excepted, the operator least of all: this is here for its mistakes, and for webhooks that change
/// what it made.
fn level(name: &'static str, level: Isolation) -> Named {
    let said_level = format!("object.metadata.?labels[?'{LEVEL}'].orValue('')");
    let words = |from: Isolation| {
        let words = Isolation::ALL.into_iter().filter(move |level| *level >= from).map(|level| format!("'{level}'"));
        words.collect::<Vec<_>>().join(", ")
    };
    // The first policy is about every pod of an agent, also one without a level.
    let first = (level == Isolation::None).then(|| {
        let known = words(Isolation::None);
        let message = format!("the pod of an agent says with the label {LEVEL} how far it is isolated: set it to one of {known}");
        said(format!("{said_level} in [{known}]"), &message)
    });
    let above = (level != Isolation::None).then(|| {
        let expression = format!("{said_level} in [{}]", words(level));
        vec![MatchCondition { name: "of-this-level".into(), expression }]
    });
    let variables = VARIABLES.map(|(name, expression)| Variable { name: name.into(), expression: expression.into() });
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(agents(rule("", ["pods"], ["CREATE"]))),
        match_conditions: above,
        variables: Some(variables.into()),
        validations: Some(first.into_iter().chain(added(level).map(demanded)).collect()),
        ..ValidatingAdmissionPolicySpec::default()
    };
    (name, spec)
}

fn demanded(predicate: &Predicate) -> Validation {
    let Predicate { name, from, meaning, cel } = *predicate;
    said(cel.into(), &format!("the pod lacks \"{name}\" of {from}: {meaning}"))
}

/// A pod stays as it was admitted. In its life only subresources change it: the binding names its node, the kubelet writes its
/// status.
fn unchanged() -> Named {
    let kept = |label: &str| {
        let value = |side: &str| format!("{side}.metadata.?labels[?'{label}']");
        let message = format!("the label {label} of an agent's pod stays as it was set, for network policies go by it: leave it");
        said(format!("{} == {}", value("object"), value("oldObject")), &message)
    };
    let spec = ValidatingAdmissionPolicySpec {
        match_constraints: Some(agents(rule("", ["pods", "pods/status", "pods/ephemeralcontainers", "pods/resize"], ["UPDATE"]))),
        validations: Some(vec![
            said(
                "object.spec == oldObject.spec".into(),
                "the pod of an agent stays as it was made, without ephemeral containers and of its size: change `spec` of its \
                 MissionCell instead, and a new incarnation takes its place",
            ),
            kept(LEVEL),
            kept(CELL),
        ]),
        ..ValidatingAdmissionPolicySpec::default()
    };
    ("pod-isolation-unchanged.lazarus-pit.io", spec)
}

/// Pods that are agents by their label, before or after the request.
fn agents(rule: NamedRuleWithOperations) -> MatchResources {
    let labelled = LabelSelectorRequirement { key: CELL.into(), operator: "Exists".into(), values: None };
    let selector = LabelSelector { match_expressions: Some(vec![labelled]), match_labels: None };
    MatchResources { object_selector: Some(selector), ..on(vec![rule]) }
}
