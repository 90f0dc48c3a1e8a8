//! `lazarus manifest`.

use super::Error;

/// Print the install manifest as YAML
#[derive(clap::Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(self) -> Result<(), Error> {
        Err("not built yet".into())
    }
}
