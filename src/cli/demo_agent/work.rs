//! What the demo agent does all day, and what ends it.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use super::ask::{self, Model};
use super::reach;
use super::voice::{self, Mind};

/// Time from one line of work to the next.
pub(super) const BEAT: Duration = Duration::from_secs(3);
/// PID 1 takes every process of its container with it: whoever gave the order is given the time to end first.
const FAREWELL: Duration = Duration::from_millis(200);

/// How it is to live.
pub(super) struct Orders {
    /// How long it works; `None`: until it is told otherwise.
    pub work: Option<Duration>,
    /// Whether SIGTERM changes nothing.
    pub ignore_sigterm: bool,
    /// Ports on which it takes connections from anywhere.
    pub listen: Vec<u16>,
    /// The model that it asks.
    pub model: Option<Model>,
    /// Port on which it answers that it is well.
    pub http_port: Option<u16>,
    /// Port on which its sidecar hears that it is well.
    pub sidecar: Option<u16>,
}

/// How it ended.
pub(super) enum Ending {
    /// Its time was over.
    WorkDone,
    /// It was told that its work is done.
    Told,
    /// It was told to crash.
    Crashed,
    /// It was asked to stop.
    Stopped,
}

/// Works until something ends it.
///
/// # Errors
/// The signals' handlers can't be installed, or the port to answer on is taken.
pub(super) async fn work(orders: Orders) -> std::io::Result<Ending> {
    // For PID 1 the kernel drops every signal without a handler: no default action would ever end it.
    let mut hang = signal(SignalKind::user_defined1())?;
    let mut crash = signal(SignalKind::user_defined2())?;
    let mut told = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;

    let Orders { work, ignore_sigterm, listen, model, http_port, sidecar } = orders;
    let mind = Arc::new(Mind::default());
    if let Some(port) = http_port {
        voice::answer(port, Arc::clone(&mind))?;
    }
    for port in listen {
        reach::listen(port)?;
    }
    if let Some(port) = sidecar {
        voice::post(port, Arc::clone(&mind));
    }
    say(&introduction(&|name| std::env::var(name).ok()));
    if let Some(model) = model {
        ask::keep_asking(model, Arc::clone(&mind));
    }
    let over = async {
        match work {
            Some(time) => sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let mut beat = tokio::time::interval(BEAT);
    // The first tick comes at once.
    beat.tick().await;
    let mut hanging = false;
    loop {
        tokio::select! {
            _ = crash.recv() => {
                sleep(FAREWELL).await;
                return Ok(Ending::Crashed);
            }
            _ = told.recv() => {
                say("told to finish: my work is done");
                sleep(FAREWELL).await;
                return Ok(Ending::Told);
            }
            _ = terminate.recv() => {
                if !ignore_sigterm {
                    say("asked to stop: stopping in good order");
                    return Ok(Ending::Stopped);
                }
                say("asked to stop: I go on");
            }
            _ = hang.recv() => {
                say("told to hang: I do nothing from now on");
                hanging = true;
                mind.hang();
            }
            () = &mut over, if !hanging => {
                say("my time is over");
                return Ok(Ending::WorkDone);
            }
            _ = beat.tick(), if !hanging => {
                say(&format!("step {}: working", mind.work()));
            }
        }
    }
}

fn introduction(variable: &dyn Fn(&str) -> Option<String>) -> String {
    let known = |name: &str| variable(name).filter(|value| !value.is_empty()).unwrap_or_else(|| "unknown".into());
    let [agent, role, cell] = ["LAZARUS_AGENT", "LAZARUS_ROLE", "LAZARUS_CELL"].map(known);
    format!("agent {agent} (role {role}) of mission {cell} is at work")
}

pub(super) fn say(line: &str) {
    // Nobody reading along is no reason to die.
    let _ = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_introduces_itself_also_outside_a_mission() {
        let inside = |name: &str| Some(name.trim_start_matches("LAZARUS_").to_lowercase());
        assert_eq!(introduction(&inside), "agent agent (role role) of mission cell is at work");
        assert_eq!(introduction(&|_| None), "agent unknown (role unknown) of mission unknown is at work");
    }
}
