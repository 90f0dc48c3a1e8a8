//! The CRDs and the admission policies: whether they are there, and as this program would install them.

use k8s_openapi::api::admissionregistration::v1::{ValidatingAdmissionPolicy, ValidatingAdmissionPolicyBinding};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion,
};
use kube::ResourceExt;

use super::finding::{Finding, fail, ok, warn};
use super::installed::AGAIN;
use crate::observe::enforcement::{altered_binding, altered_policy};
use crate::render::install::{self, Rule, crds};

pub(super) const DEFINITIONS: &str = "CustomResourceDefinitions";
pub(super) const POLICIES: &str = "admission policies";

pub(super) fn definitions(found: &[CustomResourceDefinition]) -> Vec<Finding> {
    let wanted = crds();
    let wrong: Vec<_> = wanted.iter().filter_map(|wanted| definition(wanted, found)).collect();
    if wrong.is_empty() { vec![ok(DEFINITIONS, format!("{}, as this program has them", wanted.len()))] } else { wrong }
}

fn definition(wanted: &CustomResourceDefinition, found: &[CustomResourceDefinition]) -> Option<Finding> {
    let name = wanted.name_any();
    let Some(found) = found.iter().find(|found| found.name_any() == name) else {
        return Some(fail(DEFINITIONS, format!("{name} is missing"), AGAIN));
    };
    if let Some(what) = altered(wanted, found) {
        return Some(fail(DEFINITIONS, format!("{name} is not that of this program: {what} of it differs"), AGAIN));
    }
    let conditions = found.status.as_ref().and_then(|status| status.conditions.as_ref()).into_iter().flatten();
    let established = conditions.into_iter().any(|condition| condition.type_ == "Established" && condition.status == "True");
    (!established).then(|| fail(DEFINITIONS, format!("{name} is not served"), format!("kubectl describe crd {name}")))
}

/// In what a definition differs, if objects or their readers notice.
fn altered(wanted: &CustomResourceDefinition, found: &CustomResourceDefinition) -> Option<String> {
    if wanted.spec.scope != found.spec.scope {
        return Some("the scope".into());
    }
    let names = |crd: &CustomResourceDefinition| crd.spec.versions.iter().map(|version| version.name.clone()).collect::<Vec<_>>();
    if names(wanted) != names(found) {
        return Some("the list of versions".into());
    }
    let mut pairs = wanted.spec.versions.iter().zip(&found.spec.versions);
    pairs.find_map(|(wanted, found)| Some(format!("{} of {}", altered_version(wanted, found)?, wanted.name)))
}

fn altered_version(wanted: &CustomResourceDefinitionVersion, found: &CustomResourceDefinitionVersion) -> Option<&'static str> {
    let CustomResourceDefinitionVersion {
        additional_printer_columns,
        deprecated: _,
        deprecation_warning: _,
        name: _,
        schema,
        selectable_fields,
        served,
        storage,
        subresources,
    } = found;
    [
        (*schema == wanted.schema, "the schema"),
        (*subresources == wanted.subresources, "the list of subresources"),
        (*served == wanted.served && *storage == wanted.storage, "whether it is served and stored"),
        (*selectable_fields == wanted.selectable_fields, "the list of selectable fields"),
        (*additional_printer_columns == wanted.additional_printer_columns, "the list of columns"),
    ]
    .into_iter()
    .find_map(|(same, what)| (!same).then_some(what))
}

pub(super) fn rules(found: &[ValidatingAdmissionPolicy], bindings: &[ValidatingAdmissionPolicyBinding]) -> Vec<Finding> {
    let wanted = install::rules();
    let wrong: Vec<_> =
        wanted.iter().flat_map(|Rule { policy, binding }| [rule(policy, found), in_force(binding, bindings)]).flatten().collect();
    if wrong.is_empty() {
        return vec![ok(POLICIES, format!("{}, each with its binding, as this program has them", wanted.len()))];
    }
    wrong
}

fn in_force(wanted: &ValidatingAdmissionPolicyBinding, found: &[ValidatingAdmissionPolicyBinding]) -> Option<Finding> {
    let name = wanted.name_any();
    let lack = match found.iter().find(|found| found.name_any() == name) {
        None => "is missing, so its policy does nothing".into(),
        Some(found) => format!("is not as it was installed: {}", altered_binding(wanted, found)?),
    };
    Some(fail(POLICIES, format!("binding {name} {lack}"), AGAIN))
}

fn rule(wanted: &ValidatingAdmissionPolicy, found: &[ValidatingAdmissionPolicy]) -> Option<Finding> {
    let name = wanted.name_any();
    let Some(found) = found.iter().find(|found| found.name_any() == name) else {
        return Some(fail(POLICIES, format!("{name} is missing"), AGAIN));
    };
    if let Some(how) = altered_policy(wanted, found) {
        return Some(fail(POLICIES, format!("{name} is not as it was installed: {how}"), AGAIN));
    }
    let checked = found.status.as_ref().filter(|status| status.observed_generation == found.metadata.generation);
    let Some(checked) = checked.and_then(|status| status.type_checking.as_ref()) else {
        let message = format!("{name} has not been type-checked");
        return Some(warn(POLICIES, message, "look again in a moment; if it stays, see whether kube-controller-manager runs"));
    };
    let warning = checked.expression_warnings.as_ref().and_then(|warnings| warnings.first())?;
    let message = format!("{name} does not fit the cluster's types: {}: {}", warning.field_ref, warning.warning);
    Some(fail(POLICIES, message, "what it guards is refused: use the version of Lazarus Pit that fits this Kubernetes"))
}
