//! `lazarus demo-agent`: an agent for trying missions out. It only pretends to work, but it lives and dies like a real one.

mod ask;
mod files;
mod reach;
mod voice;
mod work;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Subcommand, ValueEnum};
use hyper::Uri;
use rustix::process::{Pid, Signal, kill_process};

use super::Error;
use work::{Ending, Orders};

/// Run as a demo agent that works until it is told to hang, crash or exit
///
/// It obeys signals: SIGUSR1 = hang, SIGUSR2 = crash, SIGINT = exit with its work done, SIGTERM = stop in good order.
/// Where LAZARUS_PORT is set it posts to its sidecar each second.
#[derive(clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// End after this time, 0 to 86400 seconds [default: work until told otherwise]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=86_400))]
    work_seconds: Option<u32>,

    /// Exit code of the end after --work-seconds; anything but 0 is a death
    #[arg(long, value_name = "N", default_value_t = 0, requires = "work_seconds")]
    exit_code: u8,

    /// Go on working when asked to stop, so that only SIGKILL ends it
    #[arg(long)]
    ignore_sigterm: bool,

    /// Answer every HTTP request on this port of the loopback with 200 [default: $DEMO_HTTP_PORT, else answer none]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    http_port: Option<u16>,

    /// Ask the model at this URL every few seconds, through the proxy that HTTPS_PROXY names; SSL_CERT_FILE has the certificates
    /// to trust
    #[arg(long, value_name = "URL")]
    model: Option<Uri>,

    /// Take every TCP connection to this port, from wherever it comes
    #[arg(long, value_name = "PORT", hide = true, value_parser = clap::value_parser!(u16).range(1..))]
    listen: Vec<u16>,
}

#[derive(Subcommand)]
enum Command {
    Tell(Tell),
    #[command(hide = true)]
    Ask(Ask),
    #[command(hide = true)]
    Reach(Reach),
    #[command(hide = true)]
    Show(Show),
    #[command(hide = true)]
    Write(Write),
}

/// Tell a running demo agent what to do
#[derive(clap::Args)]
struct Tell {
    #[arg(value_enum)]
    what: What,

    /// Process of the demo agent; in its container it is 1
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    pid: i32,
}

/// Ask the model at this URL once, as with --model
#[derive(clap::Args)]
struct Ask {
    #[arg(value_name = "URL")]
    url: Uri,
}

/// Say of each of these addresses whether a TCP connection to it is made
#[derive(clap::Args)]
struct Reach {
    #[arg(value_name = "ADDRESS:PORT", required = true)]
    addresses: Vec<SocketAddr>,
}

/// Print a file
#[derive(clap::Args)]
struct Show {
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

/// Write a file
#[derive(clap::Args)]
struct Write {
    #[arg(value_name = "FILE")]
    file: PathBuf,

    #[arg(value_name = "TEXT")]
    text: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum What {
    /// Stop working, but stay alive
    Hang,
    /// Die with exit code 1
    Crash,
    /// End with the work done, exit code 0
    Exit,
}

impl Arguments {
    pub fn run(self) -> Result<(), Error> {
        let Self { command, work_seconds, exit_code, ignore_sigterm, http_port, model, listen } = self;
        match command {
            Some(Command::Tell(tell)) => return tell.run(),
            Some(Command::Ask(Ask { url })) => return ask::ask(&url),
            Some(Command::Reach(Reach { addresses })) => return reach::reach(&addresses),
            Some(Command::Show(Show { file })) => return files::show(&file),
            Some(Command::Write(Write { file, text })) => return files::write(&file, &text),
            None => {}
        }
        let orders = Orders {
            work: work_seconds.map(|seconds| Duration::from_secs(seconds.into())),
            ignore_sigterm,
            listen,
            model: model.as_ref().map(ask::Model::new).transpose()?,
            http_port: http_port.or_else(|| port("DEMO_HTTP_PORT")),
            sidecar: port("LAZARUS_PORT"),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match runtime.block_on(work::work(orders))? {
            Ending::WorkDone if exit_code != 0 => {
                eprintln!("giving up with exit code {exit_code}");
                std::process::exit(exit_code.into());
            }
            Ending::WorkDone | Ending::Told | Ending::Stopped => Ok(()),
            Ending::Crashed => Err("told to crash: the agent dies".into()),
        }
    }
}

impl Tell {
    fn run(self) -> Result<(), Error> {
        let signal = match self.what {
            What::Hang => Signal::USR1,
            What::Crash => Signal::USR2,
            What::Exit => Signal::INT,
        };
        let pid = Pid::from_raw(self.pid).ok_or("0 is no process")?;
        kill_process(pid, signal).map_err(|error| format!("cannot tell process {}: {error}", self.pid))?;
        Ok(())
    }
}

fn port(variable: &str) -> Option<u16> {
    std::env::var(variable).ok()?.parse().ok()
}
