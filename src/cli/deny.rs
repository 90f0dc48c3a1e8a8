//! `lazarus deny`.

use super::Error;
use super::decision::{Choice, Which, decide};
use crate::api::DecisionVerdict;

/// Deny that dead agents are brought back: they stay dead
///
/// Writes your decision into each request, and waits until the operator has acted on it. One person who denies is enough. A
/// decision can't be changed; `revive` orders a revival all the same. Needs the role lazarus-approve.
#[derive(clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
}

impl Arguments {
    pub async fn run(self, program: &'static str) -> Result<(), Error> {
        decide(program, &self.which, &Choice { verdict: DecisionVerdict::Deny, option: None }).await
    }
}
