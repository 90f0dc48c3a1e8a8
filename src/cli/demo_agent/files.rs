//! What the demo agent can read and write, to see how it is isolated.

use std::path::Path;

use super::Error;

pub(super) fn show(file: &Path) -> Result<(), Error> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    print!("{text}");
    Ok(())
}

pub(super) fn write(file: &Path, text: &str) -> Result<(), Error> {
    Ok(std::fs::write(file, text).map_err(|error| format!("cannot write {}: {error}", file.display()))?)
}
