//! The command line: one file per subcommand.

mod crds;
mod demo_agent;
mod manifest;
mod operator;
mod pulse;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// Keeps missions of AI agents alive on Kubernetes.
#[derive(Parser)]
#[command(name = "lazarus", version, propagate_version = true, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Operator(operator::Arguments),
    Pulse(pulse::Arguments),
    Crds(crds::Arguments),
    Manifest(manifest::Arguments),
    DemoAgent(demo_agent::Arguments),
}

/// Runs the program: 0 on success, 1 with a message on stderr on failure, 2 where the arguments are wrong.
#[must_use]
pub fn run() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Operator(arguments) => arguments.run(),
        Command::Pulse(arguments) => arguments.run(),
        Command::Crds(arguments) => arguments.run(),
        Command::Manifest(arguments) => arguments.run(),
        Command::DemoAgent(arguments) => arguments.run(),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lazarus: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The whole command line, for the documentation.
#[must_use]
pub fn command() -> clap::Command {
    Arguments::command()
}

/// What any subcommand may fail with; the message is for a person.
type Error = Box<dyn std::error::Error + Send + Sync>;
