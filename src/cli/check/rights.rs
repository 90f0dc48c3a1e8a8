//! Whether whoever asks may install.

use std::collections::BTreeSet;

use futures::future::try_join_all;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use kube::{Resource, ResourceExt};

use super::finding::{Finding, fail, ok, warn};
use super::read::look;
use super::seen::Look;
use crate::cli::cluster::{Cluster, Failure};
use crate::render::install::{Object, Options, manifest};

const CHECK: &str = "right to install";

/// What is asked of those who give rights that they don't have.
const BEYOND: [&str; 2] = ["bind", "escalate"];

/// A right that the installation takes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Right {
    pub verb: &'static str,
    pub group: String,
    pub resource: String,
    /// Empty: everywhere.
    pub namespace: String,
    pub given: bool,
}

pub(super) fn judge(rights: &Look<Vec<Right>>) -> Vec<Finding> {
    rights.judged(CHECK, |rights| {
        let (beyond, plain): (Vec<_>, Vec<_>) =
            rights.iter().filter(|right| !right.given).partition(|right| BEYOND.contains(&right.verb));
        let lacking =
            |missing: Vec<&Right>| format!("you may not {}", missing.into_iter().map(Right::said).collect::<Vec<_>>().join(", "));
        if !plain.is_empty() {
            let remedy = "let an administrator of the cluster install it, or choose another user with --context";
            return vec![fail(CHECK, lacking(plain), remedy)];
        }
        if !beyond.is_empty() {
            let message =
                format!("{}: the API server takes roles and bindings only from who has all rights in them", lacking(beyond));
            return vec![warn(
                CHECK,
                message,
                "let an administrator of the cluster install it, unless you have all rights of its roles",
            )];
        }
        vec![ok(CHECK, format!("you have the {} rights that it takes", rights.len()))]
    })
}

impl Right {
    fn said(&self) -> String {
        let Self { verb, group, resource, namespace, given: _ } = self;
        let group = if group.is_empty() { String::new() } else { format!(".{group}") };
        let place = if namespace.is_empty() { String::new() } else { format!(" in namespace {namespace}") };
        format!("{verb} {resource}{group}{place}")
    }
}

pub(super) async fn read(cluster: &Cluster) -> Result<Look<Vec<Right>>, Failure> {
    let asked = needed().into_iter().map(|right| async move {
        let reviews = Api::<SelfSubjectAccessReview>::all(cluster.client());
        let review = right.review();
        let answer = reviews.create(&PostParams::default(), &review).await?;
        Ok(Right { given: answer.status.is_some_and(|status| status.allowed), ..right })
    });
    look(cluster, "create selfsubjectaccessreviews", try_join_all(asked)).await
}

impl Right {
    fn review(&self) -> SelfSubjectAccessReview {
        let Self { verb, group, resource, namespace, given: _ } = self;
        let attributes = ResourceAttributes {
            verb: Some((*verb).into()),
            group: Some(group.clone()),
            resource: Some(resource.clone()),
            namespace: Some(namespace.clone()).filter(|namespace| !namespace.is_empty()),
            ..ResourceAttributes::default()
        };
        let spec =
            SelfSubjectAccessReviewSpec { resource_attributes: Some(attributes), ..SelfSubjectAccessReviewSpec::default() };
        SelfSubjectAccessReview { spec, ..SelfSubjectAccessReview::default() }
    }
}

/// What server-side apply of the manifest takes, each once. The installation binds only roles of its own.
fn needed() -> BTreeSet<Right> {
    manifest(&Options::default())
        .iter()
        .flat_map(|object| {
            // Both are asked about the role, also where it is bound.
            let grants = matches!(object, Object::ClusterRole(_) | Object::Role(_));
            let right = place(object);
            let verbs = ["create", "patch"].into_iter().chain(BEYOND.into_iter().filter(move |_| grants));
            verbs.map(move |verb| Right { verb, ..right.clone() })
        })
        .collect()
}

fn place(object: &Object) -> Right {
    match object {
        Object::Namespace(object) => of(&**object),
        Object::CustomResourceDefinition(object) => of(&**object),
        Object::ValidatingAdmissionPolicy(object) => of(&**object),
        Object::ValidatingAdmissionPolicyBinding(object) => of(&**object),
        Object::ServiceAccount(object) => of(&**object),
        Object::ClusterRole(object) => of(&**object),
        Object::ClusterRoleBinding(object) => of(&**object),
        Object::Role(object) => of(&**object),
        Object::RoleBinding(object) => of(&**object),
        Object::ConfigMap(object) => of(&**object),
        Object::Secret(object) => of(&**object),
        Object::Service(object) => of(&**object),
        Object::NetworkPolicy(object) => of(&**object),
        Object::PodDisruptionBudget(object) => of(&**object),
        Object::Deployment(object) => of(&**object),
    }
}

fn of<K: Resource<DynamicType = ()>>(object: &K) -> Right {
    Right {
        verb: "create",
        group: K::group(&()).into_owned(),
        resource: K::plural(&()).into_owned(),
        namespace: object.namespace().unwrap_or_default(),
        given: false,
    }
}
