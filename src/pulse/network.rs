//! Whether the pod's network is closed: the gateway answers, and the port beside it that no agent may reach does not.
//!
//! A NetworkPolicy does nothing where no plugin enforces it, and one that opens the network adds to those that close it. Only
//! trying shows what holds.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;

use super::link::Link;
use crate::api::beat::Network;

/// What is dropped on the way does not answer: after this time it never will.
const TIMEOUT: Duration = Duration::from_secs(2);
/// A network that was found open is looked at again after this time at the latest: it may have been closed.
const MENDED_WITHIN: Duration = Duration::from_secs(30);

/// How a network is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// The port of the gateway's address that no agent may reach.
    pub port: u16,
    /// Time from one look to the next while the agent runs.
    pub every: Duration,
}

/// What a sidecar knows of its network.
#[derive(Debug)]
pub struct Watch {
    check: Option<Check>,
    known: Network,
    looked: Option<Instant>,
    /// What was last logged.
    said: Network,
}

impl Watch {
    /// Nothing is known; without a `check` that stays so.
    #[must_use]
    pub fn new(check: Option<Check>) -> Self {
        Self { check, known: Network::Unknown, looked: None, said: Network::Unknown }
    }

    /// What the next request is to say before the agent is admitted: looked at just now.
    pub async fn look(&mut self, link: &mut Link, now: Instant) -> Network {
        self.looked = None;
        self.look_if_due(link, now).await
    }

    /// What the next request is to say: looked at just now if it is time, else what was last found.
    pub async fn look_if_due(&mut self, link: &mut Link, now: Instant) -> Network {
        let Some(Check { port, every }) = self.check else { return Network::Unknown };
        if !self.is_due(every, now) {
            return self.known;
        }
        // A connection that exists says nothing about new ones: this round's request comes on one of its own.
        link.begin_anew();
        let found = match link.place() {
            Ok(place) => try_port(&place.port(port)).await,
            // The request fails for the same reason.
            Err(_) => Network::Unknown,
        };
        (self.known, self.looked) = (found, Some(now));
        found
    }

    /// The gateway answered the request.
    pub fn answered(&mut self) {
        if std::mem::replace(&mut self.said, self.known) == self.known {
            return;
        }
        match self.known {
            Network::Open => tracing::warn!(
                "the pod's network is open: the gateway's port that no agent may reach can be reached; no NetworkPolicy holds, or \
                 another one allows it"
            ),
            Network::Closed => tracing::info!("the pod's network is closed"),
            Network::Unknown => {}
        }
    }

    /// The gateway did not answer, so that the other port does not, says nothing: what was found before may be as old.
    pub fn unanswered(&mut self) {
        (self.known, self.looked) = (Network::Unknown, None);
    }

    fn is_due(&self, every: Duration, now: Instant) -> bool {
        let every = match self.known {
            Network::Open => every.min(MENDED_WITHIN),
            Network::Closed | Network::Unknown => every,
        };
        self.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= every)
    }
}

/// Tries to connect. That nobody answers means closed only if the gateway does.
pub async fn try_port(address: &str) -> Network {
    match tokio::time::timeout(TIMEOUT, TcpStream::connect(address)).await {
        Ok(connected) => connected.map_or_else(|error| meaning(error.kind()), |_| Network::Open),
        Err(_) => Network::Closed,
    }
}

fn meaning(error: ErrorKind) -> Network {
    match error {
        ErrorKind::ConnectionRefused
        | ErrorKind::HostUnreachable
        | ErrorKind::NetworkUnreachable
        | ErrorKind::TimedOut
        // Filters on the pod's own side refuse the call itself.
        | ErrorKind::PermissionDenied => Network::Closed,
        // It was there, and has hung up already.
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => Network::Open,
        // Nothing was tried: no file descriptor, or a name that is not known.
        _ => Network::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Duration = Duration::from_mins(5);

    fn watch(known: Network, looked: Instant) -> Watch {
        let check = Some(Check { port: 444, every: EVERY });
        Watch { known, looked: Some(looked), ..Watch::new(check) }
    }

    #[test]
    fn what_was_found_is_repeated_until_it_is_time() {
        let looked =
            crate::runtime::clock::Clock::monotonic(&crate::runtime::clock::ManualClock::new(chrono::DateTime::UNIX_EPOCH));
        let due = |known, seconds| watch(known, looked).is_due(EVERY, looked + Duration::from_secs(seconds));
        assert_eq!([299, 300].map(|seconds| due(Network::Closed, seconds)), [false, true]);
        assert_eq!([29, 30].map(|seconds| due(Network::Open, seconds)), [false, true], "it may be mended");
        let mut lost = watch(Network::Closed, looked);
        lost.unanswered();
        assert!(lost.is_due(EVERY, looked) && lost.known == Network::Unknown, "it was not proven");
    }

    #[tokio::test]
    async fn whoever_answers_is_reached_and_whoever_does_not_is_not() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        assert_eq!(try_port(&address).await, Network::Open);
        drop(listener);
        assert_eq!(try_port(&address).await, Network::Closed, "refused");
        assert_eq!(try_port("nonsense").await, Network::Unknown, "nothing was tried");
    }

    #[tokio::test]
    async fn a_sidecar_that_is_not_to_look_says_nothing() {
        let mut link = Link::new("/nonexistent".into());
        let mut watch = Watch::new(None);
        let now = crate::runtime::clock::Clock::monotonic(&crate::runtime::clock::SystemClock);
        assert_eq!(watch.look(&mut link, now).await, Network::Unknown);
        assert_eq!(watch.look_if_due(&mut link, now).await, Network::Unknown);
    }
}
