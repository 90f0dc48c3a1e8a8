//! The thread that keeps the lease: sends what [`Elector`] asks for and shares the token as [`Leadership`].
//!
//! An own thread, runtime and client, so that a busy or blocked controller can't starve a renewal.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, PostParams};
use kube::{Client, Config};

use super::clock::{Clock, SystemClock};
use super::leadership::Leadership;
use super::lease::{Durations, Elector, Step};
use super::shutdown::Shutdown;

/// Why the election could not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The thread or its runtime could not be made.
    #[error("cannot start the leader election thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The client configuration can't be used.
    #[error("cannot make the leader election's client: {0}")]
    Client(#[from] kube::Error),
}

/// Starts the election for the Lease `namespace/lease_name` on a thread of its own.
///
/// The Lease names the holder as `<identity>_<random>`, because a container that restarts in the same pod is another
/// holder. Losing the lease is no error: the candidate goes back to waiting. On `shutdown` it drops the token, lets
/// writes under way end, releases the Lease, and the thread ends.
///
/// # Errors
/// The thread, its runtime or its client can't be made.
pub fn start(
    mut kube_config: Config,
    namespace: &str,
    lease_name: &str,
    identity: &str,
    durations: Durations,
    shutdown: Shutdown,
) -> Result<(Leadership, JoinHandle<()>), Error> {
    // kube's own retries can take minutes inside one call (15 tries, doubling).
    kube_config.default_retry = false;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let leadership = Leadership::none(Arc::clone(&clock));
    let holder = format!("{identity}_{:016x}", random());
    let elector = Elector::new(namespace, lease_name, &holder, durations);
    let (namespace, shared) = (namespace.to_owned(), leadership.clone());
    let lease_name = lease_name.to_owned();
    let (ready, started) = mpsc::channel();
    let thread = std::thread::Builder::new().name("leader-election".into()).spawn(move || {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(ready.send(Err(Error::Thread(error)))),
        };
        runtime.block_on(async move {
            let client = match Client::try_from(kube_config) {
                Ok(client) => client,
                Err(error) => return drop(ready.send(Err(Error::Client(error)))),
            };
            let _ = ready.send(Ok(()));
            let leases = Api::namespaced(client, &namespace);
            Candidate { elector, leases, lease_name, durations, leadership: shared, clock, complaint: String::new() }
                .run(&shutdown)
                .await;
        });
    })?;
    started.recv().map_err(|_| std::io::Error::other("the thread ended at once"))??;
    Ok((leadership, thread))
}

struct Candidate {
    elector: Elector,
    leases: Api<Lease>,
    lease_name: String,
    durations: Durations,
    leadership: Leadership,
    clock: Arc<dyn Clock>,
    /// The last failure that was logged: the same one is not logged every two seconds.
    complaint: String,
}

impl Candidate {
    async fn run(mut self, shutdown: &Shutdown) {
        while !shutdown.is_requested() {
            match self.elector.next(self.clock.monotonic(), self.clock.now(), fraction()) {
                Step::Read => self.read().await,
                Step::Create(lease) => self.send(false, &lease).await,
                Step::Replace(lease) => self.send(true, &lease).await,
                Step::Wait(span) => {
                    // Wakes when the token ends, so that the loss is told in time.
                    let left = self.left().unwrap_or(span);
                    tokio::select! {
                        () = tokio::time::sleep(span.min(left)) => {}
                        () = shutdown.requested() => {}
                    }
                }
            }
            self.share();
        }
        self.release().await;
    }

    async fn read(&mut self) {
        match self.bounded(self.leases.get_opt(&self.lease_name)).await {
            Ok(lease) => self.elector.observed(lease, self.clock.monotonic()),
            Err(error) => self.fail("read", &error),
        }
    }

    async fn send(&mut self, exists: bool, lease: &Lease) {
        // The token counts from before the request: the server may have stored it right after.
        let sent = self.clock.monotonic();
        let result = if exists {
            self.bounded(self.leases.replace(&self.lease_name, &PostParams::default(), lease)).await
        } else {
            self.bounded(self.leases.create(&PostParams::default(), lease)).await
        };
        match result {
            Ok(lease) => {
                self.complaint.clear();
                self.elector.written(lease, sent, self.clock.monotonic());
            }
            Err(Failure::Api(kube::Error::Api(status))) if status.code == 409 || status.code == 404 && exists => {
                self.elector.refused();
            }
            Err(error) => self.fail("write", &error),
        }
    }

    fn fail(&mut self, verb: &str, error: &Failure) {
        let complaint = format!("cannot {verb} the lease: {error}");
        if self.complaint != complaint {
            tracing::warn!(lease = self.lease_name, "{complaint}; trying again");
            self.complaint = complaint;
        }
        self.elector.failed();
    }

    fn share(&self) {
        let was_leading = *self.leadership.subscribe().borrow();
        let token = self.elector.token(self.clock.monotonic());
        self.leadership.publish(token);
        if was_leading != token.is_some() {
            let holder = self.elector.seen_holder().unwrap_or("nobody");
            tracing::info!(leading = token.is_some(), holder, "leadership changed");
        }
    }

    async fn release(mut self) {
        let deadline = self.left();
        self.leadership.publish(None);
        let Some(lease) = self.elector.release(self.clock.monotonic(), self.clock.now()) else { return };
        // Writes that were allowed before end before the token would have; others take over only after them.
        let drained = async {
            while self.leadership.in_flight() > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        if tokio::time::timeout(deadline.unwrap_or_default(), drained).await.is_err() {
            tracing::warn!("writes are still under way: the lease is left to run out instead of being released");
            return;
        }
        match self.bounded(self.leases.replace(&self.lease_name, &PostParams::default(), &lease)).await {
            Ok(_) => tracing::info!(lease = self.lease_name, "released the lease"),
            Err(error) => tracing::warn!(lease = self.lease_name, "cannot release the lease: {error}; it runs out by itself"),
        }
    }

    /// How long the token is still valid.
    fn left(&self) -> Option<Duration> {
        let now = self.clock.monotonic();
        self.elector.token(now).map(|end| end.saturating_duration_since(now))
    }

    /// One try may use half the renew deadline, so that a second one fits, and never outlives the token.
    async fn bounded<T>(&self, request: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
        let half = self.durations.renew_deadline / 2;
        let bound = self.left().map_or(half, |left| left.min(half));
        match tokio::time::timeout(bound, request).await {
            Ok(result) => result.map_err(Failure::Api),
            Err(_) => Err(Failure::Slow),
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{}", describe(.0))]
    Api(kube::Error),
    #[error("no answer in time")]
    Slow,
}

// kube's own text repeats the status in Rust's debug form.
fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => format!("{} (HTTP {})", status.message, status.code),
        other => other.to_string(),
    }
}

/// Uniform in 0..1; spreads retries, nothing secret.
fn fraction() -> f64 {
    f64::from(u32::try_from(random() >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

fn random() -> u64 {
    // std seeds each RandomState from the system and never twice alike: enough here without another crate.
    RandomState::new().hash_one(())
}

#[cfg(test)]
mod tests;
