//! `lazarus pulse`: the sidecar of an agent, and the probe that holds the agent back.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use http::uri::PathAndQuery;

use super::Error;
use crate::api::names;
use crate::pulse::look::Endpoint;
use crate::pulse::network::Check;
use crate::pulse::{self, Settings, Watched, gate};
use crate::runtime::shutdown::Shutdown;
use crate::runtime::telemetry::{self, Log};

/// Run as the sidecar of an agent: hold it back until it may start, and report how it is.
///
/// The operator adds it to every agent's pod. The agent reaches it on the pod's loopback: POST /heartbeat and GET /health.
#[derive(clap::Args)]
pub struct Arguments {
    /// Ask the running sidecar instead, and end with 0 once the agent is admitted: the startup probe
    #[arg(long)]
    wait_admitted: bool,

    /// How long --wait-admitted waits, 1 to 3600 seconds
    #[arg(long, value_name = "N", default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=3600))]
    timeout: u32,

    /// Folder with the token, and with the gateway's address and certificate authorities
    #[arg(long, value_name = "FOLDER", default_value = names::PULSE_FOLDER)]
    folder: PathBuf,

    /// Socket that --wait-admitted asks
    #[arg(long, value_name = "FILE", default_value = names::PULSE_SOCKET)]
    socket: PathBuf,

    /// Port on the loopback where the agent posts
    #[arg(long, value_name = "PORT", default_value_t = names::PULSE_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// What shows that the agent is well
    #[arg(long, value_enum, default_value_t = Source::Process)]
    source: Source,

    /// Port of the agent's own endpoint on the loopback, for --source Http
    #[arg(long, value_name = "PORT", required_if_eq("source", "Http"), value_parser = clap::value_parser!(u16).range(1..))]
    http_port: Option<u16>,

    /// Path of the agent's endpoint
    #[arg(long, value_name = "PATH", default_value = "/health", value_parser = path)]
    http_path: String,

    /// How long an answer of the agent's endpoint may take, 1 to 60 seconds
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=60))]
    http_timeout_seconds: u32,

    /// Time from one report to the next until the gateway says otherwise, 1 to 300 seconds
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=300))]
    interval_seconds: u32,

    /// Before the agent starts and from then on, see whether the pod's network is closed: whether it reaches the gateway and
    /// not the port beside it that no agent may reach
    #[arg(long)]
    check_network: bool,

    /// Time from one look at the network to the next while the agent runs, 1 to 3600 seconds
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=3600))]
    check_network_seconds: u32,

    /// The port of the gateway's address that no agent may reach
    #[arg(long, value_name = "PORT", default_value_t = names::CANARY_PORT, value_parser = clap::value_parser!(u16).range(1..))]
    canary_port: u16,
}

#[derive(Clone, Copy, ValueEnum)]
enum Source {
    /// Nothing but that its process runs
    #[value(name = "Process")]
    Process,
    /// It answers GET requests with 2xx
    #[value(name = "Http")]
    Http,
    /// It posts to the sidecar
    #[value(name = "Self")]
    Own,
}

impl Arguments {
    pub fn run(self) -> Result<(), Error> {
        if self.wait_admitted {
            return Ok(gate::wait(&self.socket, Duration::from_secs(self.timeout.into()))?);
        }
        telemetry::start(Log::default())?;
        // One thread is enough, and small.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let shutdown = Shutdown::on_signals()?;
            let socket = self.socket.display().to_string();
            tokio::select! {
                ended = pulse::run(self.settings()) => {
                    ended.map_err(|error| format!("the sidecar can't work, with its socket at {socket} (--socket): {error}").into())
                }
                // The kubelet asks only after the agent has ended: there is nothing left to report.
                () = shutdown.requested() => Ok(()),
            }
        })
    }

    fn settings(self) -> Settings {
        let timeout = Duration::from_secs(self.http_timeout_seconds.into());
        let every = Duration::from_secs(self.check_network_seconds.into());
        Settings {
            folder: self.folder,
            socket: self.socket,
            port: self.port,
            agent: std::env::var("LAZARUS_AGENT").unwrap_or_default(),
            watched: match (self.source, self.http_port) {
                (Source::Http, Some(port)) => Watched::Http(Endpoint { port, path: self.http_path, timeout }),
                (Source::Own, _) => Watched::Own,
                (Source::Process | Source::Http, _) => Watched::Process,
            },
            interval_seconds: self.interval_seconds,
            network: self.check_network.then_some(Check { port: self.canary_port, every }),
            // The standard library takes its hasher's keys from the kernel's randomness.
            seed: RandomState::new().hash_one(()),
        }
    }
}

fn path(text: &str) -> Result<String, String> {
    let valid = text.starts_with('/') && text.parse::<PathAndQuery>().is_ok();
    if valid { Ok(text.to_owned()) } else { Err("a path begins with / and holds no spaces".into()) }
}
