//! `lazarus demo-agent`.

use super::Error;

/// Run as a demo agent that works until it is told to hang, crash or exit
#[derive(clap::Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(self) -> Result<(), Error> {
        Err("not built yet".into())
    }
}
