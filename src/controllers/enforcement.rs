//! Whether the cluster checks who approves: while it doesn't, no approval counts.

use std::sync::{Mutex, PoisonError};

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::watch;

/// What was last found.
pub struct Enforcement {
    lack: watch::Sender<Option<String>>,
    logged: Mutex<bool>,
}

impl Enforcement {
    /// Nothing counts until it was looked at once.
    #[must_use]
    pub fn unknown() -> Self {
        Self::of(Some("the operator has not looked at the admission policies yet".into()))
    }

    /// What the cluster lacks; `None`: nothing.
    #[must_use]
    pub fn of(lack: Option<String>) -> Self {
        Self { lack: watch::Sender::new(lack), logged: Mutex::new(false) }
    }

    /// What the cluster lacks; `None`: nothing.
    #[must_use]
    pub fn lack(&self) -> Option<String> {
        self.lack.borrow().clone()
    }

    /// It was looked at.
    pub fn found(&self, lack: Option<String>) {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        match &lack {
            Some(lack) if !*logged => tracing::warn!(lack, "no approval counts: the cluster does not check who approves"),
            None if *logged => tracing::info!("approvals count again"),
            Some(_) | None => {}
        }
        *logged = lack.is_some();
        self.lack.send_if_modified(|stored| {
            let changed = *stored != lack;
            *stored = lack;
            changed
        });
    }

    /// Each time something else was found.
    pub fn changes(&self) -> impl Stream<Item = ()> + Send + 'static {
        unfold(self.lack.subscribe(), |mut lack| async move { lack.changed().await.ok().map(|()| ((), lack)) })
    }
}
