//! `lazarus approve`.

use super::Error;
use super::decision::{Choice, Which, decide};
use crate::api::DecisionVerdict;

/// Approve that dead agents are brought back, or replaced by others
///
/// Writes your decision into each request, and waits until the operator has acted on it. A decision can't be changed. Needs
/// the role lazarus-approve.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,

    /// What to approve: one of the request's options, such as Revive, Substitute or Substitute/AGENT [default: the first]
    #[arg(long, value_name = "OPTION")]
    option: Option<String>,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        decide(program, &self.which, &Choice { verdict: DecisionVerdict::Approve, option: self.option }).await
    }
}
