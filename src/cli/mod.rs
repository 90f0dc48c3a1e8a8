//! The command line: one file per subcommand.

mod approve;
mod beat;
mod check;
mod cluster;
mod crds;
mod decision;
mod demo_agent;
mod deny;
mod explain;
mod lint;
mod manifest;
mod operator;
mod order;
mod outcome;
mod output;
mod plan;
mod ps;
mod pulse;
mod revive;
mod simulate;
mod standing;
mod status;
mod substitute;
mod token;
mod view;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use schemars::{Schema, schema_for};

/// The name under which kubectl finds the program as its plugin.
const PLUGIN: &str = "kubectl-lazarus";

/// Keeps missions of AI agents alive on Kubernetes.
#[derive(Parser)]
#[command(name = "lazarus", version, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// Look at missions of AI agents, decide about their dead, and report from elsewhere.
#[derive(Parser)]
#[command(name = PLUGIN, bin_name = "kubectl lazarus", version, propagate_version = true, arg_required_else_help = true)]
struct Plugin {
    #[command(subcommand)]
    command: People,
}

/// What people use.
#[derive(Subcommand)]
enum People {
    Status(status::Arguments),
    Ps(ps::Arguments),
    Explain(explain::Arguments),
    Plan(plan::Arguments),
    Check(check::Arguments),
    Approve(approve::Arguments),
    Deny(deny::Arguments),
    Revive(revive::Arguments),
    Substitute(substitute::Arguments),
    Simulate(simulate::Arguments),
    Lint(lint::Arguments),
    Token(token::Arguments),
    Beat(beat::Arguments),
}

#[derive(Subcommand)]
enum Command {
    #[command(flatten)]
    People(People),
    Operator(operator::Arguments),
    Pulse(pulse::Arguments),
    Crds(crds::Arguments),
    Manifest(manifest::Arguments),
    DemoAgent(demo_agent::Arguments),
}

/// Runs the program: 0 on success, 1 with a message on stderr on failure, 2 where the arguments are wrong. As
/// `kubectl-lazarus` it has only the commands that people use.
#[must_use]
pub fn run() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().collect();
    let plugin = is_plugin(arguments.first());
    let command =
        if plugin { Command::People(Plugin::parse_from(arguments).command) } else { Arguments::parse_from(arguments).command };
    let program = if plugin { "kubectl lazarus" } else { "lazarus" };
    let result = match command {
        Command::People(command) => command.run(program),
        Command::Operator(arguments) => arguments.run(),
        Command::Pulse(arguments) => arguments.run(),
        Command::Crds(arguments) => arguments.run(),
        Command::Manifest(arguments) => arguments.run(),
        Command::DemoAgent(arguments) => arguments.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{program}: {error}");
            if error.is::<Misuse>() { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

fn is_plugin(name: Option<&OsString>) -> bool {
    name.and_then(|name| Path::new(name).file_name()).is_some_and(|name| name == PLUGIN)
}

impl People {
    fn run(self, program: &'static str) -> Result<(), Error> {
        // One thread is enough for one person.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            match self {
                Self::Status(arguments) => arguments.run(program).await,
                Self::Ps(arguments) => arguments.run(program).await,
                Self::Explain(arguments) => arguments.run(program).await,
                Self::Plan(arguments) => arguments.run(program).await,
                Self::Check(arguments) => arguments.run(program).await,
                Self::Approve(arguments) => arguments.run(program).await,
                Self::Deny(arguments) => arguments.run(program).await,
                Self::Revive(arguments) => arguments.run(program).await,
                Self::Substitute(arguments) => arguments.run(program).await,
                Self::Simulate(arguments) => arguments.run(),
                Self::Lint(arguments) => arguments.run(),
                Self::Token(arguments) => arguments.run(program).await,
                Self::Beat(arguments) => arguments.run(program).await,
            }
        })
    }
}

/// The whole command line, for the documentation.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// The commands that write JSON with `-o json`, and its schema, for the documentation.
#[must_use]
pub fn outputs() -> [(&'static str, Schema); 11] {
    [
        ("status", schema_for!(status::Missions)),
        ("ps", schema_for!(ps::Agents)),
        ("explain", schema_for!(explain::Explained)),
        ("plan", schema_for!(plan::Planned)),
        ("check", schema_for!(check::Checked)),
        ("approve, deny, revive, substitute", schema_for!(outcome::Results)),
        ("simulate --snapshot", schema_for!(simulate::Simulated)),
        ("simulate --replay", schema_for!(simulate::Replayed)),
        ("lint", schema_for!(lint::Linted)),
        ("token", schema_for!(token::Made)),
        ("beat", schema_for!(beat::Taken)),
    ]
}

/// Arguments that turn out to be wrong when they are used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misuse(String);

/// What any subcommand may fail with; the message is for a person.
type Error = Box<dyn std::error::Error + Send + Sync>;
