//! From SIGTERM or SIGINT to an orderly end.

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// A signal to stop; clones see the same one, on any runtime.
#[derive(Clone, Debug)]
pub struct Shutdown {
    requested: watch::Receiver<bool>,
}

/// Requests the shutdown it came with; dropping it does the same.
#[derive(Debug)]
pub struct Trigger {
    request: watch::Sender<bool>,
}

impl Trigger {
    /// Asks everything that holds the signal to stop.
    pub fn request(&self) {
        self.request.send_replace(true);
    }
}

impl Shutdown {
    /// A signal given by hand, for tests and for commands that end by themselves.
    #[must_use]
    pub fn manual() -> (Trigger, Self) {
        let (request, requested) = watch::channel(false);
        (Trigger { request }, Self { requested })
    }

    /// Listens for SIGTERM and SIGINT from now on; the first asks for an orderly end, the second exits at once with 1.
    ///
    /// # Errors
    /// The handlers can't be installed.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn on_signals() -> std::io::Result<Self> {
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let (trigger, shutdown) = Self::manual();
        tokio::spawn(async move {
            let name = either(&mut terminate, &mut interrupt).await;
            tracing::info!(signal = name, "shutting down; a second signal exits at once");
            trigger.request();
            let name = either(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal = name, "second signal: exiting without an orderly end");
            std::process::exit(1);
        });
        Ok(shutdown)
    }

    /// Whether the end was requested.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        *self.requested.borrow() || self.requested.has_changed().is_err()
    }

    /// Returns once the end is requested; safe to cancel.
    pub async fn requested(&self) {
        // An error means that the trigger is gone: nobody could ask any more, so the end has come.
        let _ = self.requested.clone().wait_for(|requested| *requested).await;
    }
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_clone_sees_the_request() {
        let (trigger, shutdown) = Shutdown::manual();
        let other = shutdown.clone();
        assert!(!other.is_requested());
        trigger.request();
        other.requested().await;
        assert!(shutdown.is_requested() && other.is_requested());
    }

    #[tokio::test]
    async fn a_dropped_trigger_is_a_request() {
        let (trigger, shutdown) = Shutdown::manual();
        drop(trigger);
        shutdown.requested().await;
        assert!(shutdown.is_requested());
    }
}
