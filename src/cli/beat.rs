//! `lazarus beat`.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

use hyper::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::sleep;

use super::Error;
use super::output::{Output, print};
use crate::api::beat::{Beat, Reply, Seen, kept};
use crate::api::names;
use crate::pulse::link::{Link, Trouble};
use crate::pulse::pace::{Failure, Pace};
use crate::runtime::shutdown::Shutdown;

/// Time from one report to the next until the gateway says another, in seconds.
const INTERVAL: u32 = 15;
/// A leader that has just begun may not know of a new incarnation yet: it is asked once more after this.
const ASKED_AGAIN: Duration = Duration::from_secs(3);

/// Report for an agent that runs elsewhere
///
/// Sends one report to the gateway and shows its answer. Needs no access to the API server: what it needs is in the folder
/// that `token --folder` writes.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// Folder with `token`, `address` and `ca.crt`
    #[arg(long, value_name = "DIR")]
    folder: PathBuf,

    /// What the agent is doing, in a word
    #[arg(long, value_name = "TEXT")]
    status: Option<String>,

    /// How often it went round: a number that grows as it works
    #[arg(long, value_name = "N")]
    cycle: Option<u64>,

    /// What it works on
    #[arg(long, value_name = "TEXT")]
    task: Option<String>,

    /// State of its provider
    #[arg(long, value_name = "TEXT")]
    provider: Option<String>,

    /// Leave it alone for this long although it is silent; 0 ends it
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(..=86_400))]
    busy: Option<u32>,

    /// Report that it has been silent for this long, not that it is well
    #[arg(long, value_name = "SECONDS")]
    silent: Option<u32>,

    /// Go on at the pace that the gateway wants, until Ctrl-C or until the agent's reports are refused
    #[arg(long)]
    watch: bool,

    #[command(flatten)]
    output: Output,
}

/// The answer to a report; with --watch there is one after the other, each on a line.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Taken {
    /// Seconds until the next report is wanted.
    next_heartbeat_seconds: u32,
    /// Agents whose parts this one has taken over.
    holds: Vec<String>,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        let shutdown = Shutdown::on_signals()?;
        let (mut link, beat) = (Link::new(self.folder.clone()), self.report());
        if self.watch {
            return self.keep(program, link, &beat, &shutdown).await;
        }
        let once_more = async {
            match link.beat(&beat).await {
                Err(trouble) if trouble.failure(true) == Failure::Gone => {
                    sleep(ASKED_AGAIN).await;
                    link.beat(&beat).await
                }
                sent => sent,
            }
        };
        tokio::select! {
            sent = once_more => match sent {
                Ok(reply) => self.output.write(&Taken::from(reply), text),
                Err(trouble) => Err(self.explained(program, &trouble).into()),
            },
            () = shutdown.requested() => Err("interrupted: the report may have been taken or not".into()),
        }
    }

    /// Reports until somebody or the gateway ends it.
    async fn keep(&self, program: &str, mut link: Link, beat: &Beat, shutdown: &Shutdown) -> Result<(), Error> {
        let mut pace = Pace::new(INTERVAL, RandomState::new().hash_one(()));
        let (mut complaint, mut gone) = (None, false);
        loop {
            let sent = tokio::select! {
                sent = link.beat(beat) => sent,
                () = shutdown.requested() => return Ok(()),
            };
            let wait = match sent {
                Ok(reply) => {
                    (complaint, gone) = (None, false);
                    let wait = pace.taken(&reply);
                    self.tell(&Taken::from(reply))?;
                    wait
                }
                Err(trouble) => {
                    let text = self.explained(program, &trouble);
                    match trouble.failure(true) {
                        Failure::Gone if gone => return Err(text.into()),
                        Failure::Gone => {
                            gone = true;
                            ASKED_AGAIN
                        }
                        failure @ (Failure::Local | Failure::Gateway | Failure::Slower(_)) => {
                            if complaint.as_ref() != Some(&text) {
                                eprintln!("{program}: {text}; trying on");
                                complaint = Some(text);
                            }
                            pace.failed(failure)
                        }
                    }
                }
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = shutdown.requested() => return Ok(()),
            }
        }
    }

    fn report(&self) -> Beat {
        let text = |text: &Option<String>| text.as_deref().map(kept);
        Beat {
            silent_seconds: self.silent.unwrap_or(0),
            status: text(&self.status),
            cycle: self.cycle,
            task: text(&self.task),
            provider: text(&self.provider),
            busy_seconds: self.busy,
            ..Beat::of(if self.silent.is_some() { Seen::Silent } else { Seen::Healthy })
        }
    }

    fn tell(&self, taken: &Taken) -> Result<(), Error> {
        let line = if self.output.is_json() { format!("{}\n", serde_json::to_string(taken)?) } else { text(taken) };
        print(&line)
    }

    fn explained(&self, program: &str, trouble: &Trouble) -> String {
        let folder = self.folder.display();
        let address = std::fs::read_to_string(self.folder.join(names::GATEWAY_ADDRESS_KEY)).unwrap_or_default();
        let address = kept(address.trim());
        let anew = format!("{program} token MISSION AGENT --folder {folder}");
        match trouble {
            Trouble::Folder(_) | Trouble::NoAuthority => format!("in {folder}: {trouble}; `{anew}` writes it"),
            Trouble::Connect(error) if error.kind() == std::io::ErrorKind::InvalidData => {
                format!(
                    "what answers at {address} is not the gateway that ca.crt in {folder} vouches for ({error}); `{anew}` writes it anew"
                )
            }
            Trouble::Connect(_) | Trouble::Broken(_) | Trouble::Timeout => {
                format!("cannot reach the gateway at {address}: {trouble}; --address of `{anew}` names another way to it")
            }
            Trouble::Refused { status: StatusCode::UNAUTHORIZED, message, .. } => {
                format!("the gateway does not take the token in {folder}: {message}; `{anew}` writes a new one")
            }
            Trouble::Refused { status: StatusCode::GONE, message, .. } => format!(
                "this incarnation is no longer the agent: stop working; another may have its part ({message}); after an approved \
                 revival, `{anew}` makes a token for the next one"
            ),
            Trouble::Refused { .. } | Trouble::Malformed | Trouble::Internal(_) => {
                format!("the gateway at {address} did not take the report: {trouble}")
            }
        }
    }
}

fn text(taken: &Taken) -> String {
    let Taken { next_heartbeat_seconds, holds } = taken;
    let holds = if holds.is_empty() { String::new() } else { format!("; it has the parts of {}", holds.join(", ")) };
    format!("taken: the next report is wanted in {next_heartbeat_seconds} s{holds}\n")
}

impl From<Reply> for Taken {
    fn from(Reply { next_heartbeat_seconds, holds }: Reply) -> Self {
        Self { next_heartbeat_seconds, holds }
    }
}
