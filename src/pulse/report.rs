//! The loop that asks for admission and then reports, for ever.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::link::{Link, Trouble};
use super::network::Watch;
use super::pace::{Failure, Pace};
use super::state::State;
use crate::api::beat::{Ask, Beat};

/// Asks until the agent is admitted, and reports from then on; never returns.
///
/// A sidecar that is started again beside a running agent does the same: its pod is committed, so it is admitted at once.
pub async fn run(mut link: Link, mut pace: Pace, mut network: Watch, state: Arc<State>) {
    let mut news = News::default();
    loop {
        let ask = Ask::of(network.look(&mut link, state.clock.monotonic()).await);
        let wait = match link.ask(&ask).await {
            Ok(answer) => {
                network.answered();
                if answer.admitted {
                    break;
                }
                news.not_yet();
                pace.not_yet(answer.retry_seconds)
            }
            Err(trouble) => {
                network.unanswered();
                failed(&mut pace, &mut news, &trouble, false)
            }
        };
        sleep(wait).await;
    }
    news.well();
    tracing::info!("the agent is admitted");
    state.admit();
    loop {
        let network_now = network.look_if_due(&mut link, state.clock.monotonic()).await;
        let beat = Beat { network: network_now, ..state.report() };
        let wait = match link.beat(&beat).await {
            Ok(reply) => {
                network.answered();
                news.well();
                let wait = pace.taken(&reply);
                state.taken(pace.interval(), reply.holds);
                wait
            }
            Err(trouble) => {
                network.unanswered();
                failed(&mut pace, &mut news, &trouble, true)
            }
        };
        sleep(wait).await;
    }
}

fn failed(pace: &mut Pace, news: &mut News, trouble: &Trouble, begun: bool) -> Duration {
    let failure = trouble.failure(begun);
    news.trouble(trouble, failure);
    pace.failed(failure)
}

/// Logs what changed, not what went on.
#[derive(Debug, Default)]
struct News {
    failing: Option<Kind>,
    waiting: bool,
}

/// Troubles that a person would look for in different places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Files,
    Connection,
    Refused(u16),
    Gone,
}

impl News {
    fn trouble(&mut self, trouble: &Trouble, failure: Failure) {
        let kind = match (failure, trouble) {
            (Failure::Gone, _) => Kind::Gone,
            (Failure::Local, _) => Kind::Files,
            (_, Trouble::Refused { status, .. }) => Kind::Refused(status.as_u16()),
            (Failure::Gateway | Failure::Slower(_), _) => Kind::Connection,
        };
        if self.failing == Some(kind) {
            return;
        }
        match kind {
            Kind::Gone => tracing::warn!(error = %trouble, "this incarnation is over; waiting for its pod to be deleted"),
            Kind::Files | Kind::Connection | Kind::Refused(_) => {
                tracing::warn!(error = %trouble, "the gateway can't be reached; trying on");
            }
        }
        self.failing = Some(kind);
    }

    fn not_yet(&mut self) {
        self.well();
        if !std::mem::replace(&mut self.waiting, true) {
            tracing::info!("the agent may not start yet; asking on");
        }
    }

    fn well(&mut self) {
        if self.failing.take().is_some() {
            tracing::info!("the gateway answers again");
        }
    }
}
