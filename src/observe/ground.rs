//! What the cluster and its administrators say about isolation, as far as decisions need it.

use serde::{Deserialize, Serialize};

use crate::api::{Ceilings, Isolation};

/// What a mission stands on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ground {
    /// The least level that the label of its namespace admits.
    pub minimum_level: Option<Isolation>,
    /// Why it is not known which level that is.
    #[serde(default)]
    pub obscure: Option<String>,
    /// What Pod Security enforces in its namespace, as the namespace's label says.
    pub pod_security: Option<String>,
    /// What the operator's configuration says.
    pub ceilings: Ceilings,
    /// The nodes that could hold its agents.
    pub nodes: Features,
    /// What the cluster lacks to refuse pods that are less isolated than their label says; `None`: nothing.
    pub unchecked: Option<String>,
    /// Why the NetworkPolicies of its level are not in place; `None`: they are, or nobody has tried yet.
    pub unfenced: Option<String>,
}

/// How many nodes can do what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Features {
    /// Nodes that the mission's `nodeSelector` admits.
    pub all: u32,
    /// Of these: with user namespaces in the default runtime.
    pub user_namespaces: u32,
    /// Of these: with mounts that are read-only all the way down.
    pub recursive_read_only_mounts: u32,
    /// Of these: with `supplementalGroupsPolicy`.
    pub supplemental_groups_policy: u32,
}
