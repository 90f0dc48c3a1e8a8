//! Whether the cluster checks who approves, and what is made of agents: while it doesn't, no approval counts or no agent starts.

use futures::Stream;
use futures::stream::unfold;
use tokio::sync::watch;

const UNKNOWN: &str = "the operator has not looked at the admission policies yet";

/// What a set of rules is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// That only those approve who may.
    Approvals,
    /// That pods of agents are as isolated as their label says.
    Isolation,
}

impl Concern {
    fn lost(self) -> &'static str {
        match self {
            Self::Approvals => "no approval counts: the cluster does not check who approves",
            Self::Isolation => "no agent starts: the cluster does not check how far agents are isolated",
        }
    }

    fn back(self) -> &'static str {
        match self {
            Self::Approvals => "approvals count again",
            Self::Isolation => "agents start again: the cluster checks how far they are isolated",
        }
    }
}

/// What was last found of such rules.
pub struct Enforcement {
    concern: Concern,
    lack: watch::Sender<Option<String>>,
}

impl Enforcement {
    /// Nothing counts until it was looked at once.
    #[must_use]
    pub fn unknown(concern: Concern) -> Self {
        Self::of(concern, Some(UNKNOWN.into()))
    }

    /// What the cluster lacks; `None`: nothing.
    #[must_use]
    pub fn of(concern: Concern, lack: Option<String>) -> Self {
        Self { concern, lack: watch::Sender::new(lack) }
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
                Some(lack) if !lacked => tracing::warn!(lack, "{}", self.concern.lost()),
                None if lacked => tracing::info!("{}", self.concern.back()),
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
