//! Rootless: users that the node does not know, and no secret.

use super::Predicate;
use crate::api::Isolation;

const fn level3(name: &'static str, meaning: &'static str, cel: &'static str) -> Predicate {
    Predicate { name, from: Isolation::Level3, meaning, cel }
}

pub(super) const ADDED: [Predicate; 4] = [
    level3(
        "user-namespace",
        "the pod's users are others on the node, with no rights there",
        "object.spec.?hostUsers.orValue(true) == false",
    ),
    level3(
        "no-secret-variables",
        "no variable has its value from a Secret",
        "(variables.agents + variables.sidecars).all(c, c.?env.orValue([]).all(e, !e.?valueFrom.?secretKeyRef.hasValue()))",
    ),
    level3(
        "no-imported-variables",
        "no whole Secret or ConfigMap becomes variables",
        "(variables.agents + variables.sidecars).all(c, size(c.?envFrom.orValue([])) == 0)",
    ),
    level3(
        "no-secret-volumes",
        "no volume holds a Secret",
        "variables.volumes.all(v, !v.?secret.hasValue() && v.?projected.?sources.orValue([]).all(s, !s.?secret.hasValue()))",
    ),
];
