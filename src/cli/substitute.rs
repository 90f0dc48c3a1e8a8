//! `lazarus substitute`.

use super::Error;
use super::order::{Order, give};
use crate::api::{RequestOption, RequestVerb};

/// Order that another agent takes over the part of a dead one
///
/// Makes a RevivalRequest in your name, which counts as your approval, and waits until the operator has acted on it. Needs
/// the role lazarus-approve.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The mission
    #[arg(value_name = "MISSION")]
    mission: String,

    /// Its dead agent
    #[arg(value_name = "AGENT")]
    agent: String,

    /// The agent that takes over [default: the first of the agent's substitutes that is there]
    #[arg(long, value_name = "AGENT")]
    with: Option<String>,

    #[command(flatten)]
    order: Order,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        let option = RequestOption::Substitute(self.with);
        give(program, &self.mission, &[self.agent], RequestVerb::Substitute, &option, &self.order).await
    }
}
