//! Runs the server and keeps what leads to it right: the certificate, the Service's endpoint, the namespaces' ConfigMaps.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::authority::{Authority, Data, Leaf};
use super::identity::Identity;
use super::keys::Keyring;
use super::ledger::Ledger;
use super::server::{self, Answers, Limits};
use super::{canary, canary_port};
use crate::api::names;
use crate::apply::gateway::{self as objects, Error};
use crate::apply::guard::Guarded;
use crate::observe::Obstacle;
use crate::pulse::folder::Place;
use crate::report::metrics::Metrics;
use crate::runtime::clock::Clock;
use crate::runtime::leadership::Leadership;
use crate::runtime::shutdown::Shutdown;

/// Everything is looked at this often, and after a failure.
const LOOKED: Duration = Duration::from_secs(30);
const RETRIED: Duration = Duration::from_secs(5);
/// What was told to a namespace is compared with what is there this often: somebody may have changed it.
const COMPARED: Duration = Duration::from_mins(5);
/// One object is read and written within this time, or it is tried again later.
const LONGEST_STEP: Duration = Duration::from_secs(10);
/// As many namespaces are told something at once.
const TOLD_AT_ONCE: usize = 8;

/// The gateway of this replica; clones share it.
#[derive(Clone)]
pub struct Gateway {
    /// What is known of each incarnation. Enter only as leader: a replica that loses the lease forgets everything, and what is
    /// entered after that stays until it loses it again.
    pub ledger: Arc<Mutex<Ledger>>,
    shared: Arc<Shared>,
}

/// What a gateway is made from.
pub struct Parts {
    /// Reads, and writes as leader.
    pub guarded: Guarded,
    /// Whether this replica leads.
    pub leadership: Leadership,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The operator's namespace.
    pub namespace: String,
    /// Where other pods reach this replica.
    pub address: IpAddr,
    /// Further names and addresses under which the gateway is reached from outside.
    pub sans: Vec<String>,
}

struct Shared {
    parts: Parts,
    keyring: Arc<Keyring>,
    identity: Identity,
    state: Mutex<State>,
    /// The gateway's own objects were looked at: it is time to look at the namespaces.
    looked: Notify,
}

#[derive(Default)]
struct State {
    shown: Option<Shown>,
    address: Option<String>,
    /// What each namespace was told, and when that was last compared with what is there.
    published: HashMap<String, (Told, Instant)>,
    /// Namespaces that could not be told.
    untold: HashSet<String>,
    complaint: Option<String>,
}

/// The authority in use, and the certificate it gave.
struct Shown {
    data: Data,
    authority: Authority,
    leaf: Leaf,
}

/// Address and bundle.
#[derive(Clone, PartialEq)]
struct Told {
    address: String,
    bundle: String,
}

impl Gateway {
    /// A gateway that does nothing until it [runs](Self::run).
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let ledger = Arc::new(Mutex::new(Ledger::new(parts.clock.monotonic())));
        let keyring = Arc::new(Keyring::new(Arc::clone(&parts.clock)));
        let (identity, state, looked) = (Identity::default(), Mutex::default(), Notify::new());
        Self { ledger, shared: Arc::new(Shared { parts, keyring, identity, state, looked }) }
    }

    /// Sees to it that pods of `namespace` can find the gateway. Costs nothing once it is done.
    ///
    /// # Errors
    /// It is not known yet what to tell them, or it can't be written: their agents would wait for admission in vain.
    pub async fn ensure_published(&self, namespace: &str) -> Result<(), Error> {
        self.shared.publish(namespace, false).await
    }

    /// What keeps the sidecars of `namespace` from being admitted, as far as this replica knows.
    #[must_use]
    pub fn obstacle(&self, namespace: &str) -> Option<Obstacle> {
        if !self.shared.keyring.is_ready() {
            return Some(Obstacle::NoKeys);
        }
        if self.shared.state().untold.contains(namespace) {
            return Some(Obstacle::Untold);
        }
        // Every update leaves the ledger whole, so a poisoned lock is still right.
        let ledger = self.ledger.lock().unwrap_or_else(PoisonError::into_inner);
        ledger.is_blind(self.shared.parts.clock.monotonic()).then_some(Obstacle::Blind)
    }

    /// Serves until the shutdown, `forbidden` being the port that no agent may reach, and as leader keeps Service, authority and the ConfigMaps of `namespaces` right.
    ///
    /// # Errors
    /// TLS can't be set up at all.
    pub async fn run(
        self,
        listener: TcpListener,
        forbidden: TcpListener,
        namespaces: impl Fn() -> BTreeSet<String> + Send,
        shutdown: Shutdown,
    ) -> Result<(), rustls::Error> {
        let shared = &self.shared;
        let config = shared.identity.config()?;
        let Parts { guarded, leadership, clock, metrics, namespace, .. } = &shared.parts;
        let answers = Arc::new(Answers::new(
            Arc::clone(&self.ledger),
            Arc::clone(&shared.keyring),
            guarded.reader().clone(),
            namespace.clone(),
            leadership.clone(),
            Arc::clone(clock),
            Arc::clone(metrics),
        ));
        // A task of its own: a flood of connections there takes no turn from the others.
        let mut apart = JoinSet::new();
        apart.spawn(canary_port::serve(forbidden));
        futures::join!(
            server::serve(listener, config, answers, Limits::default(), shutdown.clone()),
            shared.keyring.keep(guarded.reader(), &shutdown),
            shared.keep(Box::pin(leadership.gained()), &shutdown),
            shared.keep_telling(&namespaces, &shutdown),
            canary::keep(Path::new(names::PULSE_FOLDER), leadership, || shared.place(), &shutdown),
        );
        Ok(())
    }
}

impl Shared {
    /// Where the Service leads, and who vouches for it, as the sidecars are told.
    fn place(&self) -> Option<Place> {
        let Told { address, bundle } = self.state().told(self.parts.clock.now())?;
        Some(Place { address, bundle: bundle.into_bytes() })
    }

    /// Keeps the gateway's own objects right until the shutdown. Nothing that concerns a namespace holds this up.
    async fn keep(&self, mut gained: impl Stream<Item = ()> + Unpin, shutdown: &Shutdown) {
        while !shutdown.is_requested() {
            let looked = tokio::select! {
                looked = self.look() => looked,
                () = shutdown.requested() => return,
            };
            self.looked.notify_one();
            let complaint = looked.err().map(|error| error.to_string());
            let wait = if complaint.is_some() { RETRIED } else { LOOKED };
            self.complain(complaint);
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                Some(()) = gained.next() => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Tells the namespaces where the gateway is until the shutdown, each time after the gateway's own objects were looked at.
    async fn keep_telling(&self, namespaces: &(impl Fn() -> BTreeSet<String> + Send), shutdown: &Shutdown) {
        let round = async || {
            self.looked.notified().await;
            while !self.tell(namespaces()).await {
                tokio::time::sleep(RETRIED).await;
            }
        };
        while !shutdown.is_requested() {
            tokio::select! {
                () = round() => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Looks at the gateway's own objects once; what fails does not keep the rest from being done.
    async fn look(&self) -> Result<(), Error> {
        let Parts { guarded, namespace, address, leadership, .. } = &self.parts;
        let mut outcome = bounded(self.show_certificate()).await;
        let found = bounded(objects::service_address(guarded, namespace)).await;
        outcome = outcome.and(found.map(|address| self.state().address = Some(address)));
        // Not before there is something to show: a replica without a certificate would only turn sidecars away.
        if leadership.is_leader() && self.state().shown.is_some() {
            outcome = outcome.and(bounded(objects::lead_here(guarded, namespace, *address)).await);
        }
        outcome
    }

    /// Tells the namespaces what they don't know, several at once, as one that is slow must not hold up the others; whether
    /// all of them know.
    async fn tell(&self, namespaces: BTreeSet<String>) -> bool {
        if !self.parts.leadership.is_leader() {
            // The next leader may tell the namespaces something else.
            let mut state = self.state();
            state.published.clear();
            state.untold.clear();
            return true;
        }
        {
            let mut state = self.state();
            state.published.retain(|namespace, _| namespaces.contains(namespace));
            state.untold.retain(|namespace| namespaces.contains(namespace));
        }
        let telling = namespaces.into_iter().map(async |namespace| self.publish(&namespace, true).await.is_ok());
        futures::stream::iter(telling).buffer_unordered(TOLD_AT_ONCE).fold(true, async |all, told| all && told).await
    }

    async fn show_certificate(&self) -> Result<(), Error> {
        let Parts { guarded, leadership, clock, namespace, sans, .. } = &self.parts;
        let (now, leading) = (clock.now(), leadership.is_leader());
        let mut stored = objects::read_authority(guarded, namespace).await?;
        let mut authority = Authority::read(&stored.data())?;
        let renewed = match authority.take() {
            None if leading => Some(Authority::new(now)?),
            Some(old) if leading && old.needs_rotation(now) => Some(old.rotate(now)?),
            // Another replica makes one.
            None => return Ok(()),
            usable @ Some(_) => {
                authority = usable;
                None
            }
        };
        if let Some(renewed) = renewed {
            stored = objects::write_authority(guarded, namespace, stored, &renewed).await?;
            tracing::info!("made a new certificate authority for the gateway");
            authority = Some(renewed);
        }
        let Some(authority) = authority else { return Ok(()) };
        let data = stored.data();
        let mut state = self.state();
        let usable = state.shown.as_ref().is_some_and(|shown| shown.data == data && !shown.leaf.is_due(now));
        if !usable {
            let leaf = authority.leaf(namespace, sans, now)?;
            self.identity.show(Arc::clone(&leaf.certified));
            state.shown = Some(Shown { data, authority, leaf });
        }
        Ok(())
    }

    async fn publish(&self, namespace: &str, compare: bool) -> Result<(), Error> {
        let Parts { guarded, clock, .. } = &self.parts;
        let now = clock.monotonic();
        let (told, known) = {
            let state = self.state();
            let told = state.told(clock.now()).ok_or_else(|| Error::NotReady(state.complaint.clone().unwrap_or_default()))?;
            let known = state.published.get(namespace).is_some_and(|(last, compared)| {
                *last == told && !(compare && now.saturating_duration_since(*compared) >= COMPARED)
            });
            (told, known)
        };
        if known {
            return Ok(());
        }
        let published = bounded(objects::publish(guarded, namespace, &told.address, &told.bundle)).await;
        let mut state = self.state();
        match &published {
            Ok(()) => {
                state.published.insert(namespace.to_owned(), (told, now));
                if state.untold.remove(namespace) {
                    tracing::info!(namespace, "the namespace knows where the gateway is");
                }
            }
            Err(error) if state.untold.insert(namespace.to_owned()) => {
                tracing::warn!(%error, namespace, "cannot tell a namespace where the gateway is; trying again");
            }
            Err(_) => {}
        }
        published
    }

    /// Remembers what is wrong, and says it when it is news.
    fn complain(&self, complaint: Option<String>) {
        let mut state = self.state();
        if let Some(text) = complaint.as_ref().filter(|_| state.complaint != complaint) {
            tracing::warn!("the gateway is not as it should be: {text}; trying again");
        }
        state.complaint = complaint;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn told(&self, now: chrono::DateTime<chrono::Utc>) -> Option<Told> {
        let (address, shown) = (self.address.clone()?, self.shown.as_ref()?);
        Some(Told { address, bundle: shown.authority.bundle(now) })
    }
}

async fn bounded<T>(step: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(LONGEST_STEP, step).await.unwrap_or(Err(Error::Slow))
}

#[cfg(test)]
mod tests;
