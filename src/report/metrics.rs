//! What Prometheus sees. Every label is a closed enum: no name, no text from outside ever becomes a series.

use std::fmt::Debug;
use std::hash::Hash;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

/// Declares a closed set of label values and how each is written.
macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:literal,)+ })+) => { $(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$variant_doc])* $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The value as metrics and logs write it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str(self.as_str())
            }
        }

        impl EncodeLabelValue for $name {
            fn encode(&self, encoder: &mut prometheus_client::encoding::LabelValueEncoder<'_>) -> std::fmt::Result {
                EncodeLabelValue::encode(&self.as_str(), encoder)
            }
        }
    )+ };
}

mod gateway;

pub use gateway::{Answered, Closed, GatewayMetrics};

labels! {
    /// How a reconcile ended.
    ReconcileResult {
        /// Something was written.
        Acted = "acted",
        /// Nothing was to be written.
        Settled = "settled",
        /// It failed and is tried again.
        Error = "error",
        /// Another replica leads: nothing was tried.
        NotLeader = "not_leader",
    }

    /// Why something failed, across all stages.
    Category {
        /// The lease was lost or ends too soon.
        NotLeader = "not_leader",
        /// No answer within the request timeout; it may have happened.
        TimedOut = "timed_out",
        /// The object changed, or exists already.
        Conflict = "conflict",
        /// The object is gone.
        NotFound = "not_found",
        /// The server will not take it as it is: permissions, quota, validation or admission.
        Refused = "refused",
        /// The server could not be reached or could not answer.
        Unavailable = "unavailable",
        /// An answer or object could not be understood.
        Invalid = "invalid",
        /// A reconcile panicked: a bug.
        Panicked = "panicked",
    }

    /// The way of a write.
    Verb {
        /// A new object.
        Create = "create",
        /// A change of the whole object.
        Replace = "replace",
        /// A change of some fields.
        Patch = "patch",
        /// A change of some fields of the status.
        PatchStatus = "patch_status",
        /// A deletion.
        Delete = "delete",
    }

    /// The kinds that are watched or written.
    Kind {
        /// Nodes.
        Node = "Node",
        /// Namespaces.
        Namespace = "Namespace",
        /// The claim of a mission's workspace.
        PersistentVolumeClaim = "PersistentVolumeClaim",
        /// A mission and its agents.
        MissionCell = "MissionCell",
        /// How deaths are handled.
        AgentPolicy = "AgentPolicy",
        /// A question to people.
        RevivalRequest = "RevivalRequest",
        /// An agent's incarnation.
        Pod = "Pod",
        /// What agents elsewhere report with.
        ServiceAccount = "ServiceAccount",
        /// A Kubernetes Event.
        Event = "Event",
        /// The gateway's certificate authority.
        Secret = "Secret",
        /// Where the gateway's Service leads.
        EndpointSlice = "EndpointSlice",
        /// Where a mission's namespace finds the gateway.
        ConfigMap = "ConfigMap",
        /// What closes agents' network.
        NetworkPolicy = "NetworkPolicy",
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: ReconcileResult,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CategoryLabel {
    category: Category,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    verb: Verb,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: Kind,
}

/// All metrics of the operator, shared as an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Family<ResultLabel, Counter>,
    reconcile_errors: Family<CategoryLabel, Counter>,
    writes: Family<WriteLabels, Counter>,
    watch_events: Family<KindLabel, Counter>,
    leader: Gauge,
    quarantined: Gauge,
    open_networks: Gauge,
    gateway: GatewayMetrics,
}

impl Metrics {
    /// All counters at zero, with every label value present: a rate over a series that appears later misses its first step.
    #[must_use]
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("lazarus");
        let reconciles = Family::default();
        let reconcile_errors = Family::default();
        let writes = Family::default();
        let watch_events = Family::default();
        let (leader, quarantined, open_networks) = (Gauge::default(), Gauge::default(), Gauge::default());
        registry.register("reconciles", "Reconciles by how they ended", reconciles.clone());
        registry.register("reconcile_errors", "Failed reconciles by cause", reconcile_errors.clone());
        registry.register("writes", "Writes sent to the API server", writes.clone());
        registry.register("watch_events", "Objects received from watches", watch_events.clone());
        registry.register("leader", "1 while this replica holds the lease", leader.clone());
        registry.register("quarantined_objects", "Objects that are left alone until they change", quarantined.clone());
        let help = "Agents whose sidecar found the network of their pod open that should be closed";
        registry.register("open_networks", help, open_networks.clone());
        registry.register("build", "The running version", Info::new([("version", env!("CARGO_PKG_VERSION"))]));
        let gateway = GatewayMetrics::register(&mut registry);
        fill(&reconciles, ReconcileResult::ALL, |result| ResultLabel { result });
        fill(&reconcile_errors, Category::ALL, |category| CategoryLabel { category });
        fill(&watch_events, Kind::ALL, |kind| KindLabel { kind });
        Self { registry, reconciles, reconcile_errors, writes, watch_events, leader, quarantined, open_networks, gateway }
    }

    /// What the gateway counts.
    #[must_use]
    pub fn gateway(&self) -> &GatewayMetrics {
        &self.gateway
    }

    /// Counts a finished reconcile.
    pub fn reconciled(&self, result: ReconcileResult) {
        self.reconciles.get_or_create(&ResultLabel { result }).inc();
    }

    /// Counts the cause of a failed reconcile.
    pub fn reconcile_failed(&self, category: Category) {
        self.reconcile_errors.get_or_create(&CategoryLabel { category }).inc();
    }

    /// Counts a write that was sent, whatever comes of it.
    pub fn wrote(&self, verb: Verb, kind: Kind) {
        self.writes.get_or_create(&WriteLabels { verb, kind }).inc();
    }

    /// Writes sent so far: a fixpoint sends none.
    #[must_use]
    pub fn writes(&self, verb: Verb, kind: Kind) -> u64 {
        self.writes.get_or_create(&WriteLabels { verb, kind }).get()
    }

    /// Counts an object received from a watch.
    pub fn watched(&self, kind: Kind) {
        self.watch_events.get_or_create(&KindLabel { kind }).inc();
    }

    /// Says whether this replica leads; the metrics endpoint does it before each answer.
    pub fn set_leader(&self, leading: bool) {
        self.leader.set(leading.into());
    }

    /// Says how many objects are quarantined.
    pub fn set_quarantined(&self, objects: usize) {
        self.quarantined.set(i64::try_from(objects).unwrap_or(i64::MAX));
    }

    /// Says how many agents' networks are open that should be closed.
    pub fn set_open_networks(&self, agents: usize) {
        self.open_networks.set(i64::try_from(agents).unwrap_or(i64::MAX));
    }

    /// Everything in the `OpenMetrics` text format, version 1.0.0.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail; a metric that can't be written is left out with all after it.
        if let Err(error) = text::encode(&mut text, &self.registry) {
            tracing::error!(%error, "cannot encode the metrics");
        }
        text
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

fn fill<V: Copy, L: Clone + Hash + Eq>(family: &Family<L, Counter>, values: &[V], label: impl Fn(V) -> L) {
    for value in values {
        drop(family.get_or_create(&label(*value)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_its_name_and_closed_labels() {
        let metrics = Metrics::new();
        metrics.reconciled(ReconcileResult::NotLeader);
        metrics.reconcile_failed(Category::Conflict);
        metrics.wrote(Verb::PatchStatus, Kind::MissionCell);
        metrics.watched(Kind::Pod);
        metrics.set_leader(true);
        metrics.set_quarantined(2);
        metrics.set_open_networks(3);
        let text = metrics.encode();
        for line in [
            "lazarus_reconciles_total{result=\"not_leader\"} 1",
            "lazarus_reconciles_total{result=\"acted\"} 0",
            "lazarus_reconcile_errors_total{category=\"conflict\"} 1",
            "lazarus_writes_total{verb=\"patch_status\",kind=\"MissionCell\"} 1",
            "lazarus_watch_events_total{kind=\"Pod\"} 1",
            "lazarus_leader 1",
            "lazarus_quarantined_objects 2",
            "lazarus_open_networks 3",
            concat!("lazarus_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1"),
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is missing in\n{text}");
        }
        assert_eq!(metrics.writes(Verb::PatchStatus, Kind::MissionCell), 1);
    }
}
