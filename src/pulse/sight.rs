//! What the sidecar sees of its agent, and the report it makes of it: pure, on monotonic time.

use std::time::{Duration, Instant};

use super::post::Post;
use crate::api::beat::{Beat, Network, PROTOCOL, Seen};

/// What shows that the agent is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nothing but that its process runs, which the kubelet sees.
    Process,
    /// It answers HTTP requests, within this time.
    Http(Duration),
    /// It posts to the sidecar.
    Own,
}

/// What was seen so far.
#[derive(Debug)]
pub struct Sight {
    source: Source,
    began: Instant,
    well: Option<Instant>,
    busy_until: Option<Instant>,
    said: Post,
}

impl Sight {
    /// Nothing seen yet; the agent's silence counts from `now`.
    #[must_use]
    pub fn new(source: Source, now: Instant) -> Self {
        Self { source, began: now, well: None, busy_until: None, said: Post::default() }
    }

    /// The agent may start now: its silence counts from here.
    pub fn begin(&mut self, now: Instant) {
        self.began = now;
    }

    /// The agent answered a request.
    pub fn answered(&mut self, now: Instant) {
        self.well = Some(now);
    }

    /// The agent posted.
    pub fn posted(&mut self, post: Post, now: Instant) {
        if self.source == Source::Own {
            self.well = Some(now);
        }
        if let Some(seconds) = post.busy_seconds {
            self.busy_until = now.checked_add(Duration::from_secs(seconds.into()));
        }
        let Post { status, cycle, task, provider, busy_seconds: _ } = post;
        // What a post leaves out stays: a thread that only says `{}` is not progress.
        replace(&mut self.said.status, status);
        replace(&mut self.said.cycle, cycle);
        replace(&mut self.said.task, task);
        replace(&mut self.said.provider, provider);
    }

    /// The report to make now, of an agent that is expected to show itself about once per `interval`.
    ///
    /// It is well if it was seen well within the last interval and a half: one that is a little late is not silent.
    #[must_use]
    pub fn report(&self, interval: Duration, now: Instant) -> Beat {
        let silence = now.saturating_duration_since(self.well.unwrap_or(self.began));
        let patience = match self.source {
            Source::Process | Source::Own => interval * 3 / 2,
            // An answer in the last moment counts from then.
            Source::Http(timeout) => interval * 3 / 2 + timeout,
        };
        let agent = match self.source {
            Source::Process => Seen::Unobserved,
            Source::Http(_) | Source::Own if self.well.is_some() && silence <= patience => Seen::Healthy,
            Source::Http(_) | Source::Own => Seen::Silent,
        };
        let busy = self.busy_until.map(|until| whole_seconds(until.saturating_duration_since(now)));
        let Post { status, cycle, task, provider, busy_seconds: _ } = self.said.clone();
        Beat {
            protocol: PROTOCOL,
            agent,
            silent_seconds: if agent == Seen::Silent { whole_seconds(silence) } else { 0 },
            ever_healthy: self.well.is_some(),
            status,
            cycle,
            task,
            provider,
            busy_seconds: busy,
            network: Network::Unknown,
        }
    }
}

fn replace<T>(old: &mut Option<T>, new: Option<T>) {
    if new.is_some() {
        *old = new;
    }
}

fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
