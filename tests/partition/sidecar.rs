//! A sidecar on simulated time: the real sight and pace, with calls in place of the doors and the network.

use std::time::{Duration, Instant};

use lazarus::api::beat::{Beat, Reply};
use lazarus::api::{AgentSpec, Source as Api};
use lazarus::pulse::pace::{Failure, Pace};
use lazarus::pulse::post::Post;
use lazarus::pulse::sight::{Sight, Source};

/// Seconds from one report to the next until the gateway says otherwise, as `lazarus pulse` has it.
const INTERVAL: u32 = 15;
/// A request into a cut link is given up after this time.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What a sidecar sends.
pub enum Request {
    Admission,
    Beat(Beat),
}

/// What comes back.
pub enum Answer {
    Admitted,
    NotYet,
    Taken(Reply),
    Failed(Failure),
    /// Nothing: the link is cut.
    Lost,
}

#[derive(Debug)]
pub struct Sidecar {
    source: Source,
    sight: Sight,
    pace: Pace,
    pub admitted: bool,
    requests: Instant,
    looks: Instant,
}

pub fn source(spec: &AgentSpec) -> Source {
    match spec.heartbeat.as_ref().and_then(|heartbeat| heartbeat.source).unwrap_or_default() {
        Api::Process => Source::Process,
        Api::Http => Source::Http(Duration::from_secs(5)),
        Api::Own => Source::Own,
    }
}

impl Sidecar {
    pub fn new(source: Source, seed: u64, now: Instant) -> Self {
        let pace = Pace::new(INTERVAL, seed);
        Self { source, sight: Sight::new(source, now), pace, admitted: false, requests: now, looks: now }
    }

    /// The kubelet starts it again: what it saw is lost.
    pub fn restart(&mut self, seed: u64, now: Instant) {
        *self = Self::new(self.source, seed, now);
    }

    /// One second; `well`: whether the agent answers and posts.
    pub fn step(&mut self, now: Instant, well: bool, send: impl FnOnce(Request) -> Answer) {
        if self.admitted && well && self.looks <= now {
            match self.source {
                Source::Process => {}
                Source::Http(_) => self.sight.answered(now),
                Source::Own => self.sight.posted(Post::default(), now),
            }
            // An agent that posts does so once per interval.
            let parts = if matches!(self.source, Source::Own) { 1 } else { 3 };
            self.looks = now + self.pace.interval() / parts;
        }
        if now < self.requests {
            return;
        }
        let request =
            if self.admitted { Request::Beat(self.sight.report(self.pace.interval(), now)) } else { Request::Admission };
        let wait = match send(request) {
            Answer::Admitted => {
                self.sight.begin(now);
                self.admitted = true;
                Duration::ZERO
            }
            Answer::NotYet => self.pace.not_yet(1),
            Answer::Taken(reply) => self.pace.taken(&reply),
            // Before admission it may as well be that the pod is not committed yet.
            Answer::Failed(Failure::Gone) if !self.admitted => self.pace.failed(Failure::Gateway),
            Answer::Failed(failure) => self.pace.failed(failure),
            Answer::Lost => TIMEOUT + self.pace.failed(Failure::Gateway),
        };
        self.requests = now + wait;
    }
}
