//! The one way to write to the API server: only as leader, only for as long as the lease lasts, always counted.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use kube::core::Status;

use crate::report::metrics::{Category, Kind, Metrics, Verb};
use crate::runtime::leadership::{Leadership, NotLeader};

/// A client whose writes are guarded by leadership; clones share everything.
#[derive(Clone)]
pub struct Guarded {
    client: Client,
    leadership: Leadership,
    timeout: Duration,
    metrics: Arc<Metrics>,
}

/// Why a write did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Nothing was sent.
    #[error(transparent)]
    NotLeader(#[from] NotLeader),
    /// No answer in time: the write may still happen, so look before trying again.
    #[error("cannot {verb} {kind}: no answer after {} s; it may still happen", after.as_secs_f32())]
    TimedOut {
        /// What was tried.
        verb: Verb,
        /// On what.
        kind: Kind,
        /// How long the answer was waited for.
        after: Duration,
    },
    /// The server answered with an error, or could not be reached.
    #[error("cannot {verb} {kind}: {}", describe(source))]
    Api {
        /// What was tried.
        verb: Verb,
        /// On what.
        kind: Kind,
        /// What kube reported.
        source: Box<kube::Error>,
    },
}

impl Guarded {
    /// Guards `client` by `leadership`; each write may take as long as `timeout`, and is sent only if the token outlasts it.
    #[must_use]
    pub fn new(client: Client, leadership: Leadership, timeout: Duration, metrics: Arc<Metrics>) -> Self {
        Self { client, leadership, timeout, metrics }
    }

    /// The client, for reads, and for building the calls that are given to [`write`](Self::write).
    #[must_use]
    pub fn reader(&self) -> &Client {
        &self.client
    }

    /// Sends one write. `call` must do nothing before it is first polled, as kube's calls do.
    ///
    /// # Errors
    /// Not the leader for long enough (nothing was sent), no answer in time, or an error from the server.
    pub async fn write<T>(
        &self,
        verb: Verb,
        kind: Kind,
        call: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, WriteError> {
        // Held to the end, also if this future is dropped: a release of the lease waits for it.
        let _permit = self.leadership.permit(self.timeout)?;
        self.metrics.wrote(verb, kind);
        match tokio::time::timeout(self.timeout, call).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(source)) => Err(WriteError::Api { verb, kind, source: Box::new(source) }),
            Err(_) => Err(WriteError::TimedOut { verb, kind, after: self.timeout }),
        }
    }
}

impl WriteError {
    /// The cause as metrics count it.
    #[must_use]
    pub fn category(&self) -> Category {
        match self {
            Self::NotLeader(_) => Category::NotLeader,
            Self::TimedOut { .. } => Category::TimedOut,
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.is_not_found() => Category::NotFound,
                kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() => Category::Conflict,
                kube::Error::Api(status) if is_refusal(status) => Category::Refused,
                kube::Error::SerdeError(_) | kube::Error::FromUtf8(_) | kube::Error::BuildRequest(_) => Category::Invalid,
                _ => Category::Unavailable,
            },
        }
    }

    /// The object changed since it was read (409 Conflict): read it again.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.status().is_some_and(Status::is_conflict)
    }

    /// An object of that name exists (409 `AlreadyExists`): look whose it is.
    #[must_use]
    pub fn already_exists(&self) -> bool {
        self.status().is_some_and(Status::is_already_exists)
    }

    /// The object is gone (404).
    #[must_use]
    pub fn not_found(&self) -> bool {
        self.status().is_some_and(Status::is_not_found)
    }

    /// The server's message where trying the same again can't help: permissions, quota, admission or validation
    /// (400, 403, 413, 422).
    #[must_use]
    pub fn refused(&self) -> Option<String> {
        self.status().filter(|status| is_refusal(status)).map(|status| status.message.clone())
    }

    /// The server's message where it failed by itself (5xx): a broken admission webhook answers so for ever.
    #[must_use]
    pub fn failed(&self) -> Option<String> {
        self.status().filter(|status| status.code >= 500).map(|status| status.message.clone())
    }

    fn status(&self) -> Option<&Status> {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(status),
                _ => None,
            },
            Self::NotLeader(_) | Self::TimedOut { .. } => None,
        }
    }
}

fn is_refusal(status: &Status) -> bool {
    matches!(status.code, 400 | 403 | 413 | 422)
}

// kube's own text repeats the status in Rust's debug form.
fn describe(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) if status.message.is_empty() => format!("{} {}", status.code, status.reason),
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
