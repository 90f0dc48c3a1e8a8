//! `lazarus crds`.

use std::io::{ErrorKind, Write};

use super::Error;
use crate::render::install;
use crate::runtime::yaml;

/// Print the CustomResourceDefinitions as YAML
#[derive(clap::Args)]
pub struct Arguments {}

impl Arguments {
    pub fn run(self) -> Result<(), Error> {
        let Self {} = self;
        print(&yaml::to_documents(install::crds())?)
    }
}

/// Writes text to standard output. A reader that has seen enough (`| head`) closes the pipe: that is no failure.
pub(super) fn print(text: &str) -> Result<(), Error> {
    let mut output = std::io::stdout().lock();
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
