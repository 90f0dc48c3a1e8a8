//! `lazarus revive`.

use super::Error;
use super::order::{Order, give};
use crate::api::{RequestOption, RequestVerb};

/// Order that dead agents are brought back, also where a revival was denied or all attempts are used
///
/// Makes a RevivalRequest in your name, which counts as your approval, and waits until the operator has acted on it. Needs
/// the role lazarus-approve.
#[derive(clap::Args)]
pub(super) struct Arguments {
    /// The mission
    #[arg(value_name = "MISSION")]
    mission: String,

    /// Its dead agents
    #[arg(value_name = "AGENT", required = true)]
    agents: Vec<String>,

    #[command(flatten)]
    order: Order,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        give(program, &self.mission, &self.agents, RequestVerb::Revive, &RequestOption::Revive, &self.order).await
    }
}
