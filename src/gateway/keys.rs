//! The issuer and its published keys, as the API server tells them.
//!
//! A key that is not known makes one look at the API server, and no further one for a while: forged tokens can name as
//! many keys as they like.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::Client;
use serde::Deserialize;

use super::token::{Bearer, Expected, Keys, Rejected};
use crate::api::names;
use crate::runtime::clock::Clock;
use crate::runtime::shutdown::Shutdown;

/// Looks for unknown keys are at least this far apart.
const APART: Duration = Duration::from_secs(10);
/// The keys are read anew this often, so that one that was withdrawn is not taken for ever.
const REFRESHED: Duration = Duration::from_mins(10);
/// After a failure it is tried again this soon.
const RETRIED: Duration = Duration::from_secs(5);
/// One look takes at most this long: less than a request may, as requests wait for it.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

/// Checks tokens against the keys it last read.
#[derive(Debug)]
pub struct Keyring {
    clock: Arc<dyn Clock>,
    known: Mutex<Option<Arc<Known>>>,
    looked: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Debug)]
struct Known {
    issuer: String,
    keys: Keys,
}

/// Why a token is not taken, or not yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It is not good.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The keys could not be read yet.
    #[error("the keys of the API server are not known yet: try again")]
    NotReady,
}

/// Why the keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server did not answer, or not with a success.
    #[error("cannot read {path}: {source}")]
    Read {
        /// What was asked for.
        path: &'static str,
        /// What kube reported.
        source: Box<kube::Error>,
    },
    /// The answer can't be understood.
    #[error("cannot understand {path}: {source}")]
    Parse {
        /// What was asked for.
        path: &'static str,
        /// What is wrong.
        source: serde_json::Error,
    },
    /// The request could not be made.
    #[error("cannot ask for {0}")]
    Request(&'static str),
    /// There was no answer in time.
    #[error("the API server did not tell its keys within {} s", LONGEST_LOOK.as_secs())]
    Slow,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
}

impl Keyring {
    /// Knows no keys yet.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, known: Mutex::new(None), looked: tokio::sync::Mutex::new(None) }
    }

    /// Whose token it is.
    ///
    /// # Errors
    /// It is not good, or no keys are known yet.
    pub async fn check(&self, token: &str, client: &Client) -> Result<Bearer, Denied> {
        let known = self.known().ok_or(Denied::NotReady)?;
        match known.check(token, &*self.clock) {
            Err(Rejected::UnknownKey) => {}
            checked => return Ok(checked?),
        }
        // Whoever comes while another one looks waits for what that finds.
        let mut looked = self.looked.lock().await;
        if looked.is_none_or(|looked| self.clock.monotonic().saturating_duration_since(looked) >= APART) {
            *looked = Some(self.clock.monotonic());
            if let Err(error) = self.look(client).await {
                tracing::warn!("{error}; the keys that are known stay in use");
            }
        }
        drop(looked);
        Ok(self.known().ok_or(Denied::NotReady)?.check(token, &*self.clock)?)
    }

    /// Whether any keys were read yet: without them no token is taken.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.known().is_some()
    }

    /// Keeps the keys fresh until the shutdown.
    pub async fn keep(&self, client: &Client, shutdown: &Shutdown) {
        let mut complaint = String::new();
        while !shutdown.is_requested() {
            let wait = match self.look(client).await {
                Ok(()) => {
                    complaint.clear();
                    REFRESHED
                }
                Err(error) => {
                    let text = error.to_string();
                    if complaint != text {
                        tracing::warn!("{text}; trying again");
                        complaint = text;
                    }
                    RETRIED
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = shutdown.requested() => return,
            }
        }
    }

    /// Reads the issuer and its keys once.
    ///
    /// # Errors
    /// They can't be read or understood; what was known before stays.
    pub async fn look(&self, client: &Client) -> Result<(), Error> {
        let read = async {
            let discovery = "/.well-known/openid-configuration";
            let Discovery { issuer } = serde_json::from_str(&get(client, discovery).await?)
                .map_err(|source| Error::Parse { path: discovery, source })?;
            let set = "/openid/v1/jwks";
            let keys = Keys::read(get(client, set).await?.as_bytes()).map_err(|source| Error::Parse { path: set, source })?;
            Ok(Known { issuer, keys })
        };
        let known = tokio::time::timeout(LONGEST_LOOK, read).await.map_err(|_| Error::Slow)??;
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(known));
        Ok(())
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Known {
    fn check(&self, token: &str, clock: &dyn Clock) -> Result<Bearer, Rejected> {
        self.keys.check(token, &Expected { issuer: &self.issuer, audience: names::AUDIENCE }, clock.now())
    }
}

async fn get(client: &Client, path: &'static str) -> Result<String, Error> {
    let request = http::Request::get(path).body(Vec::new()).map_err(|_| Error::Request(path))?;
    client.request_text(request).await.map_err(|source| Error::Read { path, source: Box::new(source) })
}

#[cfg(test)]
mod tests;
