//! `lazarus operator`.

use super::Error;

/// Run the operator
#[derive(clap::Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(self) -> Result<(), Error> {
        Err("not built yet".into())
    }
}
