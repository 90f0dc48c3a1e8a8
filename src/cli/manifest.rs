//! `lazarus manifest`.

use super::Error;
use super::output::print;
use crate::render::install;
use crate::runtime::yaml;

/// Print the install manifest as YAML
#[derive(clap::Args)]
pub struct Arguments {
    /// Image of the operator; name it by digest to be sure what runs
    #[arg(long, default_value = install::DEVELOPMENT_IMAGE)]
    image: String,
}

impl Arguments {
    pub fn run(self) -> Result<(), Error> {
        print(&yaml::to_documents(install::manifest(&install::Options { image: self.image }))?)
    }
}
