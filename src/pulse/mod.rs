//! The sidecar beside every agent: it holds the agent back until it may start, sees how it is, and reports it.
//!
//! Silence on the network is not death, so the sidecar reports whatever happens, and says what it sees: only its fresh
//! report of a silent agent is evidence. [`pace`], [`post`] and [`sight`] are pure; the rest is one loop per door.

pub mod folder;
pub mod gate;
pub mod link;
pub mod local;
pub mod look;
pub mod network;
pub mod pace;
pub mod post;
mod report;
pub mod sight;
pub mod state;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use link::Link;
use look::Endpoint;
use network::{Check, Watch};
use pace::Pace;
use sight::Source;
use state::State;

use crate::runtime::clock::SystemClock;

/// How often the agent's endpoint is looked at: three times per report, within these limits.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));

/// What the agent is watched by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Watched {
    /// The kubelet alone.
    Process,
    /// Its HTTP endpoint.
    Http(Endpoint),
    /// Its own posts.
    Own,
}

/// How a sidecar is to work.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Folder with the token, and with the gateway's address and authorities.
    pub folder: PathBuf,
    /// Where the startup probe asks.
    pub socket: PathBuf,
    /// Where the agent posts, on the loopback.
    pub port: u16,
    /// The agent's name.
    pub agent: String,
    /// What the agent is watched by.
    pub watched: Watched,
    /// Seconds from one report to the next, until the gateway says otherwise.
    pub interval_seconds: u32,
    /// How the pod's network is looked at; `None`: it is not.
    pub network: Option<Check>,
    /// Anything that differs between sidecars.
    pub seed: u64,
}

/// Works until it is dropped.
///
/// # Errors
/// The socket for the startup probe can't be made: the agent could never start.
pub async fn run(settings: Settings) -> std::io::Result<()> {
    let Settings { folder, socket, port, agent, watched, interval_seconds, network, seed } = settings;
    let probes = gate::listen(&socket)?;
    let pace = Pace::new(interval_seconds, seed);
    let source = match &watched {
        Watched::Process => Source::Process,
        Watched::Http(endpoint) => Source::Http(endpoint.timeout),
        Watched::Own => Source::Own,
    };
    let state = Arc::new(State::new(agent, source, pace.interval(), Arc::new(SystemClock)));
    // As tasks of their own: a flood at one door does not keep the others from their turn.
    let mut doors = tokio::task::JoinSet::new();
    doors.spawn(gate::serve(probes, state.admission()));
    doors.spawn(local::serve(port, Arc::clone(&state)));
    if let Watched::Http(endpoint) = watched {
        doors.spawn(look_on(endpoint, Arc::clone(&state)));
    }
    let ticked = Arc::clone(&state);
    doors.spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            ticked.tick();
        }
    });
    doors.spawn(report::run(Link::new(folder), pace, Watch::new(network), state));
    match doors.join_next().await {
        // None ever returns: one that panicked ends the program, and the kubelet starts it again.
        Some(Err(error)) => Err(std::io::Error::other(error)),
        Some(Ok(())) | None => Ok(()),
    }
}

async fn look_on(endpoint: Endpoint, state: Arc<State>) {
    // Before admission there is no agent to look at; an error means that the state is gone.
    if state.admission().wait_for(|admitted| *admitted).await.is_err() {
        return;
    }
    loop {
        if endpoint.is_well().await {
            state.answered();
        }
        tokio::time::sleep((state.interval() / 3).clamp(LOOKS.0, LOOKS.1)).await;
    }
}
