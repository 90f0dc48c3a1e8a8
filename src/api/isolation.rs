//! How far agents are kept apart: levels that contain one another, and what a mission may add to them.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::quantity::Amount;

/// How far the agents of a mission are kept from each other, from the node and from the network. Each level keeps all that the
/// one before does.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// For development: what no pod of an agent ever has, and nothing more.
    None,
    /// Directory workspace: an unprivileged user, no capabilities, and a network that is closed but for the mission.
    #[default]
    Level1,
    /// Mount namespace: a read-only root, only the agent's own directory, no names of the cluster.
    Level2,
    /// Rootless: a user namespace, no secret in the pod, and a network of the gateway and the egress proxy alone.
    Level3,
}

impl Isolation {
    /// Every level, the freest first.
    pub const ALL: [Self; 4] = [Self::None, Self::Level1, Self::Level2, Self::Level3];

    /// The level as manifests and labels write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Level1 => "Level1",
            Self::Level2 => "Level2",
            Self::Level3 => "Level3",
        }
    }

    /// The strictest Pod Security Standard that a pod of this level passes, as a namespace's label writes it.
    #[must_use]
    pub fn pod_security(self) -> &'static str {
        match self {
            Self::None => "baseline",
            Self::Level1 | Self::Level2 | Self::Level3 => "restricted",
        }
    }

    /// The level that a label names.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }
}

impl std::fmt::Display for Isolation {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The volume that the agents of a mission share. A claim that is there already is taken only if it was made for a mission of this
/// name.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(
    "(has(self.storageClassName) ? self.storageClassName : '') == (has(oldSelf.storageClassName) ? oldSelf.storageClassName : '') && (has(self.accessMode) ? self.accessMode : 'ReadWriteOnce') == (has(oldSelf.accessMode) ? oldSelf.accessMode : 'ReadWriteOnce')"
).message("`storageClassName` and `accessMode` of a workspace can't change, as no claim can: remove `workspace`, or make a mission of another name"))]
pub struct Workspace {
    /// How large it is, such as 5Gi. It grows where the StorageClass allows it, and never shrinks.
    pub size: Amount,
    /// StorageClass that provides it. Absent: the cluster's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub storage_class_name: Option<String>,
    /// `ReadWriteOnce`: on one node, so all agents of the mission run on one. `ReadWriteMany`: on any. Absent: `ReadWriteOnce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_mode: Option<AccessMode>,
    /// What becomes of it with the mission: `Delete` or `Retain`. Absent: a claim that is made goes with the mission, and one that
    /// an earlier mission retained stays retained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retain: Option<Retain>,
}

/// From how many nodes a volume is used.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessMode {
    /// One at a time.
    #[default]
    ReadWriteOnce,
    /// Any number.
    ReadWriteMany,
}

/// What becomes of a volume with its mission.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retain {
    /// It goes with the mission.
    #[default]
    Delete,
    /// It stays.
    Retain,
}

/// The volume of a mission's agents, as it is asked for, and what keeps it from being that.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
pub struct WorkspaceStatus {
    /// Name of its PersistentVolumeClaim.
    pub claim: String,
    /// How large it is to be.
    pub size: Amount,
    /// What becomes of it with the mission.
    pub retain: Retain,
    /// Why the volume is not as asked for, and what to do. Absent: nothing is known to keep it from that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// The isolation of a mission.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
pub struct IsolationStatus {
    /// The level that new incarnations of its agents get: the highest of what the mission, its namespace and the operator's
    /// configuration say, and of what its living agents have.
    pub level: Isolation,
    /// Whether all of its agents have it, and nothing speaks against it.
    pub verified: bool,
}

/// A way out of the cluster that a mission needs beyond its level.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = ("isCIDR(self.cidr) && cidr(self.cidr) == cidr(self.cidr).masked()", "`cidr` must be a range of addresses without host bits, such as 192.0.2.0/24"))]
pub struct Egress {
    /// Addresses, such as 192.0.2.0/24. Those of private networks are left out of it.
    #[schemars(length(min = 1, max = 43))]
    pub cidr: String,
    /// TCP ports, 1 to 65535.
    #[schemars(length(min = 1, max = 16), inner(range(min = 1, max = 65_535)))]
    pub ports: Vec<i64>,
}

/// What the administrators of the cluster say about all missions: none is treated more freely.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Ceilings {
    /// No mission has a lower level.
    pub minimum_level: Option<Isolation>,
    /// Where images of `Level3` may come from, as beginnings of their names; absent: anywhere.
    pub allowed_registries: Option<Vec<String>>,
    /// The RuntimeClasses that agents may name; absent: any.
    pub runtime_classes: Option<Vec<String>>,
    /// The addresses that missions may declare as `egress`; absent: all that are public.
    pub max_egress: Option<Vec<String>>,
    /// The way to the models.
    pub egress_proxy: Option<EgressProxy>,
}

/// A forward proxy in the cluster that agents from `Level1` on may use: it holds the credentials and the list of what is allowed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EgressProxy {
    /// Labels of the proxy's namespace.
    pub namespace_selector: BTreeMap<String, String>,
    /// Labels of its pods.
    pub pod_selector: BTreeMap<String, String>,
    /// The port of its containers, 1 to 65535.
    pub port: u16,
    /// What agents get as `HTTPS_PROXY`. With an address instead of a name it also serves agents without DNS, from `Level2` on.
    pub url: String,
}
