//! Whether the cluster checks who approves: while it doesn't, no approval counts.

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::watch;

const UNKNOWN: &str = "the operator has not looked at the admission policies yet";

/// What was last found.
pub struct Enforcement {
    lack: watch::Sender<Option<String>>,
}

impl Enforcement {
    /// Nothing counts until it was looked at once.
    #[must_use]
    pub fn unknown() -> Self {
        Self::of(Some(UNKNOWN.into()))
    }

    /// What the cluster lacks; `None`: nothing.
    #[must_use]
    pub fn of(lack: Option<String>) -> Self {
        Self { lack: watch::Sender::new(lack) }
    }

    /// What the cluster lacks; `None`: nothing.
    #[must_use]
    pub fn lack(&self) -> Option<String> {
        self.lack.borrow().clone()
    }

    /// Waits until it was looked at once.
    pub async fn known(&self) {
        // The sender is this object's, so there is one.
        self.lack.subscribe().wait_for(|lack| lack.as_deref() != Some(UNKNOWN)).await.ok();
    }

    /// It was looked at.
    pub fn found(&self, lack: Option<String>) {
        self.lack.send_if_modified(|stored| {
            let lacked = stored.as_deref().is_some_and(|stored| stored != UNKNOWN);
            match &lack {
                Some(lack) if !lacked => tracing::warn!(lack, "no approval counts: the cluster does not check who approves"),
                None if lacked => tracing::info!("approvals count again"),
                Some(_) | None => {}
            }
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
