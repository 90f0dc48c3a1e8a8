//! `lazarus operator`: the controller, with its leader election and its probe endpoint.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use kube::{Client, Resource};
use tokio::net::TcpListener;

use super::Error;
use crate::api::names;
use crate::apply::Outfit;
use crate::apply::guard::Guarded;
use crate::apply::permits::Permits;
use crate::controllers::{self, Concern, Context, Enforcement, Fences, Heartbeats, Memory};
use crate::gateway::{self, Gateway};
use crate::observe::{Reader, Stores};
use crate::report::Publisher;
use crate::report::metrics::Metrics;
use crate::runtime::clock::{Clock, SystemClock};
use crate::runtime::config::Config;
use crate::runtime::health::{self, Answers};
use crate::runtime::leadership::Leadership;
use crate::runtime::shutdown::Shutdown;
use crate::runtime::{election, telemetry};

/// Run the operator: watch missions and their agents, and bring dead agents back.
///
/// Inside a cluster it uses its ServiceAccount, outside the current context of the kubeconfig. Several replicas may run:
/// one leads, the others wait for its lease to end.
#[derive(clap::Args)]
pub struct Arguments {
    /// Configuration file; without one the built-in values apply
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,

    /// Whether replicas agree on a leader; `false` is for development, with one replica
    #[arg(long, value_name = "true|false", default_value_t = true, action = clap::ArgAction::Set)]
    leader_elect: bool,

    /// Namespace of the Lease [default: $POD_NAMESPACE, else lazarus-pit]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,

    /// Name of this replica in the Lease and in Events [default: $POD_NAME, else $HOSTNAME]
    #[arg(long, value_name = "NAME")]
    identity: Option<String>,

    /// Where probes and metrics are served
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = health::ADDRESS)]
    health_address: SocketAddr,

    /// Where agents' sidecars report [default: [::]:8443, or 0.0.0.0:8443 where there is no IPv6]
    #[arg(long, value_name = "ADDRESS:PORT")]
    gateway_address: Option<SocketAddr>,

    /// Where nothing is served, for sidecars to see that they don't reach it [default: port 8444 as above]
    #[arg(long, value_name = "ADDRESS:PORT")]
    canary_address: Option<SocketAddr>,

    /// Where other pods reach this replica [default: $POD_IP]
    #[arg(long, value_name = "ADDRESS")]
    advertise_address: Option<IpAddr>,

    /// Image of the sidecar that runs beside each agent [default: $LAZARUS_IMAGE]
    #[arg(long, value_name = "IMAGE")]
    pulse_image: Option<String>,
}

impl Arguments {
    pub fn run(self) -> Result<(), Error> {
        let config = self.config.as_deref().map(Config::load).transpose()?.unwrap_or_default();
        telemetry::start(config.log)?;
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(self.operate(config))
    }

    async fn operate(self, config: Config) -> Result<(), Error> {
        let shutdown = Shutdown::on_signals()?;
        let address = advertised(self.advertise_address, variable("POD_IP").as_deref())?;
        let identity = self.identity.or_else(|| variable("POD_NAME")).or_else(|| variable("HOSTNAME"));
        let identity = identity.unwrap_or_else(|| names::OPERATOR.into());
        let namespace = self.namespace.or_else(|| variable("POD_NAMESPACE"));
        let namespace = namespace.unwrap_or_else(|| names::OPERATOR_NAMESPACE.into());
        let kube_config = cluster().await?;
        let outfit = outfit(self.pulse_image, &config)?;
        let version = env!("CARGO_PKG_VERSION");
        tracing::info!(version, server = %kube_config.cluster_url, identity, %address, pulse_image = outfit.pulse_image, "starting");
        let listener = TcpListener::bind(self.health_address)
            .await
            .map_err(|error| format!("cannot listen on {} for probes (--health-address): {error}", self.health_address))?;
        let gateway_listener =
            listen(self.gateway_address, names::GATEWAY_TARGET_PORT, "agents' reports (--gateway-address)").await?;
        let canary =
            listen(self.canary_address, names::CANARY_TARGET_PORT, "those who should not come (--canary-address)").await?;

        let client = Client::try_from(kube_config.clone())?;
        let (leadership, election) = if self.leader_elect {
            let durations = config.leader_election;
            let (leadership, thread) =
                election::start(kube_config, &namespace, names::OPERATOR, &identity, durations, shutdown.clone())?;
            (leadership, Some(thread))
        } else {
            (Leadership::always(), None)
        };
        let metrics = Arc::new(Metrics::new());
        let guarded = Guarded::new(client.clone(), leadership.clone(), config.request_timeout, Arc::clone(&metrics));
        let (stores, writers) = controllers::stores();
        let clock = Arc::new(SystemClock);
        let gateway = Gateway::new(gateway::Parts {
            guarded: guarded.clone(),
            leadership: leadership.clone(),
            clock: clock.clone(),
            metrics: Arc::clone(&metrics),
            namespace,
            address,
            sans: config.gateway_sans,
        });
        let (heartbeats, woken) = Heartbeats::new(Arc::clone(&gateway.ledger), clock.clone());
        let in_use = stores.clone();
        let context = Arc::new(Context {
            reader: Reader::new(client.clone(), stores.clone(), config.defaults, config.ceilings.clone()),
            stores,
            publisher: Publisher::new(guarded.clone(), &identity),
            fences: Fences::new(guarded.clone(), config.ceilings),
            guarded,
            leadership: leadership.clone(),
            permits: Permits::new(clock.monotonic()),
            clock,
            heartbeats,
            gateway: Some(gateway.clone()),
            outfit,
            metrics: Arc::clone(&metrics),
            memory: Memory::default(),
            enforcement: Enforcement::unknown(Concern::Approvals),
            isolation: Enforcement::unknown(Concern::Isolation),
            log_decisions: config.log.decisions,
            synced: AtomicBool::new(false),
        });
        let election = election.map(Arc::new);
        let run = controllers::run(client, writers, woken, Arc::clone(&context), config.concurrency, shutdown.clone());
        let controller = tokio::spawn(run);
        let reports = Box::pin(gateway.run(gateway_listener, canary, move || namespaces(&in_use), shutdown.clone()));
        let reports = tokio::spawn(async {
            if let Err(error) = reports.await {
                tracing::error!(%error, "the gateway can't speak TLS");
            }
        });
        let watched =
            [("the controller has ended", controller.abort_handle()), ("the gateway has ended", reports.abort_handle())];
        let answers = Answers {
            alive: alive(watched, election.as_ref().map(Arc::downgrade)),
            ready: Box::new(move || synced(&context)),
            metrics,
            leadership,
        };
        let probes = tokio::spawn(health::serve(listener, answers, shutdown.clone()));
        let ended = controller.await;
        // Before the shutdown the controller only ends by a bug; the probes would say so, but nobody may ask them.
        let early = !shutdown.is_requested();
        probes.abort();
        reports.abort();
        if let Err(error) = ended {
            return Err(format!("the controller ended: {error}").into());
        }
        if early {
            return Err("the controller ended without being asked to".into());
        }
        // The lease is released last: whoever takes it over finds no write of this replica under way.
        drop(probes.await);
        drop(reports.await);
        if let Some(thread) = election.and_then(Arc::into_inner) {
            tokio::task::spawn_blocking(move || thread.join()).await?.map_err(|_| "the leader election panicked")?;
        }
        tracing::info!("stopped");
        Ok(())
    }
}

/// What agents' pods are made with.
fn outfit(pulse_image: Option<String>, config: &Config) -> Result<Outfit, Error> {
    let pulse_image = pulse_image
        .or_else(|| variable("LAZARUS_IMAGE"))
        .ok_or("the image of the sidecars is not known: set --pulse-image or $LAZARUS_IMAGE to the image of this program")?;
    let Config { network_check_seconds, ceilings, .. } = config;
    Ok(Outfit { pulse_image, network_check_seconds: *network_check_seconds, proxy: ceilings.egress_proxy.clone() })
}

async fn cluster() -> Result<kube::Config, Error> {
    let mut config = kube::Config::infer().await.map_err(|error| {
        format!("there is no cluster to work with: neither a ServiceAccount nor a usable kubeconfig was found ({error})")
    })?;
    // kube's own retries can take minutes inside one call (15 tries, doubling).
    config.default_retry = false;
    Ok(config)
}

/// An address that other pods can reach; it leads the gateway's Service to this replica.
fn advertised(flag: Option<IpAddr>, pod: Option<&str>) -> Result<IpAddr, Error> {
    let what_to_set = "set --advertise-address or $POD_IP to the address of this pod, where sidecars reach the gateway";
    let address = match (flag, pod) {
        (Some(address), _) => address,
        (None, Some(text)) => text.parse().map_err(|_| format!("$POD_IP is no IP address: {what_to_set}"))?,
        (None, None) => return Err(format!("this replica does not know its own address: {what_to_set}").into()),
    };
    // The API server takes neither in an EndpointSlice.
    if address.is_unspecified() || address.is_loopback() {
        return Err(format!("{address} can't be reached by other pods: {what_to_set}").into());
    }
    Ok(address)
}

async fn listen(flag: Option<SocketAddr>, port: u16, what_for: &str) -> Result<TcpListener, Error> {
    let address = flag.unwrap_or_else(|| (Ipv6Addr::UNSPECIFIED, port).into());
    let bound = match (TcpListener::bind(address).await, flag) {
        // A kernel without IPv6 has no such address.
        (Err(error), None) if error.kind() != std::io::ErrorKind::AddrInUse => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).await
        }
        (bound, _) => bound,
    };
    bound.map_err(|error| format!("cannot listen on {address} for {what_for}: {error}").into())
}

/// The namespaces that have missions.
fn namespaces(stores: &Stores) -> BTreeSet<String> {
    stores.cells.state().iter().filter_map(|cell| cell.meta().namespace.clone()).collect()
}

fn alive(tasks: [(&'static str, tokio::task::AbortHandle); 2], election: Option<Weak<JoinHandle<()>>>) -> health::Probe {
    Box::new(move || {
        if let Some((ended, _)) = tasks.iter().find(|(_, task)| task.is_finished()) {
            return Err(ended);
        }
        match election.as_ref().map(Weak::upgrade) {
            Some(Some(thread)) if thread.is_finished() => Err("the leader election has ended"),
            // None behind the Weak: it has ended with the rest.
            Some(_) | None => Ok(()),
        }
    })
}

fn synced(context: &Context) -> Result<(), &'static str> {
    if context.synced.load(Ordering::Acquire) { Ok(()) } else { Err("the watches are not synced yet: are the CRDs installed?") }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_knows_where_it_is_or_says_what_to_set() {
        let flag = Some("10.0.0.5".parse().unwrap());
        assert_eq!(advertised(flag, Some("10.0.0.6")).unwrap().to_string(), "10.0.0.5");
        assert_eq!(advertised(None, Some("fd00::6")).unwrap().to_string(), "fd00::6");
        for (pod, says) in
            [(None, "does not know its own address"), (Some("here"), "no IP address"), (Some("::1"), "::1 can't be")]
        {
            let error = advertised(None, pod).unwrap_err().to_string();
            assert!(error.contains(says) && error.contains("--advertise-address or $POD_IP"), "{error}");
        }
    }
}
