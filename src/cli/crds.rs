//! `lazarus crds`.

use super::Error;
use super::output::print;
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
